use super::*;

fn read(line: &str) -> Result<Line, String> {
    Line::parse(line.as_bytes()).map_err(|malformed| malformed.to_string())
}

#[test]
fn the_five_lines_of_the_contract_are_read() {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let token = "0199aa00-0000-7000-8000-000000000001";
    let lines = [
        r#"{"type":"progress","step":"signup-form"}"#.to_owned(),
        r#"{"type":"resource","kind":"account","id":"acct_1"}"#.to_owned(),
        format!(
            r#"{{"type":"tripwire","kind":"selector-missing","step":"signup-form","url":"https://a.example/x","screenshot_b64":"aGk=","dom_digest":"{digest}","resume_token":"{token}"}}"#
        ),
        r#"{"type":"success","api_key":"sk-or-v1-0123456789"}"#.to_owned(),
        r#"{"type":"error","code":"bad_credentials","details":"the page said so"}"#.to_owned(),
    ];
    for line in &lines {
        // What is written again is the same line: the types lose nothing and add nothing.
        let parsed = read(line).unwrap();
        assert_eq!(&serde_json::to_string(&parsed).unwrap(), line);
    }
    let last = |line: &String| read(line).unwrap().is_terminal();
    assert_eq!(
        lines.iter().map(last).collect::<Vec<_>>(),
        [false, false, true, true, true]
    );
}

#[test]
fn a_line_of_a_newer_scraper_is_read_without_what_is_new() {
    let line = r#" {"type":"progress","step":"login","at":{"deep":[1]},"tree":null} "#;
    let Line::Progress(progress) = read(line).unwrap() else {
        panic!("not progress")
    };
    assert_eq!((progress.step.as_str(), progress.tree), ("login", None));
}

#[test]
fn a_tripwire_of_a_shell_script_needs_a_kind_and_a_step() {
    let line = r#"{"type":"tripwire","kind":"timeout","step":"login"}"#;
    let Line::Tripwire(tripped) = read(line).unwrap() else {
        panic!("not a tripwire")
    };
    assert_eq!(tripped.kind, TripwireKind::Timeout);
    assert!(tripped.resume_token.is_none() && tripped.url.is_none());
}

#[test]
fn a_malformed_line_is_explained_without_its_words() {
    let secret = "sk-or-v1-do-not-tell";
    for (line, why) in [
        (String::new(), "not a JSON object"),
        (format!(r#"["progress","{secret}"]"#), "not a JSON object"),
        (secret.to_owned(), "not a JSON object"),
        (
            format!(r#"{{"type":"success","api_key":"{secret}"#),
            "not well-formed JSON",
        ),
        (
            format!(r#"{{"type":"success","api_key":"{secret}"}} {{}}"#),
            "not well-formed JSON",
        ),
        (format!(r#"{{"api_key":"{secret}"}}"#), "type: is missing"),
        (
            format!(r#"{{"type":"{secret}"}}"#),
            "type: one of progress, resource, tripwire, success, error",
        ),
        (
            format!(r#"{{"type":"success","api_key":["{secret}"]}}"#),
            "api_key: must be a string",
        ),
        (
            format!(r#"{{"type":"success","api_key":"{secret}","api_key":"{secret}"}}"#),
            "a field stands twice",
        ),
        (
            format!(r#"{{"type":"success","api_key":"{secret}\n"}}"#),
            "api_key: 1 to 4096 printable ASCII characters without white space",
        ),
        (
            format!(r#"{{"type":"tripwire","kind":"{secret}","step":"login"}}"#),
            "kind: one of selector-missing, unexpected-nav, timeout",
        ),
        (
            r#"{"type":"tripwire","kind":"selector_missing","step":"login"}"#.to_owned(),
            "kind: one of selector-missing, unexpected-nav, timeout",
        ),
        (
            format!(
                r#"{{"type":"tripwire","kind":"timeout","step":"login","resume_token":"../{secret}"}}"#
            ),
            "resume_token: a UUID of 36 characters",
        ),
        (r#"{"type":"progress"}"#.to_owned(), "step: is missing"),
    ] {
        let told = read(&line).expect_err(&line);
        assert_eq!(told, why, "{line}");
        assert!(!told.contains("do-not-tell"));
    }
    let told = Line::parse(b"{\"type\":\"progress\",\"step\":\"\xff\"}").unwrap_err();
    assert_eq!(told.rule, "not UTF-8");
}

#[test]
fn a_key_prints_as_its_mask() {
    let line = read(r#"{"type":"success","api_key":"sk-or-v1-0123456789abcdef"}"#).unwrap();
    let told = format!("{line:?}");
    assert!(told.contains("sk-or-v1****...cdef"), "{told}");
    assert!(!told.contains("0123456789"), "{told}");
}

#[test]
fn masks_show_the_first_eight_and_the_last_four() {
    for (key, mask) in [
        ("", "****"),
        ("abcdefghijk", "****"),
        ("abcdefghijkl", "abcdefgh****...ijkl"),
        ("sk-or-v1-0123456789", "sk-or-v1****...6789"),
        // Characters, not bytes: a cut inside of one would be a panic.
        ("äöüäöüäöüäöü", "äöüäöüäö****...üäöü"),
    ] {
        assert_eq!(mask_key(key), mask);
    }
}
