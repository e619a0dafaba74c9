//! Configuration: read once, whole, from flags over environment over file, with every problem in one message.

mod sign_in;
mod sources;
mod table;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use crate::artifacts::{self, Place};
use crate::ingest::Limits;
use crate::store::{DatabaseUrl, Retention};
use crate::telemetry::{self, LogFormat, OtelSettings};
pub use sign_in::SignIn;
pub use sources::Sources;
pub use table::{SETTINGS, Setting, example};

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub database: DatabaseUrl,
    pub artifacts: artifacts::Settings,
    pub webhook_secret: Option<SecretString>,
    pub public_url: Option<Url>,
    pub sign_in: SignIn,
    pub migrate: bool,
    pub workers: usize,
    pub rate_per_key: Option<NonZeroU32>,
    pub limits: Limits,
    pub body_deadline: Duration,
    pub shutdown_deadline: Duration,
    pub retention: Retention,
    pub telemetry: telemetry::Settings,
}

/// All that is wrong with a configuration, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0.len();
        write!(
            f,
            "{number} problem{} in the configuration:",
            if number == 1 { "" } else { "s" }
        )?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Settings {
    pub fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut reader = Reader {
            sources,
            problems: sources.problems.clone(),
        };
        let settings = reader.settings();
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(Problems(reader.problems)),
        }
    }

    /// Where others reach a server that listens there.
    pub fn public_url_at(&self, mut address: SocketAddr) -> Result<Url, url::ParseError> {
        if let Some(url) = &self.public_url {
            return Ok(url.clone());
        }
        // Every address of this machine: a client on it needs one that can be dialled.
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Url::parse(&format!("http://{address}/"))
    }

    /// Where keys of a first start are left: beside the SQLite file.
    pub fn credentials_file(&self) -> Option<PathBuf> {
        match &self.database {
            DatabaseUrl::Sqlite(path) => Some(path.with_file_name("credentials.env")),
            DatabaseUrl::Postgres(_) => None,
        }
    }
}

struct Reader<'a> {
    sources: &'a Sources,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// None only beside a problem. Goes on after one, to find them all.
    fn settings(&mut self) -> Option<Settings> {
        let listen = self.parse(
            "DRIFT_LISTEN",
            "is not an address and port, as in 127.0.0.1:8080",
        );
        let database = self.with("DRIFT_DATABASE_URL", DatabaseUrl::parse);
        let public_url = self.optional("DRIFT_PUBLIC_URL", |text| match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
            _ => Err("is not an http or https URL"),
        });
        let place = self.with("DRIFT_ARTIFACTS_URL", Place::parse);
        let quota = self.parse::<u64>("DRIFT_ARTIFACTS_QUOTA", "is not a number of bytes");
        let signing_key = self.optional("DRIFT_SIGNING_KEY", |text| {
            if text.len() < 32 {
                Err("is shorter than 32 characters")
            } else {
                Ok(SecretString::from(text))
            }
        });
        let webhook_secret = self.optional("DRIFT_GITHUB_WEBHOOK_SECRET", |text| {
            Ok(SecretString::from(text))
        });
        let sign_in = self.sign_in();
        let migrate = self.parse("DRIFT_MIGRATE", "is neither true nor false");
        let workers = self.with("DRIFT_WORKERS", |text| {
            // More than that actix refuses, with a panic.
            let number = text.parse().ok().filter(|number| *number <= 512);
            number.ok_or("is not a number up to 512")
        });
        let rate = self.parse("DRIFT_RATE_PER_KEY", "is not a number");
        let queue = self.above_zero("DRIFT_QUEUE_REPORTS");
        let flush = self.above_zero("DRIFT_FLUSH_REPORTS");
        let deadline = self.with("DRIFT_STORE_DEADLINE", some_time);
        let body_deadline = self.with("DRIFT_BODY_DEADLINE", some_time);
        let shutdown_deadline = self.with("DRIFT_SHUTDOWN_DEADLINE", duration);
        let report_days = self.parse::<u32>("DRIFT_RETAIN_REPORT_DAYS", "is not a number of days");
        let report_count = self.parse::<u64>("DRIFT_RETAIN_REPORT_COUNT", "is not a number");
        let batch_days = self.parse::<u32>("DRIFT_RETAIN_BATCH_DAYS", "is not a number of days");
        let batch_count = self.parse::<u64>("DRIFT_RETAIN_BATCH_COUNT", "is not a number");
        let artifact_days =
            self.parse::<u32>("DRIFT_RETAIN_ARTIFACT_DAYS", "is not a number of days");
        let artifact_count = self.parse::<u64>("DRIFT_RETAIN_ARTIFACT_COUNT", "is not a number");
        let log_filter = self.with("DRIFT_LOG", |text| {
            telemetry::check_filter(text).map(|()| text.to_owned())
        });
        let log_format = self.with("DRIFT_LOG_FORMAT", |text| match text {
            "pretty" => Ok(LogFormat::Pretty),
            "json" => Ok(LogFormat::Json),
            _ => Err("is neither pretty nor json"),
        });
        let otel = OtelSettings::from_lookup(|name| self.sources.get(name))
            .map_err(|problems| self.problems.extend(problems))
            .ok();
        Some(Settings {
            listen: listen?,
            database: database?,
            artifacts: artifacts::Settings {
                place: place?,
                quota: quota.filter(|quota| *quota > 0),
                signing_key,
            },
            webhook_secret,
            public_url,
            sign_in: sign_in?,
            migrate: migrate?,
            workers: workers?,
            rate_per_key: NonZeroU32::new(rate?),
            limits: Limits {
                queue: queue?,
                flush: flush?,
                deadline: deadline?,
            },
            body_deadline: body_deadline?,
            shutdown_deadline: shutdown_deadline?,
            retention: Retention {
                report_days: report_days.filter(|days| *days > 0),
                report_count: report_count.filter(|count| *count > 0),
                batch_days: batch_days.filter(|days| *days > 0),
                batch_count: batch_count.filter(|count| *count > 0),
                artifact_days: artifact_days.filter(|days| *days > 0),
                artifact_count: artifact_count.filter(|count| *count > 0),
            },
            telemetry: telemetry::Settings {
                log_format: log_format?,
                log_filter: log_filter?,
                otel: otel?,
            },
        })
    }

    fn text(&mut self, name: &'static str) -> Option<String> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name);
        let file = setting
            .filter(|setting| setting.secret)
            .and_then(|_| self.sources.get(&format!("{name}_FILE")));
        match (self.sources.get(name), file) {
            (Some(_), Some(_)) => {
                self.problems.push(format!(
                    "{name} and {name}_FILE are both set; one of them must go"
                ));
                None
            }
            (Some(value), None) => Some(value),
            (None, Some(path)) => match std::fs::read_to_string(&path) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
                Err(error) => {
                    self.problems.push(format!("{name}_FILE: {path}: {error}"));
                    None
                }
            },
            (None, None) => setting.map(|setting| setting.default.to_owned()),
        }
    }

    fn with<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.text(name)?;
        let secret = SETTINGS
            .iter()
            .any(|setting| setting.name == name && setting.secret);
        parse(&text)
            .map_err(|problem| {
                let shown = if secret {
                    String::new()
                } else {
                    format!(" ({text:?})")
                };
                self.problems.push(format!("{name}{shown} {problem}"));
            })
            .ok()
    }

    fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        self.with(name, |text| {
            if text.is_empty() {
                Ok(None)
            } else {
                parse(text).map(Some)
            }
        })
        .flatten()
    }

    fn parse<T: FromStr>(&mut self, name: &'static str, problem: &'static str) -> Option<T> {
        self.with(name, |text| text.parse().map_err(|_| problem))
    }

    fn above_zero(&mut self, name: &'static str) -> Option<usize> {
        self.with(name, |text| {
            text.parse()
                .ok()
                .filter(|number| *number > 0)
                .ok_or("is not a number above zero")
        })
    }
}

/// `500ms`, `10s`, `2m`, `1h`, `7d`.
pub fn duration(text: &str) -> Result<Duration, &'static str> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u32 = text[..digits]
        .parse()
        .map_err(|_| "is not a time, as in 500ms, 10s, 2m, 1h or 7d")?;
    let unit = match &text[digits..] {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        "d" => Duration::from_secs(86_400),
        _ => return Err("is not a time, as in 500ms, 10s, 2m, 1h or 7d"),
    };
    Ok(unit * number)
}

/// A deadline of nothing would refuse everything.
fn some_time(text: &str) -> Result<Duration, &'static str> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing"),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests;
