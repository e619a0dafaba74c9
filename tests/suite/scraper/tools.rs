//! The smaller commands: `digest` of one page, `record` of what a person does, and a browser that runs already.

use std::process::Stdio;

use harness::eventually;
use harness::scraper::Scraper;
use harness::site::{OPENROUTER, RunningSite};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A browser that somebody else started.
struct Running {
    url: String,
    _child: Child,
    _profile: TempDir,
}

impl Running {
    async fn start() -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        #[expect(clippy::disallowed_methods, reason = "as the scraper finds it")]
        let named = std::env::var_os("DRIFT_CHROMIUM");
        let mut child = Command::new(named.unwrap_or_else(|| "chromium".into()))
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-port=0",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium runs");
        let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines();
        let url = loop {
            let line = lines
                .next_line()
                .await
                .expect("readable")
                .expect("an address");
            if let Some(url) = line.strip_prefix("DevTools listening on ") {
                break url.to_owned();
            }
        };
        Self {
            url,
            _child: child,
            _profile: profile,
        }
    }
}

#[tokio::test]
async fn the_digest_of_a_page_is_that_of_its_shape() {
    let scraper = Scraper::default();
    let folder = scraper.folder.path();
    for (name, body) in [
        ("one.html", "<h1>One</h1><button>Go</button>"),
        ("same shape.html", "<h1>Other</h1><button>Go</button>"),
        ("other.html", "<h1>One</h1><button>Stop</button>"),
    ] {
        std::fs::write(folder.join(name), body).expect("written");
    }
    let mut hashes = Vec::new();
    for page in ["one.html", "same shape.html", "other.html"] {
        let output = scraper.output(&["digest", page, "--hash"]).await;
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        hashes.push(
            String::from_utf8(output.stdout)
                .expect("UTF-8")
                .trim_end()
                .to_owned(),
        );
    }
    assert_eq!(hashes[0].len(), 64);
    assert!(
        hashes[0] == hashes[1] && hashes[0] != hashes[2],
        "{hashes:?}"
    );
    let output = scraper.output(&["digest", "one.html"]).await;
    let record: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&record["v"], record["shape_sha256"].as_str()),
        (&1.into(), Some(hashes[0].as_str()))
    );

    let output = scraper.output(&["digest", "absent.html"]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), told.contains("neither an address")),
        (Some(1), true),
        "{told}"
    );
}

#[tokio::test]
async fn a_run_in_a_browser_that_runs_already_leaves_it_running() {
    let (browser, site) = (
        Running::start().await,
        RunningSite::start(OPENROUTER, &["renamed"], None).await,
    );
    let scraper = Scraper::default().with("CDP_URL", &browser.url);
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"form\"\ndo = [{{ goto = \"{}/sign-up\" }}, {{ fill = 'label \"Email address\"', with = \"a@b.example\" }}]\n",
        site.base
    ));
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        run.ending(),
        "tripwire selector-missing form",
        "{}",
        run.errors
    );
    // The page is still open, and the run goes on in it once it is mended.
    site.switch(&[]).await;
    let token = run.last()["resume_token"].as_str().expect("a token");
    let again = scraper.run(&flow, &["--resume", token]).await;
    assert_eq!(again.ending(), "error done", "{}", again.errors);
}

#[tokio::test]
async fn what_a_person_does_becomes_a_flow() {
    let (browser, site) = (
        Running::start().await,
        RunningSite::start(OPENROUTER, &[], None).await,
    );
    let recorder = Scraper::default().with("CDP_URL", &browser.url);
    let address = format!("{}/sign-up", site.base);
    let draft = recorder.folder.path().join("draft.toml");
    let mut recording =
        recorder.start(&["record", &address, "--out", draft.to_str().expect("UTF-8")]);
    eventually("the page is open", async || {
        (site.visits("/sign-up").await > 0).then_some(())
    })
    .await;

    // The person is another program, with real keys and a real mouse in the same tab.
    let connection = drift_browser::cdp::Connection::over_socket(&browser.url)
        .await
        .expect("a browser");
    person_signs_up(&connection, &address).await;
    eventually("the form was sent", async || {
        (site.visits("/sign-up/verify-email-address").await > 0).then_some(())
    })
    .await;
    let pid = recording.id().expect("running").to_string();
    let killed = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(killed.expect("kill runs").success());
    assert!(recording.wait().await.expect("it ends").success());

    let text = std::fs::read_to_string(&draft).expect("a draft");
    for line in [
        "{ fill = ['textbox \"Email address\"'",
        "with = \"${email-address}\"",
        "{ fill = ['label \"Password\"'",
        "button \"Continue\"",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(
        !text.contains("bob@"),
        "what was typed is not in it: {text}"
    );
    let checked = recorder
        .output(&["check", draft.to_str().expect("UTF-8")])
        .await;
    assert!(
        checked.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&checked.stderr)
    );
}

async fn person_signs_up(connection: &drift_browser::cdp::Connection, address: &str) {
    use drift_browser::flow::Locator;
    use drift_browser::page::Page;
    use drift_browser::tab::Tab;
    let target = eventually("the tab is at its address", async || {
        let targets = connection
            .call("", "Target.getTargets", serde_json::json!({}))
            .await;
        let targets: Value = targets.expect("targets");
        let mut targets = targets["targetInfos"].as_array().expect("a list").iter();
        let tab = targets.find(|target| target["url"] == address)?;
        tab["targetId"].as_str().map(str::to_owned)
    })
    .await;
    let page = Page::attach(connection, &target).await.expect("attached");
    let mut tab = Tab::take(page).await.expect("a tab");
    for (locator, text) in [
        ("label \"Email address\"", "bob@b.example"),
        ("label \"Password\"", "a long password"),
        ("button \"Continue\"", ""),
    ] {
        let locator = Locator::parse(locator).expect("a locator");
        let found = eventually("the field is there", async || {
            tab.find(&locator).await.ok()?.0.pop()
        })
        .await;
        let point = tab
            .reach(&found)
            .await
            .expect("an answer")
            .expect("nothing in the way");
        tab.click(point).await.expect("clicked");
        tab.type_text(text).await.expect("typed");
    }
}
