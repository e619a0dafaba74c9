//! The life of an issue at GitHub.

use super::*;
use drift_schema::run::{IssueToAsk, Observation};

#[tokio::test]
async fn an_issue_tells_everything_in_order() {
    let github = FakeGithub::start().await;
    let issue = opened(&tracker(&github), &Tale::of("openai", "signup-form")).await;
    let shown = github.only_issue();
    assert_eq!(
        (shown.number, shown.labels.as_slice()),
        (
            issue.number,
            ["drift".to_owned(), "drift/openai".to_owned()].as_slice()
        )
    );
    assert_eq!(
        shown.title,
        "drift(openai): signup-form failing as of 2026-11-21T12:00:00Z"
    );
    insta::assert_snapshot!(shown.body);
}

#[tokio::test]
async fn what_is_there_is_found_again_among_pages_pull_requests_and_other_peoples_issues() {
    let github = FakeGithub::start().await;
    github.state().page = 2;
    let (login, signup) = (Tale::of("openai", "login"), Tale::of("openai", "signup"));
    let first = opened(&tracker(&github), &login).await;
    {
        let mut state = github.state();
        let body = state.issue(first.number).body.clone();
        // A pull request with the same words, and an issue with the label and no marker.
        for number in 2..8 {
            let labels = vec!["drift".to_owned(), "drift/openai".to_owned()];
            let is_pull_request = number % 2 == 0;
            let body = if is_pull_request {
                body.clone()
            } else {
                "mine".to_owned()
            };
            state.issues.push(harness::github::Issue {
                number,
                title: "x".to_owned(),
                body,
                open: true,
                labels,
                is_pull_request,
                ..Default::default()
            });
        }
        state.issue(first.number).title = "Renamed by a person".to_owned();
        let oldest = state.issues.remove(0);
        state.issues.push(oldest);
    }
    // Another process: it knows nothing.
    let (action, again) = did(tracker(&github)
        .open(&login.story(), &Room::of(10))
        .await
        .unwrap());
    assert_eq!((action, again.number), (Action::Found, first.number));
    let second = opened(&tracker(&github), &signup).await;
    assert_eq!(second.number, 8);
}

#[tokio::test]
async fn a_bump_edits_the_counters_and_speaks_only_with_news() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    {
        let mut state = github.state();
        let shown = state.issue(issue.number);
        shown.body = format!(
            "Note by a person.\r\n\r\n{}\r\n\r\n@alice knows more",
            shown.body
        );
        shown.labels.push("urgent".to_owned());
        shown.title = "openai: sign-up is broken".to_owned();
    }

    tale.drift.seen.reports = 3;
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    let shown = github.only_issue();
    assert!(shown.body.contains("**3 reports**") && !shown.body.contains("**2 reports**"));
    assert!(
        shown.body.starts_with("Note by a person.\r\n")
            && shown.body.ends_with("@alice knows more")
    );
    assert_eq!(shown.labels, ["drift", "drift/openai", "urgent"]);
    assert_eq!(shown.title, "openai: sign-up is broken");
    assert!(shown.comments.is_empty(), "a count is no news");

    tale.drift.seen.versions.push(Counted {
        value: "1.5.0".to_owned(),
        count: 1,
    });
    tale.drift.seen.digests.push(Counted {
        value: digest("99").to_string(),
        count: 1,
    });
    let url = "https://drift.example/drift/artifacts/p".to_owned();
    tale.reported_picture = Some(Picture::Link {
        digest: digest("77"),
        url,
    });
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    let shown = github.only_issue();
    assert_eq!(shown.comments.len(), 1);
    for news in [
        "`1.5.0`",
        digest("99").as_str(),
        "https://drift.example/drift/artifacts/p",
    ] {
        assert!(shown.comments[0].contains(news), "{}", shown.comments[0]);
    }
    assert!(!shown.comments[0].contains("1.4.2"), "that was known");

    // The same again: nothing to say, and nothing to write.
    let writes = github.writes();
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    assert_eq!(github.writes(), writes);
}

#[tokio::test]
async fn a_quiet_issue_gets_no_comments() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    github
        .state()
        .issue(issue.number)
        .labels
        .push("drift/quiet".to_owned());
    tale.drift.seen.versions.push(Counted {
        value: "1.5.0".to_owned(),
        count: 1,
    });
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    github.state().close(issue.number);
    tale.proof.at = Micros(NOON.0 + 3_600_000_000);
    did(tracker
        .reopen(&tale.story(), &issue, &Room::of(1))
        .await
        .unwrap());
    let shown = github.only_issue();
    assert!(shown.open && shown.comments.is_empty());
    assert!(shown.body.contains("`1.5.0`"));
}

#[tokio::test]
async fn a_conversation_that_somebody_ended_stays_ended_and_is_counted_on() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    github.state().issue(issue.number).locked = true;
    tale.drift.seen.reports = 7;
    tale.drift.seen.versions.push(Counted {
        value: "1.5.0".to_owned(),
        count: 5,
    });
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    let shown = github.only_issue();
    assert!(shown.body.contains("**7 reports**") && shown.comments.is_empty());
}

#[tokio::test]
async fn a_fix_that_does_not_hold_reopens_with_the_reason_once() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    github.state().close(issue.number);
    tale.proof.at = Micros(NOON.0 + 3_600_000_000);
    tale.proof.dom_digest = Some(digest("55"));
    for _ in 0..2 {
        let (action, now) = did(tracker
            .reopen(&tale.story(), &issue, &Room::of(1))
            .await
            .unwrap());
        assert_eq!((action, now.state), (Action::Reopened, IssueState::Open));
    }
    let shown = github.only_issue();
    assert!(shown.open);
    assert_eq!(
        shown.title,
        "drift(openai): signup-form failing as of 2026-11-21T13:00:00Z"
    );
    assert_eq!(shown.comments.len(), 1);
    assert!(
        shown.comments[0].contains("the fix does not hold"),
        "{}",
        shown.comments[0]
    );
    assert!(
        shown.body.contains(digest("55").as_str()) && !shown.body.contains(digest("cd").as_str())
    );
}

#[tokio::test]
async fn a_fix_that_holds_is_said_once_and_the_issue_stays_closed() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    // Somebody has reopened it meanwhile: the backend is told, and says what follows.
    let closed = Issue {
        state: IssueState::Closed,
        ..issue.clone()
    };
    assert_eq!(
        tracker.settle(&tale.story(), &closed).await.unwrap(),
        Effect::Differs(Observation::Open)
    );
    assert!(github.only_issue().comments.is_empty());
    github.state().close(issue.number);
    tale.drift.fixed_in = Some(ScraperVersion::parse("1.5.0").unwrap());
    for _ in 0..2 {
        did(tracker.settle(&tale.story(), &issue).await.unwrap());
    }
    let shown = github.only_issue();
    assert!(!shown.open);
    assert_eq!(shown.comments.len(), 1);
    assert!(shown.comments[0].contains("holds") && shown.comments[0].contains("`1.5.0`"));
}

#[tokio::test]
async fn a_step_that_passes_while_its_issue_is_open_is_said_and_closing_is_left_to_people() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    for _ in 0..2 {
        let (_, now) = did(tracker.settle(&tale.story(), &issue).await.unwrap());
        assert_eq!(now.state, IssueState::Open);
    }
    let shown = github.only_issue();
    assert!(
        shown.comments.len() == 1 && shown.comments[0].contains("close this issue"),
        "{:?}",
        shown.comments
    );
}

#[tokio::test]
async fn issues_are_closed_deleted_and_moved_by_people() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    assert_eq!(tracker.observe(&issue).await.unwrap(), Observation::Open);
    github.state().close(issue.number);
    assert_eq!(tracker.observe(&issue).await.unwrap(), Observation::Closed);
    assert_eq!(
        tracker.bump(&tale.story(), &issue).await.unwrap(),
        Effect::Differs(Observation::Closed)
    );

    let mut moved = github.state().issue(issue.number).clone();
    moved.number = 40;
    github.state().issues.push(moved);
    github.state().issue(issue.number).moved_to = Some(40);
    let url = format!("https://github.example/{REPOSITORY}/issues/40");
    assert_eq!(
        tracker.observe(&issue).await.unwrap(),
        Observation::Moved { number: 40, url }
    );

    github.state().issue(issue.number).moved_to = None;
    github.state().issue(issue.number).deleted = true;
    github.state().issue(40).deleted = true;
    assert_eq!(tracker.observe(&issue).await.unwrap(), Observation::Gone);
    assert_eq!(
        tracker.bump(&tale.story(), &issue).await.unwrap(),
        Effect::Differs(Observation::Gone)
    );
    // What still trips gets a new one.
    let (action, new) = did(tracker
        .reopen(&tale.story(), &issue, &Room::of(1))
        .await
        .unwrap());
    assert_eq!((action, new.number), (Action::Opened, 41));
    assert!(
        github
            .only_issue()
            .body
            .contains(&format!("#{}, is gone", issue.number))
    );
}

#[tokio::test]
async fn asking_how_many_issues_are_costs_one_list_and_a_look_at_what_changed() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let tales: Vec<Tale> = (0..6)
        .map(|n| Tale::of("openai", &format!("step-{n}")))
        .collect();
    let mut asked = Vec::new();
    for tale in &tales {
        let issue = opened(&tracker, tale).await;
        asked.push(IssueToAsk {
            service: tale.service.clone(),
            step: tale.drift.step.clone(),
            step_hash: tale.drift.step_hash.clone(),
            issue,
        });
    }
    let before = github.requests().len();
    let found = tracker.changed(&asked, NOON).await;
    assert!(found.changed.is_empty() && found.trouble.is_none());
    assert_eq!(github.requests().len(), before + 1);
    github.state().close(3);
    let changed = tracker.changed(&asked, NOON).await.changed;
    assert_eq!(changed.len(), 1);
    assert_eq!(
        (changed[0].0.issue.number, &changed[0].1),
        (3, &Observation::Closed)
    );
    assert_eq!(github.requests().len(), before + 2);
}

#[tokio::test]
async fn a_label_that_somebody_renamed_costs_a_few_looks_a_pass_and_all_have_their_turn() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut asked = Vec::new();
    for n in 0..120 {
        let tale = Tale::of("openai", &format!("step-{n}"));
        let issue = Issue {
            tracker: "github".to_owned(),
            number: n + 1,
            url: format!("https://github.example/{REPOSITORY}/issues/{}", n + 1),
            state: IssueState::Open,
        };
        github.state().issues.push(harness::github::Issue {
            number: n + 1,
            open: n % 40 != 39,
            labels: vec!["page drift".to_owned()],
            ..harness::github::Issue::default()
        });
        asked.push(IssueToAsk {
            service: tale.service.clone(),
            step: tale.drift.step.clone(),
            step_hash: tale.drift.step_hash.clone(),
            issue,
        });
    }
    let mut closed = std::collections::BTreeSet::new();
    for hour in 0..3 {
        let before = github.requests().len();
        let now = Micros(NOON.0 + hour * 3_600_000_000);
        let found = tracker.changed(&asked, now).await;
        assert!(found.trouble.unwrap().to_string().contains("renamed"));
        assert_eq!(github.requests().len(), before + 51);
        closed.extend(found.changed.iter().map(|(ask, _)| ask.issue.number));
    }
    assert_eq!(closed, [40, 80, 120].into());
}

#[tokio::test]
async fn what_changed_in_the_tree_is_said_in_words_and_obeys_nobody() {
    let github = FakeGithub::start().await;
    let tale = Tale::of("openai", "signup-form");
    let before = "- main:\n  - heading \"Sign up\" [level=1]\n  - textbox \"Email\"\n  - button \"Create account\"\n";
    let hostile = "- main:\n  - heading \"Sign up\" [level=1]\n  - textbox \"Email\"\n  - button \"```\\n@octocat <!-- drift-tracker end --> | <img src=x>\"\n  - link \"Help\"\n";
    let changes = drift_schema::tree::Difference::of_trees(before, hostile, None);
    let story = Story {
        changes: Some(changes),
        ..tale.story()
    };
    tracker(&github).open(&story, &Room::of(1)).await.unwrap();
    let body = github.only_issue().body;
    let (_, changed) = body.split_once("### What changed in the tree").unwrap();
    let (changed, _) = changed.split_once("<!-- drift-tracker part").unwrap();
    assert!(
        changed.contains("`link \"Help\" is new in main`"),
        "{changed}"
    );
    assert!(
        changed.contains("-  - button \"Create account\""),
        "{changed}"
    );
    assert!(!changed.contains("<!--"), "{changed}");
    assert_eq!(body.matches("<!-- drift-tracker end -->").count(), 1);

    // What was reported and is not counted yet is no secret.
    assert!(!body.contains("The table is about"));
    let mut behind = Tale::of("openai", "login");
    behind.drift.seen.reports = 9;
    tracker(&github)
        .open(&behind.story(), &Room::of(1))
        .await
        .unwrap();
    let body = github.issues()[1].body.clone();
    assert!(
        body.contains("**9 reports**") && body.contains("The table is about 2 of them"),
        "{body}"
    );
}

#[tokio::test]
async fn an_old_issue_that_the_backend_forgot_is_reopened_and_a_newer_closing_respected() {
    let github = FakeGithub::start().await;
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker(&github), &tale).await;
    github.state().close(issue.number);
    // Closed after the proof: whoever closed it has seen that.
    tale.proof.at = Micros::now().minus_seconds(60);
    let (action, found) = did(tracker(&github)
        .open(&tale.story(), &Room::of(1))
        .await
        .unwrap());
    assert_eq!((action, found.state), (Action::Found, IssueState::Closed));
    tale.proof.at = Micros(Micros::now().0 + 60_000_000);
    let (action, found) = did(tracker(&github)
        .open(&tale.story(), &Room::of(1))
        .await
        .unwrap());
    assert_eq!(
        (action, found.number, found.state),
        (Action::Reopened, issue.number, IssueState::Open)
    );
}

#[tokio::test]
async fn pictures_can_live_on_a_branch() {
    let github = FakeGithub::start().await;
    let tracker = tracker_at(&github.base(), Screenshots::Branch);
    let tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    for _ in 0..2 {
        let target = tracker
            .board()
            .keep_picture(&digest("ef"), b"\x89PNG")
            .await
            .unwrap();
        assert_eq!(
            target,
            format!(
                "../blob/drift-evidence/pictures/{}.png?raw=true",
                digest("ef")
            )
        );
        let mut story = tale.story();
        story.picture = Some(Picture::Inline {
            digest: digest("ef"),
            target,
        });
        tracker.show_pictures(&story, &issue).await.unwrap();
    }
    let state = github.state();
    assert_eq!(state.branches, ["drift-evidence"]);
    assert_eq!(state.files.len(), 1);
    let body = state.issues[0].body.clone();
    drop(state);
    assert!(body.contains(&format!(
        "![Screenshot of the replay](<../blob/drift-evidence/pictures/{}.png?raw=true>)",
        digest("ef")
    )));
}

#[tokio::test]
async fn an_app_logs_in_once_and_knows_its_rights() {
    let github = FakeGithub::start().await;
    let board = board_of_an_app(&github);
    assert_eq!(board.granted().await.unwrap().unwrap()["issues"], "write");
    let tracker = Tracker::new(Box::new(board));
    opened(&tracker, &Tale::of("openai", "login")).await;
    opened(&tracker, &Tale::of("openai", "signup")).await;
    assert_eq!(github.state().logins, 1);
}
