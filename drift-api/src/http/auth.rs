//! From the `Authorization` header to a key with its workspace.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use drift_schema::{Code, Refusal, Scope};

use super::State;
use super::body::{Only, only};
use super::error::ApiError;
use crate::keys::{Key, Token};

impl State {
    /// The key of a request, if it has one of the scopes (or `admin`).
    pub(crate) async fn authorise(
        &self,
        request: &HttpRequest,
        any_of: &[Scope],
    ) -> Result<Arc<Key>, ApiError> {
        self.readiness.check()?;
        let header = match only(request, &AUTHORIZATION) {
            Only::None => return Err(Code::MissingKey.into()),
            Only::One(header) => header.to_str().ok(),
            Only::Many => return Err(Code::InvalidKey.into()),
        };
        let token = header.and_then(bearer).ok_or(Code::MissingKey)?;
        let token = Token::parse(token).ok_or(Code::InvalidKey)?;
        let key = self.keyring.find(&token).await?.ok_or(Code::InvalidKey)?;
        if key.may(any_of) {
            Ok(key)
        } else {
            Err(Refusal::of(Code::InsufficientScope)
                .rule(needed(any_of))
                .into())
        }
    }
}

fn needed(any_of: &[Scope]) -> &'static str {
    let may = |scope| any_of.contains(&scope);
    match (may(Scope::Ingest), may(Scope::Read), may(Scope::Runner)) {
        (true, false, false) => "needs scope ingest",
        (true, true, _) => "needs scope ingest or read",
        (true, false, true) => "needs scope ingest or runner",
        (false, true, false) => "needs scope read",
        (false, true, true) => "needs scope read or runner",
        (false, false, true) => "needs scope runner",
        (false, false, false) => "needs scope admin",
    }
}

fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
