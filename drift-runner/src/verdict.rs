//! What a replay says about a reported step. Pure: from what was seen to a verdict.

use drift_schema::run::Verdict;
use drift_schema::words::FailureCode;
use drift_schema::{Step, TripwireKind};

/// One start of the scraper, as far as verdicts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// Steps after which another one began, or the end.
    pub passed: Vec<Step>,
    pub ending: Ending,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    Tripped {
        step: Step,
        kind: TripwireKind,
    },
    Succeeded,
    /// The scraper gave up, and said why.
    Failed(FailureCode),
    /// It crashed, took too long or did not keep to the protocol.
    Broke(FailureCode),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub verdict: Verdict,
    pub code: Option<FailureCode>,
    pub tries: u32,
    pub tripped: u32,
}

/// What a scraper's own codes mean. A code that is not here says nothing about the page.
const CODES: &[(&str, Verdict)] = &[
    ("access_denied", Verdict::Blocked),
    ("blocked", Verdict::Blocked),
    ("bot_wall", Verdict::Blocked),
    ("captcha", Verdict::Blocked),
    ("challenge", Verdict::Blocked),
    ("ip_blocked", Verdict::Blocked),
    ("rate_limited", Verdict::Blocked),
    ("account_exists", Verdict::Auth),
    ("account_locked", Verdict::Auth),
    ("auth", Verdict::Auth),
    ("auth_failed", Verdict::Auth),
    ("bad_credentials", Verdict::Auth),
    ("bad_otp", Verdict::Auth),
    ("email_refused", Verdict::Auth),
    ("login_failed", Verdict::Auth),
    ("mailbox_refused", Verdict::Auth),
    ("mfa_required", Verdict::Auth),
    ("otp_expired", Verdict::Auth),
    ("otp_timeout", Verdict::Auth),
    ("password_expired", Verdict::Auth),
    ("wrong_otp", Verdict::Auth),
];

/// Several spellings of a code are one.
fn meaning(code: &FailureCode) -> Verdict {
    let spelt = code.as_str().replace('-', "_");
    let found = CODES.iter().find(|(known, _)| *known == spelt);
    found.map_or(Verdict::Infra, |(_, verdict)| *verdict)
}

/// How often a step has to trip. A page that is only slow is no page of another shape: waiting in vain counts once it happened
/// twice.
fn needed(step: &Step, tries: &[Try], attempts: u32) -> u32 {
    let slow = tries.iter().any(|one| matches!(&one.ending, Ending::Tripped { step: at, kind: TripwireKind::Timeout } if at == step));
    attempts.max(if slow { 2 } else { 1 })
}

fn tripped(step: &Step, tries: &[Try]) -> u32 {
    let at = tries
        .iter()
        .filter(|one| matches!(&one.ending, Ending::Tripped { step: at, .. } if at == step));
    u32::try_from(at.count()).unwrap_or(u32::MAX)
}

fn is_passed(step: &Step, tries: &[Try]) -> bool {
    tries.iter().any(|one| one.passed.contains(step))
}

/// Whether the scraper is to be started once more in this session: a step that was asked about has tripped, and not often
/// enough yet.
pub fn is_open(wanted: &[&Step], tries: &[Try], attempts: u32) -> bool {
    let Some(Ending::Tripped { step, .. }) = tries.last().map(|last| &last.ending) else {
        return false;
    };
    wanted.contains(&step)
        && !is_passed(step, tries)
        && tripped(step, tries) < needed(step, tries, attempts)
}

pub fn judge(step: &Step, tries: &[Try], attempts: u32) -> Finding {
    let word = |text: &str| FailureCode::parse(text).ok();
    let count = tripped(step, tries);
    let (verdict, code) = if is_passed(step, tries) {
        (Verdict::NotReproduced, None)
    } else if count > 0 && count >= needed(step, tries, attempts) {
        (Verdict::Confirmed, None)
    } else {
        match tries.last().map(|last| &last.ending) {
            // The whole flow passes, and has no such step any more.
            Some(Ending::Succeeded) => (Verdict::NotReproduced, word("step_not_in_flow")),
            Some(Ending::Failed(code)) => (meaning(code), Some(code.clone())),
            Some(Ending::Broke(code)) => (Verdict::Infra, Some(code.clone())),
            // Something before it trips: of this step nothing was seen.
            Some(Ending::Tripped { .. }) => (Verdict::Infra, word("step_not_reached")),
            None => (Verdict::Infra, word("not_started")),
        }
    };
    Finding {
        verdict,
        code,
        tries: u32::try_from(tries.len()).unwrap_or(u32::MAX),
        tripped: count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &str) -> Step {
        Step::parse(name).unwrap()
    }

    fn code(text: &str) -> FailureCode {
        FailureCode::parse(text).unwrap()
    }

    fn a_try(passed: &[&str], ending: Ending) -> Try {
        Try {
            passed: passed.iter().map(|name| step(name)).collect(),
            ending,
        }
    }

    fn trips_at(name: &str) -> Ending {
        Ending::Tripped {
            step: step(name),
            kind: TripwireKind::SelectorMissing,
        }
    }

    fn waits_at(name: &str) -> Ending {
        Ending::Tripped {
            step: step(name),
            kind: TripwireKind::Timeout,
        }
    }

    fn verdict(name: &str, tries: &[Try], attempts: u32) -> (Verdict, Option<String>) {
        let finding = judge(&step(name), tries, attempts);
        (finding.verdict, finding.code.map(|code| code.to_string()))
    }

    #[test]
    fn a_reported_step_that_trips_is_confirmed() {
        let tries = [a_try(&["open"], trips_at("login"))];
        assert_eq!(verdict("login", &tries, 1), (Verdict::Confirmed, None));
        assert!(!is_open(&[&step("login")], &tries, 1));
    }

    #[test]
    fn a_replay_that_passes_the_step_has_not_reproduced_it_wherever_it_ends() {
        for ending in [
            Ending::Succeeded,
            trips_at("verify"),
            Ending::Failed(code("captcha")),
            Ending::Broke(code("scraper_deadline")),
        ] {
            let tries = [a_try(&["open", "login"], ending)];
            assert_eq!(verdict("login", &tries, 1), (Verdict::NotReproduced, None));
        }
    }

    #[test]
    fn several_attempts_must_all_trip_and_one_pass_ends_it() {
        let (login, once) = (step("login"), a_try(&[], trips_at("login")));
        assert!(is_open(&[&login], std::slice::from_ref(&once), 3));
        assert!(is_open(&[&login], &[once.clone(), once.clone()], 3));
        let all = [once.clone(), once.clone(), once.clone()];
        assert!(!is_open(&[&login], &all, 3));
        let finding = judge(&login, &all, 3);
        assert_eq!(
            (finding.verdict, finding.tries, finding.tripped),
            (Verdict::Confirmed, 3, 3)
        );
        let flapping = [once, a_try(&["login"], Ending::Succeeded)];
        assert!(!is_open(&[&login], &flapping, 3));
        assert_eq!(
            verdict("login", &flapping, 3),
            (Verdict::NotReproduced, None)
        );
    }

    #[test]
    fn waiting_in_vain_needs_a_second_time() {
        let (login, once) = (step("login"), a_try(&[], waits_at("login")));
        assert!(is_open(&[&login], std::slice::from_ref(&once), 1));
        assert_eq!(
            verdict("login", &[once.clone(), once.clone()], 1),
            (Verdict::Confirmed, None)
        );
        assert!(!is_open(&[&login], &[once.clone(), once.clone()], 1));
        // The second time it fails otherwise: that is not enough, and says so.
        let walled = [once, a_try(&[], Ending::Failed(code("bot_wall")))];
        assert_eq!(
            verdict("login", &walled, 1),
            (Verdict::Blocked, Some("bot_wall".to_owned()))
        );
    }

    #[test]
    fn what_stood_in_the_way_is_told_apart() {
        for (ending, expected) in [
            (
                Ending::Failed(code("bot_wall")),
                (Verdict::Blocked, "bot_wall"),
            ),
            (
                Ending::Failed(code("bot-wall")),
                (Verdict::Blocked, "bot-wall"),
            ),
            (
                Ending::Failed(code("captcha")),
                (Verdict::Blocked, "captcha"),
            ),
            (
                Ending::Failed(code("bad_credentials")),
                (Verdict::Auth, "bad_credentials"),
            ),
            (
                Ending::Failed(code("wrong_otp")),
                (Verdict::Auth, "wrong_otp"),
            ),
            (
                Ending::Failed(code("disk_full")),
                (Verdict::Infra, "disk_full"),
            ),
            (
                Ending::Broke(code("scraper_deadline")),
                (Verdict::Infra, "scraper_deadline"),
            ),
            (trips_at("open"), (Verdict::Infra, "step_not_reached")),
            (
                Ending::Succeeded,
                (Verdict::NotReproduced, "step_not_in_flow"),
            ),
        ] {
            let (verdict, code) = verdict("login", &[a_try(&[], ending)], 1);
            assert_eq!((verdict, code.as_deref()), (expected.0, Some(expected.1)));
        }
        assert_eq!(
            verdict("login", &[], 1),
            (Verdict::Infra, Some("not_started".to_owned()))
        );
    }

    #[test]
    fn a_step_that_nobody_asked_about_is_not_tried_again() {
        let tries = [a_try(&[], waits_at("open"))];
        assert!(!is_open(&[&step("login")], &tries, 3));
    }

    #[test]
    fn every_known_code_is_spelt_as_codes_are() {
        for (known, verdict) in CODES {
            assert_eq!(meaning(&code(known)), *verdict);
            assert_ne!(*verdict, Verdict::Confirmed);
        }
    }
}
