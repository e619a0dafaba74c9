//! `/`: what needs somebody, and where reports come from.

use actix_web::HttpResponse;
use askama::Template;

use super::{Frame, PageError, Section, Viewer, page};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
}

pub(super) async fn show(viewer: Viewer) -> Result<HttpResponse, PageError> {
    page(&Overview {
        frame: Frame::new(viewer, Section::Overview, "Overview"),
    })
}
