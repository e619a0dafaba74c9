//! `GET /drift/events`: the log, as pages or, for live views, as a stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::http::header::{ACCEPT, CACHE_CONTROL};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::answer::Events;
use drift_schema::{Code, Problem, Refusal, Scope};
use futures_util::Stream;
use serde::Deserialize;

use super::error::ApiError;
use super::{State, query};
use crate::keys::Key;

/// How soon a stream shows what another process stored; its own process wakes it at once.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// How long a stream that was woken waits for more to show at once.
const GATHER: Duration = Duration::from_millis(50);
/// After this long without an event a comment is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Show what comes after this position; 0 is the beginning. A stream without it begins at the end.
    after: Option<i64>,
    /// 1 to 1,000; 100 if not given.
    limit: Option<u16>,
}

/// The log
///
/// Positions have no gaps and come in the order of commits: a cursor never skips an event. With
/// `Accept: text/event-stream` the answer is a stream that goes on, with the position as the id of each event.
#[utoipa::path(
    get, path = "/drift/events", tag = "read", params(Asked),
    responses(
        (status = 200, description = "One page, or a stream", content((Events = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "`invalid_query`", body = Problem, content_type = "application/problem+json"),
    ),
    security(("key" = ["read"])),
)]
pub(super) async fn list(
    state: Data<State>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let key = state.authorise(&request, &[Scope::Read]).await?;
    let Asked { after, limit } = query::read(
        &request,
        "after and limit are numbers, and nothing else is known",
    )?;
    let limit = query::limit(limit)?;
    if after.is_some_and(|after| after < 0) {
        return Err(Refusal::of(Code::InvalidQuery)
            .rule("after is a position")
            .into());
    }
    let header = |name| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    if !header(ACCEPT).is_some_and(|accept| accept.contains("text/event-stream")) {
        let page = state
            .store
            .events(&key.workspace, after.unwrap_or(0), limit);
        return Ok(HttpResponse::Ok().json(state.read(page).await?));
    }
    // A browser that reconnects says where it was.
    let resumed = request
        .headers()
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let after = match resumed.or(after) {
        Some(after) => after,
        None => state.read(state.store.head(&key.workspace)).await?,
    };
    let stream = follow(state.clone(), key, after, limit);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream))
}

struct Follow {
    state: Data<State>,
    key: Arc<Key>,
    after: i64,
    limit: u16,
    commits: tokio::sync::watch::Receiver<u64>,
    /// When this stream last said something.
    spoke: Instant,
    /// There may be more where the last page came from.
    full: bool,
}

fn follow(
    state: Data<State>,
    key: Arc<Key>,
    after: i64,
    limit: u16,
) -> impl Stream<Item = Result<Bytes, ApiError>> {
    let follow = Follow {
        commits: state.ingest.commits(),
        state,
        key,
        after,
        limit,
        spoke: Instant::now(),
        full: true,
    };
    futures_util::stream::unfold(Some(follow), |follow| async {
        let mut follow = follow?;
        match follow.next().await {
            Ok(Some(bytes)) => Some((Ok(bytes), Some(follow))),
            Ok(None) => None,
            // Cut off; the client comes back with the id of the last event it saw.
            Err(error) => Some((Err(error), None)),
        }
    })
}

impl Follow {
    /// Waits for something to say. None when the server stops, or the key is no longer good.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            let stop = &self.state.stop;
            if !self.full {
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    _ = self.commits.changed() => {}
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
                // Under load there is a commit every few milliseconds; what comes meanwhile is shown together.
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = tokio::time::sleep(GATHER) => {}
                }
            }
            if stop.is_cancelled() || !self.state.keyring.still_knows(&self.key.id) {
                return Ok(None);
            }
            self.commits.mark_unchanged();
            let page = self
                .state
                .store
                .events(&self.key.workspace, self.after, self.limit);
            let page = self.state.read(page).await?;
            self.full = page.events.len() == usize::from(self.limit);
            if let Some(last) = page.events.last() {
                self.after = last.position;
                self.spoke = Instant::now();
                return Ok(Some(frames(&page)));
            }
            if self.spoke.elapsed() >= KEEP_ALIVE {
                self.spoke = Instant::now();
                return Ok(Some(Bytes::from_static(b": still here\n\n")));
            }
        }
    }
}

fn frames(page: &Events) -> Bytes {
    let mut text = String::new();
    for event in &page.events {
        let json = serde_json::to_string(event).unwrap_or_default();
        text += &format!(
            "id: {}\nevent: {}\ndata: {json}\n\n",
            event.position, event.kind
        );
    }
    text.into()
}
