//! Cheap random numbers and the report ids made of them. Not for anything secret: the point is that drawing one
//! costs the load generator nothing.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::ValueEnum;
use uuid::{Builder, Uuid};

/// SplitMix64.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// Two streams with different numbers have nothing in common.
    pub fn stream(number: u64) -> Self {
        let mut random = Self(clock_seed() ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        random.draw();
        random
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.draw()) * bound as u128) >> 64) as usize
    }

    /// In (0, 1].
    pub fn unit(&mut self) -> f64 {
        ((self.draw() >> 11) + 1) as f64 / (1u64 << 53) as f64
    }

    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
        bytes
    }
}

/// Which version of UUID the clients draw for their reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum IdVersion {
    /// Random: every insert lands on another page of the index.
    V4,
    /// Begins with the time, as our own clients draw them.
    V7,
}

/// Draws report ids.
#[derive(Debug, Clone)]
pub struct Ids {
    version: IdVersion,
    random: Random,
}

impl Ids {
    pub fn new(version: IdVersion, random: Random) -> Self {
        Self { version, random }
    }

    pub fn version(&self) -> IdVersion {
        self.version
    }

    pub fn draw(&mut self) -> Uuid {
        match self.version {
            IdVersion::V4 => Builder::from_random_bytes(self.random.bytes()).into_uuid(),
            IdVersion::V7 => v7_at(now_micros() / 1000, &mut self.random),
        }
    }
}

pub fn v7_at(millis: i64, random: &mut Random) -> Uuid {
    Builder::from_unix_timestamp_millis(millis.unsigned_abs(), &random.bytes()).into_uuid()
}

pub fn now_micros() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_micros() as i64)
}

fn clock_seed() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}
