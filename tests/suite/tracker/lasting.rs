//! What changes at GitHub under a runner that runs for weeks: tokens end, branches and names go, lists grow.

use super::*;
use drift_runner::tracker::{At, Board as _, Trouble};
use drift_schema::run::Observation;
use std::time::Duration;

const ISSUES: &str = "POST /repos/octo-org/scrapers/issues";

#[tokio::test]
async fn a_token_of_an_app_that_ends_early_is_replaced_at_once() {
    let github = FakeGithub::start().await;
    let tracker = Tracker::new(Box::new(board_of_an_app(&github)));
    opened(&tracker, &Tale::of("openai", "login")).await;
    // The App was installed anew, or our clock is behind: by ours, both tokens would be good for an hour.
    github.refuse(
        1,
        "GET /repos/octo-org/scrapers/issues?",
        401,
        &[],
        "Bad credentials",
    );
    opened(&tracker, &Tale::of("openai", "signup")).await;
    assert_eq!(github.state().logins, 2);
    github.refuse(1, ISSUES, 401, &[], "Bad credentials");
    opened(&tracker, &Tale::of("openai", "verify")).await;
    assert_eq!(github.issues().len(), 3);
    assert_eq!(github.state().logins, 3);

    // It is no App of ours any more: said once, and not tried for ever.
    github.refuse(99, "GET /", 401, &[], "Bad credentials");
    let trouble = tracker
        .open(&Tale::of("openai", "key").story(), &Room::of(1))
        .await
        .unwrap_err();
    assert!(
        trouble.to_string().contains("the App's id and key"),
        "{trouble}"
    );
    assert_eq!(github.state().logins, 4);
}

#[tokio::test]
async fn a_full_page_is_asked_for_again_since_another_may_follow_it_by_now() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    for number in 1..=100 {
        github.state().issues.push(harness::github::Issue {
            number,
            open: true,
            labels: vec!["drift".to_owned(), "drift/openai".to_owned()],
            ..harness::github::Issue::default()
        });
    }
    let tale = Tale::of("openai", "login");
    // The answer to the write is lost, and so the list is all that tells. Its first page is as it was.
    tracker.board().list("drift/openai").await.unwrap();
    opened(&tracker, &tale).await;
    let (action, issue) = did(tracker.open(&tale.story(), &Room::of(9)).await.unwrap());
    assert_eq!((action, issue.number), (Action::Found, 101));
    assert_eq!(github.issues().len(), 101);
}

#[tokio::test]
async fn a_branch_that_somebody_removed_is_made_again() {
    let github = FakeGithub::start().await;
    let tracker = tracker_at(&github.base(), Screenshots::Branch);
    let keep = async |name: &str| {
        tracker
            .board()
            .keep_picture(&digest(name), b"\x89PNG")
            .await
    };
    keep("ef").await.unwrap();
    {
        let mut state = github.state();
        state.branches.clear();
        state.files.clear();
    }
    // By somebody who saw it as clutter; and somebody else commits at the same moment.
    github.refuse(
        1,
        "PUT /repos/octo-org/scrapers/contents",
        409,
        &[],
        "is at 1234 but expected 5678",
    );
    keep("01").await.unwrap();
    assert_eq!(github.state().branches, ["drift-evidence"]);
    assert_eq!(github.state().files.len(), 1);

    // A right that is missing is no branch that is: tried once more, and named.
    github.refuse(
        9,
        "PUT /repos/octo-org/scrapers/contents",
        404,
        &[],
        "Not Found",
    );
    let trouble = keep("02").await.unwrap_err();
    assert!(trouble.to_string().contains("contents: write"), "{trouble}");
    let tries = github
        .requests()
        .iter()
        .filter(|it| it.starts_with("PUT ") && it.contains(digest("02").as_str()))
        .count();
    assert_eq!(tries, 2);
}

#[tokio::test]
async fn a_repository_that_was_renamed_is_named_as_the_reason() {
    let github = FakeGithub::start().await;
    let place = format!("{}/repositories/77/issues", github.base());
    github.refuse(
        1,
        "GET /repos/octo-org/scrapers/issues?",
        301,
        &[("location", &place)],
        "Moved Permanently",
    );
    let trouble = tracker(&github)
        .open(&Tale::of("openai", "login").story(), &Room::of(1))
        .await
        .unwrap_err();
    let why = trouble.to_string();
    assert!(
        why.contains("another name") && why.contains("GITHUB_REPOSITORY") && !why.contains("right"),
        "{why}"
    );
}

#[tokio::test]
async fn issues_that_are_switched_off_for_a_while_are_not_gone() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let issue = opened(&tracker, &Tale::of("openai", "login")).await;
    github.state().issues_off = true;
    let trouble = tracker.observe(&issue).await.unwrap_err();
    let Trouble::Refused { why } = &trouble else {
        panic!("{trouble:?}")
    };
    assert!(why.contains("switched on"), "{why}");
    github.state().issues_off = false;
    assert!(matches!(
        tracker.observe(&issue).await.unwrap(),
        Observation::Open
    ));
}

#[tokio::test]
async fn a_limit_that_asks_for_no_time_at_all_does_not_make_us_ask_without_end() {
    let github = FakeGithub::start().await;
    let (request, none) = (
        "GET /repos/octo-org/scrapers/issues/1",
        [("retry-after", "0")],
    );
    github.refuse(usize::MAX, request, 429, &none, "slow down");
    let settings = Settings {
        patience: Duration::from_secs(1),
        ..settings_at(&github.base(), Screenshots::Link, TOKEN)
    };
    let (board, url) = (Github::new(settings).unwrap(), String::new());
    let at = At { number: 1, url };
    let looked = tokio::time::timeout(Duration::from_secs(20), board.look(&at));
    let trouble = looked.await.expect("it gives up").unwrap_err();
    assert!(
        matches!(trouble, Trouble::Later { until: Some(_), .. }),
        "{trouble:?}"
    );
    assert_eq!(github.requests().len(), 2);
}
