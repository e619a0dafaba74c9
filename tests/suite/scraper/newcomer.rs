//! Somebody who has read FLOWS.md and nothing else: its first flow does what it says there, on a page that is as it should
//! be and on one that is not. The flows are read out of the text, so it stays true.

use harness::scraper::{Run, Scraper};
use harness::{FakeHttp, Reply};

const FLOWS: &str = include_str!("../../../drift-browser/FLOWS.md");

const PAGE: &str = "<!doctype html><title>Acme</title><h1>Acme</h1>\
    <form action=/search><input type=search name=q aria-label=Search><button>Find</button></form>";
const FOUND: &str = "<!doctype html><title>Acme</title><h1>3 Results</h1>";

/// The TOML of the text that is a whole flow, as it stands there but for what sets it off.
fn flows() -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String)> = None;
    for line in FLOWS.lines() {
        let fence = line.trim_start();
        open = match open {
            None if fence == "```toml" => Some((line.len() - fence.len(), String::new())),
            None => None,
            Some((_, text)) if fence == "```" => {
                found.push(text);
                None
            }
            Some((indent, mut text)) => {
                text.push_str(line.get(indent..).unwrap_or_default());
                text.push('\n');
                Some((indent, text))
            }
        };
    }
    found.retain(|flow| flow.contains("service ="));
    found
}

/// What the text calls acme.example, from a machine of ours.
async fn runs(site: &FakeHttp) -> Run {
    let scraper = Scraper::default();
    let file = scraper.folder.path().join("acme.toml");
    std::fs::write(&file, &flows()[0]).expect("written");
    let mapping = format!("https://acme.example={}", site.url());
    scraper.run(&file, &["--map", &mapping]).await
}

fn page(html: String) -> Reply {
    Reply::Is(200, Vec::new(), html).with("content-type", "text/html; charset=utf-8")
}

#[tokio::test]
async fn the_first_flow_of_the_text_works_and_says_what_is_wrong_once_the_page_changed() {
    let site = FakeHttp::start(|request| match request.path.as_str() {
        "/" => page(PAGE.to_owned()),
        path if path.starts_with("/search?q=shoes") => page(FOUND.to_owned()),
        _ => Reply::status(404),
    })
    .await;
    let run = runs(&site).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error done", Some(0)),
        "{}",
        run.errors
    );

    site.now(|_| page(PAGE.replace("Find", "Look it up")));
    let run = runs(&site).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("tripwire selector-missing search", Some(0)),
        "{}",
        run.errors
    );
    assert!(
        run.errors
            .contains("tripwire selector-missing at `search`: found none of button \"Find\""),
        "{}",
        run.errors
    );
    run.png();
    let tree = run.last()["tree"].as_str().expect("a tree");
    assert!(tree.contains("- button \"Look it up\""), "{tree}");
}

#[tokio::test]
async fn every_whole_flow_of_the_text_is_sound() {
    let flows = flows();
    assert_eq!(flows.len(), 2);
    let scraper = Scraper::default();
    for flow in flows {
        let file = scraper.folder.path().join("flow.toml");
        std::fs::write(&file, flow).expect("written");
        let output = scraper
            .output(&["check", file.to_str().expect("UTF-8")])
            .await;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
    }
}
