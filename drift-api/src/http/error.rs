//! One way from a refusal to an answer. The body is a problem document; what went wrong inside is in the log, once, under
//! the same request id, and never in the body.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use drift_schema::{Code, Problem, Refusal};

use crate::store::StoreError;
use crate::telemetry::{causes, request};

#[derive(Debug, thiserror::Error)]
#[error("{refusal}")]
pub(crate) struct ApiError {
    pub(crate) refusal: Refusal,
    pub(crate) retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let retry_after = (refusal.code.status() == 503).then_some(Duration::from_secs(1));
        Self {
            refusal,
            retry_after,
        }
    }
}

impl From<Code> for ApiError {
    fn from(code: Code) -> Self {
        Refusal::of(code).into()
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let request_id = request::current_id().map(tracing::field::display);
        let error_chain = causes(&error);
        match error {
            StoreError::Unavailable(_) | StoreError::Contended(_) => {
                tracing::warn!(
                    request_id,
                    error = %error_chain,
                    "the store could not be reached"
                );
                Code::Unavailable.into()
            }
            _ => {
                tracing::error!(request_id, error = %error_chain, "a request failed");
                Code::Internal.into()
            }
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.refusal.code.status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        let mut problem = Problem::from(self.refusal);
        problem.request_id = request::current_id().map(|id| id.to_string());
        let mut answer = HttpResponse::build(self.status_code());
        answer.content_type("application/problem+json");
        if let Some(wait) = self.retry_after {
            // Whole seconds, rounded up: a client that waits less would be refused again.
            answer.insert_header((
                RETRY_AFTER,
                wait.as_secs() + u64::from(wait.subsec_nanos() > 0),
            ));
        }
        if self.status_code() == StatusCode::UNAUTHORIZED {
            answer.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        answer.body(serde_json::to_string(&problem).unwrap_or_default())
    }
}
