//! Signing in with GitHub: where to send somebody, and who it was that came back. The token that GitHub hands out is used
//! for these few questions and dropped.

use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{ACCEPT, USER_AGENT};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Somebody waits in front of a browser.
const DEADLINE: Duration = Duration::from_secs(10);
const JSON: &str = "application/json";

#[derive(Debug, Clone)]
pub struct Settings {
    pub client_id: String,
    pub client_secret: SecretString,
    /// Where people sign in.
    pub site: Url,
    pub api: Url,
    /// Members of these may sign in, and these users; logins in lower case.
    pub orgs: Vec<String>,
    pub users: Vec<String>,
    /// Those who may decide things and manage keys; with none, everybody who may sign in.
    pub admins: Vec<String>,
}

impl Settings {
    pub(crate) fn may_act(&self, login: &str) -> bool {
        self.admins.is_empty() || is_one(&self.admins, login)
    }

    /// Tells these organisations and users from others, so that whoever was let in is asked again once the lists are different.
    pub(crate) fn door(&self) -> String {
        let lists = format!("{}\n{}", self.orgs.join(","), self.users.join(","));
        let digest = Sha256::digest(lists.to_ascii_lowercase());
        URL_SAFE_NO_PAD.encode(&digest[..9])
    }
}

/// What became of a sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignedIn {
    Welcome(String),
    /// GitHub knows them, and we were not told to let them in.
    Stranger(String),
    /// GitHub does not stand by the code that they brought.
    Refused,
}

/// The client at GitHub.
pub(crate) struct Github {
    pub(crate) settings: Settings,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Token {
    access_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct User {
    login: String,
}

#[derive(Deserialize)]
struct Membership {
    state: String,
}

impl Github {
    pub(crate) fn new(settings: Settings) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("cannot make an HTTP client")?;
        Ok(Self { settings, http })
    }

    /// Where to send somebody who wants to sign in. GitHub brings `state` back, and asks for `verifier` with the code.
    pub(crate) fn authorise(&self, back: &Url, state: &str, verifier: &str) -> anyhow::Result<Url> {
        let mut url = at(&self.settings.site, "login/oauth/authorize")?;
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        let mut query = url.query_pairs_mut();
        query
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("redirect_uri", back.as_str())
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256")
            .append_pair("allow_signup", "false");
        if !self.settings.orgs.is_empty() {
            // Private memberships, too.
            query.append_pair("scope", "read:org");
        }
        drop(query);
        Ok(url)
    }

    /// Who brought this code.
    pub(crate) async fn who(
        &self,
        back: &Url,
        code: &str,
        verifier: &str,
    ) -> anyhow::Result<SignedIn> {
        let form = [
            ("client_id", self.settings.client_id.as_str()),
            ("client_secret", self.settings.client_secret.expose_secret()),
            ("code", code),
            ("redirect_uri", back.as_str()),
            ("code_verifier", verifier),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let asked = self
            .http
            .post(at(&self.settings.site, "login/oauth/access_token")?)
            .header(ACCEPT, JSON)
            .header(USER_AGENT, "drift-tracker")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = asked.send().await.context("GitHub cannot be reached")?;
        // A code that is wrong or was used is a 200 without a token.
        let token: Token = answer
            .error_for_status()
            .context("GitHub did not take the code")?
            .json()
            .await
            .context("GitHub's answer does not read")?;
        let Some(token) = token.access_token else {
            return Ok(SignedIn::Refused);
        };
        let user: Option<User> = self.ask("user", &token).await?;
        let login = user.context("GitHub does not say who it is")?.login;
        if is_one(&self.settings.users, &login) || self.is_member(&token).await? {
            Ok(SignedIn::Welcome(login))
        } else {
            Ok(SignedIn::Stranger(login))
        }
    }

    async fn is_member(&self, token: &SecretString) -> anyhow::Result<bool> {
        for org in &self.settings.orgs {
            let path = format!("user/memberships/orgs/{org}");
            let membership: Option<Membership> = self.ask(&path, token).await?;
            if membership.is_some_and(|membership| membership.state == "active") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// None: not found, or not for them.
    async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        token: &SecretString,
    ) -> anyhow::Result<Option<T>> {
        let asked = self
            .http
            .get(at(&self.settings.api, path)?)
            .header(ACCEPT, JSON)
            .header(USER_AGENT, "drift-tracker")
            .bearer_auth(token.expose_secret());
        let answer = asked.send().await.context("GitHub cannot be reached")?;
        if matches!(answer.status().as_u16(), 403 | 404) {
            return Ok(None);
        }
        let answer = answer.error_for_status().context("GitHub refuses")?;
        let read = answer.json().await;
        Ok(Some(read.context("GitHub's answer does not read")?))
    }
}

/// Logins are the same in capitals.
fn is_one(list: &[String], login: &str) -> bool {
    list.iter().any(|known| known.eq_ignore_ascii_case(login))
}

/// A path below an address, which may have one of its own: GitHub Enterprise has its API at `/api/v3`.
fn at(base: &Url, path: &str) -> Result<Url, url::ParseError> {
    Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/')))
}
