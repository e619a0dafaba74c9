//! The Chrome DevTools Protocol, untyped: numbered calls, their answers, and events by session. Answers stay raw JSON
//! until the caller names a type, so that a name which Chromium learnt yesterday fails nobody, and a picture of some
//! megabytes is not parsed twice. `chromium` opens a connection, `page` talks over it.

mod pipe;
mod socket;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// A longer message is let go, and whoever waits for it runs into its deadline: our memory is bounded.
const LONGEST: usize = 32 << 20;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The other end went away: a crash, a kill, or our own `close`.
    #[error("the browser ended")]
    Closed,
    /// The browser understood, and says no.
    #[error("the browser refused {method}: {message}")]
    Refused {
        method: &'static str,
        message: String,
    },
    #[error("the browser's answer to {method} is not what it should be: {source}")]
    Answer {
        method: &'static str,
        source: serde_json::Error,
    },
}

/// Something the browser says by itself.
#[derive(Debug)]
pub struct Event {
    pub method: String,
    pub params: Value,
}

pub type Events = mpsc::UnboundedReceiver<Event>;

/// One open connection; clones share it. It ends with the last clone.
#[derive(Clone)]
pub struct Connection {
    shared: Arc<Shared>,
    _tasks: Arc<JoinSet<()>>,
}

struct Shared {
    next_call: AtomicU64,
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    /// None once the connection has ended: nobody may wait for an answer that cannot come.
    open: Mutex<Option<Open>>,
}

#[derive(Default)]
struct Open {
    calls: HashMap<u64, oneshot::Sender<Result<Box<RawValue>, String>>>,
    /// By session; the browser itself is the empty one.
    listeners: HashMap<String, Vec<mpsc::UnboundedSender<Event>>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    id: Option<u64>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Refusal>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(rename = "sessionId")]
    session: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

impl Connection {
    /// Speaks over the two pipes that Chromium reads and writes with `--remote-debugging-pipe`.
    pub fn over_pipes(
        from: impl AsyncRead + Send + Unpin + 'static,
        to: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Self {
        let (connection, outgoing) = Self::shared();
        let mut tasks = JoinSet::new();
        tasks.spawn(pipe::write(to, outgoing));
        tasks.spawn(pipe::read(from, connection.clone()));
        Self {
            shared: connection,
            _tasks: Arc::new(tasks),
        }
    }

    /// Speaks over the WebSocket of a browser that runs already.
    pub async fn over_socket(url: &str) -> anyhow::Result<Self> {
        let limits = tokio_tungstenite::tungstenite::protocol::WebSocketConfig::default()
            .max_message_size(Some(LONGEST))
            .max_frame_size(Some(LONGEST));
        let socket = tokio_tungstenite::connect_async_with_config(url, Some(limits), true);
        let (socket, _) = socket.await.context("cannot talk to the browser")?;
        let (to, from) = socket.split();
        let (connection, outgoing) = Self::shared();
        let mut tasks = JoinSet::new();
        tasks.spawn(socket::write(to, outgoing));
        tasks.spawn(socket::read(from, connection.clone()));
        Ok(Self {
            shared: connection,
            _tasks: Arc::new(tasks),
        })
    }

    fn shared() -> (Arc<Shared>, mpsc::UnboundedReceiver<Vec<u8>>) {
        let (outgoing, queue) = mpsc::unbounded_channel();
        let shared = Shared {
            next_call: AtomicU64::new(1),
            outgoing,
            open: Mutex::new(Some(Open::default())),
        };
        (Arc::new(shared), queue)
    }

    /// One call and its answer. An empty session is the browser itself.
    pub async fn call<T: DeserializeOwned>(
        &self,
        session: &str,
        method: &'static str,
        params: Value,
    ) -> Result<T, Error> {
        let answer = self.call_raw(session, method, params).await?;
        serde_json::from_str(answer.get()).map_err(|source| Error::Answer { method, source })
    }

    pub async fn call_raw(
        &self,
        session: &str,
        method: &'static str,
        params: Value,
    ) -> Result<Box<RawValue>, Error> {
        let id = self.shared.next_call.fetch_add(1, Ordering::Relaxed);
        let mut message = serde_json::json!({"id": id, "method": method, "params": params});
        if !session.is_empty() {
            message["sessionId"] = session.into();
        }
        let (sender, answer) = oneshot::channel();
        match self.shared.lock().as_mut() {
            Some(open) => open.calls.insert(id, sender),
            None => return Err(Error::Closed),
        };
        let _forget = Forget {
            shared: &self.shared,
            id,
        };
        let sent = self.shared.outgoing.send(message.to_string().into_bytes());
        sent.map_err(|_| Error::Closed)?;
        match answer.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(message)) => Err(Error::Refused { method, message }),
            Err(_) => Err(Error::Closed),
        }
    }

    /// Everything that one session says from now on. Ends when the connection does.
    pub fn events(&self, session: &str) -> Events {
        let (sender, events) = mpsc::unbounded_channel();
        if let Some(open) = self.shared.lock().as_mut() {
            let listeners = open.listeners.entry(session.to_owned()).or_default();
            listeners.push(sender);
        }
        events
    }

    pub fn is_closed(&self) -> bool {
        self.shared.lock().is_none()
    }
}

/// A call whose caller no longer waits leaves nothing behind.
struct Forget<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if let Some(open) = self.shared.lock().as_mut() {
            open.calls.remove(&self.id);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Option<Open>> {
        // Nothing panics while holding it.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One message as it came off the wire.
    fn deliver(&self, bytes: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(bytes) else {
            tracing::warn!("the browser sent something that is no message; skipped");
            return;
        };
        let mut guard = self.lock();
        let Some(open) = guard.as_mut() else { return };
        if let Some(id) = message.id {
            let Some(call) = open.calls.remove(&id) else {
                return;
            };
            let _ = call.send(match (message.result, message.error) {
                (_, Some(refusal)) => Err(refusal.message),
                (Some(result), None) => Ok(result.to_owned()),
                (None, None) => Err("an answer without a result".to_owned()),
            });
        } else if let Some(method) = message.method {
            let session = message.session.unwrap_or_default();
            let Some(listeners) = open.listeners.get_mut(&session) else {
                return;
            };
            let params: Value = message
                .params
                .and_then(|params| serde_json::from_str(params.get()).ok())
                .unwrap_or_default();
            listeners.retain(|listener| {
                let event = Event {
                    method: method.clone(),
                    params: params.clone(),
                };
                listener.send(event).is_ok()
            });
        }
    }

    /// The other end is gone: whoever waits learns it now.
    fn close(&self) {
        *self.lock() = None;
    }
}
