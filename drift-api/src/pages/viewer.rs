//! Who looks at a page: somebody who signed in, or a program with a key.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::Method;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use drift_schema::{Micros, Scope, Workspace};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;

use super::PageError;
use super::notice::Notice;
use crate::http::State;
use crate::http::error::ApiError;
use crate::keys::Key;
use crate::session::cookie::{NOTICE, SESSION};
use crate::session::seal::Purpose;
use crate::session::{Session, Who};

/// Somebody who may see the pages of a workspace.
#[derive(Debug, Clone)]
pub(crate) struct Viewer {
    pub(crate) workspace: Workspace,
    /// As the page greets them: the name of their key, or their login.
    pub(crate) name: String,
    /// Whether they may change anything.
    pub(crate) may_act: bool,
    /// Stands in every form, and comes back with it. Empty for programs, whose header no other site can send.
    pub(crate) csrf: String,
    /// As the log has them.
    pub(crate) by: String,
    /// What became of the action that led here.
    pub(crate) notice: Option<Notice>,
    /// Id of the key that lets them in.
    key: Option<String>,
    /// Their session, and when it is over.
    session: Option<(String, Micros)>,
}

impl Viewer {
    /// Whether what let them in is still good; for streams, which go on for long.
    pub(crate) fn may_still_look(&self, state: &State) -> bool {
        let knows = self
            .key
            .as_ref()
            .is_none_or(|key| state.keyring.still_knows(key));
        let session = self.session.as_ref();
        knows && session.is_none_or(|(_, expires)| *expires > Micros::now())
    }

    /// Whether they signed out, here or elsewhere, of the session that let them in.
    pub(crate) async fn has_left(&self, state: &State) -> Result<bool, ApiError> {
        match &self.session {
            Some((session, _)) => state.read(state.store.is_ended_session(session)).await,
            None => Ok(false),
        }
    }

    /// Ends their session, whoever else may have a copy of its cookie.
    pub(crate) async fn leave(&self, state: &State) -> Result<(), ApiError> {
        match &self.session {
            Some((session, expires)) => {
                state.read(state.store.end_session(session, *expires)).await
            }
            None => Ok(()),
        }
    }

    /// Whether they came by a cookie, which the browser sends along whoever wrote the form.
    pub(crate) fn is_signed_in(&self) -> bool {
        !self.csrf.is_empty()
    }

    /// What is to be said beside a form.
    pub(crate) fn trouble_with(&self, form: &str) -> Option<&str> {
        let notice = self.notice.as_ref()?;
        (notice.form.as_deref() == Some(form)).then_some(&notice.text)
    }

    fn of_key(key: &Arc<Key>) -> Self {
        Self {
            workspace: key.workspace.clone(),
            name: key.name.clone(),
            may_act: key.may(&[]),
            csrf: String::new(),
            by: key.id.clone(),
            notice: None,
            key: Some(key.id.clone()),
            session: None,
        }
    }

    async fn of_session(state: &State, request: &HttpRequest) -> Result<Self, PageError> {
        state.readiness.check()?;
        let signed_out = || PageError::SignedOut(back_to(request));
        let secure = state.is_secure();
        let text = SESSION.read(request, secure).ok_or_else(signed_out)?;
        let seal = state.seal().await?;
        let session = Session::open(text, seal, Micros::now()).ok_or_else(signed_out)?;
        let mut viewer = match &session.who {
            Who::Key(id) => {
                let key = state.keyring.by_id(id).await?;
                let key = key.filter(|key| key.may(&[Scope::Read]));
                Self::of_key(&key.ok_or_else(signed_out)?)
            }
            Who::Github { login, door } => {
                let github = state.sign_in.github.as_ref();
                let github = github.filter(|github| github.settings.door() == *door);
                let github = github.ok_or_else(signed_out)?;
                Self {
                    workspace: Workspace::default_one(),
                    name: login.clone(),
                    may_act: github.settings.may_act(login),
                    csrf: String::new(),
                    by: session.by(),
                    notice: None,
                    key: None,
                    session: None,
                }
            }
        };
        viewer.csrf = session.form_token(seal);
        viewer.session = Some((session.nonce, session.expires));
        if viewer.has_left(state).await? {
            return Err(signed_out());
        }
        viewer.notice = NOTICE
            .read(request, secure)
            .and_then(|text| seal.open(Purpose::Notice, text));
        Ok(viewer)
    }
}

/// Where somebody wanted to be: the page itself, or that on which the form stood.
fn back_to(request: &HttpRequest) -> String {
    let uri = request.uri();
    if request.method() == Method::GET {
        return uri
            .path_and_query()
            .map_or_else(|| "/".to_owned(), ToString::to_string);
    }
    match uri.path() {
        path if path.starts_with("/drifts/") => path.trim_end_matches("/actions").to_owned(),
        path if path.starts_with("/keys") => "/keys".to_owned(),
        _ => "/".to_owned(),
    }
}

impl FromRequest for Viewer {
    type Error = PageError;
    type Future = LocalBoxFuture<'static, Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let state = request
                .app_data::<Data<State>>()
                .ok_or(PageError::Internal)?;
            if request.headers().contains_key(AUTHORIZATION) {
                let key = state.authorise(&request, &[Scope::Read]).await?;
                return Ok(Self::of_key(&key));
            }
            Self::of_session(state, &request).await
        }
        .boxed_local()
    }
}
