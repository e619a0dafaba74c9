//! `/events/live`: rows of the log as they come, for a page that is open. One task per workspace follows the log and
//! writes each row once, whoever looks: a thousand viewers cost a thousand connections and nothing else.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::{Bytes, Data, Query};
use askama::Template as _;
use drift_schema::answer::LoggedEvent;
use drift_schema::{Micros, Workspace};
use tokio::sync::broadcast::{self, error::RecvError};

use super::{Asked, Row};
use crate::http::State;
use crate::pages::story::{self, Names};
use crate::pages::{PageError, Viewer};
use crate::store::{LogFilter, LogKinds};

/// How soon what another process stored is seen; the own process wakes the feed at once.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Nobody reads faster than this, and under load there is a commit every few milliseconds.
const GATHER: Duration = Duration::from_millis(200);
/// After this long without a row a comment is sent, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Rows that a page gets at once; of more it is told the number.
const MOST: u16 = 100;
/// Rows that a slow viewer may be behind.
const BACKLOG: usize = 256;

/// The feeds that somebody follows.
#[derive(Default)]
pub(crate) struct Feeds(Mutex<HashMap<Workspace, Weak<Feed>>>);

/// What happens in one workspace.
struct Feed {
    news: broadcast::Sender<News>,
}

#[derive(Clone)]
enum News {
    Row(Arc<LiveRow>),
    /// So many went by too fast to be shown.
    Skipped(i64),
}

/// A row as every viewer gets it.
struct LiveRow {
    position: i64,
    kind: String,
    service: Option<String>,
    frame: Bytes,
}

impl LiveRow {
    fn new(event: &LoggedEvent, names: Names<'_>, now: Micros) -> Option<Self> {
        let row = Row::new(event, names, now);
        let html = row.render().ok()?;
        // A frame ends at an empty line, so that no line of a row may end it.
        let data: String = html
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| format!("data: {line}\n"))
            .collect();
        Some(Self {
            position: event.position,
            kind: event.kind.clone(),
            service: row.told.service.as_ref().map(ToString::to_string),
            frame: format!("id: {}\nevent: row\n{data}\n", event.position).into(),
        })
    }

    fn is_wanted(&self, filter: &LogFilter) -> bool {
        let kind = match filter.kinds {
            LogKinds::All => true,
            LogKinds::ButReports => self.kind != "report-received",
            LogKinds::Only(kind) => self.kind == kind,
        };
        let wanted = filter.service.as_ref();
        kind && wanted.is_none_or(|service| self.service.as_deref() == Some(service.as_str()))
    }
}

impl Feeds {
    /// The feed of a workspace; begins to follow the log from its end if nobody does.
    async fn follow(
        &self,
        state: &Data<State>,
        workspace: &Workspace,
    ) -> Result<Arc<Feed>, PageError> {
        let followed =
            |feeds: &HashMap<Workspace, Weak<Feed>>| feeds.get(workspace).and_then(Weak::upgrade);
        if let Some(feed) = followed(&self.0.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(feed);
        }
        let head = state.read(state.store.head(workspace)).await?;
        let mut feeds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else may have begun meanwhile.
        if let Some(feed) = followed(&feeds) {
            return Ok(feed);
        }
        let feed = Arc::new(Feed {
            news: broadcast::channel(BACKLOG).0,
        });
        feeds.retain(|_, feed| feed.strong_count() > 0);
        feeds.insert(workspace.clone(), Arc::downgrade(&feed));
        let task = tell(
            state.clone().into_inner(),
            workspace.clone(),
            Arc::downgrade(&feed),
            head,
        );
        state.tasks.spawn(task);
        Ok(feed)
    }
}

/// Follows the log until nobody looks any more.
async fn tell(state: Arc<State>, workspace: Workspace, feed: Weak<Feed>, mut after: i64) {
    let mut commits = state.ingest.commits();
    loop {
        tokio::select! {
            () = state.stop.cancelled() => return,
            _ = commits.changed() => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
        tokio::select! {
            () = state.stop.cancelled() => return,
            () = tokio::time::sleep(GATHER) => {}
        }
        let Some(feed) = feed.upgrade() else { return };
        commits.mark_unchanged();
        // A database that is away for a moment is asked again in a moment.
        let Ok(head) = state.read(state.store.head(&workspace)).await else {
            continue;
        };
        let behind = head - after;
        if behind > i64::from(MOST) {
            after = head - i64::from(MOST);
            let _ = feed.news.send(News::Skipped(behind - i64::from(MOST)));
        }
        if behind <= 0 {
            continue;
        }
        let page = state.store.events(&workspace, after, MOST);
        let Ok(page) = state.read(page).await else {
            continue;
        };
        let now = Micros::now();
        let names = story::names(&state, &workspace);
        for event in &page.events {
            after = event.position;
            if let Some(row) = LiveRow::new(event, &names, now) {
                let _ = feed.news.send(News::Row(Arc::new(row)));
            }
        }
    }
}

/// One open page.
struct Watching {
    state: Data<State>,
    viewer: Viewer,
    filter: LogFilter,
    /// Kept, so that the feed goes on.
    _feed: Arc<Feed>,
    news: broadcast::Receiver<News>,
    /// What the page has already.
    after: i64,
    /// What is to be said before news.
    first: VecDeque<Bytes>,
    /// When the viewer was last known to be signed in still.
    asked: Instant,
}

pub(in crate::pages) async fn follow(
    state: Data<State>,
    viewer: Viewer,
    request: HttpRequest,
    asked: Query<Asked>,
) -> Result<HttpResponse, PageError> {
    let filter = asked.filter()?;
    let feed = state.feeds.follow(&state, &viewer.workspace).await?;
    let news = feed.news.subscribe();
    // A browser that reconnects says where it was.
    let resumed = request.headers().get("last-event-id");
    let resumed = resumed.and_then(|id| id.to_str().ok()?.parse().ok());
    let after: i64 = match resumed.or(asked.after) {
        Some(after) => after,
        None => state.read(state.store.head(&viewer.workspace)).await?,
    };
    let mut watching = Watching {
        state: state.clone(),
        filter,
        _feed: feed,
        news,
        after,
        first: VecDeque::from([Bytes::from_static(b"retry: 3000\n: watching\n\n")]),
        asked: Instant::now(),
        viewer,
    };
    watching.catch_up().await?;
    let stream = futures_util::stream::unfold(Some(watching), |watching| async {
        let mut watching = watching?;
        let said = watching.next().await?;
        Some((Ok::<_, Infallible>(said), Some(watching)))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(stream))
}

impl Watching {
    /// What came between the page and the stream.
    async fn catch_up(&mut self) -> Result<(), PageError> {
        let workspace = &self.viewer.workspace;
        let head = self.state.read(self.state.store.head(workspace)).await?;
        // Where the page stands is what a browser says, and may be anything.
        let behind = head.saturating_sub(self.after);
        if behind > i64::from(MOST) {
            self.first.push_back(skipped(behind));
            self.after = head;
            return Ok(());
        }
        let page = self.state.store.events(workspace, self.after, MOST);
        let page = self.state.read(page).await?;
        let now = Micros::now();
        let names = story::names(&self.state, workspace);
        let rows = page.events.iter();
        for row in rows.filter_map(|it| LiveRow::new(it, &names, now)) {
            self.after = row.position;
            if row.is_wanted(&self.filter) {
                self.first.push_back(row.frame);
            }
        }
        Ok(())
    }

    /// Waits for something to say. None when the server stops, or the viewer may look no longer.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.pop_front() {
            return Some(first);
        }
        let quiet = tokio::time::sleep(KEEP_ALIVE);
        let mut quiet = std::pin::pin!(quiet);
        loop {
            let stop = self.state.stop.clone();
            let news = tokio::select! {
                () = stop.cancelled() => return None,
                news = self.news.recv() => news,
                () = &mut quiet => {
                    return self.may_still_look().await.then(|| Bytes::from_static(b": still here\n\n"));
                }
            };
            if !self.may_still_look().await {
                return None;
            }
            match news {
                Ok(News::Row(row)) if row.position > self.after => {
                    self.after = row.position;
                    if row.is_wanted(&self.filter) {
                        return Some(row.frame.clone());
                    }
                }
                Ok(News::Row(_)) => {}
                Ok(News::Skipped(rows)) => return Some(skipped(rows)),
                Err(RecvError::Lagged(rows)) => {
                    return Some(skipped(i64::try_from(rows).unwrap_or(i64::MAX)));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }
}

impl Watching {
    /// The database is asked now and then, and a database that is away for a moment ends nothing.
    async fn may_still_look(&mut self) -> bool {
        if self.asked.elapsed() >= KEEP_ALIVE {
            self.asked = Instant::now();
            if matches!(self.viewer.has_left(&self.state).await, Ok(true)) {
                return false;
            }
        }
        self.viewer.may_still_look(&self.state)
    }
}

fn skipped(rows: i64) -> Bytes {
    format!("event: skipped\ndata: {rows}\n\n").into()
}
