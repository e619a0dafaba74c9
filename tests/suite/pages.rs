//! The pages for people: what they show, what they say when there is nothing to show, and that nothing a stranger wrote
//! does more on them than stand there.

mod hostile;
mod live;
mod shown;
mod surroundings;

use harness::runner::Runner;
use harness::{Server, report};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

/// `printf %s signup-form | sha256sum`
const HASH: &str = "780a5726bba40e29925b8a4c32d3dfb2bf1357e6162418bbb587fc9ab4b1ff2f";

const GOOD: &str = "- main:\n  - heading \"Sign up\" [level=1]\n  - form \"Sign up\":\n    - textbox \"Email\"\n    - button \"Create account\"\n";

/// One answer, as a browser sees it.
struct Page {
    status: StatusCode,
    headers: HeaderMap,
    html: String,
}

impl Page {
    async fn get(server: &Server, key: &str, path: &str) -> Self {
        let request = server.client.get(server.url(path)).bearer_auth(key);
        let request = request.header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let answer = request.send().await.expect("an answer");
        Self {
            status: answer.status(),
            headers: answer.headers().clone(),
            html: answer.text().await.expect("text"),
        }
    }

    /// One that must be there.
    async fn of(server: &Server, key: &str, path: &str) -> Self {
        let page = Self::get(server, key, path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.html);
        page
    }

    /// What a person reads, without the markup.
    fn text(&self) -> String {
        let (mut text, mut inside) = (String::new(), false);
        for c in self.html.chars() {
            match c {
                '<' => inside = true,
                '>' => {
                    inside = false;
                    text.push(' ');
                }
                c if !inside => text.push(c),
                _ => {}
            }
        }
        let mut text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for (written, read) in [
            ("&#34;", "\""),
            ("&#60;", "<"),
            ("&#62;", ">"),
            ("&#39;", "'"),
            (" .", "."),
            (" ,", ","),
        ] {
            text = text.replace(written, read);
        }
        text
    }

    fn assert_says(&self, what: &str) {
        let text = self.text();
        assert!(text.contains(what), "no {what:?} in: {text}");
    }
}

/// Keeps evidence as a runner does; its name.
async fn keep(server: &Server, key: &str, bytes: impl Into<Vec<u8>>) -> String {
    let request = server.client.put(server.url("/drift/artifacts"));
    let sent = request.bearer_auth(key).body(bytes.into()).send().await;
    let answer: Value = sent.unwrap().json().await.unwrap();
    answer["sha256"].as_str().expect("a name").to_owned()
}

/// A picture as far as its size goes.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    png
}

/// The step was passed once, is reported twice, proved broken, and has its issue. The id of the last run.
async fn broken(
    server: &Server,
    ingest: &str,
    runner: &Runner<'_>,
    evidence: &str,
    bad: &str,
) -> String {
    let one = report("openai", "signup-form");
    server.report(ingest, &one).await;
    let held = runner.claim("openai").await;
    let good = keep(server, evidence, GOOD).await;
    let passed = json!({"step": "signup-form", "tree": good, "scraper_version": "1.4.1"});
    runner.say(&held, "passed", passed).await;
    runner.judge(&held, "signup-form", "not_reproduced").await;
    runner.finish(&held).await;

    server
        .report(ingest, &report("openai", "signup-form"))
        .await;
    let held = runner.claim("openai").await;
    let (picture, tree) = (
        keep(server, evidence, png(1280, 720)).await,
        keep(server, evidence, bad).await,
    );
    let mut judged = harness::runner::judged("signup-form", "confirmed");
    judged["proof"]["screenshot"] = json!(picture);
    judged["proof"]["tree"] = json!(tree);
    let (status, answer) = runner.say(&held, "judged", judged).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let left = json!({"kind": "account", "id": "acct-1"});
    runner.say(&held, "left", left.clone()).await;
    runner.done(&held, "signup-form", "open").await;
    let finish = json!({
        "ending": "done", "log_tail": "waited for the button\n<script>alert('log')</script>\n",
        "steps": [{"step": "open", "millis": 812}, {"step": "signup-form", "millis": 20_100}],
        "cleaned": [left],
    });
    let (status, answer) = runner.say(&held, "finish", finish).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{answer}");
    held.run
}
