//! Asks the live service whether it takes a key. Four answers, and only one of them is yes.

use std::time::Duration;

use drift_schema::scraper::ApiKey;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::http;
use crate::services::ServiceEntry;

const PATIENCE: Duration = Duration::from_secs(10);
/// A list of models is long; more than this is something else.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    Valid,
    /// The service refuses the key.
    Phantom,
    /// No answer, or one that is not the service's.
    EndpointDown,
    RateLimited,
}

impl Verification {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Phantom => "phantom",
            Self::EndpointDown => "endpoint_down",
            Self::RateLimited => "rate_limited",
        }
    }
}

/// One GET. A redirect is not followed: the key would go with it.
pub async fn verify(service: &ServiceEntry, key: &ApiKey) -> Verification {
    let asked = tokio::time::timeout(PATIENCE, ask(service, key)).await;
    asked.ok().flatten().unwrap_or(Verification::EndpointDown)
}

async fn ask(service: &ServiceEntry, key: &ApiKey) -> Option<Verification> {
    let name = HeaderName::from_bytes(service.header.as_bytes()).ok()?;
    let text = format!("{}{}", service.prefix, key.expose());
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    let client = http::client(PATIENCE).ok()?;
    let answer = client.get(service.url()).header(name, value).send();
    let answer = answer.await.ok()?;
    let status = answer.status().as_u16();
    if service.phantom.contains(&status) {
        return Some(Verification::Phantom);
    }
    if service.rate_limited.contains(&status) {
        return Some(Verification::RateLimited);
    }
    if !service.valid.contains(&status) {
        return None;
    }
    let Some(pointer) = &service.expect else {
        return Some(Verification::Valid);
    };
    let body = http::body(answer, ANSWER_BYTES).await?;
    let json: serde_json::Value = serde_json::from_slice(&body).ok()?;
    json.pointer(pointer).map(|_| Verification::Valid)
}
