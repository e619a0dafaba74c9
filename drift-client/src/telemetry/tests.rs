use super::*;

fn finding() -> Finding {
    Finding {
        service: Service::parse("openai").unwrap(),
        kind: TripwireKind::SelectorMissing,
        step: Step::parse("signup-form").unwrap(),
        dom_digest: Digest::parse(&"0".repeat(64)).ok(),
        url_host: Host::parse("platform.openai.com").ok(),
        scraper_version: ScraperVersion::parse("1.4.2").ok(),
        screenshot: Some(b"\x89PNG\r\n\x1a\n...".to_vec()),
    }
}

fn fields(tier: Tier) -> Vec<String> {
    let report = finding().report(Uuid::now_v7(), tier).unwrap();
    let json = serde_json::to_value(report).unwrap();
    json.as_object().unwrap().keys().cloned().collect()
}

#[test]
fn the_payload_has_exactly_the_documented_fields() {
    let base = [
        "dom_digest",
        "report_id",
        "scraper_version",
        "service",
        "tripwire",
        "url_host",
    ];
    assert_eq!(fields(Tier::Reports), base);
    let with_picture = [&base[..3], &["screenshot_ref"], &base[3..]].concat();
    assert_eq!(fields(Tier::Evidence), with_picture);
}

#[test]
fn of_an_address_only_the_host_is_left() {
    for (url, host) in [
        (
            "https://Platform.OpenAI.com:8443/signup?email=a@b.c#x",
            Some("platform.openai.com"),
        ),
        ("http://user:pass@a.example/", Some("a.example")),
        ("http://127.0.0.1/", None),
        ("http://[::1]/", None),
        ("about:blank", None),
        ("nonsense", None),
    ] {
        assert_eq!(host_of(url).as_ref().map(Host::as_str), host, "{url}");
    }
}

#[test]
fn what_looks_secret_stays_here() {
    let mut finding = finding();
    finding.step = Step::parse("sk-or-v1-8d5f6b0e1c9a7f3e2d4b6a8c0e1f3d5b").unwrap();
    let reason = finding.report(Uuid::now_v7(), Tier::Reports).unwrap_err();
    assert_eq!(reason.state, ReportState::HeldBack);
    assert!(!reason.note.contains("sk-or"));
}

#[test]
fn without_a_digest_or_a_host_there_is_nothing_to_report() {
    let mut no_digest = finding();
    no_digest.dom_digest = None;
    let mut no_host = finding();
    no_host.url_host = None;
    for finding in [no_digest, no_host] {
        let reason = finding.report(Uuid::now_v7(), Tier::Reports).unwrap_err();
        assert_eq!(reason.state, ReportState::Incomplete);
    }
}

#[test]
fn patience_is_a_twentieth_of_the_work_within_bounds() {
    let millis = |ms| patience(Duration::from_millis(ms)).as_millis();
    assert_eq!(
        (millis(0), millis(6_000), millis(90_000)),
        (250, 300, 1_000)
    );
}
