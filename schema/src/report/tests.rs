use super::*;

fn sample() -> serde_json::Value {
    serde_json::json!({
        "report_id": "0199a1f2-6e1c-7c3a-9a53-0d6a3f1e2b4c",
        "service": "openai",
        "tripwire": {"kind": "selector-missing", "step": "signup-form"},
        "dom_digest": "ab".repeat(32),
        "url_host": "platform.openai.com",
        "scraper_version": "1.4.2",
        "screenshot_ref": "cd".repeat(32),
    })
}

fn refused(json: &serde_json::Value) -> (Code, Option<&'static str>) {
    let refusal = Report::parse(json.to_string().as_bytes()).unwrap_err();
    (refusal.code, refusal.field)
}

#[test]
fn a_whole_report_is_read_and_written_back_unchanged() {
    let report = Report::parse(sample().to_string().as_bytes()).unwrap();
    assert_eq!(serde_json::to_value(&report).unwrap(), sample());
}

#[test]
fn optional_fields_may_be_left_out_or_null() {
    let mut json = sample();
    json["report_id"] = serde_json::Value::Null;
    json.as_object_mut().unwrap().remove("screenshot_ref");
    let report = Report::parse(json.to_string().as_bytes()).unwrap();
    assert_eq!((report.report_id, report.screenshot_ref), (None, None));
}

#[test]
fn each_required_field_is_missed_by_name() {
    for field in [
        "service",
        "tripwire",
        "dom_digest",
        "url_host",
        "scraper_version",
    ] {
        let mut json = sample();
        json.as_object_mut().unwrap().remove(field);
        assert_eq!(refused(&json), (Code::MissingField, Some(field)));
    }
    for (field, path) in [("kind", "tripwire.kind"), ("step", "tripwire.step")] {
        let mut json = sample();
        json["tripwire"].as_object_mut().unwrap().remove(field);
        assert_eq!(refused(&json), (Code::MissingField, Some(path)));
    }
}

#[test]
fn an_unknown_field_at_any_depth_is_refused_without_its_name() {
    let mut json = sample();
    json["e-mail"] = "someone@example.com".into();
    assert_eq!(refused(&json), (Code::UnknownField, None));
    let mut json = sample();
    json["tripwire"]["html"] = serde_json::json!({"deep": [[[]]]});
    assert_eq!(refused(&json), (Code::UnknownField, None));
}

#[test]
fn a_value_of_another_type_is_an_invalid_field() {
    for other in [
        serde_json::json!(1),
        serde_json::json!(1.5),
        serde_json::json!(true),
        serde_json::json!([1]),
        serde_json::json!({"a": 1}),
        serde_json::Value::Null,
    ] {
        let mut json = sample();
        json["service"] = other.clone();
        assert_eq!(
            refused(&json),
            (Code::InvalidField, Some("service")),
            "{other}"
        );
        let mut json = sample();
        json["tripwire"] = if other.is_object() {
            "timeout".into()
        } else {
            other.clone()
        };
        assert_eq!(
            refused(&json),
            (Code::InvalidField, Some("tripwire")),
            "{other}"
        );
    }
    for root in ["[]", "1", "\"a\"", "null", "true", "1.5", "-1"] {
        assert_eq!(
            Report::parse(root.as_bytes()).unwrap_err().code,
            Code::InvalidField,
            "{root}"
        );
    }
}

#[test]
fn a_field_that_stands_twice_is_refused() {
    let text = sample().to_string();
    for (field, path) in [
        ("service", "service"),
        ("tripwire", "tripwire"),
        ("report_id", "report_id"),
    ] {
        let twice = text.replacen('{', &format!("{{\"{field}\":{},", sample()[field]), 1);
        assert_eq!(
            Report::parse(twice.as_bytes()).unwrap_err(),
            Refusal::field(Code::DuplicateField, path)
        );
    }
    let escaped = text.replacen('{', "{\"servic\\u0065\":\"openai\",", 1);
    assert_eq!(
        Report::parse(escaped.as_bytes()).unwrap_err(),
        Refusal::field(Code::DuplicateField, "service")
    );
    let nulls = text.replacen('{', "{\"screenshot_ref\":null,", 1);
    assert_eq!(
        Report::parse(nulls.as_bytes()).unwrap_err(),
        Refusal::field(Code::DuplicateField, "screenshot_ref")
    );
}

#[test]
fn text_that_is_not_json_is_malformed() {
    let text = sample().to_string();
    for cut in 0..text.len() {
        assert_eq!(
            Report::parse(&text.as_bytes()[..cut]).unwrap_err().code,
            Code::MalformedJson,
            "cut at {cut}"
        );
    }
    let trailing = format!("{text} x");
    let surrogate = text.replace("openai\"", "open\\ud800\"");
    let nul = text.replace("openai\"", "open\0\"");
    let mut bad_utf8 = text.clone().into_bytes();
    bad_utf8[text.find("openai").unwrap()] = 0xff;
    for bad in [
        trailing.as_bytes(),
        surrogate.as_bytes(),
        nul.as_bytes(),
        &bad_utf8,
        b"",
        b"\xef\xbb\xbf{}",
    ] {
        assert_eq!(Report::parse(bad).unwrap_err().code, Code::MalformedJson);
    }
    let deep = format!("{{\"service\":{}", "[".repeat(10_000));
    assert_eq!(
        Report::parse(deep.as_bytes()).unwrap_err().code,
        Code::MalformedJson
    );
}

#[test]
fn an_escaped_nul_is_an_invalid_field() {
    let nul = sample().to_string().replace("openai\"", "open\\u0000\"");
    assert_eq!(
        Report::parse(nul.as_bytes()).unwrap_err(),
        Refusal {
            rule: Service::parse("").err().map(|e| e.0),
            ..Refusal::field(Code::InvalidField, "service")
        }
    );
}
