//! The same at the command line, and what else commands refuse or say.

use std::os::unix::fs::PermissionsExt as _;

use harness::runner::Runner;
use harness::server::{Engine, Server, Site};
use harness::{on_both, report};

on_both! {
    async fn the_kill_switch_works_beside_a_running_server(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "login")).await;
        let told = server.site.ok(&["pause", "--service", "openai"]).await;
        assert_eq!(told, "Replays of openai are paused.\n");
        assert_eq!(runner.withheld("openai").await, "paused");
        let again = server.site.run(&["pause", "--service", "openai"]).await;
        assert!(again.status.success());
        assert_eq!(String::from_utf8_lossy(&again.stderr), "drift-api: openai: replays are paused already\n");
        assert_eq!(server.site.ok(&["resume", "--service", "openai"]).await, "Replays of openai go on.\n");
        assert_eq!(server.site.ok(&["pause"]).await, "Replays of all services are paused.\n");
        assert_eq!(runner.withheld("openai").await, "paused");
        server.site.ok(&["resume"]).await;
        assert_eq!(runner.claim("openai").await.tasks.len(), 1);
        server.finish().await;
    }

    async fn what_is_erased_must_have_been_there(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        server.report(&ingest, &report("openai", "login")).await;
        for (arguments, told) in [
            (["erase", "--key", "0123456789ab"], "there is no key 0123456789ab in workspace default"),
            (["erase", "--service", "openay"], "nothing was ever reported of openay in workspace default"),
        ] {
            let output = server.site.run(&arguments).await;
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(1), true), "{errors}");
            assert!(errors.contains(told), "{errors}");
        }
        let id = ingest.split('_').nth(1).unwrap();
        assert_eq!(server.site.ok(&["erase", "--key", id]).await, "1 payload and 0 batches erased\n");
        assert_eq!(server.site.ok(&["erase", "--service", "openai"]).await, "0 payloads and 1 batch erased\n");
        server.finish().await;
    }
}

#[tokio::test]
async fn an_export_is_for_its_owner_alone() {
    let site = Site::new(Engine::Sqlite).await;
    site.ok(&["migrate"]).await;
    let file = site.folder.path().join("drift.ndjson");
    // One that everybody could read is no longer, after it has our log in it.
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    for _ in 0..2 {
        site.ok(&["export", "--out", file.to_str().unwrap()]).await;
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }
}

#[tokio::test]
async fn a_key_that_was_made_before_the_first_start_does_not_take_the_first_ones_away() {
    let site = Site::new(Engine::Sqlite).await;
    let ingest = site.create_key("ingest").await;
    let server = site.start().await;
    let file = site.folder.path().join("data/credentials.env");
    let kept = std::fs::read_to_string(&file).unwrap();
    let admin = kept
        .lines()
        .find_map(|line| line.strip_prefix("DRIFT_ADMIN_KEY="));
    server.report(&ingest, &report("openai", "login")).await;
    server.get(admin.unwrap(), "/drift/fresh").await;
    server.finish().await;

    // Whoever made an admin's has all they need.
    let site = Site::new(Engine::Sqlite).await;
    site.create_key("admin").await;
    let server = site.start().await;
    assert!(!site.folder.path().join("data/credentials.env").exists());
    server.finish().await;
}
