//! What stands between a socket and actix, which is patient where we are not: it times the first head of a
//! connection only, reads on while its answers are not taken, and waits for ever until they are.
//!
//! `startup` wraps every socket in a [`Connection`]; the innermost layer around the routes tells its [`Gate`] when a
//! request is in service.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client that has not taken a byte of its answer for so many times the time that it has for a head does not want it.
const ANSWER_DEADLINES: u32 = 3;
/// Bytes that actix gets at a time outside of bodies. It makes a request of every twenty or so bytes before it answers
/// the first, at kilobytes each.
const SIP: usize = 8 * 1024;
/// The same where a body may be on its way.
const GULP: usize = 64 * 1024;

/// What a connection is at, as seen from the routes.
#[derive(Default)]
pub(crate) struct Gate {
    serving: Cell<Serving>,
    /// When the head began that is not yet a request.
    head_began: Cell<Option<Instant>>,
    /// Whoever wanted to read while that had to wait.
    reader: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Serving {
    #[default]
    Nothing,
    /// What comes next on the wire belongs to another request.
    Bodyless,
    WithBody,
}

impl Gate {
    /// A request is in service for as long as the guard lives.
    pub(crate) fn enter(self: Rc<Self>, has_body: bool) -> InService {
        self.head_began.set(None);
        self.serving.set(if has_body {
            Serving::WithBody
        } else {
            Serving::Bodyless
        });
        InService(self)
    }
}

pub(crate) struct InService(Rc<Gate>);

impl Drop for InService {
    fn drop(&mut self) {
        self.0.serving.set(Serving::Nothing);
        if let Some(reader) = self.0.reader.borrow_mut().take() {
            reader.wake();
        }
    }
}

pub(crate) struct Connection<T> {
    socket: T,
    gate: Rc<Gate>,
    head_deadline: Duration,
    /// Goes off when a head may be overdue; not moved with every request, since most are there at once.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Set while the client does not take its answer.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes since actix last had to make do with what it has.
    taken: usize,
}

impl<T> Connection<T> {
    pub(crate) fn new(socket: T, head_deadline: Duration) -> Self {
        Self {
            socket,
            gate: Rc::default(),
            head_deadline,
            alarm: None,
            stalled: None,
            taken: 0,
        }
    }

    pub(crate) fn gate(&self) -> Rc<Gate> {
        self.gate.clone()
    }

    /// Whether a head takes too long; else asks to be called again when it does.
    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(began) = self.gate.head_began.get() else {
            return false;
        };
        let due = began + self.head_deadline;
        let alarm = self
            .alarm
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        while alarm.as_mut().poll(context).is_ready() {
            if due <= Instant::now() {
                return true;
            }
            // It was set for an earlier head.
            alarm.as_mut().reset(due);
        }
        false
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Connection<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let serving = this.gate.serving.get();
        if this.stalled.is_some() {
            // Woken by the write that gets through.
            return Poll::Pending;
        }
        if serving == Serving::Bodyless {
            *this.gate.reader.borrow_mut() = Some(context.waker().clone());
            return Poll::Pending;
        }
        let most = if serving == Serving::WithBody {
            GULP
        } else {
            SIP
        };
        if this.taken >= most {
            this.taken = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(context, buffer);
        match &read {
            Poll::Pending => {
                this.taken = 0;
                if this.is_overdue(context) {
                    // Nothing is owed to it: to actix it has left.
                    return Poll::Ready(Ok(()));
                }
            }
            Poll::Ready(Ok(())) => {
                this.taken += buffer.filled().len() - before;
                if serving == Serving::Nothing && this.gate.head_began.get().is_none() {
                    this.gate.head_began.set(Some(Instant::now()));
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Connection<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        if written.is_ready() {
            if self.stalled.take().is_some() {
                context.waker().wake_by_ref();
            }
            return written;
        }
        let deadline = self.head_deadline * ANSWER_DEADLINES;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
        match stalled.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const DEADLINE: Duration = Duration::from_millis(50);

    /// The client's end, and ours with room for 64 bytes each way.
    fn pair() -> (DuplexStream, Connection<DuplexStream>) {
        let (client, server) = duplex(64);
        (client, Connection::new(server, DEADLINE))
    }

    /// How many bytes actix would get if it read now; none if it had to wait.
    async fn read_now(connection: &mut Connection<DuplexStream>) -> Option<usize> {
        let mut bytes = [0; 1024];
        tokio::select! {
            biased;
            read = connection.read(&mut bytes) => Some(read.unwrap()),
            () = std::future::ready(()) => None,
        }
    }

    #[tokio::test]
    async fn nothing_is_read_while_an_answer_is_not_taken() {
        let (mut client, mut connection) = pair();
        client.write_all(b"one more").await.unwrap();
        let answer = tokio::time::timeout(DEADLINE, connection.write_all(&[0; 65])).await;
        assert!(answer.is_err(), "there is room for 64 bytes only");
        assert_eq!(read_now(&mut connection).await, None);
        client.read_exact(&mut [0; 64]).await.unwrap();
        connection.write_all(&[0]).await.unwrap();
        assert_eq!(read_now(&mut connection).await, Some(8));
    }

    #[tokio::test]
    async fn an_answer_that_is_never_taken_is_given_up() {
        let (_client, mut connection) = pair();
        let error = connection.write_all(&[0; 65]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn the_next_request_waits_while_one_without_a_body_is_in_service() {
        let (mut client, mut connection) = pair();
        client.write_all(b"one more").await.unwrap();
        let in_service = connection.gate().enter(false);
        assert_eq!(read_now(&mut connection).await, None);
        let next = async {
            tokio::time::sleep(DEADLINE / 2).await;
            drop(in_service);
        };
        let mut bytes = [0; 64];
        let (read, ()) = tokio::join!(connection.read(&mut bytes), next);
        assert_eq!(read.unwrap(), 8);
    }

    #[tokio::test]
    async fn a_head_that_does_not_end_is_the_end() {
        let (mut client, mut connection) = pair();
        client.write_all(b"GET /").await.unwrap();
        let began = Instant::now();
        assert_eq!(connection.read(&mut [0; 64]).await.unwrap(), 5);
        assert_eq!(connection.read(&mut [0; 64]).await.unwrap(), 0);
        assert!(began.elapsed() >= DEADLINE);
    }

    #[tokio::test]
    async fn a_connection_may_rest_between_two_requests_and_a_body_has_another_deadline() {
        let (mut client, mut connection) = pair();
        client.write_all(b"GET / HTTP/1.1").await.unwrap();
        assert_eq!(read_now(&mut connection).await, Some(14));
        let in_service = connection.gate().enter(true);
        let long = DEADLINE * 3;
        let read = tokio::time::timeout(long, connection.read_u8()).await;
        assert!(read.is_err(), "a body may take longer");
        drop(in_service);
        let read = tokio::time::timeout(long, connection.read_u8()).await;
        assert!(read.is_err(), "nothing is asked, so nothing is late");
        client.write_all(b"x").await.unwrap();
        assert_eq!(connection.read_u8().await.unwrap(), b'x');
    }

    #[tokio::test]
    async fn actix_gets_small_portions_outside_of_bodies() {
        let (mut client, server) = duplex(1 << 20);
        let mut connection = Connection::new(server, DEADLINE);
        client.write_all(&vec![0; 3 * SIP]).await.unwrap();
        let mut bytes = vec![0; 4 * SIP];
        let mut buffer = ReadBuf::new(&mut bytes);
        // As actix does: on and on until there is nothing for now.
        std::future::poll_fn(|context| {
            loop {
                let room = buffer.remaining().min(1024);
                let mut part = buffer.take(room);
                let read = Pin::new(&mut connection).poll_read(context, &mut part);
                let filled = part.filled().len();
                buffer.advance(filled);
                if read.is_pending() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
        assert_eq!(buffer.filled().len(), SIP);
    }
}
