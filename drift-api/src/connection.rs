//! What stands between a socket and actix, which is patient where we are not: it times the first head of a
//! connection only, reads on while its answers are not taken, and waits for ever until they are.
//!
//! `startup` puts an [`Entrance`] before actix, which wraps every socket in a [`Connection`]; the innermost layer around
//! the routes tells its [`Gate`] when a request is in service.

mod entrance;
mod outline;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

pub(crate) use entrance::{Entrance, KEEP_ALIVE};
pub(crate) use outline::Body;

use entrance::{Seat, Seats};
use outline::Outline;

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
    /// The last request, until the next one begins.
    answered: Cell<Option<Answered>>,
}

#[derive(Clone, Copy)]
enum Answered {
    /// At once, to a request with such a body.
    Whole(Body),
    /// With a stream, which may go on.
    Stream,
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
    pub(crate) fn enter(self: Rc<Self>, body: Body) -> InService {
        self.head_began.set(None);
        self.serving.set(if body == Body::None {
            Serving::Bodyless
        } else {
            Serving::WithBody
        });
        InService {
            gate: self,
            answered: Answered::Whole(body),
        }
    }
}

pub(crate) struct InService {
    gate: Rc<Gate>,
    answered: Answered,
}

impl InService {
    pub(crate) fn answers_with_a_stream(&mut self) {
        self.answered = Answered::Stream;
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        self.gate.answered.set(Some(self.answered));
        self.gate.serving.set(Serving::Nothing);
        if let Some(reader) = self.gate.reader.borrow_mut().take() {
            reader.wake();
        }
    }
}

/// One sitting of a socket with actix.
pub(crate) struct Connection<T> {
    socket: Rc<RefCell<T>>,
    gate: Rc<Gate>,
    seats: Seats,
    seat: Option<Seat>,
    outline: Outline,
    /// Bytes went by of which it is not clear to which request they belong.
    blurred: bool,
    /// Set when the socket goes back to the entrance.
    stood_up: Rc<Cell<bool>>,
    head_deadline: Duration,
    /// Goes off when a head may be overdue; not moved with every request, since most are there at once.
    alarm: Option<Pin<Box<Sleep>>>,
    /// Set while the client does not take its answer.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Bytes since actix last had to make do with what it has.
    taken: usize,
}

impl<T> Connection<T> {
    fn new(
        socket: Rc<RefCell<T>>,
        head_deadline: Duration,
        seats: Seats,
        seat: Option<Seat>,
    ) -> Self {
        Self {
            socket,
            gate: Rc::default(),
            seats,
            seat,
            outline: Outline::default(),
            blurred: false,
            stood_up: Rc::default(),
            head_deadline,
            alarm: None,
            stalled: None,
            taken: 0,
        }
    }

    pub(crate) fn gate(&self) -> Rc<Gate> {
        self.gate.clone()
    }

    fn stood_up(&self) -> Rc<Cell<bool>> {
        self.stood_up.clone()
    }

    /// Whether the last request was answered and nothing of another one is here.
    fn rests(&self) -> bool {
        !self.blurred
            && matches!(
                self.gate.answered.get(),
                Some(Answered::Whole(body)) if self.outline.is_one_request(body)
            )
    }

    /// Called when there is nothing to read and nothing in service: whether to stand up for somebody else.
    fn makes_room(&mut self) -> bool {
        if self.gate.answered.get().is_none() || !self.seats.are_crowded() {
            return false;
        }
        if self.rests() {
            self.stood_up.set(true);
            return true;
        }
        // It has to stay, but not on a seat.
        self.seat = None;
        false
    }

    /// Called with all that is read.
    fn follow(&mut self, bytes: &[u8]) {
        if self.gate.answered.get().is_some() {
            self.blurred |= !self.rests();
            self.gate.answered.set(None);
            self.outline = Outline::default();
        }
        if !self.blurred {
            self.outline.follow(bytes);
        }
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
        let read = Pin::new(&mut *this.socket.borrow_mut()).poll_read(context, buffer);
        match &read {
            Poll::Pending => {
                this.taken = 0;
                if serving == Serving::WithBody {
                    if this.seats.are_crowded() {
                        // To stand up once it is answered.
                        *this.gate.reader.borrow_mut() = Some(context.waker().clone());
                    }
                } else if this.is_overdue(context) || this.makes_room() {
                    // Nothing is owed to it: to actix it has left.
                    return Poll::Ready(Ok(()));
                }
            }
            Poll::Ready(Ok(())) => {
                this.taken += buffer.filled().len() - before;
                this.follow(&buffer.filled()[before..]);
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
        let written = Pin::new(&mut *self.socket.borrow_mut()).poll_write(context, bytes);
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

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.socket.borrow_mut()).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.stood_up.get() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.socket.borrow_mut()).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
