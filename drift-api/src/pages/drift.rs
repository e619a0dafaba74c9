//! `/drifts/{service}/{step_hash}`: all that is known about one drift.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use askama::Template;
use drift_schema::answer::DriftDetails;
use drift_schema::{Service, StepHash};

use super::{Frame, PageError, Section, Viewer, page};
use crate::http::State;

#[derive(Template)]
#[template(path = "drift.html")]
struct DriftPage {
    frame: Frame,
    drift: DriftDetails,
}

pub(super) async fn show(
    state: Data<State>,
    viewer: Viewer,
    path: Path<(String, String)>,
) -> Result<HttpResponse, PageError> {
    const NONE: PageError = PageError::NotFound("drift");
    let (service, hash) = path.into_inner();
    let (Ok(service), Ok(hash)) = (Service::parse(&service), StepHash::parse(&hash)) else {
        return Err(NONE);
    };
    let details = state
        .store
        .drift_details(&viewer.workspace, &service, &hash);
    let drift = state.read(details).await?.ok_or(NONE)?;
    let title = format!("{} · {}", drift.drift.step, drift.drift.service);
    page(&DriftPage {
        frame: Frame::new(viewer, Section::Overview, title),
        drift,
    })
}
