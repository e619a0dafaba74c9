//! What is counted a while after it was reported, and what a server remembers: neither may be behind when it matters.

use super::*;

on_both! {
    async fn a_fix_is_never_in_a_version_that_was_just_reported_however_much_waits_to_be_counted(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        // More than anybody counts while a runner waits for its claim.
        let others = || -> String { (0..1_000).map(|_| format!("{}\n", report("openrouter", "login"))).collect() };
        for _ in 0..3 {
            server.send_lines(&ingest, &others()).await.error_for_status().unwrap();
        }
        server.report(&ingest, &of_version("3.1.4")).await;
        for _ in 0..3 {
            server.send_lines(&ingest, &others()).await.error_for_status().unwrap();
        }
        runner.observe("openai", HASH, "closed").await;
        let held = runner.claim("openai").await;
        let seen = &held.claimed["drifts"][0]["seen"];
        assert_eq!((&seen["reports"], &seen["versions"]), (&json!(2), &json!([{"value": "1.4.2", "count": 1}])), "not counted yet");
        assert_eq!(runner.judge(&held, "signup-form", "not_reproduced").await, "settle");
        assert_eq!(known(&server, &ingest).await["fixed_in"], "3.1.5");
        server.finish().await;
    }

    async fn a_claim_knows_all_that_was_reported_before_it_few_or_many(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        let mut db = Db::open(&server.site).await;
        let mut reported = 0;
        // As many as are counted while reports wait, one more than that, and many more. What a run leaves in the log is behind, too.
        for behind in [1, 200, 201, 1_000] {
            let left = db.number("SELECT position - (SELECT position FROM fact_cursors) FROM event_heads").await;
            let lines = (behind - left).max(1);
            let batch: String = (0..lines).map(|_| format!("{}\n", report("openai", "signup-form"))).collect();
            server.send_lines(&ingest, &batch).await.error_for_status().unwrap();
            reported += lines;
            let held = runner.claim("openai").await;
            let seen = &held.claimed["drifts"][0]["seen"];
            assert_eq!((&seen["reports"], &seen["versions"]), (&json!(reported), &json!([{"value": "1.4.2", "count": reported}])));
            runner.judge(&held, "signup-form", "infra").await;
            runner.finish(&held).await;
        }
        db.close().await;
        server.finish().await;
    }

    async fn a_lease_of_a_clock_that_was_wrong_keeps_nobody_out(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        server.report(&ingest, &report("openai", "signup-form")).await;
        runner.claim("openai").await;
        assert_eq!(runner.withheld("openai").await, "leased");
        Db::open(&server.site).await.must("UPDATE leases SET until = until + 31536000000000").await;
        assert_eq!(runner.work().await["services"][0]["withheld"], Value::Null);
        runner.claim("openai").await;
        server.finish().await;
    }

    async fn a_server_notices_that_its_tables_were_mended_beside_it(engine: Engine) {
        let server = Server::on(engine).await;
        let ingest = server.create_key("ingest").await;
        let runner = Runner::at(&server).await;
        with_an_issue(&server, &runner, &ingest).await;
        let site = server.stop().await;
        let mut db = Db::open(&site).await;
        db.must("DELETE FROM drifts").await;
        db.close().await;
        let server = site.start().await;
        let told = async || server.report(&ingest, &report("openai", "signup-form")).await["known_issue"]["state"].clone();
        assert_eq!(told().await, Value::Null);
        server.site.ok(&["rebuild"]).await;
        assert_eq!(told().await, "open");
        // The same once more.
        let mut db = Db::open(&server.site).await;
        db.must("DELETE FROM drifts").await;
        db.must("UPDATE event_heads SET lifecycle_at = 0").await;
        assert_eq!(told().await, Value::Null);
        server.site.ok(&["rebuild"]).await;
        assert_eq!(told().await, "open");
        server.finish().await;
    }
}

#[tokio::test]
async fn while_a_claim_waits_for_somebody_who_counts_reports_wait_for_neither() {
    let server = Site::new(harness::Engine::Postgres).await.start().await;
    let ingest = server.create_key("ingest").await;
    let runner = Runner::at(&server).await;
    let one = || report("openai", "signup-form");
    // There is a cursor to be held.
    server.report(&ingest, &one()).await;
    let held = runner.claim("openai").await;
    runner.judge(&held, "signup-form", "infra").await;
    runner.finish(&held).await;
    server.report(&ingest, &one()).await;
    let (mut counting, mut db) = (Db::open(&server.site).await, Db::open(&server.site).await);
    counting
        .must("BEGIN; SELECT * FROM fact_cursors FOR UPDATE")
        .await;
    let besides = async {
        eventually("the claim waits", async || {
            let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
            (db.number(waiting).await > 0).then_some(())
        })
        .await;
        server.report(&ingest, &one()).await;
        counting.must("ROLLBACK").await;
    };
    let (held, ()) = tokio::join!(runner.claim("openai"), besides);
    let seen = &held.claimed["drifts"][0]["seen"];
    assert_eq!(
        (&seen["reports"], &seen["versions"][0]["count"]),
        (&json!(3), &json!(3))
    );
    counting.close().await;
    db.close().await;
    server.finish().await;
}
