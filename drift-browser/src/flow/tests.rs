use std::path::PathBuf;

use super::*;

fn write(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let path = folder.path().join(files[0].0);
    (folder, path)
}

/// Faults as an author sees them, the folder left out.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let (folder, path) = write(files);
    let faults = Flow::read(&path).expect_err("faults");
    let folder = format!("{}/", folder.path().display());
    faults
        .0
        .iter()
        .map(|fault| fault.to_string().replace(&folder, ""))
        .collect()
}

const HEAD: &str = "service = \"acme\"\nversion = \"1.0.0\"\n";

#[test]
fn a_flow_is_read_with_its_values_and_defaults() {
    let text = r#"
service = "acme"
version = "1.2.0"
result = "api-key"
last-safe-step = "open"

[values]
base = "https://acme.example"
email = { env = "MAIL", plus = true }

[secrets]
password = { random = 20 }

[[step]]
name = "open"
do = [{ goto = "${base}/signup" }]
expect = 'textbox "Email"'

[[step]]
name = "sign-up"
deadline = "5s"
at = "${base}/signup"
do = [
    { click = 'button "Use e-mail"', optional = true },
    { fill = ['textbox "Email"', 'css input[type=email]'], with = "${email}" },
    { fill = 'label "Password"', with = "${password}" },
    { press = "Enter" },
    { extract = "code", pattern = 'k-[0-9a-f]+', save = "api-key" },
]
creates = [{ kind = "account", id = "${email}" }]
"#;
    let (_folder, path) = write(&[("acme.toml", text)]);
    let flow = Flow::read(&path).unwrap();
    assert_eq!(flow.steps.len(), 2);
    let step = &flow.steps[1];
    assert_eq!(step.deadline, Duration::from_secs(5));
    assert_eq!(step.settle, Duration::from_millis(800));
    assert!(step.actions[0].optional);
    assert_eq!(step.actions[1].verb.locators().unwrap().len(), 2);
    assert!(flow.values["password"].secret && !flow.values["email"].secret);
}

#[test]
fn every_fault_is_named_at_its_line_and_column() {
    let text = r##"service = "Acme"
version = "1"

[secrets]
password = "hunter2"

[[step]]
name = "open"
do = [
    { goto = "acme.example" },
    { click = "#submit" },
    { fill = 'textbox "Email"' },
    { click = 'button "A"', press = "Enter" },
    { press = "Return" },
    { extract = "code", save = "key", pattern = "a(" },
    { click = 'button "A"', with = "x" },
]
expect = ['text "${nobody}"']

[[step]]
name = "open"
"##;
    let told = faults(&[("acme.toml", text)]);
    let expected = [
        "acme.toml:1:11: service: lower-case letters, digits and dashes, 1 to 64 characters, not starting with a dash",
        "acme.toml:2:11: version: a semantic version (1.4.2) of at most 64 characters",
        "acme.toml:5:12: secrets.password: a secret does not stand in a file; write { env = \"NAME\" } or { random = 20 }",
        "acme.toml:10:14: step `open`, action 1, goto: an address begins with https:// (or http://)",
        "acme.toml:11:15: step `open`, action 2, click: `#submit` is neither a role (button, textbox, link …) nor one of css, text, label, placeholder, testid; a CSS selector begins with `css `",
        "acme.toml:12:5: step `open`, action 3, fill: `with` is missing",
        "acme.toml:13:5: step `open`, action 4: click and press are two actions; write two",
        "acme.toml:14:15: step `open`, action 5, press: `Return` is no key; there are Enter, Tab, Escape, Backspace, Delete, ArrowUp, ArrowDown, ArrowLeft, ArrowRight, Home, End, Space",
        "acme.toml:15:49: step `open`, action 6, extract: not a regular expression: unclosed group",
        "acme.toml:16:5: step `open`, action 7: `with` does not go with click",
        "acme.toml:18:11: step `open`, expect: there is no value `nobody`; name it in [values] or [secrets], or save it in a step",
        "acme.toml:20:1: step `open` neither does nor expects anything",
        "acme.toml:20:1: there are two steps `open`",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert_eq!(told, expected);
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn an_unknown_field_is_named_with_those_that_exist() {
    let told = faults(&[(
        "acme.toml",
        &format!("{HEAD}[[step]]\nname = \"open\"\ndo = [{{ clik = 'button' }}]\n"),
    )]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].starts_with("acme.toml:5:9: unknown field `clik`, expected one of `goto`, `fill`"),
        "{told:?}"
    );
}

const PATTERN: &str = r#"
needs = ["url"]
[defaults]
field = ['textbox /e-?mail/i', 'css input[type=email]']
[[step]]
name = "sign-up"
do = [{ goto = "${url}/new" }, { fill = ['testid "mail"', '${field}'], with = "${email}" }]
"#;

#[test]
fn a_pattern_is_filled_with_what_the_flow_says() {
    let flow = format!(
        "{HEAD}[values]\nbase = \"https://acme.example\"\nemail = \"a@acme.example\"\n[[step]]\nuse = \"p.toml\"\nwith.url = \"${{base}}\"\n"
    );
    let (_folder, path) = write(&[("acme.toml", &flow), ("p.toml", PATTERN)]);
    let flow = Flow::read(&path).unwrap();
    let Verb::Goto(url) = &flow.steps[0].actions[0].verb else {
        panic!("goto")
    };
    assert_eq!(url.to_string(), "${base}/new");
    let field = flow.steps[0].actions[1].verb.locators().unwrap();
    let field: Vec<String> = field.iter().map(ToString::to_string).collect();
    assert_eq!(
        field,
        [
            "testid \"mail\"",
            "textbox /e-?mail/i",
            "css input[type=email]"
        ]
    );
}

#[test]
fn a_pattern_says_which_hole_is_open_and_which_does_not_exist() {
    let flow = format!(
        "{HEAD}[values]\nemail = \"a\"\n[[step]]\nuse = \"p.toml\"\nwith.colour = \"red\"\n"
    );
    let told = faults(&[("acme.toml", &flow), ("p.toml", PATTERN)]);
    assert_eq!(
        told,
        [
            "acme.toml:6:7: p.toml needs `with.url`",
            "acme.toml:7:6: with.colour: p.toml has no such hole; it has field, url",
        ]
    );
    let flow = format!("{HEAD}[[step]]\nuse = \"p.toml\"\nwith.url = \"https://a.example\"\n");
    let told = faults(&[("acme.toml", &flow), ("p.toml", PATTERN)]);
    assert!(
        told[0]
            .starts_with("p.toml:7:79: step `sign-up`, action 2, fill: there is no value `email`"),
        "{told:?}"
    );
}

#[test]
fn the_rules_that_hold_for_every_flow_have_no_fault() {
    assert_eq!(read::faults_of_common_rules(), []);
}
