//! Why a provisioning did not end with a key: one stable name each, with what to do about it.

/// Programs match on `as_str`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    ProvisionInProgress,
    VerificationFailed,
    VerificationEndpointDown,
    VerificationRateLimited,
    VerificationNotConfigured,
    StoreFailed,
    AuditFailed,
    HomeUnusable,
    ScraperNotConfigured,
    Configuration,
    Interrupted,
    /// The scraper gave up and said why.
    ScraperError,
    /// The scraper broke the protocol, in one of the ways of `scraper::Broken`.
    Scraper(&'static str),
    /// A tripwire. Not a failure.
    NeedsFallback,
}

impl Code {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProvisionInProgress => "PROVISION_IN_PROGRESS",
            Self::VerificationFailed => "VERIFICATION_FAILED",
            Self::VerificationEndpointDown => "VERIFICATION_ENDPOINT_DOWN",
            Self::VerificationRateLimited => "VERIFICATION_RATE_LIMITED",
            Self::VerificationNotConfigured => "VERIFICATION_NOT_CONFIGURED",
            Self::StoreFailed => "STORE_FAILED",
            Self::AuditFailed => "AUDIT_FAILED",
            Self::HomeUnusable => "HOME_UNUSABLE",
            Self::ScraperNotConfigured => "SCRAPER_NOT_CONFIGURED",
            Self::Configuration => "CONFIGURATION",
            Self::Interrupted => "INTERRUPTED",
            Self::ScraperError => "SCRAPER_ERROR",
            Self::Scraper(code) => code,
            Self::NeedsFallback => "NEEDS_FALLBACK",
        }
    }

    /// Of the command.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::ScraperNotConfigured | Self::Configuration => 2,
            Self::NeedsFallback => 3,
            _ => 1,
        }
    }

    /// What the person in front of it can do.
    pub fn advice(self) -> &'static str {
        match self {
            Self::ProvisionInProgress => "Wait until it is done, then try again.",
            Self::VerificationFailed => {
                "The page showed a key that does not work. Look at the scraper's last step: it may have read a decoy."
            }
            Self::VerificationEndpointDown => {
                "Check the network and the service's status page, then try again."
            }
            Self::VerificationRateLimited => "Try again in a few minutes.",
            Self::VerificationNotConfigured => {
                "Add the service to services.toml under AGENTKEYS_HOME: base_url and path are enough."
            }
            Self::StoreFailed | Self::AuditFailed | Self::HomeUnusable => {
                "Check that the folder belongs to you and that the disk has room, or set AGENTKEYS_HOME."
            }
            Self::ScraperNotConfigured | Self::Configuration => {
                "Mend the file, or name another one: DRIFT_SCRAPERS, AGENTKEYS_SERVICES."
            }
            Self::Interrupted => "The scraper and all that it had started were ended.",
            Self::ScraperError => "The page has not changed: what the scraper says is the reason.",
            Self::Scraper("SCRAPER_NOT_STARTED") => {
                "Check `command` in scrapers.toml: is the program there, executable, and on PATH?"
            }
            Self::Scraper("SCRAPER_DEADLINE") => {
                "Raise `deadline` in scrapers.toml, or see where the scraper hangs."
            }
            Self::Scraper(_) => {
                "Run the scraper's command by hand: it has to write one JSON object per line, as in schema/json/scraper.schema.json."
            }
            Self::NeedsFallback => "Go on by hand, or wait for a scraper that knows the new page.",
        }
    }
}
