//! How a drift stands, in words for whoever decides what to do next. Pure.

use drift_schema::Micros;
use drift_schema::run::{IssueState, Verdict};

use crate::lifecycle::Drift;
use crate::lifecycle::drift::Stage;

/// A runner that has something to write and is there writes it within the hour.
const OVERDUE_SECONDS: i64 = 3 * 3_600;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Turn {
    /// A person has to do something, or nothing ever happens.
    Yours,
    /// Broken, and everybody knows: waits for whoever mends the scraper.
    Mender,
    /// The next tick goes on by itself.
    Machine,
    Nobody,
}

impl Turn {
    /// What the style sheet calls it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Yours => "yours",
            Self::Mender => "broken",
            Self::Machine => "waiting",
            Self::Nobody => "quiet",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) turn: Turn,
    /// A word or two.
    pub(super) badge: &'static str,
    /// Why, and what happens next.
    pub(super) words: String,
}

/// `waiting` says since when reports wait that nobody has looked at, `paused` whether replays of the service are switched off.
pub(super) fn of(drift: &Drift, waiting: Option<Micros>, paused: bool, now: Micros) -> Standing {
    let fresh = waiting.is_some();
    let forgotten = waiting.is_some_and(|since| since.plus_seconds(OVERDUE_SECONDS) < now);
    let verdict = drift.judged.as_ref().map(|judged| judged.verdict);
    let issue = match &drift.issue {
        Some(issue) => format!("issue #{}", issue.number),
        None => "its issue".to_owned(),
    };
    let standing = |turn, badge, words: &str| Standing {
        turn,
        badge,
        words: words.to_owned(),
    };
    // What else a mute waits for, only the next tick finds out.
    let is_muted = drift
        .muted
        .as_ref()
        .is_some_and(|muted| muted.until.is_none_or(|until| until > now));
    let overdue = drift
        .judged
        .as_ref()
        .is_some_and(|judged| judged.at.plus_seconds(OVERDUE_SECONDS) < now);
    let wall = match verdict {
        Some(Verdict::Blocked) => Some("A bot wall or a captcha stood in front of the page"),
        Some(Verdict::Auth) => Some("The account of the replay did not get in"),
        _ => None,
    };
    let mut it = match drift.stage {
        _ if let Some(name) = &drift.renamed_to => {
            let words = format!(
                "This step is called {name} now, and what is reported of it is about that one."
            );
            let is_open = drift
                .issue
                .as_ref()
                .is_some_and(|issue| issue.state == IssueState::Open);
            let rest = match is_open {
                true => format!(
                    " {} is still open, and nothing more is written to it: close it by hand.",
                    capital(&issue)
                ),
                false => String::new(),
            };
            standing(Turn::Nobody, "renamed", &(words + &rest))
        }
        _ if is_muted => standing(
            Turn::Nobody,
            "muted",
            "Somebody muted it. What is reported meanwhile is counted, and waits.",
        ),
        Stage::Unconfirmed | Stage::Open | Stage::Fixed if drift.asked.is_some() => standing(
            Turn::Machine,
            "replay asked",
            "Somebody asked for a replay. The next tick runs it, as far as the budget goes.",
        ),
        Stage::Unconfirmed if fresh => match verdict {
            Some(Verdict::Infra) => standing(
                Turn::Machine,
                "retrying",
                "The last replay failed on our own side. It is tried again, a little later each time.",
            ),
            _ if forgotten && !paused => standing(
                Turn::Yours,
                "not looked at",
                "Reported hours ago, and no replay has looked at it: perhaps no scraper serves it. \u{201c}drift-runner check\u{201d} says why.",
            ),
            _ => standing(
                Turn::Machine,
                "reported",
                "Reported, and not looked at yet. The next tick replays it.",
            ),
        },
        Stage::Unconfirmed => match (verdict, wall) {
            (Some(Verdict::Auth), Some(wall)) => standing(
                Turn::Yours,
                "cannot tell",
                &format!("{wall}. Check its credentials, then replay."),
            ),
            (_, Some(wall)) => standing(
                Turn::Yours,
                "cannot tell",
                &format!("{wall}, so nobody knows what is behind it. Look at it yourself."),
            ),
            (Some(Verdict::NotReproduced), _) => standing(
                Turn::Nobody,
                "not reproduced",
                "The replay passed this step: whatever was reported is not there any more.",
            ),
            (Some(Verdict::Confirmed), _) => standing(
                Turn::Nobody,
                "issue gone",
                "Proved broken, and its issue was deleted. Another report looks again.",
            ),
            (Some(Verdict::Infra), _) => standing(
                Turn::Nobody,
                "failed",
                "The last replay failed on our own side. Another report looks again.",
            ),
            (None, _) if drift.last_good.is_some() => {
                standing(Turn::Nobody, "passes", "The last replay passed this step.")
            }
            _ => standing(
                Turn::Nobody,
                "quiet",
                "Nothing is known beyond the reports.",
            ),
        },
        Stage::Opening | Stage::Reopening if overdue => standing(
            Turn::Yours,
            "no issue",
            "Proved broken hours ago, and the tracker has no open issue yet. \u{201c}drift-runner doctor\u{201d} says why.",
        ),
        Stage::Opening => standing(
            Turn::Machine,
            "proved",
            "Proved broken. The runner is about to open the issue.",
        ),
        Stage::Reopening => standing(
            Turn::Machine,
            "not fixed",
            &format!("The fix does not hold. The runner is about to reopen {issue}."),
        ),
        Stage::Open => standing(
            Turn::Mender,
            "broken",
            &format!("Broken, and known: {issue} waits for a fix of the scraper."),
        ),
        Stage::Closed => match wall.filter(|_| drift.was_tried_since_closed()) {
            Some(wall) => standing(
                Turn::Yours,
                "cannot tell",
                &format!(
                    "{} was closed, but whether the fix holds nobody knows: {}{}.",
                    capital(&issue),
                    wall[..1].to_lowercase(),
                    &wall[1..]
                ),
            ),
            None => standing(
                Turn::Machine,
                "to be verified",
                &format!(
                    "{} was closed. The next tick replays once, to see whether the fix holds.",
                    capital(&issue)
                ),
            ),
        },
        Stage::Settling if drift.declared.is_some() => standing(
            Turn::Machine,
            "marked fixed",
            &format!("Somebody marked it as fixed. The runner is about to say so at {issue}."),
        ),
        Stage::Settling => standing(
            Turn::Machine,
            "fix holds",
            &format!("The fix holds. The runner is about to say so at {issue}."),
        ),
        Stage::Fixed if fresh => standing(
            Turn::Machine,
            "reported again",
            "Reported again by a scraper that has the fix. The next tick replays it.",
        ),
        Stage::Fixed => standing(
            Turn::Nobody,
            "fixed",
            &match &drift.fixed_in {
                Some(version) => format!(
                    "Fixed in {version}. Reports of older scrapers count, and change nothing."
                ),
                None => "Fixed.".to_owned(),
            },
        ),
    };
    if paused && it.turn == Turn::Machine {
        it.turn = Turn::Yours;
        it.words += " But replays of this service are paused.";
    }
    it
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use drift_schema::run::Issue;
    use uuid::Uuid;

    use super::*;
    use crate::lifecycle::drift::LastVerdict;

    const NOW: Micros = Micros(1_790_000_000_000_000);

    fn judged(stage: Stage, verdict: Verdict, seconds_ago: i64) -> Drift {
        Drift {
            stage,
            judged: Some(LastVerdict {
                at: NOW.minus_seconds(seconds_ago),
                run: Uuid::nil(),
                verdict,
                code: None,
            }),
            issue: Some(Issue {
                tracker: "github".to_owned(),
                number: 12,
                url: "https://example.com/12".to_owned(),
                state: IssueState::Open,
            }),
            ..Drift::default()
        }
    }

    fn turn(drift: &Drift, fresh: bool) -> (Turn, &'static str) {
        let it = of(drift, fresh.then_some(NOW), false, NOW);
        (it.turn, it.badge)
    }

    #[test]
    fn what_a_machine_can_go_on_with_is_nobodys_work() {
        assert_eq!(turn(&Drift::default(), true), (Turn::Machine, "reported"));
        assert_eq!(turn(&Drift::default(), false), (Turn::Nobody, "quiet"));
        let passed = Drift {
            last_good: Some(drift_schema::run::Good {
                at: NOW,
                tree: None,
                scraper_version: None,
            }),
            ..Drift::default()
        };
        assert_eq!(turn(&passed, false), (Turn::Nobody, "passes"));
        let proved = judged(Stage::Opening, Verdict::Confirmed, 60);
        assert_eq!(turn(&proved, true), (Turn::Machine, "proved"));
        let open = judged(Stage::Open, Verdict::Confirmed, 60);
        assert_eq!(turn(&open, true), (Turn::Mender, "broken"));
        assert!(of(&open, Some(NOW), false, NOW).words.contains("issue #12"));
    }

    #[test]
    fn what_no_machine_can_go_on_with_is_yours() {
        let blocked = judged(Stage::Unconfirmed, Verdict::Blocked, 60);
        assert_eq!(turn(&blocked, false), (Turn::Yours, "cannot tell"));
        // Somebody reported it once more, so the next tick tries once more.
        assert_eq!(turn(&blocked, true), (Turn::Machine, "reported"));
        let late = judged(Stage::Opening, Verdict::Confirmed, 4 * 3_600);
        assert_eq!(turn(&late, false), (Turn::Yours, "no issue"));
        let mut closed = judged(Stage::Closed, Verdict::Auth, 60);
        assert_eq!(turn(&closed, false), (Turn::Machine, "to be verified"));
        closed.closed_at = Some(NOW.minus_seconds(120));
        assert_eq!(turn(&closed, false), (Turn::Yours, "cannot tell"));
        let words = of(&closed, None, false, NOW).words;
        assert!(words.starts_with("Issue #12 was closed, but"), "{words}");
    }

    #[test]
    fn what_people_decided_goes_before_what_machines_found() {
        let mut open = judged(Stage::Open, Verdict::Confirmed, 60);
        open.asked = Some(crate::lifecycle::drift::Asked {
            at: NOW,
            by: "k1".to_owned(),
        });
        assert_eq!(turn(&open, false), (Turn::Machine, "replay asked"));
        open.muted = Some(crate::lifecycle::drift::Muted {
            at: NOW,
            by: "k1".to_owned(),
            until: Some(NOW.plus_seconds(60)),
            version: None,
            reports: None,
            counted: 0,
        });
        assert_eq!(turn(&open, true), (Turn::Nobody, "muted"));
        let later = of(&open, Some(NOW), false, NOW.plus_seconds(61));
        assert_eq!(later.badge, "replay asked");
        open.renamed_to = Some(drift_schema::Step::parse("other").unwrap());
        assert_eq!(turn(&open, true), (Turn::Nobody, "renamed"));
        let words = |drift: &Drift| of(drift, Some(NOW), false, NOW).words;
        assert!(
            words(&open).contains("called other now"),
            "{}",
            words(&open)
        );
        assert!(
            words(&open).ends_with("close it by hand."),
            "{}",
            words(&open)
        );
        open.issue.as_mut().unwrap().state = IssueState::Closed;
        assert!(!words(&open).contains("ssue #12"), "{}", words(&open));
    }

    #[test]
    fn what_no_runner_takes_for_hours_is_somebodys_to_ask_about() {
        let reported = |seconds| {
            of(
                &Drift::default(),
                Some(NOW.minus_seconds(seconds)),
                false,
                NOW,
            )
        };
        assert_eq!(reported(2 * 3_600).turn, Turn::Machine);
        assert_eq!(
            (reported(4 * 3_600).turn, reported(4 * 3_600).badge),
            (Turn::Yours, "not looked at")
        );
    }

    #[test]
    fn nothing_waits_for_a_machine_that_is_switched_off() {
        let it = of(&Drift::default(), Some(NOW), true, NOW);
        assert_eq!(it.turn, Turn::Yours);
        assert!(it.words.ends_with("are paused."), "{}", it.words);
        assert_eq!(of(&Drift::default(), None, true, NOW).turn, Turn::Nobody);
    }
}
