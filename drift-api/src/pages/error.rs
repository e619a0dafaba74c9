//! What a person sees where there is nothing to show. The JSON API has its own (`crate::http::error`), with which this
//! shares the codes; the cause is in the log by then, and never on the page.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use drift_schema::Code;

use super::notice::see_other;
use super::{Frame, answer};
use crate::http::error::ApiError;
use crate::store::StoreError;
use crate::telemetry::request;

#[derive(Debug)]
pub(crate) enum PageError {
    /// What there is none of, as in `drift`.
    NotFound(&'static str),
    /// The key is not good.
    SignIn,
    /// Nobody is signed in, who would see this page. They are sent to where they can.
    SignedOut(String),
    /// A form that is not ours, or of another session.
    Forged,
    /// The key is good, but not for this.
    Forbidden,
    /// May pass by itself.
    Unavailable(Duration),
    Internal,
}

impl PageError {
    pub(super) fn not_rendered(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be written");
        Self::Internal
    }

    fn title(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "Not found",
            Self::SignIn | Self::SignedOut(_) => "Sign in",
            Self::Forged => "This form was not sent from here",
            Self::Forbidden => "Not with this key",
            Self::Unavailable(_) => "The database cannot be reached",
            Self::Internal => "Something failed",
        }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        match error.refusal.code {
            Code::MissingKey | Code::InvalidKey => Self::SignIn,
            Code::InsufficientScope => Self::Forbidden,
            Code::NotFound => Self::NotFound("page"),
            code if code.status() == 503 => {
                Self::Unavailable(error.retry_after.unwrap_or(Duration::from_secs(1)))
            }
            _ => Self::Internal,
        }
    }
}

impl From<Code> for PageError {
    fn from(code: Code) -> Self {
        ApiError::from(code).into()
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'e> {
    frame: Frame,
    error: &'e PageError,
    request_id: Option<String>,
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::SignIn => StatusCode::UNAUTHORIZED,
            Self::SignedOut(_) => StatusCode::SEE_OTHER,
            Self::Forbidden | Self::Forged => StatusCode::FORBIDDEN,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::SignedOut(next) = self {
            let next: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
            return see_other(&format!("/sign-in?next={next}"));
        }
        let contents = ErrorPage {
            frame: Frame::for_anybody(self.title()),
            error: self,
            request_id: request::current_id().map(|id| id.to_string()),
        };
        let mut page = answer(self.status_code(), &contents)
            .unwrap_or_else(|_| HttpResponse::new(self.status_code()));
        if let Self::Unavailable(wait) = self {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            page.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        page
    }
}
