//! What there is too much of: text, issues at once, and words that want to be more than words.

use super::*;

#[tokio::test]
async fn a_huge_tree_is_cut_where_everybody_sees_it() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    tale.tree = (0..20_000)
        .map(|n| format!("- button \"B{n} ```` <!-- x\"\n"))
        .collect();
    let issue = opened(&tracker, &tale).await;
    let body = github.only_issue().body;
    assert!((60_000..65_536).contains(&body.len()), "{}", body.len());
    assert!(
        body.contains("**Cut here:**")
            && body.contains("How to reproduce")
            && body.contains("<!-- drift-tracker end -->")
    );

    // A person has filled the issue: ours gives way, theirs stays.
    let words = "words ".repeat(9_500);
    github.state().issue(issue.number).body =
        format!("{words}\n\n{body}")[..64_000].to_owned() + "<!-- drift-tracker end -->";
    github.state().close(issue.number);
    did(tracker
        .reopen(&tale.story(), &issue, &Room::of(1))
        .await
        .unwrap());
    let body = github.only_issue().body;
    assert!(body.starts_with(&words) && body.len() < 65_536);
    assert!(body.contains("**Cut here:**") && body.contains("### Verdict"));
}

#[tokio::test]
async fn hostile_values_stay_values() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tale = Tale::of("openai", "signup-form");
    let evil = "@octo-org/all <img src=x> [x](https://evil.example) `|` <!-- drift-tracker end --> https://evil.example\n\n# hi";
    tale.drift.seen.hosts = vec![Counted {
        value: evil.to_owned(),
        count: 1,
    }];
    tale.tree = format!("```\n{evil}\n</details>\n");
    tale.proof.missing = vec![evil.to_owned()];
    let issue = opened(&tracker, &tale).await;
    let body = github.only_issue().body;
    assert_eq!(body.matches("<!-- drift-tracker end -->").count(), 1);
    // Outside of code, nothing of it is left.
    let options = pulldown_cmark::Options::ENABLE_TABLES;
    let mut in_code = false;
    for event in pulldown_cmark::Parser::new_ext(&body, options) {
        use pulldown_cmark::{Event, Tag, TagEnd};
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) if !in_code => {
                assert!(
                    !text.contains("evil") && !text.contains("octo-org") && !text.contains("<img"),
                    "{text}"
                );
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                assert!(dest_url.starts_with("https://drift.example/"), "{dest_url}");
            }
            Event::Start(Tag::Image { dest_url, .. }) => panic!("{dest_url}"),
            _ => {}
        }
    }
    // And our own markers still work.
    tale.drift.seen.reports = 9;
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    assert!(github.only_issue().body.contains("**9 reports**"));
}

#[tokio::test]
async fn what_is_too_much_for_one_tick_is_folded_into_one_issue() {
    let github = FakeGithub::start().await;
    let tracker = tracker(&github);
    let mut tales: Vec<Tale> = (0..6)
        .map(|n| Tale::of(&format!("service-{}", n % 3), &format!("step-{n}")))
        .collect();
    let room = Room::of(2);
    let mut numbers = Vec::new();
    for tale in &tales {
        let (action, issue) = did(tracker.open(&tale.story(), &room).await.unwrap());
        assert_eq!(
            action,
            if numbers.len() < 2 {
                Action::Opened
            } else {
                Action::Folded
            }
        );
        numbers.push(issue.number);
    }
    assert_eq!(numbers, [1, 2, 3, 3, 3, 3]);
    let folded = &github.issues()[2];
    assert_eq!(
        folded.labels,
        [
            "drift",
            "drift/service-2",
            "drift/service-0",
            "drift/service-1"
        ]
    );
    assert_eq!(
        folded
            .body
            .lines()
            .filter(|line| line.contains("drift-tracker row"))
            .count(),
        4
    );

    // Another process, after a crash: what is folded is found, not opened a second time.
    let tracker = super::tracker(&github);
    let (action, issue) = did(tracker
        .open(&tales[4].story(), &Room::of(10))
        .await
        .unwrap());
    assert_eq!((action, issue.number), (Action::Found, 3));

    tales[4].drift.seen.reports = 77;
    did(tracker.bump(&tales[4].story(), &issue).await.unwrap());
    let body = github.issues()[2].body.clone();
    assert!(
        body.lines()
            .any(|line| line.contains("`step-4`") && line.contains("| 77 |")),
        "{body}"
    );
    assert_eq!(
        body.lines()
            .filter(|line| line.contains("drift-tracker row"))
            .count(),
        4
    );
    assert!(github.issues()[2].comments.is_empty());

    github.state().close(3);
    did(tracker.settle(&tales[4].story(), &issue).await.unwrap());
    let (action, now) = did(tracker
        .reopen(&tales[3].story(), &issue, &Room::of(1))
        .await
        .unwrap());
    assert_eq!((action, now.state), (Action::Reopened, IssueState::Open));
    let folded = github.issues()[2].clone();
    assert!(
        folded
            .body
            .lines()
            .any(|line| line.contains("`step-4`") && line.contains("| fixed |"))
    );
    assert!(
        folded
            .body
            .lines()
            .any(|line| line.contains("`step-3`") && line.contains("| failing |"))
    );
    assert_eq!(folded.comments.len(), 1);
    assert_eq!(github.issues().len(), 3);
}
