//! Configuration: read once, whole, from flags over environment over file, with every problem in one message.
//! The table `SETTINGS` is the documentation too: `.env.example` and `serve --help` are printed from it.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use crate::ingest::Limits;
use crate::store::{DatabaseUrl, Retention};
use crate::telemetry::{self, LogFormat, OtelSettings};

/// One variable: its name, what it is when nobody sets it, and what it is for.
pub struct Setting {
    pub name: &'static str,
    pub default: &'static str,
    pub help: &'static str,
    /// May hold a secret: then `NAME_FILE` can name a file that has the value, and problems never echo it.
    pub secret: bool,
}

const fn setting(name: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting {
        name,
        default,
        help,
        secret: false,
    }
}

/// Every variable that this program reads, beside the standard `OTEL_*`.
pub const SETTINGS: &[Setting] = &[
    setting(
        "DRIFT_LISTEN",
        "127.0.0.1:8080",
        "Address and port to listen on; port 0 takes a free one.",
    ),
    Setting {
        name: "DRIFT_DATABASE_URL",
        default: "sqlite://drift-data/drift.db",
        help: "sqlite://PATH, or postgres://USER:PASSWORD@HOST/DATABASE.",
        secret: true,
    },
    setting(
        "DRIFT_PUBLIC_URL",
        "",
        "Where clients reach this server; used in what it prints. Default: the address it listens on.",
    ),
    setting(
        "DRIFT_MIGRATE",
        "true",
        "Bring the database up to date at start. With false, `drift-api migrate` must have been run.",
    ),
    setting(
        "DRIFT_WORKERS",
        "0",
        "Threads that serve HTTP; 0 is one per core.",
    ),
    setting(
        "DRIFT_RATE_PER_KEY",
        "100000",
        "Reports per second that one key may send, unless it has a rate of its own; 0 is no limit.",
    ),
    setting(
        "DRIFT_QUEUE_REPORTS",
        "20000",
        "Reports that may wait to be stored; what comes on top gets a 503.",
    ),
    setting(
        "DRIFT_FLUSH_REPORTS",
        "2000",
        "Reports in one transaction at most.",
    ),
    setting(
        "DRIFT_STORE_DEADLINE",
        "10s",
        "After this a transaction that does not come back counts as failed.",
    ),
    setting(
        "DRIFT_BODY_DEADLINE",
        "10s",
        "Time that a request has to send its body.",
    ),
    setting(
        "DRIFT_SHUTDOWN_DEADLINE",
        "20s",
        "Time for requests in flight and the queue when the server is told to stop.",
    ),
    setting(
        "DRIFT_RETAIN_REPORT_DAYS",
        "365",
        "Days after which a report's payload is erased; 0 is never.",
    ),
    setting(
        "DRIFT_RETAIN_REPORT_COUNT",
        "0",
        "How many newest payloads are kept per workspace; 0 is all.",
    ),
    setting(
        "DRIFT_RETAIN_BATCH_DAYS",
        "0",
        "Days for which daily counters are kept; 0 is for ever.",
    ),
    setting(
        "DRIFT_RETAIN_BATCH_COUNT",
        "0",
        "How many batches are kept per workspace, whole days at a time; 0 is all.",
    ),
    setting(
        "DRIFT_LOG",
        "info",
        "What is logged, as in info,drift_api=debug.",
    ),
    setting("DRIFT_LOG_FORMAT", "pretty", "pretty or json."),
];

#[derive(Debug, Clone)]
pub struct Settings {
    pub listen: SocketAddr,
    pub database: DatabaseUrl,
    pub public_url: Option<Url>,
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

/// Where values come from: flags first, then the environment, then a file of `NAME=value` lines.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    flags: HashMap<&'static str, String>,
    environment: HashMap<String, String>,
    file: HashMap<String, String>,
}

impl Sources {
    /// The environment of this process. The one place that reads it.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where configuration is read"
    )]
    pub fn from_process() -> Self {
        Self {
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            ..Self::default()
        }
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let environment = pairs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            environment,
            ..Self::default()
        }
    }

    pub fn flag(&mut self, name: &'static str, value: Option<String>) {
        if let Some(value) = value {
            self.flags.insert(name, value);
        }
    }

    /// Reads a file like `.env.example`.
    pub fn read_file(&mut self, path: &Path) -> Result<(), Problems> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| Problems(vec![format!("{}: {error}", path.display())]))?;
        let mut problems = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_once('=') {
                Some((name, value))
                    if SETTINGS
                        .iter()
                        .any(|s| name == s.name || name.strip_suffix("_FILE") == Some(s.name))
                        || name.starts_with("OTEL_") =>
                {
                    self.file
                        .insert(name.to_owned(), value.trim_matches('"').to_owned());
                }
                Some((name, _)) => problems.push(format!(
                    "{}:{}: {name} is not a setting",
                    path.display(),
                    number + 1
                )),
                None => problems.push(format!(
                    "{}:{}: is not NAME=value",
                    path.display(),
                    number + 1
                )),
            }
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Problems(problems))
        }
    }

    fn get(&self, name: &str) -> Option<String> {
        let found = self
            .flags
            .get(name)
            .or_else(|| self.environment.get(name))
            .or_else(|| self.file.get(name));
        found.filter(|value| !value.is_empty()).cloned()
    }
}

impl Settings {
    pub fn read(sources: &Sources) -> Result<Self, Problems> {
        let mut reader = Reader {
            sources,
            problems: Vec::new(),
        };
        let settings = reader.settings();
        match settings {
            Some(settings) if reader.problems.is_empty() => Ok(settings),
            _ => Err(Problems(reader.problems)),
        }
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
        let migrate = self.parse("DRIFT_MIGRATE", "is neither true nor false");
        let workers = self.parse("DRIFT_WORKERS", "is not a number");
        let rate = self.parse("DRIFT_RATE_PER_KEY", "is not a number");
        let queue = self.above_zero("DRIFT_QUEUE_REPORTS");
        let flush = self.above_zero("DRIFT_FLUSH_REPORTS");
        let deadline = self.with("DRIFT_STORE_DEADLINE", duration);
        let body_deadline = self.with("DRIFT_BODY_DEADLINE", duration);
        let shutdown_deadline = self.with("DRIFT_SHUTDOWN_DEADLINE", duration);
        let report_days = self.parse::<u32>("DRIFT_RETAIN_REPORT_DAYS", "is not a number of days");
        let report_count = self.parse::<u64>("DRIFT_RETAIN_REPORT_COUNT", "is not a number");
        let batch_days = self.parse::<u32>("DRIFT_RETAIN_BATCH_DAYS", "is not a number of days");
        let batch_count = self.parse::<u64>("DRIFT_RETAIN_BATCH_COUNT", "is not a number");
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
            public_url,
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

/// The text of `.env.example`.
pub fn example() -> String {
    let mut text = "# Settings of drift-api with their defaults. Printed by `drift-api check-config --example`.\n\
                    # Flags win over the environment, the environment over a file given with --config.\n\
                    # The standard OTEL_* variables are read too; nothing is exported unless they name an endpoint.\n"
        .to_owned();
    for Setting {
        name,
        default,
        help,
        secret,
    } in SETTINGS
    {
        text += &format!("\n# {help}\n");
        if *secret {
            text += &format!("# May also be the path of a file: {name}_FILE\n");
        }
        text += &format!("#{name}={default}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_set_is_the_embedded_default() {
        let settings = Settings::read(&Sources::default()).unwrap();
        assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(
            settings.credentials_file().unwrap(),
            PathBuf::from("drift-data/credentials.env")
        );
    }

    #[test]
    fn every_problem_is_in_one_message_and_no_secret_is() {
        let sources = Sources::from_pairs([
            ("DRIFT_LISTEN", "everywhere"),
            ("DRIFT_DATABASE_URL", "mysql://root:hunter2@localhost/x"),
            ("DRIFT_QUEUE_REPORTS", "0"),
            ("DRIFT_STORE_DEADLINE", "soon"),
            ("DRIFT_LOG", "drift_api=loud"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
        ]);
        let text = Settings::read(&sources).unwrap_err().to_string();
        for name in [
            "6 problems",
            "DRIFT_LISTEN",
            "DRIFT_DATABASE_URL",
            "DRIFT_QUEUE_REPORTS",
            "DRIFT_STORE_DEADLINE",
            "DRIFT_LOG",
            "OTEL_EXPORTER",
        ] {
            assert!(text.contains(name), "{name} in {text}");
        }
        assert!(!text.contains("hunter2"), "{text}");
    }

    #[test]
    fn flags_win_over_the_environment_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift.env");
        std::fs::write(
            &path,
            "# ours\nDRIFT_WORKERS=3\nDRIFT_LOG_FORMAT=json\nDRIFT_LISTEN=127.0.0.1:1\n",
        )
        .unwrap();
        let mut sources =
            Sources::from_pairs([("DRIFT_WORKERS", "2"), ("DRIFT_LISTEN", "127.0.0.1:2")]);
        sources.read_file(&path).unwrap();
        sources.flag("DRIFT_LISTEN", Some("127.0.0.1:3".to_owned()));
        let settings = Settings::read(&sources).unwrap();
        assert_eq!((settings.listen.port(), settings.workers), (3, 2));
        assert!(matches!(settings.telemetry.log_format, LogFormat::Json));
    }

    #[test]
    fn a_secret_may_stand_in_a_file_but_not_twice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("url");
        std::fs::write(&path, "sqlite://elsewhere/x.db\n").unwrap();
        let path = path.to_str().unwrap();
        let settings =
            Settings::read(&Sources::from_pairs([("DRIFT_DATABASE_URL_FILE", path)])).unwrap();
        assert!(
            matches!(settings.database, DatabaseUrl::Sqlite(path) if path == Path::new("elsewhere/x.db"))
        );
        let both = [
            ("DRIFT_DATABASE_URL_FILE", path),
            ("DRIFT_DATABASE_URL", "sqlite://x"),
        ];
        assert!(Settings::read(&Sources::from_pairs(both)).is_err());
    }

    #[test]
    fn a_mistyped_name_in_the_file_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift.env");
        std::fs::write(&path, "DRIFT_LISTN=127.0.0.1:1\nnonsense\n").unwrap();
        let problems = Sources::default().read_file(&path).unwrap_err();
        assert_eq!(problems.0.len(), 2, "{problems}");
    }

    #[test]
    fn the_example_reads_as_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("drift.env");
        let uncommented = example().replace("\n#DRIFT", "\nDRIFT");
        std::fs::write(&path, uncommented).unwrap();
        let mut sources = Sources::default();
        sources.read_file(&path).unwrap();
        Settings::read(&sources).unwrap();
    }
}
