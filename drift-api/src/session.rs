//! Who is signed in, as a browser brings it back: a cookie that we signed, which holds nothing secret. What somebody may do
//! is looked up with each request, so a key that is revoked ends its sessions.

pub(crate) mod cookie;
pub(crate) mod github;
pub(crate) mod seal;

use std::time::Duration;

use drift_schema::Micros;
use serde::{Deserialize, Serialize};

use seal::{Purpose, Seal};

/// Somebody signed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    pub(crate) who: Who,
    /// Drawn for this session; the token in its forms is made from it.
    pub(crate) nonce: String,
    pub(crate) expires: Micros,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Who {
    /// Id of the key that they came with.
    Key(String),
    Github {
        login: String,
        /// Who was let in when they came (`github::Settings::door`).
        door: String,
    },
}

impl Session {
    pub(crate) fn begin(who: Who, lifetime: Duration, now: Micros) -> anyhow::Result<Self> {
        let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
        Ok(Self {
            who,
            nonce: draw()?,
            expires: now.plus_seconds(seconds),
        })
    }

    pub(crate) fn seal(&self, seal: &Seal) -> String {
        seal.seal(Purpose::Session, self)
    }

    /// None: it was not ours, was changed on the way, or is over.
    pub(crate) fn open(text: &str, seal: &Seal, now: Micros) -> Option<Self> {
        let session: Self = seal.open(Purpose::Session, text)?;
        (session.expires > now).then_some(session)
    }

    /// What a form of this session brings back, so that no other site can have made it.
    pub(crate) fn form_token(&self, seal: &Seal) -> String {
        seal.token(&self.nonce)
    }

    /// As the log has them.
    pub(crate) fn by(&self) -> String {
        match &self.who {
            Who::Key(id) => id.clone(),
            Who::Github { login, .. } => format!("github:{login}"),
        }
    }
}

/// Sixteen random bytes, in hexadecimal.
pub(crate) fn draw() -> anyhow::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| anyhow::anyhow!("no randomness from the system: {error}"))?;
    Ok(hex::encode(bytes))
}

/// The page to go to after signing in: one of ours, or none.
pub(crate) fn local(next: &str) -> Option<String> {
    // Read as a browser reads it, which overlooks tabs and takes a backslash for a slash.
    let ours = url::Url::parse("http://ours.invalid/").ok()?;
    let place = ours.join(next).ok()?;
    if !next.starts_with('/') || place.origin() != ours.origin() {
        return None;
    }
    let mut local = place.path().to_owned();
    // `//elsewhere` would be another site again, once it stands alone.
    if local.starts_with("//") {
        return None;
    }
    if let Some(query) = place.query() {
        local = format!("{local}?{query}");
    }
    if let Some(fragment) = place.fragment() {
        local = format!("{local}#{fragment}");
    }
    Some(local)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::of(b"a key of at least thirty-two bytes")
    }

    #[test]
    fn a_session_is_good_for_its_time_and_as_it_was_made() {
        let now = Micros(1_700_000_000_000_000);
        let who = Who::Key("0123456789ab".to_owned());
        let session = Session::begin(who, Duration::from_secs(60), now).unwrap();
        let text = session.seal(&seal());
        assert_eq!(Session::open(&text, &seal(), now), Some(session.clone()));
        assert_eq!(Session::open(&text, &seal(), now.plus_seconds(60)), None);
        assert_eq!(Session::open(&text, &Seal::of(b"another"), now), None);
        for place in 0..text.len() {
            let mut forged = text.clone().into_bytes();
            forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(Session::open(&forged, &seal(), now), None, "{forged}");
        }
        // What we signed for another purpose is no session.
        let notice = seal().seal(Purpose::Notice, &session);
        assert_eq!(Session::open(&notice, &seal(), now), None);
    }

    #[test]
    fn nobody_is_sent_to_another_site() {
        for (next, local_place) in [
            ("/", "/"),
            (
                "/drifts/openai/ab?x=1#actions",
                "/drifts/openai/ab?x=1#actions",
            ),
            ("/a/../keys", "/keys"),
        ] {
            assert_eq!(local(next).as_deref(), Some(local_place), "{next}");
        }
        for elsewhere in [
            "",
            "keys",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "\\\\evil.example",
            "/..//evil.example",
            "/.//evil.example",
            "https://evil.example/",
            "javascript:alert(1)",
            "http:///evil.example",
            " //evil.example",
        ] {
            assert_eq!(local(elsewhere), None, "{elsewhere:?}");
        }
    }
}
