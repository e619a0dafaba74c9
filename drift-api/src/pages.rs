//! The pages for people: what broke, since when, how many are hit, and whether the fix holds. Templates are compiled
//! (`templates/`), views are structs of their own, and every question to the database is in `crate::store`.
//!
//! All of it works without JavaScript; with it the log goes on by itself and the plots can be read off.

mod actions;
pub(crate) mod assets;
mod drift;
mod error;
mod events;
mod evidence;
mod form;
mod keys;
mod notice;
mod overview;
mod parts;
mod runs;
mod sign_in;
mod standing;
mod story;
mod time;
mod viewer;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, ServiceConfig};
use askama::Template;

pub(crate) use error::PageError;
pub(crate) use events::Feeds;
pub(crate) use viewer::Viewer;

use crate::session::cookie::NOTICE;

/// Nothing from elsewhere, nothing in the page itself, and in nobody's frame.
const OURS_ALONE: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", web::get().to(overview::show))
        .route("/drifts/{service}/{step_hash}", web::get().to(drift::show))
        .route(
            "/drifts/{service}/{step_hash}/raw",
            web::get().to(drift::raw),
        )
        .route("/evidence/{sha256}", web::get().to(evidence::show))
        .route("/runs", web::get().to(runs::list))
        .route("/runs/{run}", web::get().to(runs::show))
        .route("/events", web::get().to(events::list))
        .route("/events/live", web::get().to(events::follow))
        .route(
            "/drifts/{service}/{step_hash}/actions",
            web::post().to(actions::on_drift),
        )
        .route(
            "/services/{service}/actions",
            web::post().to(actions::on_service),
        )
        .route("/keys", web::get().to(keys::show))
        .route("/keys", web::post().to(keys::create))
        .route("/keys/{id}/revoke", web::get().to(keys::confirm))
        .route("/keys/{id}/revoke", web::post().to(keys::revoke))
        .route("/sign-in", web::get().to(sign_in::show))
        .route("/sign-in", web::post().to(sign_in::create))
        .route("/sign-in/github", web::get().to(sign_in::leave))
        .route("/sign-in/github/callback", web::get().to(sign_in::arrive))
        .route("/sign-out", web::post().to(sign_in::end))
        .route("/static/{name}", web::get().to(assets::show));
}

/// What surrounds the contents of every page.
pub(crate) struct Frame {
    pub(crate) title: String,
    pub(crate) section: Section,
    /// Who looks; nobody on the pages that need no key.
    pub(crate) viewer: Option<Viewer>,
}

/// Where in the navigation a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Overview,
    Runs,
    Events,
    Keys,
    None,
}

impl Section {
    /// With the address and the word that the navigation has for it.
    pub(crate) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::Overview, "/", "Overview"),
        (Self::Runs, "/runs", "Runs"),
        (Self::Events, "/events", "Events"),
        (Self::Keys, "/keys", "Keys"),
    ];
}

impl Frame {
    pub(crate) fn new(viewer: Viewer, section: Section, title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section,
            viewer: Some(viewer),
        }
    }

    /// For pages that anybody may see.
    pub(crate) fn for_anybody(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            section: Section::None,
            viewer: None,
        }
    }

    /// Whether the forms of actions are shown.
    pub(crate) fn may_act(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.may_act)
    }
}

/// A page as it goes out.
pub(crate) fn page(contents: &impl Template) -> Result<HttpResponse, PageError> {
    answer(StatusCode::OK, contents)
}

fn answer(status: StatusCode, contents: &impl Template) -> Result<HttpResponse, PageError> {
    let html = contents.render().map_err(PageError::not_rendered)?;
    let mut page = HttpResponse::build(status);
    // What was to be told is told.
    for secure in [false, true] {
        page.append_header((SET_COOKIE, NOTICE.remove(secure)));
    }
    Ok(page
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, OURS_ALONE))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // With `no-referrer` a browser says of our own forms, too, that they come from nowhere.
        .insert_header((REFERRER_POLICY, "same-origin"))
        // Numbers that move, behind a key.
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html))
}
