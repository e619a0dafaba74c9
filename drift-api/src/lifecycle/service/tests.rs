//! When a scraper may run.

use drift_schema::Step;
use drift_schema::event::{DriftJudged, RunExpired, RunFinished};
use drift_schema::run::{Ending, Task};

use super::*;

const NOON: Micros = Micros(1_763_726_400_000_000);
const HOUR: i64 = 3_600;
const BUDGET: Budget = Budget {
    per_day: 2,
    cooldown_seconds: 3_600,
};

fn service() -> Service {
    Service::parse("openai").unwrap()
}

fn claimed(state: &mut ServiceState, at: Micros, task: Task) {
    let step = Step::parse("signup-form").unwrap();
    let event = Event::RunClaimed(RunClaimed {
        run: Uuid::nil(),
        service: service(),
        runner: "here".to_owned(),
        tasks: vec![TaskClaimed { step, task }],
        by_hand: false,
    });
    state.apply(1, at, &event);
}

fn judged(state: &mut ServiceState, verdict: Verdict) {
    let event = Event::DriftJudged(DriftJudged {
        run: Uuid::nil(),
        service: service(),
        step: Step::parse("signup-form").unwrap(),
        verdict,
        proof: None,
        code: None,
        scraper_version: None,
        newest_reported: None,
    });
    state.apply(2, NOON, &event);
}

fn finished(state: &mut ServiceState) {
    let event = Event::RunFinished(RunFinished {
        run: Uuid::nil(),
        service: service(),
        ending: Ending::Done,
        log_tail: String::new(),
        steps: Vec::new(),
        cleaned: Vec::new(),
    });
    state.apply(3, NOON, &event);
}

fn reason(state: &ServiceState, at: Micros) -> Option<WithheldFor> {
    let withheld = state.may_replay(Some(BUDGET), false, at).err();
    withheld.map(|withheld| withheld.reason)
}

#[test]
fn a_service_is_replayed_so_often_a_day_and_not_too_soon_again() {
    let mut state = ServiceState::default();
    assert_eq!(reason(&state, NOON), None);
    claimed(&mut state, NOON, Task::Replay);
    judged(&mut state, Verdict::Confirmed);
    finished(&mut state);
    assert_eq!(
        reason(&state, NOON.plus_seconds(60)),
        Some(WithheldFor::Cooldown)
    );
    assert_eq!(
        reason(&state, NOON.plus_seconds(HOUR - 3)),
        None,
        "a cron is not punctual"
    );
    claimed(&mut state, NOON.plus_seconds(HOUR), Task::Replay);
    assert_eq!(
        reason(&state, NOON.plus_seconds(3 * HOUR)),
        Some(WithheldFor::Budget)
    );
    assert_eq!(
        reason(&state, NOON.plus_seconds(12 * HOUR + 1)),
        None,
        "another day"
    );
    assert_eq!(state.spent(NOON.plus_seconds(13 * HOUR)).today, 0);
}

#[test]
fn counting_at_an_issue_costs_no_replay() {
    let mut state = ServiceState::default();
    claimed(&mut state, NOON, Task::Bump);
    assert_eq!(state.spent(NOON).today, 0);
}

#[test]
fn somebody_who_waits_is_not_held_up_by_a_cooldown_but_by_the_budget() {
    let mut state = ServiceState::default();
    claimed(&mut state, NOON, Task::Replay);
    assert!(state.may_replay(Some(BUDGET), true, NOON).is_ok());
    claimed(&mut state, NOON, Task::Verify);
    let withheld = state.may_replay(Some(BUDGET), true, NOON).unwrap_err();
    assert_eq!(withheld.reason, WithheldFor::Budget);
    assert_eq!(withheld.until, Some(NOON.plus_seconds(12 * HOUR)));
}

#[test]
fn the_kill_switch_and_a_missing_scraper_stop_everybody() {
    let mut state = ServiceState::default();
    let missing = state.may_replay(None, true, NOON).unwrap_err();
    assert_eq!(missing.reason, WithheldFor::NoScraper);
    state.paused = true;
    assert_eq!(reason(&state, NOON), Some(WithheldFor::Paused));
}

#[test]
fn runs_that_say_nothing_are_tried_less_and_less_often() {
    let mut state = ServiceState::default();
    let mut waits = Vec::new();
    for _ in 0..4 {
        claimed(&mut state, NOON, Task::Replay);
        judged(&mut state, Verdict::Infra);
        finished(&mut state);
        let budget = Budget {
            per_day: 99,
            ..BUDGET
        };
        let withheld = state.may_replay(Some(budget), false, NOON).unwrap_err();
        assert_eq!(withheld.reason, WithheldFor::Backoff);
        waits.push((withheld.until.unwrap().0 - NOON.0) / 1_000_000 / HOUR);
    }
    assert_eq!(waits, [2, 4, 8, 16]);
    claimed(&mut state, NOON, Task::Replay);
    judged(&mut state, Verdict::NotReproduced);
    finished(&mut state);
    assert_eq!(state.inconclusive, 0);
}

#[test]
fn a_runner_that_dies_at_every_replay_does_not_burn_an_account_an_hour() {
    let mut state = ServiceState::default();
    for _ in 0..3 {
        claimed(&mut state, NOON, Task::Replay);
        let expired = RunExpired {
            run: Uuid::nil(),
            service: service(),
        };
        state.apply(9, NOON, &Event::RunExpired(expired));
    }
    assert_eq!(state.inconclusive, 3);
    assert!(state.run.is_none());
}

#[test]
fn a_clock_that_was_far_ahead_holds_nobody_up_for_that_long() {
    let mut state = ServiceState::default();
    claimed(&mut state, NOON.plus_seconds(400 * 24 * HOUR), Task::Replay);
    finished(&mut state);
    assert_eq!(reason(&state, NOON), None);
    // A little ahead is not wrong.
    claimed(&mut state, NOON.plus_seconds(60), Task::Replay);
    assert_eq!(reason(&state, NOON), Some(WithheldFor::Cooldown));
}
