//! `/sign-in`: with a key, or with GitHub where that is set up; and out again.

use std::time::{Duration, Instant};

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, SET_COOKIE};
use actix_web::web::{Data, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use drift_schema::{Micros, Scope};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use url::{Url, form_urlencoded};

use super::form::Form;
use super::notice::see_other;
use super::{Frame, PageError, Viewer, answer};
use crate::http::State;
use crate::keys::Token;
use crate::session::cookie::{SESSION, SIGN_IN};
use crate::session::github::{Github, SignedIn};
use crate::session::seal::Purpose;
use crate::session::{Session, Who, draw, local};

/// Time to sign in at GitHub.
const AT_GITHUB: Duration = Duration::from_secs(600);

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'p> {
    frame: Frame,
    trouble: Option<&'p str>,
    next: &'p str,
    /// The same, as part of an address.
    next_encoded: String,
    with_github: bool,
    /// Whether the first start left an admin key in a file.
    is_embedded: bool,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
}

impl Asked {
    fn next(&self) -> String {
        self.next
            .as_deref()
            .and_then(local)
            .unwrap_or_else(|| "/".to_owned())
    }
}

/// Somebody who is at GitHub, as their browser remembers it.
#[derive(Serialize, Deserialize)]
struct Leaving {
    state: String,
    verifier: String,
    next: String,
    expires: Micros,
}

#[derive(Deserialize)]
pub(super) struct Back {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
}

pub(super) async fn show(
    state: Data<State>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    sign_in_page(&state, StatusCode::OK, &asked.next(), None)
}

/// With a key.
pub(super) async fn create(
    state: Data<State>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    state.readiness.check()?;
    let mut form = Form::of_anybody(&state, &request, payload).await?;
    let next = form.take("next");
    let next = Asked { next }.next();
    let refuse = |status, why| sign_in_page(&state, status, &next, Some(why));
    if let Err(wait) = state.sign_in.attempts.take(&request, Instant::now()) {
        return too_often(&state, wait, &next);
    }
    let Some(key) = form.take("key") else {
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "Paste a key first.");
    };
    let key = match Token::parse(&key) {
        Some(token) => state.keyring.find(&token).await?,
        None => None,
    };
    let Some(key) = key else {
        let why = "That key is unknown, expired or revoked.";
        return refuse(StatusCode::UNAUTHORIZED, why);
    };
    if !key.may(&[Scope::Read]) {
        let why = "That key is good, but has neither scope read nor admin.";
        return refuse(StatusCode::FORBIDDEN, why);
    }
    tracing::info!(key = %key.id, "signed in");
    state.sign_in.attempts.forgive(&request);
    welcome(&state, Who::Key(key.id.clone()), &next).await
}

pub(super) async fn end(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    Form::of_viewer(&state, &viewer, &request, payload).await?;
    viewer.leave(&state).await?;
    let mut answer = see_other("/sign-in");
    let gone = SESSION.remove(state.is_secure());
    answer.headers_mut().append(SET_COOKIE, gone);
    Ok(answer)
}

/// To GitHub.
pub(super) async fn leave(
    state: Data<State>,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let github = github(&state)?;
    let leaving = Leaving {
        state: draw().map_err(failed)?,
        verifier: draw().map_err(failed)? + &draw().map_err(failed)?,
        next: asked.next(),
        expires: Micros(Micros::now().0 + 1_000_000 * AT_GITHUB.as_secs().cast_signed()),
    };
    let place = github
        .authorise(&back(&state)?, &leaving.state, &leaving.verifier)
        .map_err(failed)?;
    let sealed = state.seal().await?.seal(Purpose::SignIn, &leaving);
    let mut answer = see_other(place.as_str());
    let cookie = SIGN_IN.set(&sealed, AT_GITHUB, state.is_secure());
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

/// Back from GitHub. Whoever did not leave from here, in this browser, does not come in.
pub(super) async fn arrive(
    state: Data<State>,
    request: HttpRequest,
    brought: Query<Back>,
) -> Result<HttpResponse, PageError> {
    state.readiness.check()?;
    let github = github(&state)?;
    let secure = state.is_secure();
    let leaving: Option<Leaving> = match SIGN_IN.read(&request, secure) {
        Some(text) => state.seal().await?.open(Purpose::SignIn, text),
        None => None,
    };
    let is_same = |leaving: &Leaving| {
        let brought = brought.state.as_deref().unwrap_or_default();
        let same: bool = brought.as_bytes().ct_eq(leaving.state.as_bytes()).into();
        same && leaving.expires > Micros::now()
    };
    let Some(leaving) = leaving.filter(is_same) else {
        let why = "That took too long, or began in another browser. Try again.";
        return sign_in_page(&state, StatusCode::BAD_REQUEST, "/", Some(why));
    };
    // Each asks GitHub a few questions.
    if let Err(wait) = state.sign_in.attempts.take(&request, Instant::now()) {
        return too_often(&state, wait, &leaving.next);
    }
    let refuse = |status, why: &str| {
        let mut page = sign_in_page(&state, status, &leaving.next, Some(why))?;
        // What it was good for is over, however it ended.
        let gone = SIGN_IN.remove(secure);
        page.headers_mut().append(SET_COOKIE, gone);
        Ok(page)
    };
    let code = match (&brought.code, &brought.error) {
        (Some(code), None) => code,
        _ => {
            return refuse(
                StatusCode::FORBIDDEN,
                "GitHub says that you did not agree. Try again, or use a key.",
            );
        }
    };
    let came = github.who(&back(&state)?, code, &leaving.verifier).await;
    let login = match came {
        Ok(SignedIn::Welcome(login)) => login,
        Ok(SignedIn::Stranger(login)) => {
            tracing::info!(login, "a stranger wanted to sign in");
            let why = format!(
                "GitHub knows you as {login}, who may not come in here. Ask whoever runs this server."
            );
            return refuse(StatusCode::FORBIDDEN, &why);
        }
        Ok(SignedIn::Refused) => {
            let why = "GitHub does not know that code any more. Try again.";
            return refuse(StatusCode::UNAUTHORIZED, why);
        }
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "GitHub could not be asked who it is"
            );
            let why = "GitHub cannot be asked at the moment. Try again, or use a key.";
            return refuse(StatusCode::BAD_GATEWAY, why);
        }
    };
    tracing::info!(login, "signed in");
    state.sign_in.attempts.forgive(&request);
    let door = github.settings.door();
    let mut answer = welcome(&state, Who::Github { login, door }, &leaving.next).await?;
    let gone = SIGN_IN.remove(secure);
    answer.headers_mut().append(SET_COOKIE, gone);
    Ok(answer)
}

async fn welcome(state: &State, who: Who, next: &str) -> Result<HttpResponse, PageError> {
    let lifetime = state.sign_in.lifetime;
    let session = Session::begin(who, lifetime, Micros::now()).map_err(failed)?;
    let sealed = session.seal(state.seal().await?);
    let mut answer = see_other(next);
    let cookie = SESSION.set(&sealed, lifetime, state.is_secure());
    answer.headers_mut().append(SET_COOKIE, cookie);
    Ok(answer)
}

fn too_often(state: &State, wait: Duration, next: &str) -> Result<HttpResponse, PageError> {
    let why = "Too many attempts; wait a moment, and try again.";
    let mut page = sign_in_page(state, StatusCode::TOO_MANY_REQUESTS, next, Some(why))?;
    page.headers_mut()
        .insert(RETRY_AFTER, (wait.as_secs() + 1).into());
    Ok(page)
}

fn sign_in_page(
    state: &State,
    status: StatusCode,
    next: &str,
    trouble: Option<&str>,
) -> Result<HttpResponse, PageError> {
    let contents = SignInPage {
        frame: Frame::for_anybody("Sign in"),
        trouble,
        next,
        next_encoded: form_urlencoded::byte_serialize(next.as_bytes()).collect(),
        with_github: state.sign_in.github.is_some(),
        is_embedded: state.sign_in.has_first_keys,
    };
    answer(status, &contents)
}

fn github(state: &State) -> Result<&Github, PageError> {
    let github = state.sign_in.github.as_ref();
    github.ok_or(PageError::NotFound("page"))
}

/// Where GitHub sends people back to.
fn back(state: &State) -> Result<Url, PageError> {
    let base = state.public_url.as_str().trim_end_matches('/');
    Url::parse(&format!("{base}/sign-in/github/callback")).map_err(|error| failed(error.into()))
}

fn failed(error: anyhow::Error) -> PageError {
    tracing::error!(error = format!("{error:#}"), "a sign-in failed");
    PageError::Internal
}
