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
    /// Whether it could not be done.
    pub(crate) is_trouble: bool,
    /// The form, or the forms, beside which it is said. None: at the top of the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) form: Option<String>,
}

impl Notice {
    pub(crate) fn done(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            is_trouble: false,
            form: None,
        }
    }

    pub(crate) fn trouble(text: impl Into<String>) -> Self {
        Self {
            is_trouble: true,
            ..Self::done(text)
        }
    }

    pub(crate) fn beside(mut self, form: &str) -> Self {
        self.form = Some(form.to_owned());
        self
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
