//! What signing in needs beside the store: the key that cookies are signed with, GitHub, and patience with those who guess.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use drift_schema::Code;
use secrecy::ExposeSecret as _;
use tokio::sync::OnceCell;

use super::State;
use super::error::ApiError;
use crate::config;
use crate::session::github::Github;
use crate::session::seal::Seal;

/// So many attempts at once, and one more each so often.
const ATTEMPTS: u32 = 10;
const ONE_MORE_AFTER: Duration = Duration::from_secs(6);
/// More strangers than that at a time are not told apart.
const MOST_STRANGERS: usize = 10_000;

pub(crate) struct SignIn {
    pub(crate) lifetime: Duration,
    pub(crate) github: Option<Github>,
    pub(crate) attempts: Attempts,
    /// Whether the first start left keys in a file.
    pub(crate) has_first_keys: bool,
    seal: OnceCell<Seal>,
}

impl SignIn {
    pub(crate) fn new(settings: config::SignIn, has_first_keys: bool) -> anyhow::Result<Self> {
        Ok(Self {
            lifetime: settings.lifetime,
            github: settings.github.map(Github::new).transpose()?,
            attempts: Attempts::default(),
            has_first_keys,
            seal: OnceCell::new(),
        })
    }
}

impl State {
    /// Whether browsers come by https, as far as we know.
    pub(crate) fn is_secure(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// With the key of the configuration, or with one that the processes on this database share.
    pub(crate) async fn seal(&self) -> Result<&Seal, ApiError> {
        let made = self.sign_in.seal.get_or_try_init(async || {
            if let Some(key) = &self.signing_key {
                return Ok(Seal::of(key.expose_secret().as_bytes()));
            }
            let mut drawn = [0; 32];
            getrandom::fill(&mut drawn).map_err(|_| ApiError::from(Code::Internal))?;
            let shared = self.store.shared_secret("sessions", drawn.to_vec());
            Ok(Seal::of(&self.read(shared).await?))
        });
        made.await
    }
}

/// Attempts to sign in, by address, in memory only. Keys are too long to be guessed; this keeps those who try from
/// keeping the database busy.
#[derive(Default)]
pub(crate) struct Attempts(Mutex<HashMap<IpAddr, Bucket>>);

#[derive(Clone, Copy)]
struct Bucket {
    /// When it is full again.
    full_at: Instant,
}

impl Attempts {
    /// Takes one, or says how long to wait.
    pub(crate) fn take(&self, request: &HttpRequest, now: Instant) -> Result<(), Duration> {
        self.take_from(whence(request), now)
    }

    /// Gives one back: whoever comes in did not guess. Behind a proxy everybody has one address.
    pub(crate) fn forgive(&self, request: &HttpRequest) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&whence(request)) {
            let earlier = bucket.full_at.checked_sub(ONE_MORE_AFTER);
            bucket.full_at = earlier.unwrap_or(bucket.full_at);
        }
    }

    fn take_from(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST_STRANGERS {
            buckets.retain(|_, bucket| bucket.full_at > now);
        }
        let address = if buckets.len() >= MOST_STRANGERS && !buckets.contains_key(&address) {
            IpAddr::V6(Ipv6Addr::UNSPECIFIED)
        } else {
            address
        };
        let bucket = buckets.entry(address).or_insert(Bucket { full_at: now });
        let full_at = bucket.full_at.max(now) + ONE_MORE_AFTER;
        let allowed = now + ONE_MORE_AFTER * ATTEMPTS;
        if full_at > allowed {
            return Err(full_at - allowed);
        }
        bucket.full_at = full_at;
        Ok(())
    }
}

fn whence(request: &HttpRequest) -> IpAddr {
    let address = request.peer_addr().map(|peer| neighbourhood(peer.ip()));
    address.unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}

/// Whoever has one address of IPv6 has at least these.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let bits = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(bits))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_tries_too_often_waits_and_nobody_else_does() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        for _ in 0..ATTEMPTS {
            assert_eq!(attempts.take_from(one, now), Ok(()));
        }
        assert_eq!(attempts.take_from(one, now), Err(ONE_MORE_AFTER));
        assert_eq!(attempts.take_from(other, now), Ok(()));
        let later = now + ONE_MORE_AFTER;
        assert_eq!(attempts.take_from(one, later), Ok(()));
        assert!(attempts.take_from(one, later).is_err());
    }

    #[test]
    fn a_flood_of_addresses_costs_no_memory_without_end() {
        let (attempts, now) = (Attempts::default(), Instant::now());
        for number in 0..2 * u32::try_from(MOST_STRANGERS).unwrap() {
            let _ = attempts.take_from(IpAddr::V4(number.into()), now);
        }
        assert!(attempts.0.lock().unwrap().len() <= MOST_STRANGERS + 1);
    }

    #[test]
    fn neighbours_are_one() {
        let of = |text: &str| neighbourhood(text.parse().unwrap()).to_string();
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(of("::ffff:192.0.2.1"), "192.0.2.1");
    }
}
