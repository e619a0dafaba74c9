//! The flow files that come with the product, and `check`, which needs no browser.

use std::path::{Path, PathBuf};

use harness::scraper::{Scraper, shipped_flow};
use harness::site::LAYOUTS;
use serde_json::Value;

fn flows() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("flows")
}

fn toml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let files = entries.map(|entry| entry.path());
    let files: Vec<PathBuf> = files
        .filter(|file| file.extension().is_some_and(|e| e == "toml"))
        .collect();
    assert!(!files.is_empty());
    files
}

#[tokio::test]
async fn every_flow_that_we_ship_is_sound() {
    // No browser is needed: none can be found here.
    let scraper = Scraper::default().with("DRIFT_CHROMIUM", "/nowhere");
    for file in toml_files(&flows()) {
        let output = scraper
            .output(&["check", "--json", file.to_str().expect("UTF-8")])
            .await;
        let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(
            (output.status.code(), &told["sound"]),
            (Some(0), &true.into()),
            "{told}"
        );
        let steps = told["flows"][0]["steps"].as_array().expect("steps");
        assert!(steps.contains(&"signup-form".into()), "{told}");
    }
}

#[tokio::test]
async fn a_fault_in_a_flow_is_shown_at_its_place() {
    let scraper = Scraper::default();
    let flow = scraper.flow("[[step]]\nname = \"open\"\ndo = [\n  { goto = \"https://a.example\" },\n  { clik = 'button' },\n]\n");
    let output = scraper
        .output(&["check", flow.to_str().expect("UTF-8")])
        .await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told.contains("flow.toml:8:5: unknown field `clik`, expected one of"),
        "{told}"
    );
}

#[test]
fn patterns_know_no_service() {
    for file in toml_files(&flows().join("patterns")) {
        let text = std::fs::read_to_string(&file)
            .expect("readable")
            .to_lowercase();
        for layout in LAYOUTS {
            let host = layout.origin.trim_start_matches("https://");
            for word in [layout.service, layout.name, host] {
                assert!(
                    !text.contains(&word.to_lowercase()),
                    "{} has `{word}`",
                    file.display()
                );
            }
        }
        assert!(!text.contains("http"), "{} has an address", file.display());
    }
    for layout in LAYOUTS {
        let text = std::fs::read_to_string(shipped_flow(layout.service)).expect("readable");
        assert!(
            text.contains("use = \"patterns/"),
            "{} uses them",
            layout.service
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_flow_or_its_values_is_never_taken_for_drift() {
    let page = "data:text/html,<h1>Hello</h1><form></form>";
    let look = |locator: &str| {
        format!(
            "[[step]]\nname = \"look\"\ndo = [{{ goto = '{page}' }}, {{ click = '{locator}' }}]\n"
        )
    };
    let mail = |more: &str| {
        let values = format!("[values]\nmail = {{ env = \"MAIL\"{more} }}\n");
        values + &look("button \"${mail}\"")
    };
    let cases: [(String, &[&str], &str, &str); 6] = [
        (
            look("css form["),
            &[],
            "bad_flow",
            "step `look`: SyntaxError",
        ),
        (
            format!("mask = [\"css ${{mail}}[\"]\n{}", mail("")),
            &[],
            "bad_flow",
            "mask: SyntaxError",
        ),
        (
            mail(""),
            &["--set", "mial=x"],
            "bad_flow",
            "there is no value `mial`; the flow has mail",
        ),
        (
            mail(", plus = true"),
            &[],
            "missing_value",
            "the value `mail` needs a mail address in MAIL",
        ),
        (
            mail("").replace("MAIL", "NOWHERE"),
            &[],
            "missing_value",
            "NOWHERE_FILE",
        ),
        (
            mail("").replace("data:text/html,<h1>Hello</h1><form></form>", "${mail}"),
            &[],
            "bad_flow",
            "step `look` goes to `",
        ),
    ];
    for (steps, more, code, why) in cases {
        let scraper = Scraper::default()
            .with("MAIL", "nobody")
            .with("NOWHERE_FILE", "/nowhere/at-all");
        let run = scraper.run(&scraper.flow(&steps), more).await;
        assert_eq!(
            run.ending(),
            format!("error {code}"),
            "{steps}{}",
            run.errors
        );
        let details = run.last()["details"].as_str().unwrap_or_default();
        assert!(details.contains(why), "{steps}: {details}");
        assert!(
            !(details.to_owned() + &run.errors).contains("nobody"),
            "{steps}: {details}{}",
            run.errors
        );
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_named_by_its_address() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/signup", silent.local_addr().expect("bound"));
    let scraper = Scraper::default();
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"look\"\ndeadline = \"2s\"\ndo = [{{ goto = '{address}' }}]\nexpect = 'heading'\n"
    ));
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(run.ending(), "tripwire timeout look", "{}", run.errors);
    assert_eq!(run.last()["url"], address.as_str());
}
