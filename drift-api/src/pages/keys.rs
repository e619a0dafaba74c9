//! `/keys`: who may come in.

use actix_web::HttpResponse;
use askama::Template;

use super::{Frame, PageError, Section, Viewer, page};

#[derive(Template)]
#[template(path = "keys.html")]
struct Keys {
    frame: Frame,
}

pub(super) async fn show(viewer: Viewer) -> Result<HttpResponse, PageError> {
    page(&Keys {
        frame: Frame::new(viewer, Section::Keys, "Keys"),
    })
}
