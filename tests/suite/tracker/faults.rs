//! GitHub fails, refuses, limits, and loses answers.

use super::*;
use drift_runner::tracker::Trouble;
use harness::gate::{Fault, Gate, Script};

/// Does the whole life of an issue, each task until it works, with a new process's memory each time.
async fn live(base: &str, tale: &mut Tale, github: &FakeGithub) -> usize {
    let mut failures = 0;
    macro_rules! until_done {
        ($tracker:ident => $task:expr) => {
            loop {
                let $tracker = tracker_at(base, Screenshots::Link);
                match $task.await {
                    Ok(effect) => break did(effect).1,
                    Err(Trouble::Unknown { .. } | Trouble::Later { .. }) if failures < 5 => {
                        failures += 1
                    }
                    Err(trouble) => panic!("{trouble}"),
                }
            }
        };
    }
    let issue = until_done!(tracker => tracker.open(&tale.story(), &Room::of(10)));
    tale.drift.seen.reports = 3;
    tale.drift.seen.versions.push(Counted {
        value: "1.5.0".to_owned(),
        count: 1,
    });
    until_done!(tracker => tracker.bump(&tale.story(), &issue));
    github.state().close(issue.number);
    tale.proof.at = Micros(NOON.0 + 3_600_000_000);
    until_done!(tracker => tracker.reopen(&tale.story(), &issue, &Room::of(10)));
    github.state().close(issue.number);
    until_done!(tracker => tracker.settle(&tale.story(), &issue));
    failures
}

#[tokio::test]
async fn whichever_answer_is_lost_there_is_one_issue_and_nothing_is_said_twice() {
    for fault in [Fault::LoseAnswer, Fault::Refuse] {
        let mut number = 0;
        loop {
            let github = FakeGithub::start().await;
            let script = Script::default();
            let gate = Gate::to(github.address, &script).await;
            script.plan(number, fault);
            live(
                &gate.base(),
                &mut Tale::of("openai", "signup-form"),
                &github,
            )
            .await;
            let issue = github.only_issue();
            let kinds = ["news", "does not hold", "The fix holds"];
            for kind in kinds {
                let said = issue
                    .comments
                    .iter()
                    .filter(|comment| comment.contains(kind))
                    .count();
                assert_eq!(
                    said,
                    1,
                    "{fault:?} {number} {:?}: {:#?}",
                    script.happened(),
                    issue.comments
                );
            }
            assert!(issue.body.contains("**3 reports**"));
            if script.happened().is_none() {
                break;
            }
            number += 1;
        }
        assert!(number > 12, "only {number} requests");
    }
}

#[tokio::test]
async fn a_limit_that_passes_soon_is_waited_for_and_another_left_to_the_next_tick() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let secondary =
        "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    github.refuse(
        1,
        "POST /repos/octo-org/scrapers/issues",
        403,
        &[("retry-after", "1")],
        secondary,
    );
    github.refuse(
        1,
        "GET /repos/octo-org/scrapers/issues?",
        429,
        &[("retry-after", "1")],
        "slow down",
    );
    let tale = Tale::of("openai", "signup-form");
    opened(&tracker, &tale).await;
    github.only_issue();

    let reset = (chrono::Utc::now().timestamp() + 3_000).to_string();
    let limits = [
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", reset.as_str()),
    ];
    github.refuse(
        1,
        "GET /repos/octo-org/scrapers/issues?",
        403,
        &limits,
        "API rate limit exceeded",
    );
    let trouble = tracker
        .open(&Tale::of("openai", "login").story(), &Room::of(1))
        .await
        .unwrap_err();
    let Trouble::Later {
        why,
        until: Some(until),
    } = &trouble
    else {
        panic!("{trouble:?}")
    };
    assert!(
        why.contains("rate limit") && until.0 > Micros::now().0 + 2_000_000_000,
        "{trouble:?}"
    );
    github.only_issue();
}

#[tokio::test]
async fn a_missing_right_is_named() {
    for (status, request, right) in [
        (403, "POST /repos/octo-org/scrapers/issues", "issues: write"),
        (404, "POST /repos/octo-org/scrapers/issues", "issues: write"),
        (404, "GET /repos/octo-org/scrapers/issues", "issues: read"),
    ] {
        let github = FakeGithub::start().await;
        let message = if status == 403 {
            "Resource not accessible by integration"
        } else {
            "Not Found"
        };
        github.refuse(1, request, status, &[], message);
        let trouble = tracker(&github)
            .open(&Tale::of("openai", "login").story(), &Room::of(1))
            .await
            .unwrap_err();
        let Trouble::Refused { why } = trouble else {
            panic!("{trouble:?}")
        };
        assert!(
            why.contains(right) && why.contains(message) && !why.contains('\n'),
            "{why}"
        );
    }
    let github = FakeGithub::start().await;
    let stranger = Tracker::new(Box::new(board_at(
        &github.base(),
        Screenshots::Link,
        "wrong",
    )));
    let trouble = stranger
        .open(&Tale::of("openai", "login").story(), &Room::of(1))
        .await
        .unwrap_err();
    assert!(
        trouble.to_string().contains("GITHUB_TOKEN") && !trouble.to_string().contains("wrong"),
        "{trouble}"
    );
}

#[tokio::test]
async fn a_missing_issue_is_not_mistaken_for_a_missing_right() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let issue = opened(&tracker, &Tale::of("openai", "login")).await;
    // The whole repository is out of sight: the issue may well be there.
    github.refuse(9, "GET /repos/octo-org/scrapers", 404, &[], "Not Found");
    let trouble = tracker.observe(&issue).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Refused { .. }), "{trouble:?}");
}

#[tokio::test]
async fn a_github_that_is_down_leaves_everything_to_another_time() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let tale = Tale::of("openai", "login");
    github.state().down = true;
    let trouble = tracker.open(&tale.story(), &Room::of(1)).await.unwrap_err();
    assert!(
        matches!(&trouble, Trouble::Later { why, .. } if why.contains(&github.base())),
        "{trouble:?}"
    );
    github.state().down = false;
    github.refuse(
        9,
        "POST /repos/octo-org/scrapers/issues",
        502,
        &[],
        "Bad Gateway",
    );
    let trouble = tracker.open(&tale.story(), &Room::of(1)).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Unknown { .. }), "{trouble:?}");
    let posts = github
        .requests()
        .iter()
        .filter(|request| *request == "POST /repos/octo-org/scrapers/issues")
        .count();
    assert_eq!(posts, 1, "a POST is never repeated blindly");
}

#[tokio::test]
async fn a_token_that_may_not_make_labels_still_opens_the_issue_once() {
    let github = FakeGithub::start().await;
    github.refuse(
        9,
        "POST /repos/octo-org/scrapers/labels",
        403,
        &[],
        "Resource not accessible by integration",
    );
    opened(&tracker(&github), &Tale::of("openai", "login")).await;
    github.only_issue();
}
