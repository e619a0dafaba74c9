//! Who may do what. Keys are looked up in memory; the memory is refreshed every few seconds, and at once
//! (within bounds) when a key comes by that it does not know.

mod token;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use drift_schema::{Micros, Scope, Workspace};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::store::{KeyRow, Store, StoreError};
pub use token::{Fresh, Token};

/// How old the memory may be: the longest that a revoked key goes on working.
const REFRESH: Duration = Duration::from_secs(2);
/// Strangers cause a look into the database this often at most.
const STRANGERS: Duration = Duration::from_millis(200);
/// How often the times of last use are written down.
const NOTE_USES: Duration = Duration::from_secs(30);

/// A key that was presented and is good.
pub struct Key {
    pub id: String,
    pub workspace: Workspace,
    pub scopes: Vec<Scope>,
    hash: [u8; 32],
    revoked_at: Option<Micros>,
    rate: Option<NonZeroU32>,
    limiter: Option<DefaultDirectRateLimiter>,
    used_at: AtomicI64,
    noted_at: AtomicI64,
}

impl Key {
    pub fn may(&self, any_of: &[Scope]) -> bool {
        self.scopes
            .iter()
            .any(|scope| *scope == Scope::Admin || any_of.contains(scope))
    }

    /// Takes `number` reports out of the key's allowance, or says how long to wait. A request larger than a whole
    /// second's allowance takes all of it.
    pub fn spend(&self, number: u32) -> Result<(), Duration> {
        let (Some(limiter), Some(number)) = (&self.limiter, NonZeroU32::new(number)) else {
            return Ok(());
        };
        let affordable = self.rate.map_or(number, |rate| number.min(rate));
        match limiter.check_n(affordable) {
            Ok(Ok(())) | Err(_) => Ok(()),
            Ok(Err(wait)) => Err(wait.wait_time_from(governor::clock::Clock::now(limiter.clock()))),
        }
    }
}

type Snapshot = HashMap<String, Arc<Key>>;

pub struct Keyring {
    store: Store,
    /// For keys that were issued without a rate of their own.
    default_rate: Option<NonZeroU32>,
    keys: ArcSwap<Snapshot>,
    refreshed: Mutex<Option<Instant>>,
}

impl Keyring {
    pub fn new(store: Store, default_rate: Option<NonZeroU32>) -> Self {
        Self {
            store,
            default_rate,
            keys: ArcSwap::default(),
            refreshed: Mutex::new(None),
        }
    }

    /// The key that a token belongs to, if it is good now.
    pub async fn find(&self, token: &Token<'_>) -> Result<Option<Arc<Key>>, StoreError> {
        let key = match self.keys.load().get(token.id) {
            Some(key) => Some(key.clone()),
            None => {
                self.refresh_for_a_stranger().await?;
                self.keys.load().get(token.id).cloned()
            }
        };
        let now = Micros::now();
        Ok(key
            .filter(|key| token.is(&key.hash) && key.revoked_at.is_none_or(|at| at > now))
            .inspect(|key| {
                key.used_at.store(now.0, Ordering::Relaxed);
            }))
    }

    async fn refresh_for_a_stranger(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut refreshed = self.refreshed.lock().await;
        // Somebody else looked while we queued.
        if refreshed.is_some_and(|at| at > asked) {
            return Ok(());
        }
        // A flood of made-up keys is no flood of queries: they wait together for the next look.
        if let Some(at) = *refreshed {
            tokio::time::sleep_until((at + STRANGERS).into()).await;
        }
        self.load().await?;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut refreshed = self.refreshed.lock().await;
        self.load().await?;
        *refreshed = Some(Instant::now());
        Ok(())
    }

    async fn load(&self) -> Result<(), StoreError> {
        let old = self.keys.load();
        let keys = self.store.keys().await?;
        let new = keys
            .into_iter()
            .map(|row| (row.id.clone(), self.remember(row, &old)))
            .collect();
        self.keys.store(Arc::new(new));
        Ok(())
    }

    /// A key that did not change keeps its allowance and its time of last use.
    fn remember(&self, row: KeyRow, old: &Snapshot) -> Arc<Key> {
        let rate = row.rate.map_or(self.default_rate, NonZeroU32::new);
        if let Some(old) = old
            .get(&row.id)
            .filter(|old| old.revoked_at == row.revoked_at && old.rate == rate)
        {
            return old.clone();
        }
        let mut hash = [0; 32];
        // The column is a digest: 64 hexadecimal digits.
        let _ = hex::decode_to_slice(row.hash.as_str(), &mut hash);
        Arc::new(Key {
            id: row.id,
            workspace: row.workspace,
            scopes: row.scopes,
            hash,
            revoked_at: row.revoked_at,
            rate,
            limiter: rate.map(|rate| RateLimiter::direct(Quota::per_second(rate))),
            used_at: AtomicI64::new(0),
            noted_at: AtomicI64::new(0),
        })
    }

    /// Writes down when keys were last used.
    pub async fn note_uses(&self) -> Result<(), StoreError> {
        let keys = self.keys.load_full();
        let mut uses = Vec::new();
        for key in keys.values() {
            let used = key.used_at.load(Ordering::Relaxed);
            if used > key.noted_at.load(Ordering::Relaxed) {
                uses.push((key.id.clone(), Micros(used)));
            }
        }
        self.store.note_key_uses(&uses).await?;
        for (id, at) in uses {
            if let Some(key) = keys.get(&id) {
                key.noted_at.store(at.0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Keeps the memory fresh until the server stops.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut noted = Instant::now();
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(REFRESH) => {}
            }
            let mut done = self.refresh().await;
            if done.is_ok() && noted.elapsed() >= NOTE_USES {
                noted = Instant::now();
                done = self.note_uses().await;
            }
            // Said once when it begins and once when it is over, not every two seconds.
            match done {
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "keys cannot be refreshed; going on with those known"
                    );
                }
                Ok(()) if failing => {
                    failing = false;
                    tracing::info!("keys can be refreshed again");
                }
                _ => {}
            }
        }
        if let Err(error) = self.note_uses().await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the last uses of keys were not noted"
            );
        }
    }
}
