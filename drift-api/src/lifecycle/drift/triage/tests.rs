//! Given a drift, when somebody decides something about it, then this follows; and taking it back undoes it.

use drift_schema::event::{IssueRequested, IssueWritten};
use drift_schema::run::{Issue, Task};
use uuid::Uuid;

use super::*;

const NOON: Micros = Micros(1_763_726_400_000_000);

fn step(name: &str) -> Step {
    Step::parse(name).unwrap()
}

fn service() -> Service {
    Service::parse("openai").unwrap()
}

fn version(text: &str) -> ScraperVersion {
    ScraperVersion::parse(text).unwrap()
}

fn reported(count: i64, newest: &str) -> Reported {
    Reported {
        count,
        newest: Some(version(newest)),
    }
}

fn matter<'a>() -> Matter<'a> {
    Matter {
        service: service(),
        step: step("signup-form"),
        by: "0123456789ab".to_owned(),
        now: NOON,
        reported: reported(5, "1.4.2"),
        waiting: vec![NOON.day()],
        reported_since: Vec::new(),
        other: None,
    }
}

/// A drift in a stage, with the issue that goes with it.
fn at(stage: Stage) -> Drift {
    let state = match stage {
        Stage::Unconfirmed | Stage::Opening => None,
        Stage::Open | Stage::Reopening => Some(IssueState::Open),
        Stage::Closed | Stage::Settling | Stage::Fixed => Some(IssueState::Closed),
    };
    Drift {
        stage,
        issue: state.map(issue),
        ..Drift::default()
    }
}

fn issue(state: IssueState) -> Issue {
    Issue {
        tracker: "local".to_owned(),
        number: 12,
        url: "issues/12.md".to_owned(),
        state,
    }
}

fn mute(until: Option<Micros>, from: Option<&str>, reports: Option<u64>) -> DriftAction {
    DriftAction::Mute {
        until,
        version: from.map(version),
        reports,
    }
}

fn fixed(text: &str) -> DriftAction {
    DriftAction::Fixed {
        version: version(text),
    }
}

fn rename(to: &str) -> DriftAction {
    DriftAction::Rename { to: step(to) }
}

impl Drift {
    /// What was decided happens.
    fn with(mut self, action: DriftAction) -> Self {
        let events = self.decide(action, matter()).unwrap();
        for event in &events {
            self.apply(9, NOON, event);
        }
        self
    }

    fn refuses(&self, action: DriftAction) -> Refused {
        self.decide(action, matter()).unwrap_err()
    }
}

#[test]
fn a_replay_that_somebody_asks_for_is_a_verification_if_there_is_an_issue() {
    for (stage, task) in [
        (Stage::Unconfirmed, Task::Replay),
        (Stage::Open, Task::Verify),
        (Stage::Closed, Task::Verify),
        (Stage::Settling, Task::Replay),
        (Stage::Fixed, Task::Replay),
    ] {
        let drift = at(stage).with(DriftAction::Replay {});
        assert_eq!(drift.task(false), Some(task), "{stage:?}");
        assert!(drift.is_pending(), "{stage:?}");
        assert_eq!(
            drift.refuses(DriftAction::Replay {}),
            Refused::AskedAlready,
            "{stage:?}"
        );
        let before = at(stage).task(false);
        let undone = drift.with(DriftAction::DropReplay {});
        assert_eq!(undone.task(false), before, "{stage:?}");
        assert_eq!(
            undone.refuses(DriftAction::DropReplay {}),
            Refused::NotAsked
        );
    }
    // What is on its way to the tracker goes first.
    let opening = at(Stage::Opening).with(DriftAction::Replay {});
    assert_eq!(opening.task(false), Some(Task::Open));
}

#[test]
fn a_mute_is_over_with_the_first_of_what_it_waits_for() {
    let hour = NOON.plus_seconds(3_600);
    let muted = at(Stage::Open).with(mute(Some(hour), Some("1.5.0"), Some(10)));
    let quiet = reported(5, "1.4.2");
    assert!(muted.is_muted(NOON, &quiet));
    assert!(muted.is_muted(NOON, &reported(14, "1.5.0-rc.1")));
    assert!(!muted.is_muted(hour, &quiet), "the time has come");
    assert!(!muted.is_muted(NOON, &reported(15, "1.4.2")), "ten more");
    assert!(!muted.is_muted(NOON, &reported(5, "1.5.0")), "that version");
    assert!(!muted.is_muted(NOON, &reported(5, "2.0.0")), "a newer one");

    let for_good = at(Stage::Open).with(mute(None, None, None));
    let far = NOON.plus_seconds(1_000_000_000);
    assert!(for_good.is_muted(far, &reported(1_000_000, "9.9.9")));
    assert_eq!(for_good.label(), "muted");
    assert_eq!(for_good.refuses(DriftAction::Replay {}), Refused::Muted);
    let unmuted = for_good.with(DriftAction::Unmute {});
    assert_eq!(
        (unmuted.label(), unmuted.task(true)),
        ("open", Some(Task::Bump))
    );
    assert_eq!(unmuted.refuses(DriftAction::Unmute {}), Refused::NotMuted);
}

#[test]
fn nothing_is_muted_for_what_has_come_already() {
    let drift = at(Stage::Open);
    for action in [
        mute(Some(NOON), None, None),
        mute(None, Some("1.4.2"), None),
        mute(None, None, Some(0)),
    ] {
        assert_eq!(
            drift.refuses(action.clone()),
            Refused::MutedForNothing,
            "{action:?}"
        );
    }
}

#[test]
fn whoever_knows_that_it_is_fixed_spares_the_verification() {
    for (stage, after) in [
        (Stage::Unconfirmed, Stage::Fixed),
        (Stage::Open, Stage::Settling),
        (Stage::Closed, Stage::Settling),
        (Stage::Settling, Stage::Settling),
        (Stage::Fixed, Stage::Fixed),
    ] {
        let drift = at(stage).with(fixed("1.5.0"));
        assert_eq!(drift.stage, after, "{stage:?}");
        assert!(!drift.concerns(&version("1.4.9")), "{stage:?}");
        assert!(drift.concerns(&version("1.5.0")), "{stage:?}");
        assert_eq!(drift.refuses(fixed("1.6.0")), Refused::DeclaredAlready);
        let undone = drift.with(DriftAction::NotFixed {});
        assert_eq!(undone.stage, stage);
        assert_eq!(undone.fixed_in, None, "{stage:?}");
        assert_eq!(
            undone.refuses(DriftAction::NotFixed {}),
            Refused::NotDeclared
        );
    }
    for stage in [Stage::Opening, Stage::Reopening] {
        assert_eq!(at(stage).refuses(fixed("1.5.0")), Refused::BeingWritten);
    }
    let known = Drift {
        fixed_in: Some(version("1.5.0")),
        ..at(Stage::Fixed)
    };
    assert_eq!(known.refuses(fixed("1.5.0")), Refused::FixedAlready);
}

#[test]
fn a_fix_that_is_taken_back_after_the_issue_was_told_leaves_the_issue_as_it_is_now() {
    let told = |closed| {
        let mut drift = at(Stage::Open).with(fixed("1.5.0"));
        let written = Event::IssueWritten(IssueWritten {
            run: Uuid::nil(),
            service: service(),
            step: step("signup-form"),
            task: Task::Settle,
            issue: issue(if closed {
                IssueState::Closed
            } else {
                IssueState::Open
            }),
        });
        drift.apply(10, NOON, &written);
        assert_eq!(drift.stage, Stage::Fixed);
        drift.with(DriftAction::NotFixed {})
    };
    assert_eq!(told(false).stage, Stage::Open);
    // Closed meanwhile: a replay is to say whether that was right.
    assert_eq!(told(true).task(false), Some(Task::Verify));
}

#[test]
fn a_fix_is_nobodys_any_more_once_it_is_broken_again() {
    let mut drift = at(Stage::Open).with(fixed("1.5.0"));
    let again = Event::IssueRequested(IssueRequested {
        run: Uuid::nil(),
        service: service(),
        step: step("signup-form"),
        task: Task::Reopen,
    });
    drift.apply(10, NOON, &again);
    assert_eq!(
        drift.refuses(DriftAction::NotFixed {}),
        Refused::NotDeclared
    );
}

#[test]
fn the_reports_that_no_longer_wait_wait_again_when_it_is_taken_back() {
    let drift = at(Stage::Unconfirmed).with(fixed("1.5.0"));
    let yesterday = NOON.minus_seconds(86_400).day();
    let events = drift.decide(
        DriftAction::NotFixed {},
        Matter {
            reported_since: vec![yesterday, NOON.day()],
            ..matter()
        },
    );
    let Ok([Event::FixWithdrawn(withdrawn)]) = events.as_deref() else {
        panic!("{events:?}");
    };
    assert_eq!(withdrawn.waiting, [yesterday, NOON.day()]);
}

#[test]
fn a_renamed_step_is_nothing_of_its_own_until_that_is_undone() {
    let drift = at(Stage::Closed).with(rename("sign-up"));
    assert_eq!((drift.task(true), drift.label()), (None, "renamed"));
    for action in [
        DriftAction::Replay {},
        mute(None, None, None),
        fixed("1.5.0"),
        rename("sign-up"),
    ] {
        assert_eq!(
            drift.refuses(action.clone()),
            Refused::OldName,
            "{action:?}"
        );
    }
    let elsewhere = drift.clone().with(rename("register"));
    assert_eq!(elsewhere.renamed_to, Some(step("register")));
    let undone = drift.with(DriftAction::UndoRename {});
    assert_eq!(
        (undone.task(true), undone.label()),
        (Some(Task::Verify), "closed")
    );
    assert_eq!(
        undone.refuses(DriftAction::UndoRename {}),
        Refused::NotRenamed
    );
}

#[test]
fn an_old_name_is_always_one_step_away_from_the_name_of_today() {
    let mut drift = at(Stage::Open);
    assert_eq!(drift.refuses(rename("signup-form")), Refused::ToItself);
    let old = at(Stage::Unconfirmed).with(rename("elsewhere"));
    let to_an_old_name = drift.decide(
        rename("signup"),
        Matter {
            other: Some(&old),
            ..matter()
        },
    );
    assert_eq!(to_an_old_name.unwrap_err(), Refused::ToAnOldName);

    // Renamed once more, whoever was renamed to it comes along.
    drift.old_names = vec![step("signup")];
    let events = drift.decide(rename("register"), matter()).unwrap();
    let renamed = events.iter().map(|event| match event {
        Event::StepRenamed(renamed) => format!("{} {}", renamed.step, renamed.to),
        other => panic!("{other:?}"),
    });
    let renamed: Vec<_> = renamed.collect();
    assert_eq!(renamed, ["signup register", "signup-form register"]);
}
