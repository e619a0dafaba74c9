//! The scraper protocol: what a scraper, a program in any language, writes on its standard output, one JSON object
//! per line, tagged by `type`. Scrapers of ours write these types, the reader in the client parses them.
//!
//! A line may have fields that are not listed here: they are dropped, so a scraper may be newer than its reader. An
//! unknown `type`, a missing field and a value of another form make the line malformed, and the refusal never
//! repeats what stood in it, since that may be a key.

mod api_key;
mod parse;
#[cfg(test)]
mod tests;

use serde::Serialize;
use uuid::Uuid;

use crate::report::TripwireKind;
use crate::words::{Digest, FailureCode, ResourceKind, ScraperVersion, Step};
pub use api_key::{ApiKey, mask_key};
pub use parse::Malformed;

/// One line of a scraper's standard output.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "describe", schemars(title = "ScraperLine"))]
pub enum Line {
    Progress(Progress),
    Resource(Resource),
    Tripwire(Tripped),
    Success(Success),
    Error(Failure),
}

impl Line {
    /// Whether this line is the last one. There is exactly one such line in a run.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Tripwire(_) | Self::Success(_) | Self::Error(_))
    }
}

/// A step begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Progress {
    pub step: Step,
    /// Masked tree of the page that the step before worked on: what later pages are compared with. A line that names the same step again
    /// brings that step's own; so the last one gets its tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// Something now exists at the provider that somebody may want to remove: an account, a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Resource {
    pub kind: ResourceKind,
    /// What the clean-up command needs to find it; never a secret.
    pub id: String,
}

/// Last line: the page has another shape than the scraper expected. Exit with 0 after it: a handoff, not a crash.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Tripped {
    pub kind: TripwireKind,
    pub step: Step,
    /// Where it happened. Only the host ever leaves the machine; without it nothing can be reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A PNG with everything personal blacked out before it was taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screenshot_b64: Option<String>,
    /// Shape of the page, without its content. Without it nothing can be reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom_digest: Option<Digest>,
    /// With this the scraper can go on where it stopped. One is drawn for scrapers that have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resume_token: Option<Uuid>,
    /// Version of the scraper, for the report. Without it the version of `scrapers.toml` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scraper_version: Option<ScraperVersion>,
    /// Masked tree of the page, for people who compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
}

/// Last line: it worked, and this is the key.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Success {
    #[cfg_attr(feature = "describe", schemars(with = "String"))]
    pub api_key: ApiKey,
}

/// Last line: it did not work, and the page's shape is not to blame: `bad_credentials`, `bot_wall`, `captcha`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema))]
pub struct Failure {
    pub code: FailureCode,
    /// For the person who reads the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<String>,
}

/// A page's address may carry a session, and a picture is long: neither is printed.
impl std::fmt::Debug for Tripped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tripped")
            .field("kind", &self.kind)
            .field("step", &self.step)
            .field("dom_digest", &self.dom_digest)
            .finish_non_exhaustive()
    }
}
