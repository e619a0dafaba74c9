//! `GET /drift/events`: the log, as pages or, for live views, as a stream.

use std::time::Duration;

use actix_web::http::header::{ACCEPT, CACHE_CONTROL};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use drift_schema::answer::Events;
use drift_schema::{Code, Problem, Refusal, Scope, Workspace};
use futures_util::Stream;
use serde::Deserialize;

use super::error::ApiError;
use super::{State, query};

/// How soon a stream shows what another process stored; its own process wakes it at once.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
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
        (status = 401, description = "`missing_key`, `invalid_key`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`insufficient_scope`", body = Problem, content_type = "application/problem+json"),
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
        return Ok(HttpResponse::Ok().json(
            state
                .store
                .events(&key.workspace, after.unwrap_or(0), limit)
                .await?,
        ));
    }
    // A browser that reconnects says where it was.
    let resumed = request
        .headers()
        .get("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse().ok());
    let after = match resumed.or(after) {
        Some(after) => after,
        None => state.store.head(&key.workspace).await?,
    };
    let stream = follow(state.clone(), key.workspace.clone(), after, limit);
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream))
}

struct Follow {
    state: Data<State>,
    workspace: Workspace,
    after: i64,
    limit: u16,
    commits: tokio::sync::watch::Receiver<u64>,
    silent: Duration,
}

fn follow(
    state: Data<State>,
    workspace: Workspace,
    after: i64,
    limit: u16,
) -> impl Stream<Item = Result<Bytes, ApiError>> {
    let commits = state.ingest.commits();
    let follow = Follow {
        state,
        workspace,
        after,
        limit,
        commits,
        silent: Duration::ZERO,
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
    /// Waits for something to say. None when the server stops.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        loop {
            self.commits.mark_unchanged();
            let page = self
                .state
                .store
                .events(&self.workspace, self.after, self.limit)
                .await?;
            if let Some(last) = page.events.last() {
                self.after = last.position;
                self.silent = Duration::ZERO;
                return Ok(Some(frames(&page)));
            }
            if self.silent >= KEEP_ALIVE {
                self.silent = Duration::ZERO;
                return Ok(Some(Bytes::from_static(b": still here\n\n")));
            }
            tokio::select! {
                () = self.state.stop.cancelled() => return Ok(None),
                _ = self.commits.changed() => {}
                () = tokio::time::sleep(LOOK_AGAIN) => self.silent += LOOK_AGAIN,
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
