//! Bodies that are not JSON, not an object, or not the object that they should be.

use harness::{Engine, on_both, report};
use serde_json::{Value, json};

use super::door::{CANARY, CANARY_NUMBER, Door, FIELDS, field, whole, with};

on_both! {
    async fn bytes_that_json_does_not_have_are_malformed(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        for (path, _, _) in FIELDS.iter().filter(|(path, ..)| *path != "tripwire") {
            let text = with(path, "canary-HERE");
            let put = |bytes: &[u8]| {
                let at = text.find("HERE").unwrap();
                [&text.as_bytes()[..at], bytes, &text.as_bytes()[at + 4..]].concat()
            };
            let wrong: &[(&str, &[u8])] = &[
                ("invalid UTF-8", b"\xff"),
                ("cut UTF-8", b"\xe2\x82"),
                ("overlong UTF-8", b"\xc0\xaf"),
                ("a surrogate in UTF-8", b"\xed\xa0\x80"),
                ("past the end of Unicode", b"\xf4\x90\x80\x80"),
                ("a raw NUL", b"\0"),
                ("a raw line feed", b"\n"),
                ("a raw escape", b"\x1b[2J"),
                ("a lone high surrogate", b"\\ud800"),
                ("a lone low surrogate", b"\\udc00"),
                ("surrogates in the wrong order", b"\\udc00\\ud800"),
                ("an unknown escape", b"\\x41"),
                ("half an escape", b"\\u00"),
            ];
            for (what, bytes) in wrong {
                assert_eq!(knock.report(put(bytes)).await, "400 malformed_json", "{path}: {what}");
            }
            // Well-formed, and still no value of any field.
            for (what, bytes) in [("NUL", &b"\\u0000"[..]), ("emoji", "🐤".as_bytes()), ("pair", b"\\ud83d\\udc24"), ("RTL", b"\\u202e")] {
                let verdict = knock.report(put(bytes)).await;
                assert_eq!(verdict, format!("422 invalid_field {path}"), "{what}");
            }
        }
        door.close(0).await;
    }

    async fn a_value_of_another_type_is_refused_in_every_field(engine: Engine) {
        let door = Door::on(engine).await;
        let mut knock = door.knock().await;
        let others = [
            json!(CANARY_NUMBER), json!(-1), json!(770.077), json!(7.7e300), json!(u64::MAX), json!(true), json!(false),
            json!([]), json!([CANARY]), json!([[[CANARY_NUMBER]]]), json!({}), json!({CANARY: CANARY}), Value::Null,
        ];
        for (path, optional, _) in FIELDS {
            for other in &others {
                let verdict = knock.report(with(path, other.clone())).await;
                let expected = match (*path, other) {
                    ("tripwire", Value::Object(map)) if map.is_empty() => "422 missing_field tripwire.kind".to_owned(),
                    ("tripwire", Value::Object(_)) => "422 unknown_field".to_owned(),
                    (_, Value::Null) if *optional => "202".to_owned(),
                    _ => format!("422 invalid_field {path}"),
                };
                assert_eq!(verdict, expected, "{path}: {other}");
            }
            // Numbers that no machine holds are a matter of syntax.
            let text = with(path, 1).replace(":1,", ":1e999,").replace(":1}", ":1e999}");
            assert_eq!(knock.report(text).await, "400 malformed_json", "{path}");
        }
        assert_eq!(knock.report(with("tripwire", CANARY)).await, "422 invalid_field tripwire");
        // The two optional ones, as null.
        door.close(2).await;
    }
}

#[tokio::test]
async fn a_root_that_is_no_object_is_refused() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let many = format!("[{}]", whole());
    for root in [
        "[]",
        "\"canary\"",
        "770077077",
        "-1.5e9",
        "true",
        "null",
        "[[[\"canary\"]]]",
        many.as_str(),
    ] {
        let verdict = knock.report(root).await;
        assert_eq!(verdict, "422 invalid_field report", "{root}");
    }
    let twice = format!("{}{}", whole(), whole());
    let trailing = format!("{}canary", whole());
    for text in [
        "",
        " ",
        "canary",
        "{",
        "}",
        "{\"canary\"}",
        "{'service':'canary'}",
        "{\"service\":canary}",
        "{\"service\":\"canary\",}",
        "// canary\n{}",
        "\u{feff}{}",
        "NaN",
        "+1",
        "01",
        "{\"service\" \"canary\"}",
        twice.as_str(),
        trailing.as_str(),
    ] {
        assert_eq!(knock.report(text).await, "400 malformed_json", "{text}");
    }
    assert_eq!(knock.report("{}").await, "422 missing_field service");
    door.close(0).await;
}

#[tokio::test]
async fn json_that_is_nested_thousands_of_levels_deep_is_refused_and_harms_nobody() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    // Begun ten thousand times and never ended; then as deep as the limit of the body lets a whole one be.
    for (open, close) in [("[", "]"), ("{\"canary\":", "}")] {
        let fits = 15_000 / (open.len() + close.len());
        for (path, whole_one) in [
            ("canary", "422 unknown_field".to_owned()),
            ("service", "422 invalid_field service".to_owned()),
            ("tripwire", "422 unknown_field".to_owned()),
        ] {
            let begin = format!("{{\"{path}\":");
            let endless = begin.clone() + &open.repeat(10_000.min(16_000 / open.len()));
            let verdict = knock.report(endless).await;
            assert_eq!(verdict, "400 malformed_json", "{path} {open}");
            let deep = begin + &open.repeat(fits) + "1" + &close.repeat(fits) + "}";
            let expected = match (path, open) {
                ("tripwire", "[") => "422 invalid_field tripwire",
                _ => whole_one.as_str(),
            };
            assert_eq!(knock.report(deep).await, expected, "{path} {open}");
        }
    }
    let root = "[".repeat(8_000) + &"]".repeat(8_000);
    assert_eq!(knock.report(root).await, "422 invalid_field report");
    door.close(0).await;
}

#[tokio::test]
async fn a_field_that_stands_twice_is_refused() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for (path, _, _) in FIELDS {
        let mut honest = whole();
        let value = field(&mut honest, path).clone();
        let (object, name) = match path.split_once('.') {
            Some((_, name)) => ("\"tripwire\":{", name),
            None => ("{", *path),
        };
        let escaped: String = name
            .chars()
            .map(|c| format!("\\u{:04x}", c as u32))
            .collect();
        for name in [name, escaped.as_str()] {
            let text = whole().to_string();
            let twice = text.replacen(object, &format!("{object}\"{name}\":{value},"), 1);
            let verdict = knock.report(twice).await;
            assert_eq!(verdict, format!("422 duplicate_field {path}"), "{name}");
        }
    }
    // Also where the first one is null, or the second one is not what it should be.
    let text = whole().to_string();
    for (twice, expected) in [
        ("{\"report_id\":null,", "422 duplicate_field report_id"),
        (
            "{\"screenshot_ref\":null,\"screenshot_ref\":null,",
            "422 duplicate_field screenshot_ref",
        ),
        (
            "{\"service\":\"a\",\"service\":770077077,",
            "422 duplicate_field service",
        ),
        (
            "{\"tripwire\":{\"kind\":\"timeout\",\"step\":\"a\"},\"tripwire\":\"canary\",",
            "422 duplicate_field tripwire",
        ),
    ] {
        let verdict = knock.report(text.replacen('{', twice, 1)).await;
        assert_eq!(verdict, expected, "{twice}");
    }
    door.close(0).await;
}

#[tokio::test]
async fn an_unknown_field_is_refused_at_any_depth_without_its_name() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    for (at, name) in [
        ("", "canary"),
        ("", "canary@example.com"),
        ("", ""),
        ("", "Service"),
        ("", "service "),
        ("", "kind"),
        ("", "step"),
        ("", "step_hash"),
        ("", "day"),
        ("", "__proto__"),
        ("", "service\u{0}canary"),
        ("tripwire", "canary"),
        ("tripwire", "service"),
        ("tripwire", "Kind"),
        ("tripwire", "html"),
    ] {
        for value in [
            json!(CANARY),
            json!(CANARY_NUMBER),
            json!({"deep": [{CANARY: CANARY}]}),
            Value::Null,
        ] {
            let mut json = whole();
            let object = if at.is_empty() {
                &mut json
            } else {
                &mut json[at]
            };
            object[name] = value.clone();
            let verdict = knock.report(json.to_string()).await;
            assert_eq!(verdict, "422 unknown_field", "{at} {name:?} {value}");
        }
    }
    // Deeper there are only texts; an object in the place of one is not looked into.
    for path in ["service", "tripwire.step"] {
        let verdict = knock.report(with(path, json!({CANARY: CANARY}))).await;
        assert_eq!(verdict, format!("422 invalid_field {path}"));
    }
    let mut honest = report("openai", "signup-form");
    honest.as_object_mut().unwrap().remove("report_id");
    assert_eq!(knock.report(honest.to_string()).await, "202");
    door.close(1).await;
}

#[tokio::test]
async fn json_cut_short_at_any_byte_is_malformed() {
    let door = Door::on(Engine::Sqlite).await;
    let mut knock = door.knock().await;
    let text = with("service", CANARY);
    for cut in 0..text.len() {
        assert_eq!(
            knock.report(&text[..cut]).await,
            "400 malformed_json",
            "cut at {cut}"
        );
    }
    // All of that on one connection, which is still good.
    assert_eq!(knock.report(whole().to_string()).await, "202");
    door.close(1).await;
}
