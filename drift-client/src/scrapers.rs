//! `scrapers.toml`: which program serves which service, and what it may see and do. Read by `agentkeys` and by the
//! runner.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use drift_schema::{ScraperVersion, Service};
use serde::{Deserialize, Deserializer, de};

use crate::config::{Environment, Problems};
use crate::scraper::{DEFAULT_DEADLINE, Scraper, Supervisor};

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scrapers {
    #[serde(default)]
    scrapers: BTreeMap<Service, Entry>,
}

/// One table, `[scrapers.<service>]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub command: CommandLine,
    #[serde(default = "default_deadline", deserialize_with = "duration")]
    pub deadline: Duration,
    /// Names of the variables that the child sees beside PATH, HOME, LANG and TMPDIR.
    #[serde(default)]
    pub grant: Vec<String>,
    /// Confirmations inside one session of the runner.
    #[serde(default = "one")]
    pub attempts: u32,
    /// Removes what a replay has left at the provider.
    #[serde(default)]
    pub cleanup: Option<CommandLine>,
    #[serde(default)]
    pub budget: Budget,
    /// For reports of scrapers that do not tell their version themselves.
    #[serde(default)]
    pub version: Option<ScraperVersion>,
}

/// How often the runner may replay a service. What is not said does not hold up an hourly runner.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    #[serde(default = "once_an_hour")]
    pub per_day: u32,
    #[serde(default, deserialize_with = "duration")]
    pub cooldown: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            per_day: once_an_hour(),
            cooldown: Duration::ZERO,
        }
    }
}

/// A program and its arguments, at least the former.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    pub program: String,
    pub arguments: Vec<String>,
}

impl<'de> Deserialize<'de> for CommandLine {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut words = Vec::<String>::deserialize(from)?.into_iter();
        let program = words.next().filter(|program| !program.is_empty());
        Ok(Self {
            program: program.ok_or_else(|| {
                de::Error::custom("a command is a program and its arguments: [\"sh\", \"x.sh\"]")
            })?,
            arguments: words.collect(),
        })
    }
}

impl Scrapers {
    pub fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    /// Reads the file. Problems name it, the line and the field.
    pub fn read(path: &Path) -> Result<Self, Problems> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|error| {
            Problems::one(format!(
                "cannot read {shown}: {error}. It says which scraper serves which service, as in `[scrapers.openai]` and below it `command = [\"./scraper\"]`; DRIFT_SCRAPERS names another file"
            ))
        })?;
        Self::parse(&text).map_err(|error| Problems::one(format!("{shown}: {}", error.trim_end())))
    }

    pub fn get(&self, service: &Service) -> Option<&Entry> {
        self.scrapers.get(service)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Service, &Entry)> {
        self.scrapers.iter()
    }
}

impl Entry {
    /// The scraper, ready to run, with the variables that it was granted.
    pub fn scraper(
        &self,
        environment: &Environment,
        supervisor: &Supervisor,
    ) -> Result<Scraper, String> {
        self.with_command(&self.command, environment, supervisor)
    }

    /// Another command of this entry under the same conditions, as for the clean-up.
    pub fn with_command(
        &self,
        command: &CommandLine,
        environment: &Environment,
        supervisor: &Supervisor,
    ) -> Result<Scraper, String> {
        Ok(Scraper {
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment: environment.granted(&self.grant)?,
            deadline: self.deadline,
            supervisor: supervisor.clone(),
        })
    }
}

fn default_deadline() -> Duration {
    DEFAULT_DEADLINE
}

fn one() -> u32 {
    1
}

fn once_an_hour() -> u32 {
    24
}

/// `"120s"`, `"500ms"`, `"10m"`, `"1h"`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = text[..digits].parse().ok()?;
    let millis = match &text[digits..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.checked_mul(millis).filter(|millis| *millis > 0)?;
    // A timer further away than that would overflow, and nobody means it.
    (millis <= 366 * 86_400_000).then(|| Duration::from_millis(millis))
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    parse_duration(&text).ok_or_else(|| {
        de::Error::custom("not a length of time: a number and ms, s, m, h or d, as in \"120s\"")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_read() {
        let text = r#"
            [scrapers.openai]
            command = ["drift-scraper", "run", "flows/openai.toml"]
            deadline = "120s"
            grant = ["AGENTKEYS_SIGNUP_EMAIL", "AGENTKEYS_EMAIL_PASSWORD"]
            attempts = 1
            cleanup = ["drift-scraper", "cleanup", "flows/openai.toml"]
            budget = { per_day = 6, cooldown = "1h" }

            [scrapers.tiny]
            command = ["./tiny.sh"]
        "#;
        let scrapers = Scrapers::parse(text).unwrap();
        assert_eq!(scrapers.iter().count(), 2);
        let openai = scrapers.get(&Service::parse("openai").unwrap()).unwrap();
        assert_eq!(openai.command.program, "drift-scraper");
        assert_eq!(openai.command.arguments, ["run", "flows/openai.toml"]);
        assert_eq!(openai.budget.cooldown, Duration::from_secs(3600));
        let tiny = scrapers.get(&Service::parse("tiny").unwrap()).unwrap();
        assert_eq!((tiny.deadline, tiny.attempts), (DEFAULT_DEADLINE, 1));
    }

    #[test]
    fn a_mistake_is_found_with_its_place() {
        for (text, why) in [
            ("[scrapers.a]\ncommand = []", "line 2"),
            ("[scrapers.a]\ncommand = [\"x\"]\ndeadline = 120", "line 3"),
            (
                "[scrapers.a]\ncommand = [\"x\"]\ndeadline = \"1y\"",
                "number and ms",
            ),
            ("[scrapers.a]\ncommand = [\"x\"]\nretries = 3", "retries"),
            ("[scrapers.A]\ncommand = [\"x\"]", "lower-case"),
            ("[scraper.a]\ncommand = [\"x\"]", "scraper"),
        ] {
            let told = Scrapers::parse(text).unwrap_err();
            assert!(told.contains(why), "{text}: {told}");
        }
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        for (text, millis) in [
            ("500ms", 500),
            ("2s", 2_000),
            ("3m", 180_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)));
        }
        for bad in [
            "",
            "s",
            "1",
            "0s",
            "-1s",
            "1.5s",
            "99999999999999999h",
            "1000d",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_child_sees_what_it_was_granted_and_nothing_else() {
        let text = "[scrapers.a]\ncommand = [\"x\"]\ngrant = [\"PASSWORD\", \"MISSING\"]";
        let scrapers = Scrapers::parse(text).unwrap();
        let environment = Environment::from_pairs([
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("PASSWORD", "p"),
            ("DRIFT_DSN", "https://k@h/"),
            ("LD_PRELOAD", "x.so"),
        ]);
        let entry = scrapers.get(&Service::parse("a").unwrap()).unwrap();
        let scraper = entry.scraper(&environment, &Supervisor::at("x")).unwrap();
        let names: Vec<&str> = scraper
            .environment
            .iter()
            .map(|(n, _)| n.as_str())
            .collect();
        assert_eq!(names, ["PATH", "HOME", "PASSWORD"]);
    }
}
