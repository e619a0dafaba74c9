use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Settings, Problems> {
    let key = [("DRIFT_RUNNER_KEY", "k")];
    let pairs = key.iter().chain(pairs).copied();
    Settings::read(&Environment::from_pairs(pairs), &Flags::default())
}

#[test]
fn with_a_key_alone_issues_go_to_a_folder() {
    let settings = read(&[]).unwrap();
    assert!(
        matches!(settings.tracker, TrackerSettings::Local(folder) if folder.ends_with("drift-issues"))
    );
    assert_eq!(
        (settings.limits.concurrency, settings.limits.new_issues),
        (4, 10)
    );
}

#[test]
fn in_github_actions_they_go_to_the_repository_unless_somebody_says_otherwise() {
    let actions = [
        ("GITHUB_REPOSITORY", "a/b"),
        ("GITHUB_TOKEN", "t"),
        ("GITHUB_API_URL", "https://api.github.com"),
    ];
    assert!(matches!(
        read(&actions).unwrap().tracker,
        TrackerSettings::Github(_)
    ));
    let local = [("GITHUB_REPOSITORY", "a/b"), ("DRIFT_TRACKER", "local")];
    assert!(matches!(
        read(&local).unwrap().tracker,
        TrackerSettings::Local(_)
    ));
}

#[test]
fn issues_link_to_pages_that_their_readers_can_open() {
    let pages = |pairs: &[(&str, &str)]| read(pairs).unwrap().pages.map(String::from);
    let near = "http://127.0.0.1:8080/";
    assert_eq!(pages(&[]).as_deref(), Some(near));
    let github = [("GITHUB_REPOSITORY", "a/b"), ("GITHUB_TOKEN", "t")];
    assert_eq!(pages(&github), None);
    for far in ["DRIFT_API_URL", "DRIFT_PUBLIC_URL"] {
        let told = [github[0], github[1], (far, "https://drift.example/")];
        assert_eq!(pages(&told).as_deref(), Some("https://drift.example/"));
    }
}

#[test]
fn every_problem_is_told_at_once_and_no_secret_with_it() {
    let environment = Environment::from_pairs([
        ("DRIFT_API_URL", "ftp://x"),
        ("DRIFT_TRACKER", "github"),
        ("DRIFT_GITHUB_APP_ID", "x"),
        ("DRIFT_GITHUB_APP_KEY", "s3cr3t"),
        ("DRIFT_LEASE", "soon"),
        ("DRIFT_SCHEDULE", "*/5 * * * *"),
        ("DRIFT_CONCURRENCY", "0"),
        ("DRIFT_LOG", "drift_runner=loud"),
    ]);
    let told = Settings::read(&environment, &Flags::default())
        .unwrap_err()
        .to_string();
    for name in [
        "DRIFT_API_URL",
        "DRIFT_RUNNER_KEY",
        "GITHUB_REPOSITORY",
        "DRIFT_GITHUB_APP_ID",
        "DRIFT_GITHUB_APP_KEY",
        "DRIFT_LEASE",
        "DRIFT_SCHEDULE",
        "concurrency",
        "DRIFT_LOG",
    ] {
        assert!(told.contains(name), "{name}: {told}");
    }
    assert!(!told.contains("s3cr3t"), "{told}");
}

#[test]
fn a_five_field_schedule_is_answered_with_the_sixth() {
    let told = read(&[("DRIFT_SCHEDULE", "*/5 * * * *")])
        .unwrap_err()
        .to_string();
    assert!(
        told.contains("0 */5 * * * *") || told.contains("six fields"),
        "{told}"
    );
}
