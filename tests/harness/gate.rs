//! Gates before servers: every request passes one, and a test can stop the n-th, before it has an effect or after, or lose its
//! answer. So a process can be killed at each of its steps without a word about it in the process.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::http::Message;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request stands still, and has no effect before it is let go. If whoever sent it is dead by then, it never has one.
    HoldBefore,
    /// It had its effect, and the answer stands still.
    HoldAfter,
    /// It had its effect, and the connection breaks.
    LoseAnswer,
    /// It had its effect, and the answer comes when it is let go.
    DelayAnswer,
    /// The connection breaks before anything happens.
    Refuse,
}

/// What several gates share: requests are numbered through all of them.
#[derive(Clone)]
pub struct Script(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// How many are being held.
    held: watch::Sender<usize>,
    /// While true, nothing is let through that a fault holds.
    holding: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    seen: Vec<String>,
    plan: Option<(usize, Fault)>,
    happened: Option<String>,
}

impl Default for Script {
    fn default() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            held: watch::Sender::new(0),
            holding: watch::Sender::new(true),
        }))
    }
}

impl Script {
    /// Counts from zero again, and plans a fault for the n-th request from here.
    pub fn plan(&self, number: usize, fault: Fault) {
        *self.state() = State {
            plan: Some((number, fault)),
            ..State::default()
        };
        self.0.held.send_replace(0);
        self.0.holding.send_replace(true);
    }

    /// Counts from zero again, and lets everything through.
    pub fn pass(&self) {
        *self.state() = State::default();
        self.0.holding.send_replace(false);
    }

    /// Waits until a request is held.
    pub async fn holds(&self) {
        let mut held = self.0.held.subscribe();
        held.wait_for(|held| *held > 0)
            .await
            .expect("the gate is there");
    }

    /// What has passed since the last plan: `POST /drift/runs`.
    pub fn seen(&self) -> Vec<String> {
        self.state().seen.clone()
    }

    /// The request that the fault befell.
    pub fn happened(&self) -> Option<String> {
        self.state().happened.clone()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().expect("unpoisoned")
    }

    fn next(&self, request: &Message) -> Option<Fault> {
        let mut state = self.state();
        let name = format!("{} {}", request.method(), request.path());
        state.seen.push(name.clone());
        let (number, fault) = state.plan?;
        (state.seen.len() == number + 1).then(|| {
            state.happened = Some(name);
            fault
        })
    }

    async fn hold(&self) {
        self.0.held.send_modify(|held| *held += 1);
        let mut holding = self.0.holding.subscribe();
        let _ = holding.wait_for(|holding| !holding).await;
    }
}

pub struct Gate {
    pub address: SocketAddr,
    target: watch::Sender<SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Gate {
    pub async fn to(target: SocketAddr, script: &Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let target = watch::Sender::new(target);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, target.subscribe(), script.clone()));
        Self {
            address,
            target,
            _tasks: tasks,
        }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server behind it has moved, as after a restart.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }
}

async fn serve(listener: TcpListener, target: watch::Receiver<SocketAddr>, script: Script) {
    let mut wires = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (script, target) = (script.clone(), *target.borrow());
        wires.spawn(async move {
            // Whichever way it ends, both connections are closed.
            let _ = carry(client, target, script).await;
        });
    }
}

async fn carry(client: TcpStream, target: SocketAddr, script: Script) -> Option<()> {
    let mut client = BufReader::new(client);
    let mut server = None;
    loop {
        let request = Message::read(&mut client).await?;
        let fault = script.next(&request);
        match fault {
            Some(Fault::Refuse) => return None,
            Some(Fault::HoldBefore) => {
                script.hold().await;
                return None;
            }
            _ => {}
        }
        let server = match &mut server {
            Some(server) => server,
            none => none.insert(BufReader::new(TcpStream::connect(target).await.ok()?)),
        };
        server.get_mut().write_all(&request.bytes()).await.ok()?;
        let answer = Message::read(server).await?;
        match fault {
            Some(Fault::LoseAnswer) => return None,
            Some(Fault::HoldAfter) => {
                script.hold().await;
                return None;
            }
            Some(Fault::DelayAnswer) => script.hold().await,
            _ => {}
        }
        client.get_mut().write_all(&answer.bytes()).await.ok()?;
    }
}
