//! One request to GitHub, and what its answer means. Reads are repeated, with ETags; a write is sent once, and when its answer
//! is lost the caller is told that nobody knows.

mod answer;

use std::collections::HashMap;
use std::sync::{Mutex as StdMutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::Utc;
use drift_schema::Micros;
use octocrab::Octocrab;
use reqwest::header::{self, HeaderMap};
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

use super::pace::Pace;
use super::{Login, Settings, app};
use crate::tracker::board::Trouble;
pub(super) use answer::Answer;

const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// Between the tries of a read.
const PAUSES: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(1)];
/// What lists are asked for by, and the most that GitHub gives.
pub(super) const PER_PAGE: usize = 100;
/// Nobody has that many issues of ours; a server that always names a next page ends here.
const MOST_PAGES: usize = 200;
/// Lists that are kept for their ETags.
const MOST_KEPT: usize = 500;
/// A token of an App is renewed when it has less than this left.
const TOKEN_LEFT: i64 = 300_000_000;

pub(super) struct Caller {
    settings: Settings,
    session: Mutex<Option<Session>>,
    pace: Pace,
    kept: StdMutex<HashMap<String, Answer>>,
    /// Until then GitHub wants to hear nothing from us, and asking would make it longer.
    shut: StdMutex<Option<Micros>>,
}

#[derive(Clone)]
struct Session {
    octocrab: Octocrab,
    granted: Option<Value>,
    /// None: as long as the token is good.
    until: Option<Micros>,
}

impl Caller {
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            pace: Pace::new(settings.writes_per_minute),
            settings,
            session: Mutex::default(),
            kept: StdMutex::default(),
            shut: StdMutex::default(),
        })
    }

    pub async fn get(&self, path: &str) -> Result<Answer, Trouble> {
        let kept = self
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .cloned();
        let mut headers = HeaderMap::new();
        if let Some(etag) = kept.as_ref().and_then(Answer::etag) {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let mut pauses = PAUSES.iter();
        let mut patience = self.settings.patience;
        let mut renewals = 1..=1;
        loop {
            self.is_open()?;
            let session = self.session().await?;
            let why = match self
                .send(&session.octocrab, "GET", path, Some(headers.clone()), None)
                .await
            {
                Ok(answer) if self.is_over(&session, &answer, &mut renewals).await => continue,
                Ok(answer) if answer.status < 500 => {
                    match self.wait_for_limit(&answer, &mut patience).await? {
                        Waited::Again => continue,
                        Waited::No => return Ok(self.kept_or_new(path, kept, answer.known()?)),
                    }
                }
                Ok(answer) => answer.said(),
                Err(why) => why,
            };
            match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(self.unreachable(&why)),
            }
        }
    }

    /// Every page of a list.
    pub async fn pages(&self, path: &str, what: &str, right: &str) -> Result<Vec<Answer>, Trouble> {
        let mut pages = Vec::new();
        let mut next = Some(path.to_owned());
        while let Some(path) = next.take().filter(|_| pages.len() < MOST_PAGES) {
            let page = self.get(&path).await?.expect(&[200], what, right)?;
            next = page.next_page();
            pages.push(page);
        }
        Ok(pages)
    }

    /// Sends a write once. It is sent again only where GitHub said that it was not done: for a limit, or for a token that ended.
    pub async fn write(&self, method: &str, path: &str, body: &Value) -> Result<Answer, Trouble> {
        let mut patience = self.settings.patience;
        let mut renewals = 1..=1;
        loop {
            self.is_open()?;
            self.pace.wait().await;
            let session = self.session().await?;
            let answer = match self
                .send(&session.octocrab, method, path, None, Some(body))
                .await
            {
                Ok(answer) if self.is_over(&session, &answer, &mut renewals).await => continue,
                Ok(answer) if answer.status < 500 => answer,
                Ok(answer) => {
                    return Err(Trouble::Unknown {
                        why: format!("GitHub failed ({})", answer.said()),
                    });
                }
                Err(why) => {
                    return Err(Trouble::Unknown {
                        why: format!("GitHub did not answer ({why})"),
                    });
                }
            };
            if let Waited::No = self.wait_for_limit(&answer, &mut patience).await? {
                return answer.known();
            }
        }
    }

    /// What the App may do; None where we have no App.
    pub async fn granted(&self) -> Result<Option<Value>, Trouble> {
        Ok(self.session().await?.granted)
    }

    async fn session(&self) -> Result<Session, Trouble> {
        let mut current = self.session.lock().await;
        let now = Micros::now();
        if let Some(session) = &*current
            && session
                .until
                .is_none_or(|until| until.0 - now.0 > TOKEN_LEFT)
        {
            return Ok(session.clone());
        }
        let session = self.log_in(now).await?;
        *current = Some(session.clone());
        Ok(session)
    }

    /// Whether the App's token ended before its time, as when the App is installed anew or our clock is behind, and is to be replaced.
    async fn is_over(&self, used: &Session, answer: &Answer, renewals: &mut impl Iterator) -> bool {
        if answer.status != 401 || used.until.is_none() || renewals.next().is_none() {
            return false;
        }
        // Others may have replaced it already.
        let mut current = self.session.lock().await;
        if current.as_ref().is_some_and(|it| it.until == used.until) {
            *current = None;
        }
        true
    }

    async fn log_in(&self, now: Micros) -> Result<Session, Trouble> {
        let api = &self.settings.api;
        let (id, key, installation) = match &self.settings.login {
            Login::Token(token) => {
                let octocrab = connect(api, token.clone()).map_err(|error| refused(&error))?;
                return Ok(Session {
                    octocrab,
                    granted: None,
                    until: None,
                });
            }
            Login::App {
                id,
                key,
                installation,
            } => (*id, key, *installation),
        };
        let token = key.token(id, now).map_err(|error| refused(&error))?;
        let as_app = connect(api, token).map_err(|error| refused(&error))?;
        let installation = match installation {
            Some(id) => id,
            None => {
                let path = self.settings.repository.path("/installation");
                let answer = self.once(&as_app, "GET", &path).await?;
                let answer = answer.expect(
                    &[200],
                    "find the installation of the App",
                    "installation in this repository",
                )?;
                answer.json::<app::Installation>()?.id
            }
        };
        // Sent again it makes another token, which harms nobody.
        let path = format!("/app/installations/{installation}/access_tokens");
        let answer = self.once(&as_app, "POST", &path).await?;
        let made = answer
            .expect(&[201], "log in as the App", "private key")?
            .json::<app::Token>()?;
        Ok(Session {
            octocrab: connect(api, made.token).map_err(|error| refused(&error))?,
            granted: Some(made.permissions),
            until: Some(Micros(made.expires_at.timestamp_micros())),
        })
    }

    async fn once(&self, octocrab: &Octocrab, method: &str, path: &str) -> Result<Answer, Trouble> {
        match self.send(octocrab, method, path, None, None).await {
            Ok(answer) if answer.status < 500 => answer.known(),
            Ok(answer) => Err(self.unreachable(&answer.said())),
            Err(why) => Err(self.unreachable(&why)),
        }
    }

    /// `Err` is why there was no answer.
    async fn send(
        &self,
        octocrab: &Octocrab,
        method: &str,
        path: &str,
        headers: Option<HeaderMap>,
        body: Option<&Value>,
    ) -> Result<Answer, String> {
        let sent = match method {
            "GET" => octocrab._get_with_headers(path, headers).await,
            "PATCH" => octocrab._patch(path, body).await,
            "PUT" => octocrab._put(path, body).await,
            _ => octocrab._post(path, body).await,
        };
        let answer = sent.map_err(|error| causes(&error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body = octocrab
            .body_to_string(answer)
            .await
            .map_err(|error| causes(&error))?;
        Ok(Answer::new(
            status,
            headers,
            body,
            self.settings.api.clone(),
        ))
    }

    fn kept_or_new(&self, path: &str, kept: Option<Answer>, answer: Answer) -> Answer {
        if let (304, Some(kept)) = (answer.status, kept) {
            return kept;
        }
        let mut all = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Where another page follows a full one, that one stays as it was, and so would its ETag.
        let may_be_kept = answer.etag().is_some() && !answer.is_full_and_last(PER_PAGE);
        if answer.status == 200 && may_be_kept && all.len() < MOST_KEPT {
            all.insert(path.to_owned(), answer.clone());
        } else {
            all.remove(path);
        }
        answer
    }

    async fn wait_for_limit(
        &self,
        answer: &Answer,
        patience: &mut Duration,
    ) -> Result<Waited, Trouble> {
        let Some(wait) = answer.limit(Utc::now()) else {
            return Ok(Waited::No);
        };
        if let Some(left) = patience.checked_sub(wait) {
            tracing::info!(seconds = wait.as_secs(), "GitHub's rate limit: waiting");
            *patience = left;
            tokio::time::sleep(wait).await;
            return Ok(Waited::Again);
        }
        let micros = i64::try_from(wait.as_micros()).unwrap_or(i64::MAX);
        let until = Micros(Micros::now().0.saturating_add(micros));
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
        Err(limited(until))
    }

    fn is_open(&self) -> Result<(), Trouble> {
        let shut = *self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        match shut.filter(|until| *until > Micros::now()) {
            Some(until) => Err(limited(until)),
            None => Ok(()),
        }
    }

    fn unreachable(&self, why: &str) -> Trouble {
        Trouble::Later {
            why: format!(
                "GitHub at {} cannot be reached or fails: {why}",
                self.settings.api
            ),
            until: None,
        }
    }
}

enum Waited {
    No,
    Again,
}

fn connect(api: &Url, token: SecretString) -> anyhow::Result<Octocrab> {
    // Idempotent: somebody may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let api = api.as_str().trim_end_matches('/');
    let build = || {
        let builder = Octocrab::builder().base_uri(api)?.upload_uri(api)?;
        builder
            .personal_token(token)
            .set_connect_timeout(Some(CONNECT))
            .set_read_timeout(Some(ANSWER))
            .build()
    };
    build().context("cannot set up the connection to GitHub")
}

fn limited(until: Micros) -> Trouble {
    Trouble::Later {
        why: format!("GitHub's rate limit is used up: nothing more before {until}"),
        until: Some(until),
    }
}

fn refused(error: &anyhow::Error) -> Trouble {
    Trouble::Refused {
        why: format!("{error:#}"),
    }
}

/// octocrab's own words are few; what happened is in the sources.
fn causes(error: &octocrab::Error) -> String {
    let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
    let mut last = error.to_string();
    while let Some(source) = cause {
        last = source.to_string();
        cause = source.source();
    }
    last.lines().next().unwrap_or_default().to_owned()
}
