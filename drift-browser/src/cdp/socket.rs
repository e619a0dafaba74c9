//! The WebSocket of a browser that runs already.

use std::sync::Arc;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Message;

use super::Shared;

pub(super) async fn write<S>(
    mut to: SplitSink<S, Message>,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
) where
    S: futures_util::Sink<Message> + Unpin,
{
    while let Some(message) = queue.recv().await {
        let Ok(text) = String::from_utf8(message) else {
            continue;
        };
        if to.send(Message::text(text)).await.is_err() {
            return;
        }
    }
}

pub(super) async fn read<S, E>(mut from: SplitStream<S>, shared: Arc<Shared>)
where
    S: futures_util::Stream<Item = Result<Message, E>> + Unpin,
{
    while let Some(Ok(message)) = from.next().await {
        match message {
            Message::Text(text) => shared.deliver(text.as_bytes()),
            Message::Binary(bytes) => shared.deliver(&bytes),
            Message::Close(_) => break,
            _ => {}
        }
    }
    shared.close();
}
