//! What became of an action: told once, on the page that follows it.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, LOCATION, SET_COOKIE};
use serde::{Deserialize, Serialize};

use super::PageError;
use crate::http::State;
use crate::session::cookie::NOTICE;
use crate::session::seal::Purpose;

/// A browser that follows the answer needs no longer.
const LIFETIME: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// The form that it is about, if that could not be done. None: it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<String>,
}

impl Notice {
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            form: None,
        }
    }

    pub(crate) fn trouble(form: &str, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            form: Some(form.to_owned()),
        }
    }

    /// Of those there are many on one page, and the line at its top is told about each.
    pub(crate) fn is_about_a_service(&self) -> bool {
        let form = self.form.as_deref();
        form.is_some_and(|form| form.starts_with("service "))
    }

    /// Sends the browser to a page that tells it.
    pub(crate) async fn on(self, page: &str, state: &State) -> Result<HttpResponse, PageError> {
        let sealed = state.seal().await?.seal(Purpose::Notice, &self);
        let mut answer = see_other(page);
        let cookie = NOTICE.set(&sealed, LIFETIME, state.is_secure());
        answer.headers_mut().append(SET_COOKIE, cookie);
        Ok(answer)
    }
}

/// Goes on with a GET, so that to load the page again is not to do it again.
pub(crate) fn see_other(page: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::SEE_OTHER)
        .insert_header((LOCATION, page))
        .insert_header((CACHE_CONTROL, "no-store"))
        .finish()
}
