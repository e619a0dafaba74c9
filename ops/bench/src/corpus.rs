//! The honest reports that everything here is measured with: a thousand drifts in a few variants each, with
//! names as long as real ones. Requests, bare rows and seeded events are all made from these.

use anyhow::{Context as _, Result, bail};
use drift_schema::event::{Event, ReportReceived};
use drift_schema::{Report, Service};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

const SITES: [&str; 8] = [
    "atlas", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven",
];
const TRADES: [&str; 5] = ["cloud", "mail", "maps", "pay", "store"];
const ACTS: [&str; 5] = ["open", "fill", "submit", "confirm", "read"];
const FORMS: [&str; 5] = [
    "login-form",
    "signup-form",
    "profile-page",
    "billing-page",
    "export-menu",
];
const KINDS: [&str; 3] = ["selector-missing", "unexpected-nav", "timeout"];

/// How many drifts there are to choose from.
pub const DRIFTS: usize = SITES.len() * TRADES.len() * ACTS.len() * FORMS.len();

/// As long as the id of a real key.
const KEY_ID: &str = "k3m9x2p7q4w8";

/// One report, with the drift that it belongs to.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Below `Corpus::drifts`.
    pub drift: usize,
    pub report: Report,
    /// Carries the nil UUID as its report id.
    pub body: String,
    /// What the log stores for it, with a salt of zeros.
    pub payload: String,
}

#[derive(Debug, Clone)]
pub struct Corpus {
    pub drifts: usize,
    /// Ordered by variant, then drift: the first `drifts` are one of each.
    pub samples: Vec<Sample>,
}

impl Corpus {
    pub fn new(drifts: usize, variants: usize) -> Result<Self> {
        if drifts == 0 || drifts > DRIFTS || variants == 0 {
            bail!("a corpus has 1 to {DRIFTS} drifts in at least one variant");
        }
        let samples =
            (0..variants).flat_map(|variant| (0..drifts).map(move |drift| sample(drift, variant)));
        Ok(Self {
            drifts,
            samples: samples.collect::<Result<_>>()?,
        })
    }

    /// The usual one: as many drifts as the targets speak of.
    pub fn full() -> Result<Self> {
        Self::new(DRIFTS, 4)
    }

    /// All reports to a single drift.
    pub fn hot() -> Result<Self> {
        Self::new(1, 64)
    }

    pub fn service(&self, drift: usize) -> &Service {
        &self.samples[drift].report.service
    }

    pub fn step(&self, drift: usize) -> &str {
        self.samples[drift].report.tripwire.step.as_str()
    }
}

fn sample(drift: usize, variant: usize) -> Result<Sample> {
    let site = SITES[drift % SITES.len()];
    let rest = drift / SITES.len();
    let trade = TRADES[rest % TRADES.len()];
    let rest = rest / TRADES.len();
    let (act, form) = (ACTS[rest % ACTS.len()], FORMS[rest / ACTS.len()]);
    let shape = hex::encode(Sha256::digest(format!(
        "{site} {trade} {act} {form} {variant}"
    )));
    let body = json!({
        "report_id": Uuid::nil(),
        "service": format!("{site}-{trade}"),
        "tripwire": {"kind": KINDS[(drift + variant) % KINDS.len()], "step": format!("{act}-{form}")},
        "dom_digest": shape,
        "url_host": format!("{trade}.{site}.example"),
        "scraper_version": format!("1.{}.{variant}", drift % 20),
    })
    .to_string();
    let report =
        Report::parse(body.as_bytes()).map_err(|refusal| anyhow::anyhow!("{refusal:?}"))?;
    let event = Event::ReportReceived(ReportReceived::new(report.clone(), KEY_ID.to_owned(), 0));
    let payload = event.encode().context("an event does not encode")?;
    Ok(Sample {
        drift,
        report,
        body,
        payload,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_thousand_drifts_are_a_thousand_different_ones() {
        let corpus = Corpus::full().unwrap();
        let names: HashSet<_> = corpus
            .samples
            .iter()
            .map(|s| (s.report.service.clone(), s.report.tripwire.step.clone()))
            .collect();
        assert_eq!((DRIFTS, names.len()), (1000, 1000));
        let bodies: HashSet<_> = corpus.samples.iter().map(|s| &s.body).collect();
        assert_eq!(bodies.len(), 4000);
    }
}
