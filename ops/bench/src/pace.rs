//! The open loop: requests leave at random moments of a given average rate, whatever became of those before
//! (Poisson arrivals). At a fraction of the full rate, this shows what one caller waits who is not in a crowd.
//!
//! A thread per connection, because a sleeping thread wakes within some 50 µs of its time and an async timer
//! within 1 ms. A request that is late because the one before it took long counts from when it was due.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::task::JoinSet;

use crate::answer::Answer;
use crate::histogram::Histogram;
use crate::load::Outcome;
use crate::random::Random;
use crate::traffic::Traffic;

#[derive(Debug, Clone)]
pub struct Pace {
    pub address: SocketAddr,
    pub connections: usize,
    /// Requests per second, over all connections.
    pub rate: f64,
    pub duration: Duration,
}

impl Pace {
    pub async fn run(&self, traffic: &impl Traffic) -> Result<Outcome> {
        let mut threads = JoinSet::new();
        for number in 0..self.connections as u64 {
            let (pace, mut traffic) = (self.clone(), traffic.clone());
            traffic.begin(number);
            threads.spawn_blocking(move || pace.one_connection(traffic, Random::stream(number)));
        }
        let mut outcome = Outcome::default();
        while let Some(thread) = threads.join_next().await {
            let (latency, refused) = thread.context("a pacing thread panicked")??;
            outcome.latency.merge(&latency);
            for (status, count) in refused {
                *outcome.refused.entry(status).or_default() += count;
            }
        }
        outcome.worth = outcome.latency.total();
        outcome.rate = outcome.worth as f64 / self.duration.as_secs_f64();
        Ok(outcome)
    }

    fn one_connection(
        &self,
        mut traffic: impl Traffic,
        mut random: Random,
    ) -> Result<(Histogram, BTreeMap<u16, u64>)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let (mut latency, mut refused) = (Histogram::default(), BTreeMap::new());
        let (mut request, mut input) = (Vec::new(), vec![0; 4096]);
        let gap = self.connections as f64 / self.rate;
        let mut due = Instant::now();
        let end = due + self.duration;
        loop {
            due += Duration::from_secs_f64(-random.unit().ln() * gap);
            if due >= end {
                return Ok((latency, refused));
            }
            traffic.next(&mut request);
            let early = due.saturating_duration_since(Instant::now());
            let from = if early.is_zero() {
                due
            } else {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "a thread of its own, and finer than an async timer"
                )]
                std::thread::sleep(early);
                Instant::now()
            };
            stream.write_all(&request)?;
            let answer = read_answer(&mut stream, &mut input)?;
            match traffic.worth(&answer) {
                Some(_) => latency.record(from.elapsed()),
                None => *refused.entry(answer.status).or_default() += 1,
            }
        }
    }
}

fn read_answer<'a>(stream: &mut TcpStream, input: &'a mut Vec<u8>) -> Result<Answer<'a>> {
    let mut filled = 0;
    loop {
        if filled == input.len() {
            input.resize(filled * 2, 0);
        }
        match stream.read(&mut input[filled..])? {
            0 => bail!("the server closed the connection"),
            more => filled += more,
        }
        if !matches!(Answer::read(&input[..filled]), Ok(None)) {
            break;
        }
    }
    Ok(Answer::read(&input[..filled])
        .ok()
        .flatten()
        .context("garbled answer")?
        .0)
}
