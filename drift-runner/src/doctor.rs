//! `doctor`: is everything there that a pass needs, and which right is missing. Reads only.

use std::path::{Path, PathBuf};

use drift_client::config::Environment;
use drift_client::scrapers::{Entry, Scrapers};
use drift_schema::run::{WithheldFor, Work};
use serde::Serialize;
use serde_json::Value;

use crate::api::{Api, ApiError};
use crate::config::{Settings, TrackerSettings};
use crate::tick::{Due, due, words};
use crate::tracker::github::{Github, Screenshots};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Well,
    /// It works, or may work, and should be looked at.
    Doubtful,
    Ill,
}

#[derive(Debug, Serialize)]
pub struct Check {
    pub what: String,
    pub health: Health,
    pub says: String,
}

fn check(what: impl Into<String>, health: Health, says: impl Into<String>) -> Check {
    Check {
        what: what.into(),
        health,
        says: says.into(),
    }
}

pub async fn examine(settings: &Settings, environment: &Environment, api: &Api) -> Vec<Check> {
    let (reached, work) = backend(api).await;
    let mut checks = vec![reached];
    checks.extend(scrapers(settings, environment));
    if let (Some(work), Ok(scrapers)) = (work, Scrapers::read(&settings.scrapers)) {
        checks.extend(waiting(work, &scrapers));
    }
    checks.extend(browser(environment));
    match &settings.tracker {
        TrackerSettings::Local(folder) => checks.push(folder_check(folder)),
        TrackerSettings::Github(github) => match Github::new(github.clone()) {
            Ok(board) => checks.extend(rights(&board, github.screenshots).await),
            Err(error) => checks.push(check("GitHub", Health::Ill, format!("{error:#}"))),
        },
    }
    checks
}

async fn backend(api: &Api) -> (Check, Option<Work>) {
    let (health, says) = match api.work().await {
        Ok(work) => {
            let wait = match work.services.len() {
                0 => "nothing waits".to_owned(),
                1 => "1 service waits".to_owned(),
                number => format!("{number} services wait"),
            };
            let says = format!("reached, and the key may ask; {wait}");
            return (check("backend", Health::Well, says), Some(work));
        }
        Err(ApiError::Refused { status: 401, .. }) => (
            Health::Ill,
            "it does not know the key in DRIFT_RUNNER_KEY, or it was revoked".to_owned(),
        ),
        Err(ApiError::Refused { status: 403, .. }) => (
            Health::Ill,
            "the key lacks the scope runner: make one with `drift-api key create --scope runner --name runner`".to_owned(),
        ),
        Err(error) => (Health::Ill, error.to_string()),
    };
    (check("backend", health, says), None)
}

/// Services with work that nobody here does: reports wait, and it is not the provider's fault.
fn waiting(work: Work, scrapers: &Scrapers) -> Vec<Check> {
    let now = work.as_of;
    let services = work.services.into_iter();
    let withheld = services.filter_map(|work| {
        let Due { work, .. } = due(work, scrapers, now);
        let withheld = work.withheld?;
        let what = format!("replays {}", work.service);
        Some(match withheld.reason {
            WithheldFor::Leased => return None,
            // That is what a budget is for.
            WithheldFor::Budget | WithheldFor::Cooldown => {
                check(what, Health::Well, words(&withheld))
            }
            WithheldFor::NoScraper => check(
                what,
                Health::Doubtful,
                "it was reported, and scrapers.toml has no scraper for it: add a table, or the reports wait",
            ),
            WithheldFor::Paused | WithheldFor::Backoff => {
                check(what, Health::Doubtful, words(&withheld))
            }
        })
    });
    withheld.collect()
}

fn scrapers(settings: &Settings, environment: &Environment) -> Vec<Check> {
    match Scrapers::read(&settings.scrapers) {
        Err(problems) => vec![check("scrapers", Health::Ill, problems.to_string())],
        Ok(scrapers) if scrapers.iter().next().is_none() => {
            vec![check(
                "scrapers",
                Health::Doubtful,
                format!(
                    "{} names no scraper: nothing can be replayed",
                    settings.scrapers.display()
                ),
            )]
        }
        Ok(scrapers) => scrapers
            .iter()
            .map(|(service, entry)| scraper(service.as_str(), entry, environment))
            .collect(),
    }
}

fn scraper(service: &str, entry: &Entry, environment: &Environment) -> Check {
    let what = format!("scraper {service}");
    let program = &entry.command.program;
    if found(program, environment).is_none() {
        return check(
            what,
            Health::Ill,
            format!("there is no program {program}, neither as a path nor on PATH"),
        );
    }
    let missing: Vec<&str> = entry
        .grant
        .iter()
        .map(String::as_str)
        .filter(|name| {
            environment.raw(name).is_none() && environment.get(&format!("{name}_FILE")).is_none()
        })
        .collect();
    if !missing.is_empty() {
        return check(
            what,
            Health::Doubtful,
            format!("granted, but not set here: {}", missing.join(", ")),
        );
    }
    if entry.cleanup.is_none() {
        return check(
            what,
            Health::Well,
            "found; without a cleanup command, whatever a replay creates at the provider stays there",
        );
    }
    check(what, Health::Well, "found")
}

fn found(program: &str, environment: &Environment) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.is_file());
    }
    let folders = environment
        .get("PATH")
        .unwrap_or_default()
        .split(':')
        .map(Path::new);
    folders
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Only scrapers that drive one need it, which we cannot know of others' scrapers.
fn browser(environment: &Environment) -> Option<Check> {
    let names = [
        "chromium",
        "chromium-browser",
        "google-chrome",
        "google-chrome-stable",
        "chrome",
    ];
    let browser = names.iter().find_map(|name| found(name, environment));
    Some(match browser {
        Some(path) => check("browser", Health::Well, path.display().to_string()),
        None => check(
            "browser",
            Health::Doubtful,
            "no Chromium on PATH; scrapers that drive one will fail",
        ),
    })
}

fn folder_check(folder: &Path) -> Check {
    let what = "issues";
    let near = folder
        .ancestors()
        .find(|folder| folder.exists() || folder.as_os_str().is_empty())
        .unwrap_or(folder);
    let near = if near.as_os_str().is_empty() {
        Path::new(".")
    } else {
        near
    };
    match near.metadata() {
        Ok(data) if data.is_dir() && !data.permissions().readonly() => {
            check(what, Health::Well, format!("files in {}", folder.display()))
        }
        Ok(_) => check(
            what,
            Health::Ill,
            format!(
                "{} cannot be written: set DRIFT_LOCAL_ISSUES to a folder that can",
                near.display()
            ),
        ),
        Err(error) => check(what, Health::Ill, format!("{}: {error}", near.display())),
    }
}

async fn rights(board: &Github, screenshots: Screenshots) -> Vec<Check> {
    let repository = match board.repository().await {
        Ok(repository) => repository,
        Err(trouble) => return vec![check("GitHub", Health::Ill, trouble.to_string())],
    };
    let name = repository["full_name"].as_str().unwrap_or("the repository");
    let mut checks = vec![check("GitHub", Health::Well, format!("{name} is in sight"))];
    if repository["has_issues"] == Value::Bool(false) {
        checks.push(check(
            "issues",
            Health::Ill,
            "issues are switched off in the repository's settings",
        ));
    }
    let mut wanted = vec![("issues", "issues: write")];
    if screenshots == Screenshots::Branch {
        wanted.push(("contents", "contents: write"));
    }
    let granted = match board.granted().await {
        Ok(granted) => granted,
        Err(trouble) => return vec![check("GitHub", Health::Ill, trouble.to_string())],
    };
    for (right, words) in wanted {
        checks.push(match &granted {
            Some(granted) if granted[right] == "write" => check(words, Health::Well, "the App has it"),
            Some(_) => check(words, Health::Ill, format!("the App lacks the right `{words}`: add it in the App's settings, and accept it in the installation")),
            None => role(words, right, &repository["permissions"]),
        });
    }
    checks
}

/// What a token may do, GitHub tells no one; what its owner may, it does.
fn role(words: &str, right: &str, permissions: &Value) -> Check {
    let may = |role: &str| permissions[role] == Value::Bool(true);
    let enough = if right == "issues" {
        may("push") || may("triage") || may("maintain") || may("admin")
    } else {
        may("push") || may("admin")
    };
    if permissions.is_null() {
        check(
            words,
            Health::Doubtful,
            "GitHub does not say what this token may do; if it lacks the right, the first issue will say so",
        )
    } else if enough {
        check(
            words,
            Health::Well,
            "the token's owner may; a fine-grained token or a workflow needs the right itself, too",
        )
    } else {
        check(
            words,
            Health::Doubtful,
            format!(
                "the token's owner has no role that includes it: check that the token has `{words}`"
            ),
        )
    }
}
