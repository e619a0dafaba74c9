//! Given what happened, when something comes in, then this follows.

use drift_schema::event::{Event, IssueWritten};
use drift_schema::run::{IssueState, Observation};
use drift_schema::{Service, Step};

use super::applying::MOMENTS;
use super::deciding::fixed_in;
use super::*;
use crate::lifecycle::Impossible;

const RUN: Uuid = Uuid::from_u128(7);

fn service() -> Service {
    Service::parse("openai").unwrap()
}

fn step() -> Step {
    Step::parse("signup-form").unwrap()
}

fn version(text: &str) -> ScraperVersion {
    ScraperVersion::parse(text).unwrap()
}

fn issue(state: IssueState) -> Issue {
    Issue {
        tracker: "local".to_owned(),
        number: 12,
        url: "issues/12.md".to_owned(),
        state,
    }
}

fn proof(with: &str) -> Proof {
    Proof {
        at: Micros(5),
        kind: drift_schema::TripwireKind::SelectorMissing,
        url_host: None,
        dom_digest: None,
        scraper_version: Some(version(with)),
        screenshot: None,
        tree: None,
        tries: 1,
        tripped: 1,
        missing: Vec::new(),
    }
}

fn judging(verdict: Verdict) -> Judging {
    Judging {
        run: RUN,
        service: service(),
        step: step(),
        verdict,
        proof: (verdict == Verdict::Confirmed).then(|| proof("1.4.2")),
        code: None,
        scraper_version: None,
        newest_reported: Some(version("1.4.2")),
        is_left_alone: false,
    }
}

/// A drift to which things happen.
#[derive(Default)]
struct Story(Drift, i64);

impl Story {
    fn happens(mut self, events: Vec<Event>) -> Self {
        for event in events {
            self.1 += 1;
            self.0.apply(self.1, Micros(self.1), &event);
        }
        self
    }

    fn judged(self, verdict: Verdict) -> Self {
        self.judged_as(judging(verdict))
    }

    fn judged_as(self, judging: Judging) -> Self {
        let (events, _) = self.0.judge(judging).unwrap();
        self.happens(events)
    }

    fn written(self, task: Task) -> Self {
        let issue = issue(IssueState::Open);
        let event = self.0.written(RUN, service(), step(), task, issue).unwrap();
        self.happens(vec![event])
    }

    fn observed(self, seen: Observation) -> Self {
        let event = self.0.observe(service(), step(), seen);
        self.happens(event.into_iter().collect())
    }

    fn state(&self) -> Option<String> {
        self.0.known_issue().map(|issue| issue.state)
    }
}

fn open() -> Story {
    Story::default()
        .judged(Verdict::Confirmed)
        .written(Task::Open)
}

fn fixed() -> Story {
    open()
        .observed(Observation::Closed)
        .judged(Verdict::NotReproduced)
        .written(Task::Settle)
}

#[test]
fn a_reported_step_is_replayed_and_a_quiet_one_is_left_alone() {
    assert_eq!(Drift::default().task(true), Some(Task::Replay));
    assert_eq!(Drift::default().task(false), None);
    assert!(Drift::default().known_issue().is_none());
}

#[test]
fn only_a_confirmed_drift_asks_for_an_issue() {
    for verdict in [
        Verdict::NotReproduced,
        Verdict::Blocked,
        Verdict::Auth,
        Verdict::Infra,
    ] {
        let story = Story::default().judged(verdict);
        assert!(story.0.known_issue().is_none(), "{verdict:?}");
        assert_eq!(story.0.task(false), None, "{verdict:?}");
    }
    let story = Story::default().judged(Verdict::Confirmed);
    assert_eq!(story.state().as_deref(), Some("requested"));
}

#[test]
fn an_issue_that_was_asked_for_is_opened_by_whoever_comes_next_and_never_twice() {
    let story = Story::default().judged(Verdict::Confirmed);
    assert_eq!(story.0.task(false), Some(Task::Open));
    // The same verdict again, after a crash: no second request.
    let (events, next) = story.0.judge(judging(Verdict::Confirmed)).unwrap();
    assert_eq!((events.len(), next), (1, Some(Task::Open)));
    let story = story.written(Task::Open);
    assert_eq!(story.0.task(false), None);
    let again = story
        .0
        .written(RUN, service(), step(), Task::Open, issue(IssueState::Open));
    assert_eq!(again, Err(Impossible::NotAsked));
}

#[test]
fn while_the_issue_is_open_reports_are_counted_there_and_nothing_is_replayed() {
    let story = open();
    assert_eq!(story.0.task(true), Some(Task::Bump));
    assert_eq!(story.0.task(false), None);
    assert_eq!(story.written(Task::Bump).0.stage, Stage::Open);
}

#[test]
fn a_closed_issue_is_verified_by_one_replay_though_nobody_reports() {
    let story = open().observed(Observation::Closed);
    assert_eq!(story.state().as_deref(), Some("closed"));
    assert_eq!(story.0.task(false), Some(Task::Verify));
    assert_eq!(story.0.task(true), Some(Task::Verify));
}

#[test]
fn a_fix_that_holds_is_settled_and_knows_its_version() {
    let story = open()
        .observed(Observation::Closed)
        .judged(Verdict::NotReproduced);
    assert_eq!(story.0.task(false), Some(Task::Settle));
    let story = story.written(Task::Settle);
    assert_eq!(story.0.task(false), None);
    let known = story.0.known_issue().unwrap();
    assert_eq!(
        (known.state.as_str(), known.fixed_in.as_deref()),
        ("fixed", Some("1.4.3"))
    );
}

#[test]
fn reports_of_scrapers_older_than_the_fix_are_no_reason_to_look_again() {
    let drift = fixed().0;
    for (reporter, concerns) in [
        ("1.4.2", false),
        ("1.3.9", false),
        ("1.4.3", true),
        ("2.0.0", true),
    ] {
        assert_eq!(drift.concerns(&version(reporter)), concerns, "{reporter}");
    }
    assert!(
        open().0.concerns(&version("0.1.0")),
        "while it is open all count"
    );
}

#[test]
fn a_fix_that_does_not_hold_reopens_the_same_issue() {
    let story = open()
        .observed(Observation::Closed)
        .judged(Verdict::Confirmed);
    assert_eq!(story.0.task(false), Some(Task::Reopen));
    let story = story.written(Task::Reopen);
    assert_eq!((story.0.stage, &story.0.fixed_in), (Stage::Open, &None));

    let later = fixed().judged(Verdict::Confirmed);
    assert_eq!(later.0.task(false), Some(Task::Reopen));
    assert_eq!(later.written(Task::Reopen).0.issue.unwrap().number, 12);
}

#[test]
fn a_verification_that_says_nothing_is_tried_again() {
    for verdict in [Verdict::Blocked, Verdict::Auth, Verdict::Infra] {
        let story = open().observed(Observation::Closed).judged(verdict);
        assert_eq!(story.0.task(false), Some(Task::Verify), "{verdict:?}");
    }
}

#[test]
fn whoever_reopens_an_issue_by_hand_is_believed() {
    for story in [
        open().observed(Observation::Closed),
        fixed().observed(Observation::Closed),
    ] {
        let story = story.observed(Observation::Open);
        assert_eq!(story.0.stage, Stage::Open);
        assert_eq!(story.0.task(false), None);
    }
}

#[test]
fn what_the_tracker_says_again_is_no_event() {
    let story = open();
    assert!(
        story
            .0
            .observe(service(), step(), Observation::Open)
            .is_none()
    );
    let story = story.observed(Observation::Closed);
    assert!(
        story
            .0
            .observe(service(), step(), Observation::Closed)
            .is_none()
    );
    assert!(
        Drift::default()
            .observe(service(), step(), Observation::Gone)
            .is_none()
    );
}

#[test]
fn an_issue_that_is_gone_is_opened_anew_when_it_is_reported_again() {
    let story = open().observed(Observation::Gone);
    assert_eq!(story.0.task(false), None);
    assert_eq!(story.0.task(true), Some(Task::Replay));
    let story = story.judged(Verdict::Confirmed);
    assert_eq!(story.0.task(false), Some(Task::Open));
}

#[test]
fn an_issue_that_moved_is_followed() {
    let url = "elsewhere/3".to_owned();
    let story = open().observed(Observation::Moved { number: 3, url });
    assert_eq!(story.0.issue.as_ref().unwrap().number, 3);
    assert_eq!(story.0.stage, Stage::Open);
}

#[test]
fn an_issue_closed_while_it_was_written_is_noticed() {
    let story = open();
    let closed = story.0.written(
        RUN,
        service(),
        step(),
        Task::Bump,
        issue(IssueState::Closed),
    );
    let story = story.happens(vec![closed.unwrap()]);
    assert_eq!(story.0.task(false), Some(Task::Verify));
}

#[test]
fn a_verdict_with_the_wrong_proof_is_refused() {
    let mut confirmed = judging(Verdict::Confirmed);
    confirmed.proof = None;
    assert_eq!(
        Drift::default().judge(confirmed).unwrap_err(),
        Impossible::ProofMismatch
    );
    let mut not = judging(Verdict::NotReproduced);
    not.proof = Some(proof("1.0.0"));
    assert_eq!(
        Drift::default().judge(not).unwrap_err(),
        Impossible::ProofMismatch
    );
}

#[test]
fn the_fix_is_in_the_version_that_passed_or_else_in_the_next_after_all_that_tripped() {
    for (broken, passed, fixed) in [
        (Some("1.4.2"), None, Some("1.4.3")),
        (Some("1.4.2"), Some("1.5.0"), Some("1.5.0")),
        (Some("1.4.2"), Some("1.4.2"), Some("1.4.2")),
        (Some("1.5.0-rc.1"), None, Some("1.5.0")),
        (Some("1.4.2+build.7"), None, Some("1.4.3")),
        (None, Some("2.0.0"), Some("2.0.0")),
        (None, None, None),
    ] {
        let found = fixed_in(broken.map(version), passed.map(version));
        assert_eq!(found, fixed.map(version), "{broken:?} {passed:?}");
    }
}

#[test]
fn the_first_bad_is_that_since_it_was_last_good() {
    let story = open();
    assert_eq!(story.0.first_bad, Some(Micros(5)));
    let mut later = judging(Verdict::Confirmed);
    later.proof.as_mut().unwrap().at = Micros(900);
    let story = story.judged_as(later);
    assert_eq!(story.0.first_bad, Some(Micros(5)));
    assert_eq!(fixed().0.first_bad, None);
}

#[test]
fn a_drift_remembers_its_beginning_and_its_latest_moments() {
    let mut drift = open().0;
    for position in 0..10 * MOMENTS as i64 {
        let event = Event::IssueWritten(IssueWritten {
            run: RUN,
            service: service(),
            step: step(),
            task: Task::Bump,
            issue: issue(IssueState::Open),
        });
        drift.apply(1_000 + position, Micros(0), &event);
    }
    assert_eq!(drift.moments.len(), MOMENTS);
    assert_eq!(drift.moments[0].kind, "drift-judged");
    assert_eq!(
        drift.moments.last().unwrap().position,
        999 + 10 * MOMENTS as i64
    );
}

#[test]
fn a_state_reads_as_it_was_written() {
    for story in [Story::default(), open(), fixed()] {
        let text = serde_json::to_string(&story.0).unwrap();
        assert_eq!(serde_json::from_str::<Drift>(&text).unwrap(), story.0);
    }
}

#[test]
fn what_is_left_alone_since_the_claim_is_judged_and_nothing_is_written() {
    let left_alone = |verdict| Judging {
        is_left_alone: true,
        ..judging(verdict)
    };
    for drift in [Drift::default(), open().0, fixed().0] {
        let (events, next) = drift.judge(left_alone(Verdict::Confirmed)).unwrap();
        assert_eq!((events.len(), next), (1, None), "{:?}", drift.stage);
    }
    let (events, next) = open().0.judge(left_alone(Verdict::NotReproduced)).unwrap();
    assert_eq!((events.len(), next), (2, None), "the issue is told later");
}

#[test]
fn a_fix_without_an_issue_that_does_not_hold_gets_one() {
    let drift = Drift {
        stage: Stage::Fixed,
        fixed_in: Some(version("1.4.0")),
        ..Drift::default()
    };
    let (_, next) = drift.judge(judging(Verdict::Confirmed)).unwrap();
    assert_eq!(next, Some(Task::Open));
}
