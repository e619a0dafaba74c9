//! Issues at the tracker: the rules, on a fake GitHub with state and on a folder of Markdown files.

mod faults;
mod folder;
mod github;
mod lasting;
mod limits;

use drift_runner::tracker::github::{AppKey, Github, Login, Repository, Screenshots, Settings};
use drift_runner::tracker::{Action, Effect, Picture, Room, Story, Tracker};
use drift_schema::run::{ClaimedDrift, Counted, Good, Issue, IssueState, Proof, Seen, Task};
use drift_schema::{Digest, Host, Micros, ScraperVersion, Service, Step, TripwireKind};
use harness::github::{FakeGithub, REPOSITORY, TOKEN};

const NOON: Micros = Micros(1_795_262_400_000_000);

fn digest(fill: &str) -> Digest {
    Digest::parse(&fill.repeat(32)).unwrap()
}

/// A drift with everything that an issue can tell.
struct Tale {
    service: Service,
    drift: ClaimedDrift,
    proof: Proof,
    tree: String,
    reported_picture: Option<Picture>,
}

impl Tale {
    fn of(service: &str, step: &str) -> Self {
        let step = Step::parse(step).unwrap();
        let counted = |value: &str, count| {
            vec![Counted {
                value: value.to_owned(),
                count,
            }]
        };
        Self {
            service: Service::parse(service).unwrap(),
            drift: ClaimedDrift {
                step_hash: step.hash(),
                step,
                task: Task::Replay,
                up_to: 7,
                seen: Seen {
                    reports: 2,
                    fresh: 2,
                    first: Some(NOON.minus_seconds(1800)),
                    last: Some(NOON.minus_seconds(600)),
                    kinds: counted("selector-missing", 2),
                    versions: counted("1.4.2", 2),
                    hosts: counted("platform.openai.com", 2),
                    digests: counted(digest("ab").as_str(), 2),
                    screenshot_ref: None,
                },
                issue: None,
                fix_declared: None,
                fixed_in: None,
                last_good: Some(Good {
                    at: NOON.minus_seconds(86_400),
                    tree: None,
                    scraper_version: Some(ScraperVersion::parse("1.4.1").unwrap()),
                }),
                first_bad: None,
                proof: None,
            },
            proof: Proof {
                at: NOON,
                kind: TripwireKind::SelectorMissing,
                url_host: Some(Host::parse("platform.openai.com").unwrap()),
                dom_digest: Some(digest("cd")),
                scraper_version: Some(ScraperVersion::parse("1.4.2").unwrap()),
                screenshot: Some(digest("ef")),
                tree: Some(digest("01")),
                tries: 1,
                tripped: 1,
                missing: Vec::new(),
            },
            tree: "- main:\n  - button \"Sign up\"\n".to_owned(),
            reported_picture: None,
        }
    }

    fn story(&self) -> Story<'_> {
        let url = format!(
            "https://drift.example/drift/artifacts/{}?sig=x",
            digest("ef")
        );
        Story {
            service: &self.service,
            drift: &self.drift,
            proof: Some(&self.proof),
            picture: Some(Picture::Link {
                digest: digest("ef"),
                url,
            }),
            reported_picture: self.reported_picture.clone(),
            tree: Some(self.tree.clone()),
            tree_link: None,
            changes: None,
            page: Some(format!(
                "https://drift.example/drifts/{}/{}",
                self.service, self.drift.step_hash
            )),
            command: Some("drift-scraper run flows/openai.toml"),
            follows: None,
            now: NOON,
        }
    }
}

fn tracker(github: &FakeGithub) -> Tracker {
    tracker_at(&github.base(), Screenshots::Link)
}

fn tracker_at(base: &str, screenshots: Screenshots) -> Tracker {
    Tracker::new(Box::new(board_at(base, screenshots, TOKEN)))
}

fn board_at(base: &str, screenshots: Screenshots, token: &str) -> Github {
    Github::new(settings_at(base, screenshots, token)).unwrap()
}

fn settings_at(base: &str, screenshots: Screenshots, token: &str) -> Settings {
    Settings {
        api: base.parse().unwrap(),
        repository: Repository::parse(REPOSITORY).unwrap(),
        login: Login::Token(token.into()),
        screenshots,
        writes_per_minute: 0,
        patience: std::time::Duration::from_secs(5),
    }
}

/// Logged in as a GitHub App.
fn board_of_an_app(github: &FakeGithub) -> Github {
    let key = include_str!("../../drift-runner/testdata/app-key.pem");
    let settings = Settings {
        login: Login::App {
            id: 12345,
            key: AppKey::parse(key).unwrap(),
            installation: None,
        },
        ..settings_at(&github.base(), Screenshots::Link, TOKEN)
    };
    Github::new(settings).unwrap()
}

fn did(effect: Effect) -> (Action, Issue) {
    match effect {
        Effect::Did(action, issue) => (action, issue),
        Effect::Differs(observation) => panic!("nothing was done: {observation:?}"),
    }
}

async fn opened(tracker: &Tracker, tale: &Tale) -> Issue {
    let (action, issue) = did(tracker.open(&tale.story(), &Room::of(10)).await.unwrap());
    assert_eq!(action, Action::Opened);
    assert_eq!(issue.state, IssueState::Open);
    issue
}
