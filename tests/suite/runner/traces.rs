//! What a collector hears of a pass.

use harness::otlp::{Collector, Span};
use harness::server::Site;

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_is_one_trace_from_the_runner_into_the_backend() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let site = Site::new(Engine::Sqlite).await;
    let server = site
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
        .with("OTEL_BSP_SCHEDULE_DELAY", "50")
        .start()
        .await;
    let (ingest, key) = (
        server.create_key("ingest").await,
        server.create_key("runner").await,
    );
    let mut outpost =
        Outpost::at(&server.base, &key).with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint);
    outpost.scraper("openai", &TRIPS);
    server
        .report(&ingest, &report("openai", "signup-form"))
        .await;
    outpost.tick().await;

    let of_runner = |span: &Span, name: &str| {
        span.name == name && span.resource["service.name"] == "drift-runner"
    };
    let tick = collector.span(|span| of_runner(span, "tick")).await;
    let trace = tick.trace_id;
    for station in [
        "work", "service", "claim", "replay", "settle", "verdict", "issue", "finish",
    ] {
        let span = collector.span(|span| of_runner(span, station)).await;
        assert_eq!(span.trace_id, trace, "{station}");
    }
    // What the backend did for it is in the same trace.
    collector
        .span(|span| span.resource["service.name"] == "drift-api" && span.trace_id == trace)
        .await;
    let verdicts = collector
        .metric("drift_runner_verdicts_total", |metric| {
            metric.total() >= 1.0
        })
        .await;
    assert_eq!(verdicts.at("verdict", "confirmed"), Some(1.0));

    // Without a collector nothing is sent, and one that is mistyped is said.
    let wrong = outpost.with("OTEL_EXPORTER_OTLP_ENDPOINT", "collector");
    let told = wrong.run(&["tick"]).await.ended(2).stderr;
    assert!(told.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{told}");
    server.finish().await;
}
