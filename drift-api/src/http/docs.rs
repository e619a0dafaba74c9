//! The API's own description: `/openapi.json`, a page to browse it that works offline, and the list of refusals.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use drift_schema::Code;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use super::{batches, events, fresh, health, known, reports};

#[derive(OpenApi)]
#[openapi(
    info(title = "Drift tracker", description = "Reports of pages that changed shape under a scraper."),
    paths(
        reports::create, reports::create_many, known::show, fresh::list, batches::list, events::list,
        health::alive, health::ready, health::metrics
    ),
    modifiers(&Keys),
    tags(
        (name = "ingest", description = "What scrapers in the field send and ask"),
        (name = "runner", description = "What the runner asks"),
        (name = "read", description = "What maintainers look at"),
        (name = "operations", description = "What keeps the process running"),
    )
)]
struct Api;

struct Keys;

impl Modify for Keys {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        api.components
            .get_or_insert_with(Default::default)
            .add_security_scheme("key", scheme);
    }
}

/// The document behind `/openapi.json`, as the command `openapi` prints it.
pub fn openapi_json() -> Result<String, serde_json::Error> {
    Api::openapi().to_pretty_json()
}

pub(super) fn pages(config: &mut ServiceConfig) {
    config
        .service(web::redirect("/docs", "/docs/"))
        .service(SwaggerUi::new("/docs/{_:.*}").url("/openapi.json", Api::openapi()));
}

/// Every code with its status and meaning; where the `type` of a problem document points.
pub(super) async fn problems() -> HttpResponse {
    let rows: String = Code::ALL
        .iter()
        .map(|code| {
            format!(
                "<tr id=\"{code}\"><td><code>{code}</code></td><td>{}</td><td>{}</td></tr>\n",
                code.status(),
                code.title()
            )
        })
        .collect();
    let page = format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Refusals</title>\n\
         <h1>Refusals</h1>\n<table>\n<tr><th>Code</th><th>Status</th><th>Meaning</th></tr>\n{rows}</table>\n"
    );
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(page)
}
