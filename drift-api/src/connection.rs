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
