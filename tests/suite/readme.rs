//! What README.md tells a newcomer to type works as it stands there: the blocks below "Report from your scraper" are cut out and
//! run, in order, in the folder of a server that has just been started for the first time. (The one in Rust is compiled as an
//! example of drift-client's documentation.) And every link between our documents leads to a file.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use harness::agentkeys::program;
use harness::server::Site;
use pulldown_cmark::{Event, Parser, Tag};
use serde_json::Value;
use tokio::process::Command;

/// The blocks of one language, below a heading.
fn blocks(language: &str) -> Vec<String> {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let section = readme
        .split("\n## Report from your scraper\n")
        .nth(1)
        .unwrap();
    let section = section.split("\n## ").next().unwrap();
    let opening = format!("\n```{language}\n");
    let blocks = section.split(opening.as_str()).skip(1);
    blocks
        .map(|block| block.split("\n```").next().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_report_that_the_readme_shows_works_as_it_stands_there() {
    let folder = Arc::new(tempfile::tempdir().unwrap());
    let here = folder.path();
    let database = format!("sqlite://{}/drift-data/drift.db", here.display());
    let server = Site::at(folder.clone(), database).start().await;
    std::fs::write(here.join("structure.txt"), "main\n  form\n").unwrap();
    let bin = here.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(program("agentkeys-under-test"), bin.join("agentkeys")).unwrap();

    let [curl, shell] = blocks("sh").try_into().expect("two blocks for a shell");
    let [script] = blocks("ts").try_into().expect("one block of TypeScript");
    let run = async |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(here)
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .env("HOME", here)
            .env("AGENTKEYS_HOME", here.join("home"))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {said}{errors}"
        );
        said
    };
    let bash = async |script: &str| {
        // Where this server listens, in place of where it would by default.
        let script = script.replace("127.0.0.1:8080", &server.address);
        run("bash", &["-euc", &script]).await
    };

    let answer: Value = serde_json::from_str(&bash(&curl).await).unwrap();
    assert_eq!(
        (&answer["duplicate"], &answer["batch"]["count"]),
        (&Value::Bool(false), &1.into()),
        "{answer}"
    );

    // It may be on its way still when the command is back: then it waits on disk, and the queue is made to send it.
    let sourced = ". drift-data/credentials.env";
    bash(&format!("{sourced}\n{shell}\nagentkeys telemetry flush")).await;

    std::fs::write(here.join("report.mjs"), script).unwrap();
    let said = bash(&format!("{sourced}; export DRIFT_DSN; node report.mjs")).await;
    assert_eq!(said, "null\n", "accepted, and not known yet");

    let credentials = std::fs::read_to_string(here.join("drift-data/credentials.env")).unwrap();
    let admin = credentials.split("DRIFT_ADMIN_KEY=").nth(1).unwrap().trim();
    let fresh = server.get(admin, "/drift/fresh").await;
    let batch = &fresh["services"][0]["batches"][0];
    assert_eq!(
        (&batch["step"], &batch["count"]),
        (&"signup-form".into(), &3.into()),
        "{fresh}"
    );
    server.finish().await;
}

#[test]
fn every_link_of_a_document_to_another_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folders = [
        ".",
        "schema",
        "drift-api",
        "drift-client",
        "drift-browser",
        "drift-runner",
        "ops",
        "ops/bench",
    ];
    let mut followed = 0;
    for folder in folders.map(|folder| root.join(folder)) {
        for file in std::fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            if file.extension().is_none_or(|end| end != "md") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            for event in Parser::new(&text) {
                let (Event::Start(Tag::Link { dest_url, .. })
                | Event::Start(Tag::Image { dest_url, .. })) = event
                else {
                    continue;
                };
                let path = dest_url.split('#').next().unwrap();
                if !path.is_empty() && !path.contains("://") {
                    assert!(
                        folder.join(path).exists(),
                        "{}: {path} is not there",
                        file.display()
                    );
                    followed += 1;
                }
            }
        }
    }
    assert!(followed > 10, "{followed}");
}
