//! The closed loop: a fixed number of keep-alive connections, each of which sends its next request as soon as it
//! has the answer to the last one. The same generator measures the limit and the server.
//!
//! One task per connection on a single-threaded runtime: one `write` and one `read` per request, and one
//! `epoll_wait` for many of them.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::histogram::Histogram;
use crate::process;
use crate::traffic::Traffic;

/// How long an answer may take before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct Load {
    pub address: SocketAddr,
    pub connections: usize,
    /// Generator threads. One leaves most to the server.
    pub threads: usize,
    /// Requests are sent but not measured, so that caches, pools and plans are there.
    pub warm_up: Duration,
    pub duration: Duration,
    pub watch: Watch,
}

/// Whose CPU time to note beside the generator's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watch {
    pub server: Option<u32>,
    pub database: Option<u32>,
}

/// CPU seconds spent between the first and the last measured answer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cpu {
    pub generator: Duration,
    pub server: Duration,
    pub database: Duration,
    /// Of the whole machine: what is more than the three belongs to somebody who disturbs the measurement.
    pub machine: Duration,
}

impl Cpu {
    pub fn now(watch: Watch) -> Self {
        Self {
            generator: process::own_cpu(),
            server: watch.server.map_or(Duration::ZERO, process::cpu),
            database: watch.database.map_or(Duration::ZERO, process::cpu),
            machine: process::machine_cpu(),
        }
    }

    pub fn since(self, before: Self) -> Self {
        Self {
            generator: self.generator.saturating_sub(before.generator),
            server: self.server.saturating_sub(before.server),
            database: self.database.saturating_sub(before.database),
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    /// CPU time of everybody else, and of interrupts.
    pub fn others(self) -> Duration {
        self.machine
            .saturating_sub(self.generator + self.server + self.database)
    }
}

/// What a run has shown.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Reports (or answers) per second that were acknowledged.
    pub rate: f64,
    pub worth: u64,
    pub latency: Histogram,
    pub cpu: Cpu,
    /// Answers that were not what was asked for, by status, warm-up included.
    pub refused: BTreeMap<u16, u64>,
    /// Connections that broke, garbled answers and answers that never came.
    pub broken: u64,
}

impl Outcome {
    pub fn refusals(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.broken
    }

    /// An error when anything but the expected answer came.
    pub fn clean(self, what: &str) -> Result<Self> {
        if self.refusals() > 0 {
            bail!(
                "{what}: refused by status {:?}, {} broken",
                self.refused,
                self.broken
            );
        }
        if self.worth == 0 {
            bail!("{what}: no answer came");
        }
        Ok(self)
    }

    fn merge(&mut self, other: &Self) {
        self.worth += other.worth;
        self.broken += other.broken;
        self.latency.merge(&other.latency);
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Window {
    start: Instant,
    end: Instant,
}

impl Load {
    /// Every connection begins as soon as it stands, as those of real clients would; the warm-up begins when all do.
    pub async fn run(&self, traffic: &impl Traffic) -> Result<Outcome> {
        let window = Arc::new(OnceLock::new());
        let mut threads = JoinSet::new();
        let mut hands = Vec::new();
        for _ in 0..self.threads.max(1) {
            let (hand, streams) = mpsc::unbounded_channel();
            let (traffic, window) = (traffic.clone(), Arc::clone(&window));
            threads.spawn_blocking(move || on_one_thread(streams, &traffic, &window));
            hands.push(hand);
        }
        for (number, hand) in (0..self.connections).zip(hands.iter().cycle()) {
            let stream = self
                .connect()
                .with_context(|| format!("connection {number}"))?;
            hand.send((number as u64, stream))
                .context("a generator thread has ended")?;
        }
        let start = Instant::now() + self.warm_up;
        let Window { start, end } = *window.get_or_init(|| Window {
            start,
            end: start + self.duration,
        });
        drop(hands);
        tokio::time::sleep_until(start.into()).await;
        let before = Cpu::now(self.watch);
        tokio::time::sleep_until(end.into()).await;
        let cpu = Cpu::now(self.watch).since(before);
        let mut outcome = Outcome {
            cpu,
            ..Outcome::default()
        };
        while let Some(tally) = threads.join_next().await {
            outcome.merge(&tally.context("a generator thread panicked")??);
        }
        outcome.rate = outcome.worth as f64 / self.duration.as_secs_f64();
        Ok(outcome)
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }
}

fn on_one_thread(
    mut streams: mpsc::UnboundedReceiver<(u64, TcpStream)>,
    traffic: &impl Traffic,
    window: &Arc<OnceLock<Window>>,
) -> Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let tally = Arc::new(Mutex::new(Outcome::default()));
        let mut tasks = JoinSet::new();
        while let Some((number, stream)) = streams.recv().await {
            let mut traffic = traffic.clone();
            traffic.begin(number);
            let stream = tokio::net::TcpStream::from_std(stream)?;
            tasks.spawn(converse(
                stream,
                traffic,
                Arc::clone(window),
                Arc::clone(&tally),
            ));
        }
        let end = window.get().map_or_else(Instant::now, |window| window.end);
        let all = async { while tasks.join_next().await.is_some() {} };
        let in_time = tokio::time::timeout_at((end + PATIENCE).into(), all).await;
        let mut outcome =
            std::mem::take(&mut *tally.lock().unwrap_or_else(PoisonError::into_inner));
        if in_time.is_err() {
            outcome.broken += tasks.len() as u64;
        }
        Ok(outcome)
    })
}

/// One connection, from the first request to the last answer.
async fn converse(
    mut stream: tokio::net::TcpStream,
    mut traffic: impl Traffic,
    window: Arc<OnceLock<Window>>,
    tally: Arc<Mutex<Outcome>>,
) {
    let mut request = Vec::new();
    let mut input = vec![0; 2048];
    let mut sent = Instant::now();
    while window.get().is_none_or(|window| sent < window.end) {
        traffic.next(&mut request);
        let answer = exchange(&mut stream, &request, &mut input).await;
        let done = Instant::now();
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok((status, body)) = answer else {
            tally.broken += 1;
            return;
        };
        let answer = Answer {
            status,
            body: &input[body],
        };
        match traffic.worth(&answer) {
            Some(worth)
                if window
                    .get()
                    .is_some_and(|window| done >= window.start && done < window.end) =>
            {
                tally.worth += worth;
                tally.latency.record(done - sent);
            }
            Some(_) => {}
            None => *tally.refused.entry(answer.status).or_default() += 1,
        }
        sent = done;
    }
}

/// Sends one request and reads until the answer to it is whole: its status, and where in `input` its body is.
async fn exchange(
    stream: &mut tokio::net::TcpStream,
    request: &[u8],
    input: &mut Vec<u8>,
) -> Result<(u16, Range<usize>)> {
    stream.write_all(request).await?;
    let mut filled = 0;
    loop {
        if filled == input.len() {
            input.resize(filled * 2, 0);
        }
        match stream.read(&mut input[filled..]).await? {
            0 => bail!("closed"),
            more => filled += more,
        }
        match Answer::read(&input[..filled]) {
            Ok(Some((answer, end))) => return Ok((answer.status, end - answer.body.len()..end)),
            Ok(None) => {}
            Err(_) => bail!("garbled"),
        }
    }
}
