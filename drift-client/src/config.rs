//! Configuration: read once, whole, with every problem in one message. A problem of the telemetry's own never stops a
//! command: it is told, and nothing is sent.

mod environment;

use std::fmt;
use std::path::PathBuf;

use crate::home::Home;
use crate::telemetry::{Dsn, Tier};
pub use environment::Environment;

#[derive(Debug, Clone)]
pub struct Settings {
    pub home: Home,
    pub scrapers: PathBuf,
    /// A file of services beside the built-in ones and those under `AGENTKEYS_HOME`.
    pub services: Option<PathBuf>,
    pub telemetry: Tier,
    /// Where reports go. `Err` says what is wrong with it.
    pub dsn: Result<Option<Dsn>, String>,
    /// Where metrics go, by OTLP over HTTP.
    pub otlp: Option<String>,
    pub environment: Environment,
}

/// All that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl Problems {
    pub fn one(problem: impl Into<String>) -> Self {
        Self(vec![problem.into()])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n  "))
    }
}

impl std::error::Error for Problems {}

/// Every variable that `agentkeys` reads, for `--help`.
pub const VARIABLES: &str = "\
Environment:
  AGENTKEYS_HOME        where credentials, audit and queue lie [default: ~/.agentkeys]
  AGENTKEYS_TELEMETRY   1 sends reports of changed pages, evidence adds a masked screenshot [default: off]
  DO_NOT_TRACK          anything but 0 turns reports off, whatever else is set
  DRIFT_DSN             where reports go: https://<ingest key>@host/ (or a file with it: DRIFT_DSN_FILE)
  DRIFT_SCRAPERS        which scraper serves which service [default: scrapers.toml]
  AGENTKEYS_SERVICES    a file of services and how their keys are verified, beside the built-in ones
  AGENTKEYS_<SERVICE>_BASE_URL   verify that service's keys here instead
  OTEL_EXPORTER_OTLP_ENDPOINT    send metrics to this collector";

impl Settings {
    pub fn read(environment: Environment) -> Result<Self, Problems> {
        let home = match (environment.get("AGENTKEYS_HOME"), environment.get("HOME")) {
            (Some(home), _) => PathBuf::from(home),
            (None, Some(home)) => PathBuf::from(home).join(".agentkeys"),
            (None, None) => {
                return Err(Problems::one(
                    "neither AGENTKEYS_HOME nor HOME is set: say where agentkeys may keep its files",
                ));
            }
        };
        let (telemetry, unknown_tier) = tier(&environment);
        let dsn = match (unknown_tier, environment.secret("DRIFT_DSN")) {
            (Some(problem), _) | (None, Err(problem)) => Err(problem),
            (None, Ok(None)) => Ok(None),
            (None, Ok(Some(text))) => Dsn::parse(&text).map(Some),
        };
        Ok(Self {
            home: Home::at(home),
            scrapers: environment
                .get("DRIFT_SCRAPERS")
                .map_or_else(|| PathBuf::from("scrapers.toml"), PathBuf::from),
            services: environment.get("AGENTKEYS_SERVICES").map(PathBuf::from),
            telemetry,
            dsn,
            otlp: environment
                .get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
                .map(str::to_owned)
                .or_else(|| {
                    let base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")?;
                    Some(format!("{}/v1/metrics", base.trim_end_matches('/')))
                }),
            environment,
        })
    }
}

/// Off, unless somebody has said otherwise in a way that we understand.
fn tier(environment: &Environment) -> (Tier, Option<String>) {
    // As the convention has it: even `false` is somebody who cares.
    if environment
        .get("DO_NOT_TRACK")
        .is_some_and(|value| value != "0")
    {
        return (Tier::Off, None);
    }
    match environment.get("AGENTKEYS_TELEMETRY").unwrap_or("0") {
        "0" | "false" | "off" | "no" => (Tier::Off, None),
        "1" | "true" | "on" | "yes" => (Tier::Reports, None),
        "evidence" => (Tier::Evidence, None),
        _ => {
            let problem = "AGENTKEYS_TELEMETRY is none of 0, 1 and evidence: it counts as 0";
            (Tier::Off, Some(problem.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Settings {
        let home = [("HOME", "/home/x")];
        let pairs = home.iter().chain(pairs).copied();
        Settings::read(Environment::from_pairs(pairs)).unwrap()
    }

    #[test]
    fn telemetry_is_off_unless_somebody_says_otherwise() {
        for (pairs, tier) in [
            (&[][..], Tier::Off),
            (&[("AGENTKEYS_TELEMETRY", "")], Tier::Off),
            (&[("AGENTKEYS_TELEMETRY", "0")], Tier::Off),
            (&[("AGENTKEYS_TELEMETRY", "maybe")], Tier::Off),
            (&[("AGENTKEYS_TELEMETRY", "1")], Tier::Reports),
            (&[("AGENTKEYS_TELEMETRY", "evidence")], Tier::Evidence),
            (
                &[("AGENTKEYS_TELEMETRY", "1"), ("DO_NOT_TRACK", "1")],
                Tier::Off,
            ),
            (
                &[("AGENTKEYS_TELEMETRY", "evidence"), ("DO_NOT_TRACK", "yes")],
                Tier::Off,
            ),
            (
                &[("AGENTKEYS_TELEMETRY", "1"), ("DO_NOT_TRACK", "0")],
                Tier::Reports,
            ),
            (
                &[("AGENTKEYS_TELEMETRY", "1"), ("DO_NOT_TRACK", "")],
                Tier::Reports,
            ),
        ] {
            assert_eq!(settings(pairs).telemetry, tier, "{pairs:?}");
        }
    }

    #[test]
    fn a_wrong_dsn_is_told_without_its_words_and_stops_nothing() {
        let told = settings(&[("DRIFT_DSN", "drift-secret-key")]).dsn;
        assert!(!told.unwrap_err().contains("secret"));
        assert!(settings(&[]).dsn.unwrap().is_none());
    }

    #[test]
    fn files_lie_where_the_environment_says() {
        assert_eq!(
            settings(&[]).home.folder(),
            PathBuf::from("/home/x/.agentkeys")
        );
        let elsewhere = settings(&[("AGENTKEYS_HOME", "/x"), ("DRIFT_SCRAPERS", "/y.toml")]);
        assert_eq!(elsewhere.home.folder(), PathBuf::from("/x"));
        assert_eq!(elsewhere.scrapers, PathBuf::from("/y.toml"));
        assert!(Settings::read(Environment::from_pairs([])).is_err());
    }
}
