//! An event of the log as a person reads it: a sentence, and where it leads. Values are plain text; the template
//! escapes them.

use drift_schema::answer::LoggedEvent;
use drift_schema::event::{DriftMuted, Event, IssueChange};
use drift_schema::run::{Ending, Task, Verdict};
use drift_schema::{Service, Step, Workspace};

use super::parts::{counted, drift_url, short};
use crate::http::State;

/// What a key is called, by its id.
pub(super) type Names<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Those of the keys of a workspace.
pub(super) fn names<'a>(
    state: &'a State,
    workspace: &'a Workspace,
) -> impl Fn(&str) -> Option<String> + 'a {
    |id| state.keyring.name(workspace, id)
}

pub(super) struct Told {
    pub(super) position: i64,
    pub(super) kind: String,
    /// `yours`, `broken`, `waiting`, `good` or nothing.
    pub(super) class: &'static str,
    pub(super) words: String,
    pub(super) service: Option<Service>,
    pub(super) step: Option<Step>,
    pub(super) run: Option<String>,
    /// Whose decision it was.
    pub(super) by: Option<String>,
    /// The payload, for whoever wants to know it exactly.
    pub(super) json: String,
}

impl Told {
    pub(super) fn drift_url(&self) -> Option<String> {
        Some(drift_url(self.service.as_ref()?, self.step.as_ref()?))
    }
}

pub(super) fn of(event: &LoggedEvent, names: Names<'_>) -> Told {
    let json = event.data.as_ref().map(ToString::to_string);
    let word = |name: &str| event.data.as_ref()?.get(name)?.as_str();
    let mut told = Told {
        position: event.position,
        kind: event.kind.clone(),
        class: "",
        words: String::new(),
        service: word("service").and_then(|it| Service::parse(it).ok()),
        step: word("step").and_then(|it| Step::parse(it).ok()),
        run: word("run").map(str::to_owned),
        // That of evidence is a program's.
        by: word("by")
            .filter(|_| event.kind != "artifact-stored")
            .map(|by| actor(by, names)),
        json: json.unwrap_or_default(),
    };
    let decoded = match event.data {
        // What a page may not show is taken out of keys, so that they do not decode any more.
        Some(_) if event.kind == "key-created" => None,
        Some(_) => Event::decode(&event.kind, event.version, &told.json).ok(),
        None => {
            told.words = "Erased: its hash is left.".to_owned();
            return told;
        }
    };
    let (class, words) = match decoded {
        Some(event) => sentence(&event),
        None if event.kind == "key-created" => {
            ("", format!("Key made: {}", word("name").unwrap_or("?")))
        }
        None => ("", generic(&event.kind)),
    };
    (told.class, told.words) = (class, words);
    told
}

fn actor(by: &str, names: Names<'_>) -> String {
    match by.strip_prefix("github:") {
        Some(login) => login.to_owned(),
        None if by == "cli" => "the command line".to_owned(),
        None => names(by).unwrap_or_else(|| format!("key {by}")),
    }
}

fn sentence(event: &Event) -> (&'static str, String) {
    match event {
        Event::ReportReceived(it) => (
            "",
            format!(
                "{} on {}, scraper {}",
                it.kind.as_str(),
                it.url_host,
                it.scraper_version
            ),
        ),
        Event::ReportsErased(it) => (
            "yours",
            format!("{} erased", counted(it.reports.cast_signed(), "report")),
        ),
        Event::BatchesExpired(it) => ("", format!("Counters before {} forgotten", it.before)),
        Event::KeyRevoked(it) => ("yours", format!("Key {} revoked", it.key)),
        Event::RunClaimed(it) => ("waiting", {
            let tasks = it.tasks.iter();
            let tasks: Vec<String> = tasks
                .map(|claimed| format!("{} {}", task(claimed.task), claimed.step))
                .collect();
            let by_hand = if it.by_hand { ", by hand" } else { "" };
            match tasks.is_empty() {
                true => format!("{} took it{by_hand}", it.runner),
                false => format!("{} took it{by_hand}: {}", it.runner, tasks.join(", ")),
            }
        }),
        Event::RunExpired(_) => (
            "yours",
            "The runner was not heard of any more, and its lease ran out".to_owned(),
        ),
        Event::RunFinished(it) => match it.ending {
            Ending::Done => ("good", "Run finished".to_owned()),
            Ending::Partly => (
                "waiting",
                "Run finished, with something left for the next one".to_owned(),
            ),
        },
        Event::StepPassed(it) => ("good", format!("Passed {}", it.step)),
        Event::ResourceLeft(it) => (
            "",
            format!(
                "Made {} {} at the provider",
                it.resource.kind, it.resource.id
            ),
        ),
        Event::DriftJudged(it) => {
            let (class, mut words) = verdict(it.verdict);
            if let Some(proof) = &it.proof {
                words = format!(
                    "{words}: {} of {} tries tripped",
                    proof.tripped, proof.tries
                );
            }
            if let Some(code) = &it.code {
                words = format!("{words} ({code})");
            }
            (class, words)
        }
        Event::FixVerified(it) => (
            "good",
            match &it.fixed_in {
                Some(version) => format!("The fix holds, from {version} on"),
                None => "The fix holds".to_owned(),
            },
        ),
        Event::IssueRequested(it) => (
            "waiting",
            match it.task {
                Task::Reopen => "The issue is to be reopened".to_owned(),
                _ => "An issue is to be opened".to_owned(),
            },
        ),
        Event::IssueWritten(it) => {
            let number = it.issue.number;
            match it.task {
                Task::Open => ("broken", format!("Issue #{number} opened")),
                Task::Reopen => (
                    "broken",
                    format!("Issue #{number} reopened: the fix does not hold"),
                ),
                Task::Bump => ("", format!("Counted at issue #{number}")),
                Task::Settle => ("good", format!("Told issue #{number} that it is fixed")),
                Task::Replay | Task::Verify => ("", format!("Issue #{number}")),
            }
        }
        Event::IssueChanged(it) => match &it.change {
            IssueChange::Closed => ("waiting", "Somebody closed the issue".to_owned()),
            IssueChange::Reopened => ("broken", "Somebody reopened the issue".to_owned()),
            IssueChange::Gone => ("yours", "The issue is gone".to_owned()),
            IssueChange::Moved { number, .. } => ("", format!("The issue is #{number} now")),
        },
        Event::ReplayAsked(_) => ("waiting", "A replay was asked for".to_owned()),
        Event::ReplayDropped(_) => ("", "The replay is not wanted any more".to_owned()),
        Event::DriftMuted(it) => ("", muted(it)),
        Event::DriftUnmuted(it) => match it.by {
            Some(_) => ("waiting", "Unmuted".to_owned()),
            None => (
                "waiting",
                "Not muted any more: what it was muted until has come".to_owned(),
            ),
        },
        Event::FixDeclared(it) => ("good", format!("Marked as fixed in {}", it.fixed_in)),
        Event::FixWithdrawn(_) => ("broken", "Not fixed after all".to_owned()),
        Event::StepRenamed(it) => ("", format!("{} is called {} from now on", it.step, it.to)),
        Event::StepRenameUndone(it) => ("", format!("{} is a step of its own again", it.step)),
        Event::ReplaysPaused(it) => (
            "yours",
            format!("Replays paused{}", of_service(&it.service)),
        ),
        Event::ReplaysResumed(it) => (
            "good",
            format!("Replays resumed{}", of_service(&it.service)),
        ),
        Event::ArtifactStored(it) => (
            "",
            format!(
                "Evidence {} kept, {} bytes of {}",
                short(it.sha256.as_str()),
                it.size,
                it.media_type
            ),
        ),
        other => ("", generic(other.kind())),
    }
}

fn muted(mute: &DriftMuted) -> String {
    let until = [
        mute.until.map(|until| until.day().to_string()),
        mute.version
            .as_ref()
            .map(|version| format!("{version} reports it")),
        mute.reports
            .map(|reports| counted(reports.cast_signed(), "more report")),
    ];
    let until: Vec<String> = until.into_iter().flatten().collect();
    if until.is_empty() {
        "Muted".to_owned()
    } else {
        format!("Muted until {}", until.join(", or "))
    }
}

fn of_service(service: &Option<Service>) -> String {
    match service {
        Some(service) => format!(" of {service}"),
        None => " of all services".to_owned(),
    }
}

/// `fix-verified` is `Fix verified` to a person.
fn generic(kind: &str) -> String {
    let words = kind.replace('-', " ");
    let mut chars = words.chars();
    let first = chars.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + chars.as_str()
}

pub(super) fn verdict(verdict: Verdict) -> (&'static str, String) {
    let (class, words) = match verdict {
        Verdict::Confirmed => ("broken", "Confirmed"),
        Verdict::NotReproduced => ("good", "Not reproduced: the replay passed"),
        Verdict::Blocked => ("yours", "Blocked by a bot wall"),
        Verdict::Auth => ("yours", "The account did not get in"),
        Verdict::Infra => ("waiting", "Failed on our own side"),
    };
    (class, words.to_owned())
}

pub(super) fn task(task: Task) -> &'static str {
    match task {
        Task::Replay => "replay",
        Task::Verify => "verify",
        Task::Open => "open the issue",
        Task::Reopen => "reopen the issue",
        Task::Bump => "count at the issue",
        Task::Settle => "settle",
    }
}

#[cfg(test)]
mod tests {
    use drift_schema::Micros;
    use serde_json::json;

    use super::*;

    fn told(kind: &str, data: Option<serde_json::Value>) -> Told {
        let event = LoggedEvent {
            position: 7,
            recorded_at: Micros(0),
            kind: kind.to_owned(),
            version: 1,
            report_id: None,
            data,
            hash: String::new(),
        };
        of(&event, &|id| (id == "k1").then(|| "laptop".to_owned()))
    }

    #[test]
    fn an_event_is_a_sentence_and_leads_somewhere() {
        let it = told(
            "issue-changed",
            Some(json!({"service": "openai", "step": "login", "change": {"to": "closed"}})),
        );
        assert_eq!(
            (it.class, it.words.as_str()),
            ("waiting", "Somebody closed the issue")
        );
        let hash = Step::parse("login").unwrap().hash();
        assert_eq!(it.drift_url().unwrap(), format!("/drifts/openai/{hash}"));
    }

    #[test]
    fn a_decision_is_somebodys() {
        let asked = |by: &str| {
            let data = json!({"service": "openai", "step": "login", "by": by});
            told("replay-asked", Some(data)).by.unwrap()
        };
        let shown = ["k1", "k2", "github:octocat", "cli"].map(asked);
        assert_eq!(shown, ["laptop", "key k2", "octocat", "the command line"]);
        let stored =
            json!({"by": "k1", "media_type": "image/png", "sha256": "0".repeat(64), "size": 1});
        assert_eq!(told("artifact-stored", Some(stored)).by, None);
    }

    #[test]
    fn a_run_says_what_it_was_claimed_for_if_anything() {
        let claimed = |tasks: serde_json::Value| {
            let run = "01a1ffe6-ef3b-75e0-95f8-0c4f10ea7433";
            let data = json!({"by_hand": true, "run": run, "runner": "vm:1", "service": "openai", "tasks": tasks});
            told("run-claimed", Some(data)).words
        };
        assert_eq!(claimed(json!([])), "vm:1 took it, by hand");
        assert_eq!(
            claimed(json!([{"step": "login", "task": "replay"}])),
            "vm:1 took it, by hand: replay login"
        );
    }

    #[test]
    fn what_was_erased_or_comes_from_a_newer_program_is_still_shown() {
        assert!(told("report-received", None).words.starts_with("Erased"));
        let it = told("moon-landed", Some(json!({"by": "x"})));
        assert_eq!(it.words, "Moon landed");
        assert_eq!(it.drift_url(), None);
    }
}
