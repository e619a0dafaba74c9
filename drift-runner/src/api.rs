//! The client of the backend. Every call about a run may be sent again as it is, so all are repeated while the backend is away,
//! for as long as our patience lasts.

use std::time::Duration;

use drift_schema::run::{
    Asked, Claim, Claimed, Done, Finish, Heartbeat, Judged, Judgement, Leased, Left, Observed,
    Passed, Work,
};
use drift_schema::{Code, Digest, Micros};
use reqwest::{Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use uuid::Uuid;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// From the first byte of a request to the last of its answer.
const ANSWER: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Api {
    base: Url,
    key: SecretString,
    client: reqwest::Client,
    patience: Duration,
}

/// Why a call did not do what it should.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    /// Somebody else has the run now; everything about it is theirs.
    #[error("the lease of this run was lost: it took too long, and another runner has it now")]
    LeaseLost,
    /// Somebody else may have it, and we cannot ask.
    #[error(
        "the backend was out of reach for as long as the lease of this run lasts (DRIFT_LEASE): what is left of it is taken up by the next pass"
    )]
    LeaseOver,
    #[error("the backend refused: {status} {code}{detail}")]
    Refused {
        status: u16,
        code: String,
        detail: String,
    },
    #[error(
        "the backend at {base} cannot be reached or fails: {why}. Check DRIFT_API_URL, and whether `drift-api serve` runs there"
    )]
    Away { base: String, why: String },
    #[error(
        "the backend answered something that we do not understand: {why}. Are runner and backend of the same version?"
    )]
    Strange { why: String },
}

impl ApiError {
    /// The drift is no longer at what we were asked to do, as when somebody marked it as fixed. The run is still ours.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == Code::RunConflict.as_str())
    }
}

#[derive(Deserialize)]
struct Stored {
    sha256: Digest,
}

#[derive(Deserialize)]
struct Link {
    url: String,
}

/// Nothing is known to have happened; it may work another time.
struct Again {
    why: String,
    /// What the backend asked for.
    after: Option<Duration>,
}

impl Again {
    fn of(error: &reqwest::Error) -> Self {
        Self {
            why: causes(error),
            after: None,
        }
    }
}

enum Body<'a> {
    None,
    Json(&'a Value),
    Bytes(&'a [u8], &'static str),
}

impl Api {
    pub fn new(base: Url, key: SecretString, patience: Duration) -> anyhow::Result<Self> {
        // Idempotent: somebody may have chosen already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(ANSWER)
            .user_agent(concat!("drift-runner/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            base,
            key,
            client,
            patience,
        })
    }

    pub async fn work(&self) -> Result<Work, ApiError> {
        self.get("/drift/runs/work").await
    }

    pub async fn claim(&self, claim: &Claim) -> Result<Claimed, ApiError> {
        self.post("/drift/runs", claim).await
    }

    pub async fn heartbeat(&self, run: Uuid, heartbeat: &Heartbeat) -> Result<Micros, ApiError> {
        let leased: Leased = self
            .post(&format!("/drift/runs/{run}/heartbeat"), heartbeat)
            .await?;
        Ok(leased.leased_until)
    }

    pub async fn passed(&self, run: Uuid, passed: &Passed) -> Result<(), ApiError> {
        self.tell(&format!("/drift/runs/{run}/passed"), passed)
            .await
    }

    pub async fn left(&self, run: Uuid, left: &Left) -> Result<(), ApiError> {
        self.tell(&format!("/drift/runs/{run}/left"), left).await
    }

    pub async fn judged(&self, run: Uuid, judged: &Judged) -> Result<Judgement, ApiError> {
        self.post(&format!("/drift/runs/{run}/judged"), judged)
            .await
    }

    pub async fn done(&self, run: Uuid, done: &Done) -> Result<(), ApiError> {
        self.tell(&format!("/drift/runs/{run}/done"), done).await
    }

    pub async fn finish(&self, run: Uuid, finish: &Finish) -> Result<(), ApiError> {
        self.tell(&format!("/drift/runs/{run}/finish"), finish)
            .await
    }

    pub async fn observed(&self, observed: &Observed) -> Result<(), ApiError> {
        self.tell("/drift/issues/observed", observed).await
    }

    /// All that was to be asked about was.
    pub async fn asked(&self, asked: &Asked) -> Result<(), ApiError> {
        self.tell("/drift/issues/asked", asked).await
    }

    /// Stores evidence, by its content: sent twice, it is there once.
    pub async fn store(&self, bytes: &[u8], kind: &'static str) -> Result<Digest, ApiError> {
        let answer = self
            .send(Method::PUT, "/drift/artifacts", &Body::Bytes(bytes, kind))
            .await?;
        Ok(parsed::<Stored>(&answer)?.sha256)
    }

    pub async fn artifact(&self, digest: &Digest) -> Result<Vec<u8>, ApiError> {
        self.send(
            Method::GET,
            &format!("/drift/artifacts/{digest}"),
            &Body::None,
        )
        .await
    }

    /// An address where everybody can see it for a while.
    pub async fn link(&self, digest: &Digest) -> Result<String, ApiError> {
        // For how long, the backend decides.
        let wanted = serde_json::json!({});
        let link: Link = self
            .post(&format!("/drift/artifacts/{digest}/link"), &wanted)
            .await?;
        Ok(link.url)
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        parsed(&self.send(Method::GET, path, &Body::None).await?)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        parsed(
            &self
                .send(Method::POST, path, &Body::Json(&json(body)?))
                .await?,
        )
    }

    async fn tell(&self, path: &str, body: &impl Serialize) -> Result<(), ApiError> {
        self.send(Method::POST, path, &Body::Json(&json(body)?))
            .await
            .map(|_| ())
    }

    async fn send(&self, method: Method, path: &str, body: &Body<'_>) -> Result<Vec<u8>, ApiError> {
        let started = tokio::time::Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            let again = match self.once(method.clone(), path, body).await {
                Ok(done) => return done,
                Err(again) => again,
            };
            let wait = again.after.unwrap_or(pause).max(pause);
            if started.elapsed() + wait > self.patience {
                return Err(ApiError::Away {
                    base: self.base.to_string(),
                    why: again.why,
                });
            }
            tokio::time::sleep(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn once(
        &self,
        method: Method,
        path: &str,
        body: &Body<'_>,
    ) -> Result<Result<Vec<u8>, ApiError>, Again> {
        let url = format!("{}{path}", self.base.as_str().trim_end_matches('/'));
        let request = self
            .client
            .request(method, url)
            .bearer_auth(self.key.expose_secret());
        let request = match drift_telemetry::traceparent(&tracing::Span::current()) {
            Some(us) => request.header("traceparent", us),
            None => request,
        };
        let request = match body {
            Body::None => request,
            Body::Json(value) => request.json(value),
            Body::Bytes(bytes, kind) => request
                .header(header::CONTENT_TYPE, *kind)
                .body(bytes.to_vec()),
        };
        let answer = request.send().await.map_err(|error| Again::of(&error))?;
        let status = answer.status();
        let seconds = answer
            .headers()
            .get(header::RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = answer.bytes().await.map_err(|error| Again::of(&error))?;
        if status.is_success() {
            return Ok(Ok(bytes.to_vec()));
        }
        let problem = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        let code = problem["code"]
            .as_str()
            .unwrap_or("no_problem_document")
            .to_owned();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Again {
                why: format!("{} {code}", status.as_u16()),
                after: seconds.map(Duration::from_secs),
            });
        }
        if code == "lease_lost" {
            return Ok(Err(ApiError::LeaseLost));
        }
        let text = problem["detail"].as_str().or(problem["title"].as_str());
        Ok(Err(ApiError::Refused {
            status: status.as_u16(),
            code,
            detail: text.map_or_else(String::new, |text| format!(" ({text})")),
        }))
    }
}

fn json(body: &impl Serialize) -> Result<Value, ApiError> {
    serde_json::to_value(body).map_err(|error| ApiError::Strange {
        why: error.to_string(),
    })
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| ApiError::Strange {
        why: error.to_string(),
    })
}

/// Without the address, which the message names already; reqwest's own words are few.
fn causes(error: &reqwest::Error) -> String {
    let mut cause = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(source) = cause {
        last = source.to_string();
        cause = source.source();
    }
    last
}
