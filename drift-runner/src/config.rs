//! Configuration: read once, whole, from flags over the environment, with every problem in one message. The environment's own
//! reader is the client's, whose `scrapers.toml` we read, too.

mod table;

use std::path::PathBuf;
use std::time::Duration;

use drift_client::config::{Environment, Problems};
use drift_client::scrapers::parse_duration;
use drift_telemetry::OtelSettings;
use secrecy::SecretString;
use url::{Host, Url};

use crate::tick::Limits;
use crate::tracker::github::{self, AppKey, Login, Repository, Screenshots};
use table::default_of;
pub use table::variables;

/// In seconds. The backend gives no longer ones.
const LONGEST_LEASE: u64 = 3_600;

#[derive(Debug, Clone)]
pub struct Settings {
    pub api: Url,
    /// Where the triage pages are for whoever reads an issue.
    pub pages: Option<Url>,
    pub key: SecretString,
    pub patience: Duration,
    pub scrapers: PathBuf,
    pub tracker: TrackerSettings,
    pub limits: Limits,
    pub schedule: String,
    pub jitter: Duration,
    pub log: String,
    pub log_json: bool,
    pub otel: OtelSettings,
    pub name: Option<String>,
}

#[derive(Debug, Clone)]
pub enum TrackerSettings {
    Local(PathBuf),
    Github(github::Settings),
}

/// What stands on the command line in place of the environment.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    pub concurrency: Option<usize>,
    /// The command tells nobody anything, so no tracker need be configured.
    pub without_tracker: bool,
}

impl Settings {
    pub fn read(environment: &Environment, flags: &Flags) -> Result<Self, Problems> {
        let mut reader = Reader {
            environment,
            problems: Vec::new(),
        };
        match reader.settings(flags) {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(Problems(reader.problems)),
        }
    }
}

struct Reader<'a> {
    environment: &'a Environment,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// None only beside a problem. Goes on after one, to find them all.
    fn settings(&mut self, flags: &Flags) -> Option<Settings> {
        let api = self.url("DRIFT_API_URL");
        let key = self.secret("DRIFT_RUNNER_KEY");
        if key.is_none()
            && self
                .problems
                .iter()
                .all(|problem| !problem.starts_with("DRIFT_RUNNER_KEY"))
        {
            self.problem("DRIFT_RUNNER_KEY is not set: make a key with `drift-api key create --scope runner --name runner`");
        }
        let patience = self.time("DRIFT_API_PATIENCE");
        let tracker = if flags.without_tracker {
            Some(TrackerSettings::Local(PathBuf::from(
                self.text("DRIFT_LOCAL_ISSUES"),
            )))
        } else {
            self.tracker()
        };
        let pages = match self.environment.get("DRIFT_PUBLIC_URL") {
            Some(_) => self.url("DRIFT_PUBLIC_URL"),
            // Files are read on this machine, too; issues at GitHub are not.
            None => {
                let is_far = matches!(tracker, Some(TrackerSettings::Github(_)));
                api.clone()
                    .filter(|api| !(is_far && is_of_this_machine(api)))
            }
        };
        let concurrency = match flags.concurrency {
            Some(number) => Some(number),
            None => self.with("DRIFT_CONCURRENCY", |text| {
                text.parse().map_err(|_| "is not a number")
            }),
        };
        let concurrency = concurrency.filter(|number| {
            let fine = (1..=64).contains(number);
            if !fine {
                self.problems
                    .push("the concurrency is not between 1 and 64".to_owned());
            }
            fine
        });
        let lease = self.time("DRIFT_LEASE").filter(|lease| {
            let fine = (1..=LONGEST_LEASE).contains(&lease.as_secs());
            if !fine {
                self.problems
                    .push("DRIFT_LEASE is not between 1s and 1h".to_owned());
            }
            fine
        });
        let new_issues = self.with("DRIFT_NEW_ISSUES_PER_TICK", |text| {
            text.parse().map_err(|_| "is not a number")
        });
        let schedule = self.with("DRIFT_SCHEDULE", crate::daemon::check_schedule);
        let jitter = self.with("DRIFT_JITTER", |text| match text {
            "0" | "0s" => Ok(Duration::ZERO),
            text => parse_duration(text).ok_or(TIME),
        });
        let log = self.with("DRIFT_LOG", crate::telemetry::check_filter);
        let otel = OtelSettings::from_lookup(|name| self.environment.get(name).map(str::to_owned))
            .map_err(|problems| self.problems.extend(problems))
            .ok();
        let log_json = self.with("DRIFT_LOG_FORMAT", |text| match text {
            "pretty" => Ok(false),
            "json" => Ok(true),
            _ => Err("is neither pretty nor json"),
        });
        Some(Settings {
            api: api?,
            pages,
            key: key?,
            patience: patience?,
            scrapers: PathBuf::from(self.text("DRIFT_SCRAPERS")),
            tracker: tracker?,
            limits: Limits {
                concurrency: concurrency?,
                lease: lease?,
                new_issues: new_issues?,
            },
            schedule: schedule?,
            jitter: jitter?,
            log: log?,
            log_json: log_json?,
            otel: otel?,
            name: self.environment.get("DRIFT_RUNNER_NAME").map(str::to_owned),
        })
    }

    fn tracker(&mut self) -> Option<TrackerSettings> {
        let repository = self.environment.get("GITHUB_REPOSITORY");
        let is_github = match self.environment.get("DRIFT_TRACKER") {
            Some("github") => true,
            Some("local") => false,
            Some(_) => {
                self.problem("DRIFT_TRACKER is neither github nor local");
                return None;
            }
            None => repository.is_some(),
        };
        if !is_github {
            return Some(TrackerSettings::Local(PathBuf::from(
                self.text("DRIFT_LOCAL_ISSUES"),
            )));
        }
        let api = self.url("GITHUB_API_URL");
        let repository = match repository {
            Some(_) => self.with("GITHUB_REPOSITORY", Repository::parse),
            None => {
                self.problem("GITHUB_REPOSITORY is not set: say where issues go, as in octo-org/drift, or set DRIFT_TRACKER=local");
                None
            }
        };
        let login = self.login();
        let screenshots = self.with("DRIFT_SCREENSHOTS", |text| match text {
            "link" => Ok(Screenshots::Link),
            "branch" => Ok(Screenshots::Branch),
            _ => Err("is neither link nor branch"),
        });
        let writes = self.with("DRIFT_GITHUB_WRITES_PER_MINUTE", |text| {
            text.parse().map_err(|_| "is not a number")
        });
        let patience = self.time("DRIFT_GITHUB_PATIENCE");
        Some(TrackerSettings::Github(github::Settings {
            api: api?,
            repository: repository?,
            login: login?,
            screenshots: screenshots?,
            writes_per_minute: writes?,
            patience: patience?,
        }))
    }

    fn login(&mut self) -> Option<Login> {
        let Some(_) = self.environment.get("DRIFT_GITHUB_APP_ID") else {
            let before = self.problems.len();
            let token = self.secret("GITHUB_TOKEN");
            if token.is_none() && self.problems.len() == before {
                self.problem("GITHUB_TOKEN is not set, and no DRIFT_GITHUB_APP_ID: issues cannot be opened. It needs the right issues: write");
            }
            return token.map(Login::Token);
        };
        let id = self.with("DRIFT_GITHUB_APP_ID", |text| {
            text.parse().map_err(|_| "is not the number of an App")
        });
        let before = self.problems.len();
        let pem = self.secret("DRIFT_GITHUB_APP_KEY");
        if pem.is_none() && self.problems.len() == before {
            self.problem(
                "DRIFT_GITHUB_APP_KEY is not set: the App's private key, as GitHub hands it out",
            );
        }
        let key = pem.and_then(|pem| {
            use secrecy::ExposeSecret as _;
            AppKey::parse(pem.expose_secret())
                .map_err(|problem| self.problem(&format!("DRIFT_GITHUB_APP_KEY {problem}")))
                .ok()
        });
        let installation = match self.environment.get("DRIFT_GITHUB_INSTALLATION") {
            Some(_) => Some(self.with("DRIFT_GITHUB_INSTALLATION", |text| {
                text.parse().map_err(|_| "is not a number")
            })?),
            None => None,
        };
        Some(Login::App {
            id: id?,
            key: key?,
            installation,
        })
    }

    fn problem(&mut self, problem: &str) {
        self.problems.push(problem.to_owned());
    }

    /// The value, or the default.
    fn text(&self, name: &'static str) -> String {
        let value = self.environment.get(name);
        value.unwrap_or_else(|| default_of(name)).to_owned()
    }

    fn secret(&mut self, name: &'static str) -> Option<SecretString> {
        match self.environment.secret(name) {
            Ok(value) => value.map(Into::into),
            Err(problem) => {
                self.problems.push(problem);
                None
            }
        }
    }

    fn with<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.text(name);
        parse(&text)
            .map_err(|problem| self.problems.push(format!("{name} ({text:?}) {problem}")))
            .ok()
    }

    fn time(&mut self, name: &'static str) -> Option<Duration> {
        self.with(name, |text| parse_duration(text).ok_or(TIME))
    }

    fn url(&mut self, name: &'static str) -> Option<Url> {
        self.with(name, |text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err("is not an http or https URL"),
        })
    }
}

fn is_of_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => true,
    }
}

const TIME: &str = "is not a time, as in 500ms, 10s, 2m or 1h";

#[cfg(test)]
mod tests;
