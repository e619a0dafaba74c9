//! The store without a server around it, for stories that choose the time.

use drift_api::store::{DatabaseUrl, Incoming, Store};
use drift_schema::event::ReportReceived;
use drift_schema::{Micros, Report, Workspace};
use harness::report;
use harness::server::Site;
use serde_json::{Value, json};
use uuid::Uuid;

pub const SECOND: i64 = 1_000_000;
pub const DAY: i64 = 86_400 * SECOND;

/// A migrated store.
pub async fn store(site: &Site) -> Store {
    let store = Store::open(&DatabaseUrl::parse(&site.database_url).unwrap()).unwrap();
    store.migrate().await.unwrap();
    store
}

pub fn workspace() -> Workspace {
    Workspace::default_one()
}

/// A report as ingest hands it to the store.
pub fn incoming(report: &Value, key: &str) -> Incoming {
    let report = Report::parse(report.to_string().as_bytes()).unwrap();
    let id = report.report_id.unwrap_or_else(Uuid::now_v7);
    Incoming::new(id, ReportReceived::new(report, key.to_owned(), 7)).unwrap()
}

pub fn numbered(id: u128, service: &str, step: &str) -> Value {
    let mut one = report(service, step);
    one["report_id"] = json!(Uuid::from_u128(id));
    one
}

pub fn at(text: &str) -> Micros {
    serde_json::from_value(json!(text)).unwrap()
}
