//! Where a socket waits until actix has a seat for it.
//!
//! A connection costs actix some 20 KB and a request in service as much again, at work or not. Here one that asks for
//! nothing costs a kilobyte: beyond a few hundred that stay seated for speed, a connection gives its seat back after
//! every answer, and what its client sends next waits in the kernel until a seat is free.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_server::GracefulShutdownSignal;
use actix_service::Service;
use futures_util::future::LocalBoxFuture;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::Connection;

/// Seats of a worker that are kept between two requests.
const RESIDENTS: usize = 256;
/// Seats of a worker.
const SEATS: usize = 1_024;
/// Whoever waited so long goes in without a seat: slow clients on all of them must not lock out the others.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may rest between two requests.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(75);

#[derive(Clone)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    of: usize,
    residents: usize,
    patience: Duration,
}

pub(super) type Seat = OwnedSemaphorePermit;

impl Default for Seats {
    fn default() -> Self {
        Self::new(SEATS, RESIDENTS, PATIENCE)
    }
}

impl Seats {
    pub(super) fn new(of: usize, residents: usize, patience: Duration) -> Self {
        Self {
            free: Arc::new(Semaphore::new(of)),
            of,
            residents,
            patience,
        }
    }

    /// Whether those that have nothing to do should stand up.
    pub(super) fn are_crowded(&self) -> bool {
        self.of - self.free.available_permits() > self.residents
    }

    pub(super) async fn take(&self) -> Option<Seat> {
        let free = || Arc::clone(&self.free);
        if let Ok(seat) = free().try_acquire_owned() {
            return Some(seat);
        }
        timeout(self.patience, free().acquire_owned())
            .await
            .ok()?
            .ok()
    }
}

/// The service around actix', one for each worker.
pub(crate) struct Entrance<S> {
    http: Rc<S>,
    seats: Seats,
    head_deadline: Duration,
    draining: GracefulShutdownSignal,
}

impl<S> Entrance<S> {
    pub(crate) fn new(http: S, head_deadline: Duration, draining: GracefulShutdownSignal) -> Self {
        Self {
            http: Rc::new(http),
            seats: Seats::default(),
            head_deadline,
            draining,
        }
    }
}

impl<S> Service<TcpStream> for Entrance<S>
where
    S: Service<(Connection<TcpStream>, Option<SocketAddr>), Response = ()> + 'static,
{
    type Response = ();
    type Error = S::Error;
    type Future = LocalBoxFuture<'static, Result<(), S::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.http.poll_ready(context)
    }

    fn call(&self, socket: TcpStream) -> Self::Future {
        let (http, seats) = (Rc::clone(&self.http), self.seats.clone());
        let (head_deadline, draining) = (self.head_deadline, self.draining.clone());
        Box::pin(async move {
            let peer = socket.peer_addr().ok();
            // An answer is one write; waiting for more to send with it would be for nothing.
            let _ = socket.set_nodelay(true);
            let socket = Rc::new(RefCell::new(socket));
            let mut rest = head_deadline;
            loop {
                tokio::select! {
                    asked = timeout(rest, readable(&socket)) => {
                        if asked.is_err() {
                            return Ok(());
                        }
                    }
                    () = draining.notified() => return Ok(()),
                }
                rest = KEEP_ALIVE;
                let seat = seats.take().await;
                let connection =
                    Connection::new(Rc::clone(&socket), head_deadline, seats.clone(), seat);
                let stood_up = connection.stood_up();
                // In a box of its own, so that a connection at rest does not keep the room for it.
                Box::pin(http.call((connection, peer))).await?;
                if !stood_up.get() {
                    return Ok(());
                }
            }
        })
    }
}

/// Resolves when there is something to read, be it the end.
async fn readable(socket: &RefCell<TcpStream>) {
    // An error shows again when it is read.
    let _ = std::future::poll_fn(|context| socket.borrow().poll_read_ready(context)).await;
}
