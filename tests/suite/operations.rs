//! What operators are given (`ops/`) against a running server: dashboards and alerts ask for what is really there, and the
//! runbook has a word on each alert.

use std::collections::BTreeSet;
use std::path::Path;

use drift_schema::Code;
use harness::{Engine, Server, report};
use serde_json::Value;

#[tokio::test]
async fn dashboard_and_alerts_ask_only_for_metrics_that_a_server_has() {
    let server = Server::on(Engine::Sqlite).await;
    let key = server.create_key("admin").await;
    server.report(&key, &report("openai", "signup-form")).await;
    server.get(&key, "/drift/runs/work").await;
    let metrics = server.client.get(server.url("/metrics")).send().await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let served: BTreeSet<&str> = metrics
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let api: Value = serde_json::from_str(&server.site.ok(&["openapi"]).await).unwrap();

    let queries = queries();
    assert!(queries.len() > 20, "{queries:?}");
    for query in &queries {
        let names = words(query).filter(|word| is_metric(word));
        let names: Vec<&str> = names.collect();
        assert!(!names.is_empty(), "{query} asks for nothing");
        for name in names {
            // Prometheus makes this one itself.
            assert!(
                served.contains(name) || name == "up",
                "{query}: there is no metric {name}"
            );
        }
        for route in labels(query, "route") {
            assert!(
                api["paths"].get(route).is_some(),
                "{query}: there is no route {route}"
            );
        }
        for code in labels(query, "code").flat_map(|codes| codes.split('|')) {
            assert!(
                Code::ALL.iter().any(|known| known.as_str() == code),
                "{query}: there is no code {code}"
            );
        }
    }
    server.finish().await;
}

#[test]
fn the_runbook_has_a_section_for_each_alert_and_for_no_other() {
    let alerts = read("ops/prometheus/alerts.yml");
    let alerts: BTreeSet<&str> = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    let runbook = read("ops/RUNBOOK.md");
    let sections: BTreeSet<&str> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert!(alerts.len() > 5, "{alerts:?}");
    assert_eq!(alerts, sections);
}

/// Every expression of the dashboard and of the alerts.
fn queries() -> Vec<String> {
    let dashboard: Value = serde_json::from_str(&read("ops/grafana/drift.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let mut queries: Vec<String> = panels
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect();
    // An `expr:` goes on in the lines that are indented deeper.
    for rule in read("ops/prometheus/alerts.yml").split("- alert:").skip(1) {
        let expr = rule.split("expr:").nth(1).unwrap();
        let end = ["\n        for:", "\n        labels:"];
        let end = end.iter().filter_map(|end| expr.find(end)).min().unwrap();
        queries.push(expr[..end].to_owned());
    }
    queries
}

fn words(query: &str) -> impl Iterator<Item = &str> {
    query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

fn is_metric(word: &str) -> bool {
    word.starts_with("drift_") || word.starts_with("process_") || word == "up"
}

/// The values that a query wants of a label.
fn labels<'a>(query: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let openings = [format!("{name}=\""), format!("{name}=~\"")];
    let found: Vec<&str> = openings
        .iter()
        .flat_map(|opening| query.split(opening.as_str()).skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    found.into_iter()
}

fn read(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
