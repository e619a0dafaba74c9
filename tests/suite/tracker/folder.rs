//! The same rules on a folder of Markdown files.

use super::*;
use drift_runner::tracker::local::Local;
use drift_schema::run::Observation;
use std::path::Path;

fn tracker_in(folder: &Path) -> Tracker {
    Tracker::new(Box::new(Local::at(folder)))
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

#[tokio::test]
async fn an_issue_is_a_file_that_a_person_can_read_and_close() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = tracker_in(folder.path());
    let mut tale = Tale::of("openai", "signup-form");
    let issue = opened(&tracker, &tale).await;
    let path = only_file(folder.path());
    assert_eq!(path.file_name().unwrap(), "0001-openai-signup-form.md");
    assert_eq!(issue.url, url_of(&path));
    let target = tracker
        .board()
        .keep_picture(&digest("ef"), b"\x89PNG")
        .await
        .unwrap();
    let mut story = tale.story();
    story.picture = Some(Picture::Inline {
        digest: digest("ef"),
        target: target.clone(),
    });
    tracker.show_pictures(&story, &issue).await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("---\nnumber: 1\ntitle: drift(openai): signup-form failing as of 2026-11-21T12:00:00Z\nstate: open\nlabels: drift, drift/openai\n---\n"), "{text}");
    assert!(text.contains(&format!("![Screenshot of the replay](<{target}>)")));
    assert!(folder.path().join(target).exists());

    // Counted, with a person's words around.
    std::fs::write(
        &path,
        text.replace(
            "<!-- drift-tracker issue",
            "Mine.\n\n<!-- drift-tracker issue",
        ),
    )
    .unwrap();
    tale.drift.seen.reports = 3;
    tale.drift.seen.versions.push(Counted {
        value: "1.5.0".to_owned(),
        count: 1,
    });
    did(tracker.bump(&tale.story(), &issue).await.unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("Mine.\n") && text.contains("**3 reports**") && text.contains("with news")
    );

    std::fs::write(&path, text.replace("state: open", "state: closed")).unwrap();
    assert_eq!(tracker.observe(&issue).await.unwrap(), Observation::Closed);
    tale.proof.at = Micros(Micros::now().0 + 1_000_000);
    did(tracker
        .reopen(&tale.story(), &issue, &Room::of(1))
        .await
        .unwrap());
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("state: open") && text.contains("does not hold") && text.contains("Mine.\n")
    );

    std::fs::remove_file(&path).unwrap();
    assert_eq!(tracker.observe(&issue).await.unwrap(), Observation::Gone);
}

#[tokio::test]
async fn two_runners_at_one_folder_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let tales: Vec<Tale> = (0..12)
        .map(|n| Tale::of("openai", &format!("step-{n}")))
        .collect();
    let trackers = [tracker_in(folder.path()), tracker_in(folder.path())];
    let opening = tales
        .iter()
        .enumerate()
        .map(|(n, tale)| opened(&trackers[n % 2], tale));
    let issues = futures_util::future::join_all(opening).await;
    let mut numbers: Vec<u64> = issues.iter().map(|issue| issue.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
    for tale in &tales {
        let (action, _) = did(tracker_in(folder.path())
            .open(&tale.story(), &Room::of(0))
            .await
            .unwrap());
        assert_eq!(action, Action::Found);
    }
}

fn url_of(path: &Path) -> String {
    reqwest::Url::from_file_path(path).unwrap().into()
}
