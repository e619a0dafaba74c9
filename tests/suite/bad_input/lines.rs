//! Many reports in one body, of which some are not what they should be.

use harness::raw::Request;
use harness::{on_both, report};
use serde_json::json;

use super::door::{CANARY, Door, Lines, with, without};

/// So many lawful lines, each of its own.
fn honest(number: usize) -> Vec<String> {
    (0..number)
        .map(|_| report("openai", "signup-form").to_string())
        .collect()
}

fn rejected(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

on_both! {
    async fn one_bad_line_does_not_harm_its_thousand_neighbours(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let mut lines = honest(1_000);
        lines[499] = with("service", CANARY.to_uppercase());
        let answer = knock.lines(lines.join("\n")).await;
        assert_eq!(answer, Lines { accepted: 999, duplicates: 0, rejected: rejected(&["500 invalid_field service"]) });
        // Sent again they are all known, and the bad one is still bad.
        let again = knock.lines(lines.join("\n")).await;
        assert_eq!(again, Lines { accepted: 0, duplicates: 999, ..answer });
        door.close(999).await;
    }

    async fn each_refused_line_is_named_by_number_code_and_field(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let mut long = report("openai", "signup-form").to_string();
        long += &" ".repeat(17 * 1024 - long.len());
        let [once, twice, before] = [(); 3].map(|()| report("openai", "signup-form"));
        let other = |one: &serde_json::Value| {
            let mut other = one.clone();
            other["scraper_version"] = json!("1.4.3");
            other.to_string()
        };
        assert_eq!(knock.report(before.to_string()).await, "202");
        let body = [
            once.to_string(),                                      // 1
            String::new(),                                         // 2: blank lines count, and are nothing
            with("service", CANARY)[..100].to_owned(),             // 3
            CANARY.to_owned(),                                     // 4
            "[\"canary\"]".to_owned(),                             // 5
            "  \t ".to_owned(),                                    // 6
            long,                                                  // 7
            twice.to_string() + "\r",                              // 8: CRLF
            twice.to_string() + " \r",                             // 9: the same again
            other(&twice),                                         // 10: the same id for another report
            other(&before),                                        // 11: for one of an earlier request
            before.to_string(),                                    // 12
            with("canary", CANARY),                                // 13
            without("tripwire.step"),                              // 14
            with("url_host", "canary.example:443"),                // 15
            with("scraper_version", "1.4.2-canary-at-example-dot-com"), // 16
            once.to_string().replacen('{', "{\"service\":\"a\",", 1),   // 17
            format!("{once}{once}"),                               // 18
            "{\"service\":\"canary\u{0}\"}".to_owned(),             // 19
            "\u{feff}".to_owned() + &once.to_string(),             // 20
            report("openai", "signup-form").to_string(),           // 21
        ];
        let answer = knock.lines(body.join("\n")).await;
        assert_eq!(answer, Lines { accepted: 3, duplicates: 2, rejected: rejected(&[
            "3 malformed_json", "4 malformed_json", "5 invalid_field report", "7 body_too_large", "10 report_conflict report_id",
            "11 report_conflict report_id", "13 unknown_field", "14 missing_field tripwire.step", "15 invalid_field url_host",
            "16 pii_suspected scraper_version", "17 duplicate_field service", "18 malformed_json", "19 malformed_json", "20 malformed_json",
        ]) });
        door.close(4).await;
    }

    async fn a_body_in_which_every_line_is_bad_stores_nothing(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let answer = knock.lines("{\"canary\":1}\n".repeat(1_000)).await;
        assert_eq!((answer.accepted, answer.duplicates, answer.rejected.len()), (0, 0, 1_000));
        for (index, line) in answer.rejected.iter().enumerate() {
            assert_eq!(*line, format!("{} unknown_field", index + 1));
        }
        door.close(0).await;
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_spoil_their_own_line_only() {
    let door = Door::on(harness::Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let good = honest(2);
    let body = [
        good[0].as_bytes(),
        b"\ncanary\xff\xfe\n\0\n\xed\xa0\x80\n",
        good[1].as_bytes(),
        b"\n\n\r\n",
    ];
    let answer = knock.lines(body.concat()).await;
    let bad = ["2 malformed_json", "3 malformed_json", "4 malformed_json"];
    assert_eq!((answer.accepted, answer.rejected), (2, rejected(&bad)));
    door.close(2).await;
}

#[tokio::test]
async fn a_thousand_lines_is_the_most_and_none_is_fine() {
    let door = Door::on(harness::Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let nothing = Lines {
        accepted: 0,
        duplicates: 0,
        rejected: Vec::new(),
    };
    for empty in ["", "\n", "\r\n\r\n", " \n\t\n", &"\n".repeat(100_000)] {
        assert_eq!(knock.lines(empty).await, nothing);
    }
    let post = Request::post("/drift/reports").key(&door.ingest);
    let post = post.with("content-type: application/x-ndjson");
    for bad in [
        honest(1_001).join("\n"),
        "canary\n".repeat(1_001),
        "1\n".repeat(500_000),
    ] {
        let answer = knock.ask(&post.clone().body(bad)).await;
        assert_eq!(answer.verdict(), "413 too_many_lines");
    }
    let spread = honest(1_000).join("\n\r\n \n") + "\n\n\n";
    assert_eq!(knock.lines(spread).await.accepted, 1_000);
    door.close(1_000).await;
}
