//! `/keys`: who may come in.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use drift_schema::{Micros, Scope, Workspace};
use secrecy::{ExposeSecret as _, SecretString};

use super::form::Form;
use super::notice::Notice;
use super::time::When;
use super::{Frame, PageError, Section, Viewer, answer, page};
use crate::http::State;
use crate::keys::Fresh;
use crate::store::{KeyRow, NewKey};

const NONE: PageError = PageError::NotFound("key");
/// What fits into a line.
const LONGEST_NAME: usize = 100;

#[derive(Template)]
#[template(path = "keys.html")]
struct KeysPage<'p> {
    frame: Frame,
    keys: Vec<Key>,
    /// One that was just made: here, and nowhere again.
    made: Option<Made>,
    trouble: Option<&'p str>,
    name: &'p str,
    scope: Scope,
}

struct Key {
    id: String,
    name: String,
    scopes: String,
    created: When,
    last_used: Option<When>,
    revoked: Option<When>,
    /// Whether it works now: a rotated one may for a while.
    is_good: bool,
    is_yours: bool,
}

struct Made {
    name: String,
    key: SecretString,
    /// For clients, where it is a key to report with.
    dsn: Option<SecretString>,
}

#[derive(Template)]
#[template(path = "keys/revoke.html")]
struct RevokePage {
    frame: Frame,
    key: Key,
}

pub(super) async fn show(state: Data<State>, viewer: Viewer) -> Result<HttpResponse, PageError> {
    keys_page(&state, viewer, StatusCode::OK, None, None, "").await
}

/// The one action that does not send the browser on: what it made is shown once, and stands in no address and no cookie.
pub(super) async fn create(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    let mut form = Form::of_admin(&state, &viewer, &request, payload).await?;
    let name = form.take("name").unwrap_or_default();
    let scope = form.take("scope").and_then(|scope| scope.parse().ok());
    let trouble = match (&*name, scope) {
        ("", _) => Some("What is it for? Give it a name."),
        (name, _) if name.chars().count() > LONGEST_NAME => Some("That name is too long."),
        (_, None) => Some("What may it do? Choose one."),
        _ => None,
    };
    let (Some(scope), None) = (scope, trouble) else {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return keys_page(&state, viewer, status, None, trouble, &name).await;
    };
    let fresh = Fresh::draw().map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "a key could not be drawn");
        PageError::Internal
    })?;
    let new = NewKey {
        id: fresh.id,
        name: name.clone(),
        scopes: vec![scope],
        hash: fresh.hash,
        rate: None,
        by: Some(viewer.by.clone()),
    };
    let created = state
        .store
        .create_key(&viewer.workspace, new, Micros::now());
    state.read(created).await?;
    let made = Made {
        dsn: (scope == Scope::Ingest)
            .then(|| dsn(&state, &fresh.key))
            .flatten(),
        name,
        key: fresh.key,
    };
    keys_page(&state, viewer, StatusCode::OK, Some(made), None, "").await
}

/// Asks once more, on a page of its own: nothing to be regretted happens with one click.
pub(super) async fn confirm(
    state: Data<State>,
    viewer: Viewer,
    id: Path<String>,
) -> Result<HttpResponse, PageError> {
    if !viewer.may_act {
        return Err(PageError::Forbidden);
    }
    let keys = keys(&state, &viewer).await?;
    let key = keys.into_iter().find(|key| key.id == *id && key.is_good);
    page(&RevokePage {
        frame: Frame::new(viewer, Section::Keys, "Revoke a key"),
        key: key.ok_or(NONE)?,
    })
}

pub(super) async fn revoke(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    id: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, PageError> {
    Form::of_admin(&state, &viewer, &request, payload).await?;
    let (by, now) = (viewer.by, Micros::now());
    let revoked = state.store.revoke_key_of(&viewer.workspace, &id, by, now);
    if !state.read(revoked).await? {
        return Err(NONE);
    }
    // Here at once; other processes notice within seconds.
    state.keyring.refresh().await?;
    let told = format!("Key {id} is revoked. Nobody gets in with it any more.");
    Notice::done(told).on("/keys", &state).await
}

async fn keys_page(
    state: &State,
    viewer: Viewer,
    status: StatusCode,
    made: Option<Made>,
    trouble: Option<&str>,
    name: &str,
) -> Result<HttpResponse, PageError> {
    let contents = KeysPage {
        keys: keys(state, &viewer).await?,
        frame: Frame::new(viewer, Section::Keys, "Keys"),
        made,
        trouble,
        name,
        scope: Scope::Ingest,
    };
    answer(status, &contents)
}

/// Those of the viewer's workspace: the good ones first, the newest first.
async fn keys(state: &State, viewer: &Viewer) -> Result<Vec<Key>, PageError> {
    let now = Micros::now();
    let mut rows = state.read(state.store.keys()).await?;
    let is_theirs = |workspace: &Workspace| *workspace == viewer.workspace;
    rows.retain(|row| is_theirs(&row.workspace));
    let is_good = |row: &KeyRow| row.revoked_at.is_none_or(|at| at > now);
    rows.sort_by_key(|row| (!is_good(row), std::cmp::Reverse(row.created_at)));
    let when = |at| When::new(at, now);
    let keys = rows.into_iter().map(|row| Key {
        is_good: is_good(&row),
        is_yours: row.id == viewer.by,
        scopes: row
            .scopes
            .iter()
            .map(|scope| scope.as_str())
            .collect::<Vec<_>>()
            .join(", "),
        created: when(row.created_at),
        last_used: row.last_used_at.map(when),
        revoked: row.revoked_at.map(when),
        id: row.id,
        name: row.name,
    });
    Ok(keys.collect())
}

fn dsn(state: &State, key: &SecretString) -> Option<SecretString> {
    let mut url = state.public_url.clone();
    url.set_username(key.expose_secret()).ok()?;
    Some(String::from(url).into())
}
