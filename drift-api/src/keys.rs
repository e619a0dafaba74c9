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
use crate::telemetry::causes;
pub use token::{Fresh, Token};

/// How old the memory may be: the longest that a revoked key goes on working.
const REFRESH: Duration = Duration::from_secs(2);
/// Strangers cause a look into the database this often at most.
const STRANGERS: Duration = Duration::from_millis(200);
/// A key's use is written down if the last note is this much older: the first one soon, a busy key's now and then.
const NOTE_USES_MICROS: i64 = 30_000_000;

/// A key that was presented and is good.
pub struct Key {
    pub id: String,
    /// For people.
    pub name: String,
    pub workspace: Workspace,
    pub scopes: Vec<Scope>,
    hash: [u8; 32],
    revoked_at: Option<Micros>,
    rate: Option<NonZeroU32>,
    limiter: Option<Arc<DefaultDirectRateLimiter>>,
    used_at: AtomicI64,
    noted_at: AtomicI64,
}

impl Key {
    pub fn may(&self, any_of: &[Scope]) -> bool {
        self.scopes
            .iter()
            .any(|scope| *scope == Scope::Admin || any_of.contains(scope))
    }

    fn is_in_force(&self, now: Micros) -> bool {
        self.revoked_at.is_none_or(|at| at > now)
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
    /// After this a look into the database that does not come back counts as failed.
    deadline: Duration,
    keys: ArcSwap<Snapshot>,
    looked: Mutex<Option<Look>>,
}

/// The last look into the database.
#[derive(Clone, Copy)]
struct Look {
    ended: Instant,
    well: bool,
}

impl Keyring {
    pub fn new(store: Store, default_rate: Option<NonZeroU32>, deadline: Duration) -> Self {
        Self {
            store,
            default_rate,
            deadline,
            keys: ArcSwap::default(),
            looked: Mutex::new(None),
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
            .filter(|key| token.is(&key.hash) && key.is_in_force(now))
            .inspect(|key| {
                key.used_at.store(now.0, Ordering::Relaxed);
            }))
    }

    /// The key of this id, if it is good now: for somebody who showed it before.
    pub async fn by_id(&self, id: &str) -> Result<Option<Arc<Key>>, StoreError> {
        if !self.keys.load().contains_key(id) {
            // Made a moment ago, in another process.
            self.refresh_for_a_stranger().await?;
        }
        let now = Micros::now();
        let key = self.keys.load().get(id).cloned();
        Ok(key.filter(|key| key.is_in_force(now)).inspect(|key| {
            key.used_at.store(now.0, Ordering::Relaxed);
        }))
    }

    /// Whether a key that was good when a stream began still is.
    pub fn still_knows(&self, id: &str) -> bool {
        let keys = self.keys.load();
        keys.get(id)
            .is_some_and(|key| key.is_in_force(Micros::now()))
    }

    /// What a key is called in its workspace, also when it is good no longer.
    pub fn name(&self, workspace: &Workspace, id: &str) -> Option<String> {
        let keys = self.keys.load();
        let key = keys.get(id).filter(|key| key.workspace == *workspace)?;
        Some(key.name.clone())
    }

    async fn refresh_for_a_stranger(&self) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut looked = self.looked.lock().await;
        if let Some(Look { ended, well }) = *looked {
            // Somebody else looked while we queued. What they found is the answer for all who waited, a failure too:
            // one after the other they would wait for a database that is down.
            if ended > asked {
                return if well {
                    Ok(())
                } else {
                    Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
                };
            }
            // A flood of made-up keys is no flood of queries: they wait together for the next look.
            tokio::time::sleep_until((ended + STRANGERS).into()).await;
        }
        self.look(&mut looked).await
    }

    pub async fn refresh(&self) -> Result<(), StoreError> {
        let mut looked = self.looked.lock().await;
        self.look(&mut looked).await
    }

    async fn look(&self, looked: &mut Option<Look>) -> Result<(), StoreError> {
        let loaded = match tokio::time::timeout(self.deadline, self.load()).await {
            Ok(loaded) => loaded,
            Err(_) => Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
        };
        *looked = Some(Look {
            ended: Instant::now(),
            well: loaded.is_ok(),
        });
        loaded
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

    /// A key keeps its allowance and its time of last use, also when it is about to be stopped.
    fn remember(&self, row: KeyRow, old: &Snapshot) -> Arc<Key> {
        let rate = row.rate.map_or(self.default_rate, NonZeroU32::new);
        let old = old.get(&row.id).filter(|old| old.rate == rate);
        if let Some(old) = old.filter(|old| old.revoked_at == row.revoked_at) {
            return old.clone();
        }
        let mut hash = [0; 32];
        // The column is a digest: 64 hexadecimal digits.
        let _ = hex::decode_to_slice(row.hash.as_str(), &mut hash);
        let limiter = match old {
            Some(old) => old.limiter.clone(),
            None => rate.map(|rate| Arc::new(RateLimiter::direct(Quota::per_second(rate)))),
        };
        let carried = |time: fn(&Key) -> &AtomicI64| {
            AtomicI64::new(old.map_or(0, |old| time(old).load(Ordering::Relaxed)))
        };
        Arc::new(Key {
            id: row.id,
            name: row.name,
            workspace: row.workspace,
            scopes: row.scopes,
            hash,
            revoked_at: row.revoked_at,
            rate,
            limiter,
            used_at: carried(|key| &key.used_at),
            noted_at: carried(|key| &key.noted_at),
        })
    }

    /// Writes down when keys were last used, where the last note is older than that by so much.
    async fn note_uses(&self, older_by_micros: i64) -> Result<(), StoreError> {
        let keys = self.keys.load_full();
        let mut uses = Vec::new();
        for key in keys.values() {
            let used = key.used_at.load(Ordering::Relaxed);
            if used - key.noted_at.load(Ordering::Relaxed) > older_by_micros {
                uses.push((key.id.clone(), Micros(used)));
            }
        }
        let noting = self.store.note_key_uses(&uses);
        tokio::time::timeout(self.deadline, noting)
            .await
            .unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))?;
        for (id, at) in uses {
            if let Some(key) = keys.get(&id) {
                key.noted_at.store(at.0, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    /// Keeps the memory fresh until the server stops.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(REFRESH) => {}
            }
            let mut done = self.refresh().await;
            if done.is_ok() {
                done = self.note_uses(NOTE_USES_MICROS).await;
            }
            // Said once when it begins and once when it is over, not every two seconds.
            match done {
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(
                        error = %causes(&error),
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
        if let Err(error) = self.note_uses(0).await {
            tracing::debug!(
                error = %causes(&error),
                "the last uses of keys were not noted"
            );
        }
    }
}
