//! What happens to a page by itself: navigations, requests, answers, dialogs, downloads, popups, crashes. One task listens
//! and keeps the state that waiting and judging ask for. It also does what cannot wait: dialogs are closed, popups
//! are closed, and a document without end is stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cdp::{Event, Events};
use crate::page::Page;

/// A document longer than this is stopped: neither we nor Chromium should have to hold it.
const LONGEST_DOCUMENT: u64 = 24 << 20;

/// For orders that the watch gives by itself.
const ORDER_DEADLINE: Duration = Duration::from_secs(5);

#[derive(Debug, Default, Clone)]
pub struct Document {
    pub url: String,
    pub status: u16,
    /// A header by which Cloudflare says that this is its challenge.
    pub challenged: bool,
    bytes: u64,
}

/// One that has not ended.
#[derive(Debug)]
struct Request {
    frame: String,
    since: Instant,
}

#[derive(Debug)]
pub struct State {
    /// The browser is gone.
    pub closed: bool,
    /// The page's process is gone.
    pub crashed: bool,
    pub document: Document,
    /// Why the last document did not come, in Chromium's words: `net::ERR_CONNECTION_REFUSED`.
    pub failed: Option<String>,
    pub too_long: bool,
    /// Times that the main frame went somewhere, since the last `mark`.
    pub navigations: u32,
    pub dialogs: Vec<String>,
    pub downloads: u32,
    pub popups: u32,
    /// Requests without an end, by id.
    in_flight: HashMap<String, Request>,
    last_traffic: Instant,
    /// The request that the main document comes by.
    main_request: Option<String>,
}

#[derive(Clone)]
pub struct Watch {
    shared: Arc<Shared>,
    _task: Arc<JoinSet<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

impl Watch {
    /// Listens from now on; enable the domains afterwards.
    pub fn start(page: &Page, main_frame: &str) -> Self {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                closed: false,
                crashed: false,
                document: Document::default(),
                failed: None,
                too_long: false,
                navigations: 0,
                dialogs: Vec::new(),
                downloads: 0,
                popups: 0,
                in_flight: HashMap::new(),
                last_traffic: Instant::now(),
                main_request: None,
            }),
            changed: Notify::new(),
        });
        let mut task = JoinSet::new();
        let listener = Listener {
            shared: shared.clone(),
            page: page.clone(),
            main_frame: main_frame.to_owned(),
        };
        let (page_events, browser_events) = (page.events(), page.connection().events(""));
        task.spawn(listener.listen(page_events, browser_events));
        Self {
            shared,
            _task: Arc::new(task),
        }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.lock()
    }

    /// Waits until something happened, or for as long as `at_most`.
    pub async fn changed(&self, at_most: Duration) {
        let _ = timeout(at_most, self.shared.changed.notified()).await;
    }

    /// Waits until there is no page to work on any more.
    pub async fn lost(&self) {
        loop {
            // First the ticket, then the look: what happens in between wakes us.
            let changed = self.shared.changed.notified();
            if self.state().is_lost() {
                return;
            }
            changed.await;
        }
    }

    /// How long no request began or ended, if none is under way.
    pub fn quiet(&self) -> Option<Duration> {
        let state = self.state();
        state
            .in_flight
            .is_empty()
            .then(|| state.last_traffic.elapsed())
    }

    /// Something was done on the page. What it leads to takes its time to begin, on a busy machine above all.
    pub fn touched(&self) {
        self.state().last_traffic = Instant::now();
    }

    /// A new stretch begins: what came before is no longer of interest.
    pub fn mark(&self) {
        let mut state = self.state();
        state.navigations = 0;
        state.failed = None;
        state.dialogs.clear();
    }
}

impl State {
    pub fn is_lost(&self) -> bool {
        self.closed || self.crashed || self.too_long
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Listener {
    shared: Arc<Shared>,
    page: Page,
    main_frame: String,
}

impl Listener {
    async fn listen(self, mut page: Events, mut browser: Events) {
        loop {
            let event = tokio::select! {
                event = page.recv() => event,
                event = browser.recv() => event,
            };
            let Some(event) = event else { break };
            if let Some((method, params)) = self.hear(&event) {
                let order = if method.starts_with("Target.") {
                    timeout(
                        ORDER_DEADLINE,
                        self.page.connection().call_raw("", method, params),
                    )
                    .await
                    .map(|answer| answer.map(drop))
                } else {
                    timeout(ORDER_DEADLINE, self.page.tell(method, params)).await
                };
                if !matches!(order, Ok(Ok(()))) {
                    tracing::debug!(method, "an order to the browser was not followed");
                }
            }
            self.shared.changed.notify_waiters();
        }
        self.shared.lock().closed = true;
        self.shared.changed.notify_waiters();
    }

    /// Takes note of an event, and says what has to be done at once.
    fn hear(&self, event: &Event) -> Option<(&'static str, Value)> {
        let mut state = self.shared.lock();
        let params = &event.params;
        let text = |name: &str| params[name].as_str().unwrap_or_default();
        match event.method.as_str() {
            "Network.requestWillBeSent" => {
                if self.is_endless(params) {
                    return None;
                }
                let id = text("requestId").to_owned();
                if text("type") == "Document" && text("frameId") == self.main_frame {
                    state.main_request = Some(id.clone());
                    state.failed = None;
                    state.document = Document {
                        url: params["request"]["url"]
                            .as_str()
                            .unwrap_or_default()
                            .to_owned(),
                        ..Document::default()
                    };
                }
                let request = Request {
                    frame: text("frameId").to_owned(),
                    since: Instant::now(),
                };
                state.in_flight.insert(id, request);
                state.last_traffic = Instant::now();
            }
            "Network.responseReceived"
                if state.main_request.as_deref() == Some(text("requestId")) =>
            {
                let response = &params["response"];
                let status = response["status"].as_u64();
                state.document.status = status
                    .and_then(|status| status.try_into().ok())
                    .unwrap_or_default();
                let header = |wanted: &str| {
                    let headers = response["headers"].as_object();
                    let mut headers = headers.into_iter().flatten();
                    let found = headers.find(|(name, _)| name.eq_ignore_ascii_case(wanted));
                    found.and_then(|(_, value)| value.as_str())
                };
                // Cloudflare says so itself when what it sends is its challenge.
                state.document.challenged = header("cf-mitigated") == Some("challenge");
                let length = header("content-length").and_then(|length| length.parse().ok());
                if length.is_some_and(|length: u64| length > LONGEST_DOCUMENT) {
                    state.too_long = true;
                    return Some(("Page.stopLoading", json!({})));
                }
            }
            "Network.dataReceived" if state.main_request.as_deref() == Some(text("requestId")) => {
                state.document.bytes += params["dataLength"].as_u64().unwrap_or_default();
                if state.document.bytes > LONGEST_DOCUMENT && !state.too_long {
                    state.too_long = true;
                    return Some(("Page.stopLoading", json!({})));
                }
            }
            "Network.loadingFinished" | "Network.loadingFailed" => {
                let id = text("requestId");
                if state.in_flight.remove(id).is_some() {
                    state.last_traffic = Instant::now();
                }
                let failed = event.method == "Network.loadingFailed"
                    && state.main_request.as_deref() == Some(id)
                    && params["canceled"] != true;
                if failed {
                    state.failed = Some(text("errorText").to_owned());
                }
            }
            "Page.frameNavigated" if params["frame"]["parentId"].is_null() => {
                state.navigations += 1;
                // What the page before asked for is nobody's any more; its end is not always told.
                let main = state.main_request.clone();
                let recent = Duration::from_secs(1);
                state.in_flight.retain(|id, request| {
                    Some(id) == main.as_ref() || request.since.elapsed() < recent
                });
            }
            "Page.frameDetached" => {
                // Gone, or on in another process, which tells us nothing of its requests.
                let frame = text("frameId").to_owned();
                state.in_flight.retain(|_, request| request.frame != frame);
            }
            "Page.javascriptDialogOpening" => {
                let leaving = text("type") == "beforeunload";
                state
                    .dialogs
                    .push(text("message").chars().take(200).collect());
                return Some(("Page.handleJavaScriptDialog", json!({"accept": leaving})));
            }
            "Inspector.targetCrashed" => state.crashed = true,
            "Target.targetCrashed" if text("targetId") == self.page.target() => {
                state.crashed = true;
            }
            "Browser.downloadWillBegin" => state.downloads += 1,
            "Target.targetDestroyed" if text("targetId") == self.page.target() => {
                state.crashed = true;
            }
            "Target.targetCreated" => {
                let target = &params["targetInfo"];
                if target["type"] == "page" && target["openerId"] == self.page.target() {
                    state.popups += 1;
                    return Some((
                        "Target.closeTarget",
                        json!({"targetId": target["targetId"]}),
                    ));
                }
            }
            _ => {}
        }
        None
    }

    /// What is open for as long as a page is, and says nothing about whether it is done.
    fn is_endless(&self, params: &Value) -> bool {
        matches!(
            params["type"].as_str(),
            Some(
                "WebSocket"
                    | "EventSource"
                    | "Ping"
                    | "Media"
                    | "Prefetch"
                    | "Preflight"
                    | "CSPViolationReport"
            )
        ) || params["request"]["url"]
            .as_str()
            .is_some_and(|url| url.starts_with("data:") || url.starts_with("blob:"))
    }
}
