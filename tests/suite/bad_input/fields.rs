//! Values that are texts, and still not what their field takes.

use harness::{Engine, on_both};
use uuid::Uuid;

use super::door::{CANARY, Door, FIELDS, with, without};

on_both! {
    async fn every_field_is_refused_by_name_when_it_is_missing_empty_too_long_or_in_the_wrong_case(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        for (path, optional, _) in FIELDS {
            let expected = if *optional { "202".to_owned() } else { format!("422 missing_field {path}") };
            assert_eq!(knock.report(without(path)).await, expected);
            let long = CANARY.repeat(2_000);
            for value in ["", " ", "\t", "CANARY", "Canary", " canary", "canary ", "canary\n", "can ary", "canary/../x", "canary'--", "<b>canary</b>", "%00canary", "çanary", "canary.\u{ff0e}", long.as_str()] {
                assert_eq!(knock.report(with(path, value)).await, format!("422 invalid_field {path}"), "{value:?}");
            }
        }
        // The two optional ones.
        door.close(2).await;
    }

    async fn each_field_takes_its_longest_value_and_not_one_more(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let word = |length: usize| "no-".repeat(length / 3 + 1)[..length].to_owned();
        let name = |length: usize| "my.".repeat(length / 3 + 1)[..length].to_owned();
        for (path, longest, one_more) in [
            ("service", word(64), word(65)),
            ("tripwire.step", word(96), word(97)),
            ("url_host", name(253), name(254)),
            ("scraper_version", format!("1.4.2-{}", word(58)), format!("1.4.2-{}", word(59))),
            ("dom_digest", "0f".repeat(32), "0f".repeat(32) + "0"),
            ("screenshot_ref", "0f".repeat(32), "0f".repeat(32) + "0"),
        ] {
            assert_eq!(knock.report(with(path, longest)).await, "202", "{path}");
            assert_eq!(knock.report(with(path, one_more)).await, format!("422 invalid_field {path}"));
        }
        door.close(6).await;
    }
}

/// Each of these values is no value of its field.
async fn refused(path: &str, values: &[&str]) {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for value in values {
        let verdict = knock.report(with(path, *value)).await;
        assert_eq!(verdict, format!("422 invalid_field {path}"), "{value:?}");
    }
    door.close(0).await;
}

#[tokio::test]
async fn a_host_is_a_dns_name_and_nothing_more() {
    let label = format!("{CANARY}{}.example", "a".repeat(60));
    refused(
        "url_host",
        &[
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "canary.0x7f",
            "canary.1",
            "::1",
            "[::1]",
            "[2001:db8::1]",
            "fe80::1%eth0",
            "canary.example:443",
            "canary.example:",
            "canary.example/",
            "canary.example/path",
            "https://canary.example",
            "//canary.example",
            "canary.example?q",
            "canary.example#f",
            "someone@canary.example",
            "someone:secret@canary.example",
            "canary.example\\x",
            "CANARY.example",
            "canary..example",
            ".canary.example",
            "canary.example.",
            "-canary.example",
            "canary-.example",
            "canary_host.example",
            "*.canary.example",
            "canary.bücher",
            "canary.example\0",
            "canary.example\r\nx: y",
            ".",
            label.as_str(),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_version_is_semver_and_nothing_less() {
    refused(
        "scraper_version",
        &[
            "1",
            "1.4",
            "1.4.2.1",
            "v1.4.2",
            "01.4.2",
            "1.4.02",
            "1.4.x",
            "1.4.*",
            "^1.4.2",
            "1.4.2-",
            "1.4.2+",
            "1.4.2-canary..1",
            "1.4.2-01",
            "1.4.2 canary",
            "1.4.2-canary_1",
            "1.4.2+canary+1",
            "-1.4.2",
            "1,4,2",
            "latest",
            "99999999999999999999.0.0",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_digest_is_64_lower_case_hexadecimal_digits() {
    let (short, upper, other) = ("ab".repeat(31), "AB".repeat(32), "ag".repeat(32));
    let prefixed = format!("sha256:{}", "ab".repeat(32));
    let values = [short.as_str(), &upper, &other, &prefixed, "ab", "0x00"];
    refused("dom_digest", &values).await;
    refused("screenshot_ref", &values).await;
}

#[tokio::test]
async fn a_kind_is_one_of_three_words() {
    refused(
        "tripwire.kind",
        &[
            "selector_missing",
            "selectorMissing",
            "SELECTOR-MISSING",
            "selector-missing ",
            "time-out",
            "auth",
            "canary",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_report_id_has_one_spelling_in_either_case() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let id = Uuid::now_v7();
    for spelling in [
        id.simple().to_string(),
        id.braced().to_string(),
        id.urn().to_string(),
        format!(" {id}"),
        format!("{id}\0"),
        format!("{}g", &id.to_string()[..35]),
        id.to_string().replace('-', "_"),
        id.to_string()[..35].to_owned(),
        format!("{id}{id}"),
        "{canary-canary-canary-canary-canary}".to_owned(),
    ] {
        let verdict = knock.report(with("report_id", spelling.as_str())).await;
        assert_eq!(verdict, "422 invalid_field report_id", "{spelling:?}");
    }
    // The same id, so the same report.
    for spelling in [id.to_string(), id.to_string().to_uppercase()] {
        assert_eq!(knock.report(with("report_id", spelling)).await, "202");
    }
    door.close(1).await;
}
