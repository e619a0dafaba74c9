//! The one kind of HTTP client: no redirects, since each request carries a key, and answers of bounded size.

use std::time::Duration;

use reqwest::{Client, Response, redirect};

/// Two libraries that speak TLS must agree on one provider. Idempotent: a host program may have chosen already.
pub fn choose_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// `within` covers everything from the look-up of the name to the last byte of the answer.
pub fn client(within: Duration) -> reqwest::Result<Client> {
    choose_tls();
    Client::builder()
        .redirect(redirect::Policy::none())
        .timeout(within)
        .user_agent(concat!("agentkeys/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// The body, unless it is longer than that or breaks off.
pub async fn body(mut answer: Response, most: usize) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.ok()? {
        if body.len() + chunk.len() > most {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}
