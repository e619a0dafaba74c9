//! The two servers that the real one is compared with. Both parse and validate as it does and answer the same
//! JSON; one stores nothing, the other runs one transaction per request.

use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Result;
use drift_schema::answer::{Accepted, BatchCount};
use drift_schema::event::{Event, ReportReceived};
use drift_schema::{Micros, Report, chain};
use uuid::Uuid;

use crate::bare::Bare;
use crate::options::Listen;

pub async fn parse_and_answer(listen: &Listen) -> Result<()> {
    let server = HttpServer::new(|| {
        App::new()
            .route("/readyz", web::get().to(HttpResponse::Ok))
            .route(
                "/drift/report",
                web::post().to(async |body: Bytes| answer_only(&body)),
            )
    });
    Ok(server
        .workers(listen.workers())
        .bind(listen.listen)?
        .run()
        .await?)
}

pub async fn transaction_per_request(listen: &Listen, url: &str, pool: u32) -> Result<()> {
    let bare = Bare::open(url, pool).await?;
    let server = HttpServer::new(move || {
        App::new()
            .app_data(Data::new(bare.clone()))
            .route("/readyz", web::get().to(HttpResponse::Ok))
            .route("/drift/report", web::post().to(store_alone))
    });
    Ok(server
        .workers(listen.workers())
        .bind(listen.listen)?
        .run()
        .await?)
}

fn answer_only(body: &[u8]) -> HttpResponse {
    match Report::parse(body) {
        Ok(report) => accepted(report, 1),
        Err(_) => HttpResponse::UnprocessableEntity().finish(),
    }
}

async fn store_alone(body: Bytes, bare: Data<Bare>) -> HttpResponse {
    let Ok(report) = Report::parse(&body) else {
        return HttpResponse::UnprocessableEntity().finish();
    };
    let id = report.report_id.unwrap_or_else(Uuid::now_v7);
    let received = ReportReceived::new(
        report.clone(),
        "k3m9x2p7q4w8".to_owned(),
        id.as_u128() as u64,
    );
    let Ok(payload) = Event::ReportReceived(received).encode() else {
        return HttpResponse::InternalServerError().finish();
    };
    let hash = chain::payload_hash(&payload);
    let text = (
        report.service.as_str(),
        report.tripwire.step.as_str(),
        payload.as_str(),
    );
    match bare.insert_report(Micros::now().0, id, text, &hash).await {
        Ok(count) => accepted(report, count),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

fn accepted(report: Report, count: i64) -> HttpResponse {
    let step = report.tripwire.step;
    let batch = BatchCount {
        step_hash: step.hash(),
        service: report.service,
        step,
        day: Micros::now().day(),
        count,
    };
    let report_id = report.report_id.unwrap_or_else(Uuid::now_v7);
    HttpResponse::build(StatusCode::ACCEPTED).json(Accepted {
        report_id,
        duplicate: false,
        batch,
        known_issue: None,
    })
}
