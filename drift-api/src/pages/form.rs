//! A form that came in: whether it was ours, and from somebody who may; then what stands in it.

use std::collections::BTreeMap;

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, ORIGIN};
use actix_web::web::Payload;
use subtle::ConstantTimeEq as _;

use super::{PageError, Viewer};
use crate::http::State;
use crate::http::body::Accepts;

/// Far more than any of our forms.
const MOST_BYTES: usize = 16 * 1024;

/// The fields that were filled in, each once.
#[derive(Debug, Default)]
pub(crate) struct Form(BTreeMap<String, String>);

impl Form {
    /// Of somebody who may act. That they sent it, and no other site in their name, is known by the token.
    pub(crate) async fn of_admin(
        state: &State,
        viewer: &Viewer,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, PageError> {
        if !viewer.may_act {
            return Err(PageError::Forbidden);
        }
        Self::of_viewer(state, viewer, request, payload).await
    }

    pub(crate) async fn of_viewer(
        state: &State,
        viewer: &Viewer,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, PageError> {
        let mut form = Self::of_anybody(state, request, payload).await?;
        let token = form.take("csrf").unwrap_or_default();
        let is_ours: bool = token.as_bytes().ct_eq(viewer.csrf.as_bytes()).into();
        if viewer.is_signed_in() && !is_ours {
            return Err(PageError::Forged);
        }
        Ok(form)
    }

    /// Of whoever wants to sign in.
    pub(crate) async fn of_anybody(
        state: &State,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Self, PageError> {
        if !is_from_here(state, request) {
            return Err(PageError::Forged);
        }
        let accepts = Accepts {
            media_types: &["application/x-www-form-urlencoded"],
            limit: MOST_BYTES,
            gzip: false,
            deadline: state.body_deadline,
        };
        let body = accepts.read(request, payload).await?;
        let mut form = Self::default();
        for (name, value) in url::form_urlencoded::parse(&body) {
            let value = value.trim();
            // A field that is left empty comes along all the same.
            if !value.is_empty() && form.0.insert(name.into_owned(), value.to_owned()).is_some() {
                return Err(PageError::Forged);
            }
        }
        Ok(form)
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What is left, as the JSON of an action would have it.
    pub(crate) fn into_json(self) -> serde_json::Value {
        let fields = self.0.into_iter();
        fields
            .map(|(name, value)| (name, serde_json::Value::String(value)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// Browsers say with every form from where it is. One that does not say is no browser, and has no cookie of anybody.
fn is_from_here(state: &State, request: &HttpRequest) -> bool {
    let mut origins = request.headers().get_all(ORIGIN);
    let (origin, more) = (origins.next(), origins.next());
    let Some(origin) = origin else { return true };
    let Ok(origin) = origin.to_str() else {
        return false;
    };
    let host = request.headers().get(HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let is_this_host = host.is_some_and(|host| {
        let scheme = state.public_url.scheme();
        origin
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            == Some(host)
    });
    more.is_none() && (origin == state.public_url.origin().ascii_serialization() || is_this_host)
}
