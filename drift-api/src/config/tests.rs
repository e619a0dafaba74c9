use std::path::Path;

use super::*;

#[test]
fn nothing_set_is_the_embedded_default() {
    let settings = Settings::read(&Sources::default()).unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        settings.credentials_file().unwrap(),
        PathBuf::from("drift-data/credentials.env")
    );
}

#[test]
fn every_problem_is_in_one_message_and_no_secret_is() {
    let sources = Sources::from_pairs([
        ("DRIFT_LISTEN", "everywhere"),
        ("DRIFT_DATABASE_URL", "mysql://root:hunter2@localhost/x"),
        ("DRIFT_QUEUE_REPORTS", "0"),
        ("DRIFT_STORE_DEADLINE", "soon"),
        ("DRIFT_LOG", "drift_api=loud"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "nowhere"),
    ]);
    let text = Settings::read(&sources).unwrap_err().to_string();
    for name in [
        "6 problems",
        "DRIFT_LISTEN",
        "DRIFT_DATABASE_URL",
        "DRIFT_QUEUE_REPORTS",
        "DRIFT_STORE_DEADLINE",
        "DRIFT_LOG",
        "OTEL_EXPORTER",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(!text.contains("hunter2"), "{text}");
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drift.env");
    std::fs::write(
        &path,
        "# ours\nDRIFT_WORKERS=3\nDRIFT_LOG_FORMAT=json\nDRIFT_LISTEN=127.0.0.1:1\n",
    )
    .unwrap();
    let mut sources =
        Sources::from_pairs([("DRIFT_WORKERS", "2"), ("DRIFT_LISTEN", "127.0.0.1:2")]);
    sources.read_file(&path);
    sources.flag("DRIFT_LISTEN", Some("127.0.0.1:3".to_owned()));
    let settings = Settings::read(&sources).unwrap();
    assert_eq!((settings.listen.port(), settings.workers), (3, 2));
    assert!(matches!(settings.telemetry.log_format, LogFormat::Json));
}

#[test]
fn a_secret_may_stand_in_a_file_but_not_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("url");
    std::fs::write(&path, "sqlite://elsewhere/x.db\n").unwrap();
    let path = path.to_str().unwrap();
    let settings =
        Settings::read(&Sources::from_pairs([("DRIFT_DATABASE_URL_FILE", path)])).unwrap();
    assert!(
        matches!(settings.database, DatabaseUrl::Sqlite(path) if path == Path::new("elsewhere/x.db"))
    );
    let both = [
        ("DRIFT_DATABASE_URL_FILE", path),
        ("DRIFT_DATABASE_URL", "sqlite://x"),
    ];
    assert!(Settings::read(&Sources::from_pairs(both)).is_err());
}

#[test]
fn a_mistyped_name_in_the_file_is_told_with_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drift.env");
    std::fs::write(&path, "DRIFT_LISTN=127.0.0.1:1\nnonsense\n").unwrap();
    let mut sources = Sources::from_pairs([("DRIFT_WORKERS", "many")]);
    sources.read_file(&path);
    sources.read_file(&folder.path().join("missing.env"));
    let problems = Settings::read(&sources).unwrap_err();
    assert_eq!(problems.0.len(), 4, "{problems}");
}

#[test]
fn the_example_reads_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("drift.env");
    let uncommented = example().replace("\n#DRIFT", "\nDRIFT");
    std::fs::write(&path, uncommented).unwrap();
    let mut sources = Sources::default();
    sources.read_file(&path);
    Settings::read(&sources).unwrap();
}
