//! How a server starts, or says why it does not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;

use drift_api::store::{DatabaseUrl, NewKey, Store, StoreError};
use drift_schema::{Digest, Micros, Scope, Workspace};
use harness::database::Db;
use harness::server::{Engine, Server, Site};
use harness::{on_both, report};
use reqwest::Url;

/// A site in an empty folder whose server is told nothing but to take a free port.
async fn untold() -> Site {
    let site = Site::new(Engine::Sqlite).await;
    let database = site.folder.path().join("drift-data/drift.db");
    Site::at(site.folder, format!("sqlite://{}", database.display()))
}

async fn start_untold(site: &Site) -> Server {
    let mut command = site.command(&["serve", "--listen", "127.0.0.1:0"]);
    let server = site
        .serve({
            command.env_clear();
            command
        })
        .await;
    server.ready().await;
    server
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o777
}

/// The value of `NAME=value` on a line of its own.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.strip_prefix(name)?.strip_prefix('=');
    text.lines().find_map(value)
}

#[tokio::test]
async fn with_no_configuration_at_all_the_first_start_prints_what_a_client_needs() {
    let site = untold().await;
    let server = start_untold(&site).await;
    let folder = site.folder.path().join("drift-data");
    let file = folder.join("credentials.env");
    assert_eq!((mode(&folder), mode(&file)), (0o700, 0o600));

    let (log, kept) = (server.log(), std::fs::read_to_string(&file).unwrap());
    let dsn = Url::parse(value(&log, "DRIFT_DSN").unwrap()).unwrap();
    let admin = value(&log, "DRIFT_ADMIN_KEY").unwrap();
    for name in ["DRIFT_DSN", "DRIFT_ADMIN_KEY"] {
        assert_eq!(value(&log, name), value(&kept, name));
    }
    assert_eq!(
        format!("{}:{}", dsn.host_str().unwrap(), dsn.port().unwrap()),
        server.address
    );
    server
        .report(dsn.username(), &report("openai", "signup-form"))
        .await;
    assert_eq!(
        server.get(admin, "/drift/fresh").await["services"][0]["reports"],
        1
    );
    server.finish().await;

    let again = start_untold(&site).await;
    assert_eq!(
        (
            value(&again.log(), "DRIFT_DSN"),
            value(&again.log(), "DRIFT_ADMIN_KEY")
        ),
        (None, None)
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept);
    again
        .report(dsn.username(), &report("openai", "signup-form"))
        .await;
    again.finish().await;
}

#[tokio::test]
async fn everything_wrong_with_the_configuration_is_told_at_once_and_without_secrets() {
    let site = Site::new(Engine::Sqlite).await;
    let file = site.folder.path().join("drift.env");
    std::fs::write(
        &file,
        "DRIFT_LISTN=127.0.0.1:1\nDRIFT_RATE_PER_KEY=lots\nhunter0\n",
    )
    .unwrap();
    let site = site
        .with("DRIFT_DATABASE_URL", "mysql://root:hunter2@localhost/drift")
        .with("DRIFT_STORE_DEADLINE", "0s")
        .with("DRIFT_LOG", "loud")
        .with("DRIFT_PUBLIC_URL", "drift.example.com")
        .with(
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http//user:hunter1@collector",
        )
        .with("OTEL_EXPORTER_OTLP_HEADERS", "hunter3");
    let file = file.to_str().unwrap();
    for arguments in [
        &["check-config", "--config", file][..],
        &["serve", "--check-config", "--config", file],
        &["serve", "--config", file],
    ] {
        let told = failed(&site, arguments, 2).await;
        for part in [
            "8 problems in the configuration",
            "drift.env:1: DRIFT_LISTN is not a setting",
            "drift.env:3: is not NAME=value",
            "DRIFT_RATE_PER_KEY (\"lots\")",
            "DRIFT_DATABASE_URL must begin with",
            "DRIFT_STORE_DEADLINE (\"0s\")",
            "DRIFT_LOG (\"loud\")",
            "DRIFT_PUBLIC_URL (\"drift.example.com\")",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("hunter"), "{told}");
    }
    let fine = Site::new(Engine::Sqlite)
        .await
        .ok(&["serve", "--check-config"])
        .await;
    assert_eq!(fine, "The configuration is fine.\n");
}

#[tokio::test]
async fn wrong_usage_ends_with_two_and_touches_nothing() {
    let site = untold().await;
    for arguments in [
        &["dance"][..],
        &[],
        &["serve", "--fast"],
        &["serve", "--listen", "everywhere"],
        &["key", "create", "--name", "no scope"],
        &["key", "create", "--scope", "root", "--name", "x"],
        &[
            "key", "create", "--scope", "read", "--name", "x", "--rate", "0",
        ],
        &["key", "rotate", "0123456789ab", "--overlap", "soon"],
        &["erase"],
        &["erase", "--key", "0123456789ab", "--service", "openai"],
    ] {
        failed(&site, arguments, 2).await;
    }
    assert_eq!(site.folder.path().read_dir().unwrap().count(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_and_nothing_is_left_behind() {
    let server = Server::on(Engine::Sqlite).await;
    let other = untold().await;
    let told = failed(&other, &["serve", "--listen", &server.address], 1).await;
    assert!(
        told.contains(&format!(
            "cannot listen on {}: Address already in use",
            server.address
        )),
        "{told}"
    );
    assert_eq!(other.folder.path().read_dir().unwrap().count(), 0);
    server.finish().await;
}

on_both! {
    async fn servers_that_start_at_once_on_an_empty_database_all_become_ready(engine: Engine) {
        let site = Site::new(engine).await;
        let started = match engine {
            Engine::Postgres => {
                let (a, b, c, d, e) = tokio::join!(site.start(), site.start(), site.start(), site.start(), site.start());
                vec![a, b, c, d, e]
            }
            Engine::Sqlite => Vec::from(<[Server; 3]>::from(tokio::join!(site.start(), site.start(), site.start()))),
        };
        let mut db = Db::open(&site).await;
        let migrations = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/migrations/sqlite").read_dir().unwrap().count();
        assert_eq!(db.number("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").await, i64::try_from(migrations).unwrap());

        // Only one of them is the first; its keys are the ones in the file.
        let introduced: Vec<_> = started.iter().filter_map(|server| value(&server.log(), "DRIFT_DSN").map(str::to_owned)).collect();
        let keys = db.number("SELECT COUNT(*) FROM keys").await;
        let key = if engine == Engine::Sqlite {
            assert_eq!((introduced.len(), keys), (1, 2), "{introduced:?}");
            let file = std::fs::read_to_string(site.folder.path().join("data/credentials.env")).unwrap();
            assert_eq!(value(&file, "DRIFT_DSN"), Some(introduced[0].as_str()));
            Url::parse(&introduced[0]).unwrap().username().to_owned()
        } else {
            assert_eq!((introduced.len(), keys), (0, 0));
            site.create_key("ingest").await
        };
        for (number, server) in (1..).zip(&started) {
            let answer = server.report(&key, &report("openai", "signup-form")).await;
            assert_eq!(answer["batch"]["count"], number);
        }
        for server in started {
            server.finish().await;
        }
    }

    async fn of_many_who_would_make_the_first_keys_one_does_and_only_if_it_can_keep_them(engine: Engine) {
        let site = Site::new(engine).await;
        site.ok(&["migrate"]).await;
        let make = async |name: &str, keep: Result<(), StoreError>| {
            let store = Store::open(&DatabaseUrl::parse(&site.database_url).unwrap()).unwrap();
            let hash = Digest::parse(&"ab".repeat(32)).unwrap();
            let key = NewKey { id: name.to_owned(), name: name.to_owned(), scopes: vec![Scope::Admin], hash, rate: None, by: None };
            let made = store.create_first_keys(&Workspace::default_one(), vec![key], Micros::now(), || keep).await;
            store.close().await;
            made
        };
        assert!(make("unkept", Err(StoreError::Refused("no room for the file".to_owned()))).await.is_err());
        let ok = || Ok(());
        let (a, b, c, d) = tokio::join!(make("a", ok()), make("b", ok()), make("c", ok()), make("d", ok()));
        let made = [a, b, c, d].map(Result::unwrap);
        assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
        assert_eq!(Db::open(&site).await.number("SELECT COUNT(*) FROM keys").await, 1);
        site.assert_clean().await;
    }

    async fn a_server_that_may_not_migrate_says_what_to_run(engine: Engine) {
        let site = Site::new(engine).await.with("DRIFT_MIGRATE", "false");
        let told = failed(&site, &["serve"], 1).await;
        assert!(told.contains("run `drift-api migrate`"), "{told}");
        site.ok(&["migrate"]).await;
        site.start().await.finish().await;
    }

    async fn a_database_that_is_not_there_is_no_empty_store(engine: Engine) {
        let site = Site::new(engine).await;
        for arguments in [&["verify"][..], &["rebuild"], &["export"], &["retain"], &["erase", "--key", "0123456789ab"], &["key", "list"]] {
            let errors = failed(&site, arguments, 1).await;
            assert!(errors.contains("drift-api migrate"), "{arguments:?}: {errors}");
        }
        assert!(!site.folder.path().join("data").exists(), "nothing is made by asking");
        site.ok(&["migrate"]).await;
        site.assert_clean().await;
    }

    async fn a_database_of_a_newer_version_is_left_alone(engine: Engine) {
        let site = Site::new(engine).await;
        site.ok(&["migrate"]).await;
        let checksum = if engine == Engine::Sqlite { "x'00'" } else { "'\\x00'" };
        let newer = format!(
            "INSERT INTO _sqlx_migrations (version, description, installed_on, success, checksum, execution_time)
             VALUES (9999, 'from the future', CURRENT_TIMESTAMP, TRUE, {checksum}, 0)"
        );
        Db::open(&site).await.must(&newer).await;
        for arguments in [&["serve"][..], &["migrate"]] {
            let told = failed(&site, arguments, 1).await;
            assert!(told.contains("a newer drift-api applied migration 9999"), "{told}");
        }
    }
}

/// Standard error of a command that must fail with this exit code.
async fn failed(site: &Site, arguments: &[&str], code: i32) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = site.run(arguments).await;
    let told = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{arguments:?}: {told}");
    assert!(
        stdout.is_empty() && !told.contains("panicked"),
        "{arguments:?}: {told}"
    );
    told
}
