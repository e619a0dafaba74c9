//! A story that is told in JavaScript, by `tests/browser/`: the pages as a person has them, in Debian's Chromium. It gets the
//! world as a line of JSON, and asks for what only this side can do in lines of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::site::beside;

/// Longer than any of them takes, also on a machine with other things to do.
const PATIENCE: Duration = Duration::from_secs(600);

/// Where pictures of the pages are left: `target/pages`.
pub fn pictures() -> PathBuf {
    let debug = beside("");
    debug.parent().expect("target/debug").join("pages")
}

/// Plays `tests/browser/NAME.mjs` to its end, answering what it asks; panics with what it said if that is bad.
pub async fn play(name: &str, mut world: Value, mut answer: impl AsyncFnMut(&Value) -> Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(
        folder.join("node_modules").exists(),
        "the stories in a browser need their packages: run `ops/test --install-only`"
    );
    world["story"] = json!(name);
    world["pictures"] = json!(pictures());
    world["chromium"] = json!(chromium());
    let mut child = Command::new("node")
        .arg(folder.join(format!("{name}.mjs")))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("node runs; `ops/test --install-only` installs it");
    let mut stdin = child.stdin.take().expect("piped");
    let mut asked = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut stderr = child.stderr.take().expect("piped");
    let mut reading = JoinSet::new();
    reading.spawn(async move {
        let mut text = String::new();
        let _ = stderr.read_to_string(&mut text).await;
        text
    });
    let playing = async {
        let mut next = world;
        // It may have failed already: then its own words are of more use than ours about a broken pipe.
        while stdin
            .write_all(format!("{next}\n").as_bytes())
            .await
            .is_ok()
        {
            let Some(line) = asked.next_line().await.expect("readable") else {
                break;
            };
            let question: Value = serde_json::from_str(&line).expect("a line of JSON");
            next = answer(&question).await;
        }
        child.wait().await.expect("a status")
    };
    let status = tokio::time::timeout(PATIENCE, playing).await;
    let said = match &status {
        Ok(_) => reading.join_next().await.expect("a task").expect("read"),
        Err(_) => "it did not end in time".to_owned(),
    };
    assert!(
        status.is_ok_and(|status| status.success()),
        "{name}.mjs: {said}"
    );
}

fn chromium() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "as the scraper finds it")]
    let named = std::env::var_os("DRIFT_CHROMIUM").map(PathBuf::from);
    let usual = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    let usual = usual.iter().map(PathBuf::from).find(|path| path.exists());
    named
        .or(usual)
        .expect("Chromium; `ops/test --install-only` installs it")
}
