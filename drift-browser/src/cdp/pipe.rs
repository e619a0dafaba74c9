//! The pipe of `--remote-debugging-pipe`: messages end with a zero byte. Unlike a port it is open to nobody else on the
//! machine, and Chromium ends by itself when we do, however we end.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::sync::mpsc;

use super::{LONGEST, Shared};

pub(super) async fn write(
    mut to: impl AsyncWrite + Unpin,
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    while let Some(mut message) = queue.recv().await {
        message.push(0);
        if to.write_all(&message).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

pub(super) async fn read(from: impl AsyncRead + Unpin, shared: Arc<Shared>) {
    let mut from = BufReader::with_capacity(1 << 16, from);
    let mut message = Vec::new();
    let mut too_long = false;
    while let Ok(piece) = from.fill_buf().await {
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|&byte| byte == 0);
        let more = &piece[..end.unwrap_or(piece.len())];
        too_long |= message.len() + more.len() > LONGEST;
        if !too_long {
            message.extend_from_slice(more);
        }
        let used = end.map_or(piece.len(), |end| end + 1);
        from.consume(used);
        if end.is_some() {
            if too_long {
                tracing::warn!("the browser sent a message of more than {LONGEST} bytes; skipped");
            } else {
                shared.deliver(&message);
            }
            too_long = false;
            // A picture should not stay in memory for the rest of the run.
            message.clear();
            message.shrink_to(1 << 16);
        }
    }
    shared.close();
}
