//! What browsers and pages do to those who drive them: each has a name, in time, and no process stays behind.

use std::path::Path;
use std::time::Duration;

use harness::eventually;
use harness::scraper::{Run, Scraper};
use harness::site::{OPENROUTER, RunningSite};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

/// Processes that descend from one, with their command lines.
fn descendants(root: u32) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut parents = vec![root];
    let all: Vec<(u32, u32)> = std::fs::read_dir("/proc")
        .expect("/proc")
        .flatten()
        .filter_map(|entry| {
            let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
            let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?;
            Some((pid, parent.parse().ok()?))
        })
        .collect();
    while let Some(parent) = parents.pop() {
        for (pid, _) in all.iter().filter(|(_, of)| *of == parent) {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            found.push((*pid, String::from_utf8_lossy(&line).replace('\0', " ")));
            parents.push(*pid);
        }
    }
    found
}

fn kill(pid: u32, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .status();
    assert!(status.expect("kill runs").success());
}

fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie is dead; whoever adopted it has yet to look.
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

async fn all_gone(processes: &[(u32, String)]) {
    eventually("every process of the browser ends", async || {
        processes.iter().all(|(pid, _)| !lives(*pid)).then_some(())
    })
    .await;
}

/// A run that has come to where it waits for something that a page never shows.
async fn waiting(site: &RunningSite) -> (Child, Scraper, Vec<(u32, String)>) {
    let scraper = Scraper::default();
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"one\"\ndo = [{{ goto = \"{base}/\" }}]\nexpect = 'heading'\n\
         [[step]]\nname = \"two\"\nsettle = \"60s\"\ndeadline = \"60s\"\ndo = [{{ wait-for = 'button \"Nobody\"' }}]\n",
        base = site.base
    ));
    let mut child = scraper.start(&["run", flow.to_str().expect("UTF-8")]);
    let mut lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
    loop {
        let line = lines.next_line().await.expect("readable").expect("a line");
        if line.contains("\"step\":\"two\"") {
            break;
        }
    }
    let processes = descendants(child.id().expect("running"));
    assert!(processes.len() > 2, "{processes:?}");
    (child, scraper, processes)
}

async fn ended(child: Child) -> Run {
    let output = tokio::time::timeout(Duration::from_secs(30), child.wait_with_output());
    let output = output.await.expect("it ends in time").expect("it runs");
    Run::read(&output, Duration::ZERO)
}

#[tokio::test]
async fn a_browser_that_is_killed_is_an_error_and_leaves_nothing_behind() {
    let site = RunningSite::start(OPENROUTER, &[], None).await;
    let (child, _scraper, processes) = waiting(&site).await;
    let browser = processes
        .iter()
        .find(|(_, line)| line.contains("--remote-debugging-pipe") && !line.contains("--type="));
    kill(browser.expect("a browser").0, "-KILL");
    let run = ended(child).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error browser_crashed", Some(1)),
        "{}",
        run.errors
    );
    all_gone(&processes).await;
}

#[tokio::test]
async fn a_page_that_crashes_is_an_error_and_leaves_nothing_behind() {
    let site = RunningSite::start(OPENROUTER, &[], None).await;
    let (child, _scraper, processes) = waiting(&site).await;
    for (pid, line) in &processes {
        if line.contains("--type=renderer") {
            kill(*pid, "-KILL");
        }
    }
    let run = ended(child).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error page_crashed", Some(1)),
        "{}",
        run.errors
    );
    all_gone(&processes).await;
}

#[tokio::test]
async fn a_scraper_that_is_told_to_end_says_so_and_takes_its_browser_along() {
    let site = RunningSite::start(OPENROUTER, &[], None).await;
    let (child, _scraper, processes) = waiting(&site).await;
    kill(child.id().expect("running"), "-TERM");
    let run = ended(child).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error interrupted", Some(1)),
        "{}",
        run.errors
    );
    all_gone(&processes).await;
}

#[tokio::test]
async fn a_scraper_that_is_killed_takes_its_browser_along() {
    let site = RunningSite::start(OPENROUTER, &[], None).await;
    let (mut child, _scraper, processes) = waiting(&site).await;
    kill(child.id().expect("running"), "-KILL");
    child.wait().await.expect("it ends");
    all_gone(&processes).await;
}

#[tokio::test]
async fn a_page_of_fifty_megabytes_is_refused_and_not_held_in_memory() {
    let site = RunningSite::start(OPENROUTER, &["huge"], None).await;
    let scraper = Scraper::default();
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"open\"\ndo = [{{ goto = \"{}/sign-up\" }}, {{ click = 'button \"Nobody\"' }}]\n",
        site.base
    ));
    let mut child = scraper.start(&["run", flow.to_str().expect("UTF-8")]);
    let status = format!("/proc/{}/status", child.id().expect("running"));
    let mut peak = 0;
    let output = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("VmHWM:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or_default());
        if child.try_wait().expect("a child").is_some() {
            break child.wait_with_output().await.expect("it ran");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let run = Run::read(&output, Duration::ZERO);
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error page_too_large", Some(1)),
        "{}",
        run.errors
    );
    assert!(peak < 100 << 10, "{peak} kB");
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_a_network_error() {
    let scraper = Scraper::default();
    for (url, ending) in [
        ("http://127.0.0.1:1/", "error network"),
        ("http://nobody.invalid/", "error network"),
        ("https://127.0.0.1:1/", "error network"),
    ] {
        let flow = scraper.flow(&format!(
            "[[step]]\nname = \"open\"\ndo = [{{ goto = \"{url}\" }}]\n"
        ));
        let run = scraper.run(&flow, &[]).await;
        assert_eq!(
            (run.ending().as_str(), run.code),
            (ending, Some(1)),
            "{url}: {}",
            run.errors
        );
        assert!(run.took < Duration::from_secs(20), "{:?}", run.took);
    }
}

#[tokio::test]
async fn what_is_wrong_before_a_browser_starts_is_said_in_one_line() {
    let scraper = Scraper::default();
    let flow = scraper.flow("[[step]]\nname = \"open\"\ndo = [{ goto = \"nowhere\" }]\n");
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error bad_flow", Some(2))
    );
    assert!(run.errors.contains("flow.toml:6:"), "{}", run.errors);

    let flow = scraper.flow("[values]\nmail = { env = \"NOT_SET\" }\n[[step]]\nname = \"open\"\ndo = [{ goto = \"https://${mail}\" }]\n");
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error missing_value", Some(2))
    );
    assert!(run.errors.contains("NOT_SET"), "{}", run.errors);

    let run = scraper.run(Path::new("absent.toml"), &[]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error bad_flow", Some(2))
    );

    let scraper = scraper.with("DRIFT_CHROMIUM", "/nowhere/chromium");
    let flow = scraper.flow("[[step]]\nname = \"open\"\ndo = [{ goto = \"about:blank\" }]\n");
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(
        (run.ending().as_str(), run.code),
        ("error browser_failed", Some(1))
    );
    assert!(run.errors.contains("/nowhere/chromium"), "{}", run.errors);
}

#[tokio::test]
async fn what_a_click_leads_to_may_begin_a_little_later() {
    let scraper = Scraper::default();
    let page = scraper.folder.path().join("late.html");
    let html = "<!doctype html><label>Words <textarea></textarea></label>\
        <button onclick=\"setTimeout(() => document.body.append(Object.assign(document.createElement('h1'), {textContent: 'Done'})), 100)\">Go</button>";
    std::fs::write(&page, html).expect("written");
    // The page has been quiet for long when it is clicked: typing changes nothing in it.
    let flow = scraper.flow(&format!(
        "[[step]]\nname = \"go\"\nsettle = \"500ms\"\ndo = [{{ goto = 'file://{}' }}, {{ fill = 'label \"Words\"', with = '{}' }}, \
         {{ click = 'button \"Go\"' }}]\nexpect = 'heading \"Done\"'\n",
        page.display(),
        "many words ".repeat(60),
    ));
    let run = scraper.run(&flow, &[]).await;
    assert_eq!(run.ending(), "error done", "{}", run.errors);
}
