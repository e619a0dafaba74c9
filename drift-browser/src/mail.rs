//! Codes that come by mail: asks a mailbox over IMAP and TLS until a mail has one, or the time is over. A mail counts only
//! when it came after the run began and every filter of the flow fits.

mod connect;
mod search;

use std::time::{Duration, Instant};

use regex::Regex;
use secrecy::SecretString;
use tokio::time::timeout_at;

use crate::flow::TextPattern;

pub struct Mailbox {
    /// Whose mailbox it is; the login name. A `+tag` in it does not count.
    pub address: String,
    pub password: SecretString,
    /// `host:port`. Without one `imap.` and the domain of the address.
    pub server: Option<String>,
    /// Whom to trust beside the system's authorities.
    pub ca_file: Option<String>,
}

/// Which mail, and what in it.
pub struct Wanted {
    /// Unix time. Mails that are older were for somebody else.
    pub since: i64,
    /// One of its recipients.
    pub to: Option<String>,
    pub from: Option<TextPattern>,
    pub subject: Option<TextPattern>,
    pub pattern: Regex,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("no mail with a code came in time: {seen} new mails, none that fits")]
    Timeout { seen: usize },
    #[error("the mail server {server} cannot be reached: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("the mail server {server} does not let us in: check address and password")]
    Refused { server: String },
    #[error("the mail server says something unexpected: {0}")]
    Protocol(String),
    #[error("{0}")]
    Settings(String),
}

impl Error {
    /// Of the protocol line.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "otp_timeout",
            Self::Unreachable { .. } => "mailbox_unreachable",
            Self::Refused { .. } => "mailbox_refused",
            Self::Protocol(_) => "mailbox_failed",
            Self::Settings(_) => "missing_value",
        }
    }
}

impl From<async_imap::error::Error> for Error {
    fn from(error: async_imap::error::Error) -> Self {
        // Its text may quote what the server said, and that what we sent: the login was before.
        Self::Protocol(error.to_string())
    }
}

/// Between two looks, where the server does not tell by itself.
const TICK: Duration = Duration::from_secs(2);
/// A server that tells is asked again after this long in any case.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

/// The code, from the newest mail that fits.
pub async fn wait_for_code(
    mailbox: &Mailbox,
    wanted: &Wanted,
    ends: Instant,
) -> Result<String, Error> {
    let mut seen = 0;
    match timeout_at(ends.into(), poll(mailbox, wanted, &mut seen)).await {
        Ok(found) => found,
        Err(_) => Err(Error::Timeout { seen }),
    }
}

async fn poll(mailbox: &Mailbox, wanted: &Wanted, seen: &mut usize) -> Result<String, Error> {
    let mut session = connect::open(mailbox).await?;
    let can_idle = session.capabilities().await?.has_str("IDLE");
    session.select("INBOX").await?;
    let mut ticks = tokio::time::interval(TICK);
    loop {
        if !can_idle {
            ticks.tick().await;
        }
        if let Some(code) = search::look(&mut session, wanted, seen).await? {
            // Politeness; the code is in our hands already.
            let _ = tokio::time::timeout(Duration::from_secs(1), session.logout()).await;
            return Ok(code);
        }
        if can_idle {
            let mut idle = session.idle();
            idle.init().await?;
            let (news, _interrupt) = idle.wait_with_timeout(LONGEST_IDLE);
            news.await?;
            session = idle.done().await?;
        } else {
            session.noop().await?;
        }
    }
}
