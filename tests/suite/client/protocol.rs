//! Scrapers that keep to the protocol in their own way, or not at all. Each ending has a name, and nobody is left behind.

use std::process::Stdio;
use std::time::{Duration, Instant};

use harness::agentkeys::{KEY, Machine, interrupt, is_gone, ran};
use harness::{Provider, eventually};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// The code with which a scraper that does this ends.
async fn code_of(actions: &[&str]) -> String {
    let machine = Machine::default();
    code_on(machine, "deadline = \"20s\"", actions).await
}

async fn code_on(mut machine: Machine, more: &str, actions: &[&str]) -> String {
    machine.scraper("openai", more, actions);
    let ran = machine.provision().await;
    machine.assert_secret(&[KEY], &[&ran]);
    let answer = ran.json();
    let code = answer["code"].as_str().expect("a code").to_owned();
    assert_eq!(
        machine.audit().len(),
        if code == "NEEDS_FALLBACK" { 3 } else { 2 }
    );
    code
}

#[tokio::test]
async fn every_ending_has_its_name() {
    let success = format!("success:{KEY}");
    let success = success.as_str();
    let tripwire = "tripwire:unexpected-nav:login";
    for (actions, code) in [
        (&[tripwire][..], "NEEDS_FALLBACK"),
        (&["error:bad_credentials"], "SCRAPER_ERROR"),
        (&["error:captcha", "exit:4"], "SCRAPER_ERROR"),
        (&[], "SCRAPER_NO_TERMINAL_LINE"),
        (&["progress:login", "exit:3"], "SCRAPER_NO_TERMINAL_LINE"),
        (&["progress:login", "die"], "SCRAPER_NO_TERMINAL_LINE"),
        (&["error:captcha", tripwire], "SCRAPER_TWO_TERMINAL_LINES"),
        (&[tripwire, success], "SCRAPER_TWO_TERMINAL_LINES"),
        (
            &[success, "progress:login"],
            "SCRAPER_OUTPUT_AFTER_TERMINAL",
        ),
        (&[tripwire, "line:bye"], "SCRAPER_OUTPUT_AFTER_TERMINAL"),
        (&[success, "exit:1"], "SCRAPER_NON_ZERO_EXIT"),
        (&[success, "die"], "SCRAPER_NON_ZERO_EXIT"),
        (&["line:hello"], "SCRAPER_MALFORMED_LINE"),
        (&["line:{\"type\":\"surprise\"}"], "SCRAPER_MALFORMED_LINE"),
        (&["bytes:7b22747970652200ff7d0a"], "SCRAPER_MALFORMED_LINE"),
        (&["bytes:00000a"], "SCRAPER_MALFORMED_LINE"),
        (
            &["raw:{\"type\":\"success\",\"api_k", "die"],
            "SCRAPER_CUT_SHORT",
        ),
        (&["long-line:100"], "SCRAPER_LINE_TOO_LONG"),
        (&["close", "sleep"], "SCRAPER_NO_TERMINAL_LINE"),
    ] {
        assert_eq!(code_of(actions).await, code, "{actions:?}");
    }
}

#[tokio::test]
async fn a_malformed_line_is_told_by_its_number_and_not_by_its_words() {
    let line = format!("line:{{\"type\":\"success\",\"api_key\":\"{KEY}\",}}");
    let machine = Machine::scraping(&["progress:login", "line:", &line]);
    let ran = machine.provision().await.ended(1);
    let why = ran.json()["message"].as_str().unwrap().to_owned();
    assert!(
        why.contains("line 3") && why.contains("not well-formed JSON"),
        "{why}"
    );
    machine.assert_secret(&[KEY], &[&ran]);
}

#[tokio::test]
async fn a_scraper_that_is_not_there_is_told_with_what_to_do() {
    let machine = Machine::default();
    let toml = "[scrapers.openai]\ncommand = [\"no-such-scraper\"]\n";
    std::fs::write(machine.path("scrapers.toml"), toml).unwrap();
    let ran = machine.run(&["provision", "openai"]).await.ended(1);
    for words in ["SCRAPER_NOT_STARTED", "No such file", "PATH"] {
        assert!(ran.stderr.contains(words), "{}", ran.stderr);
    }
}

#[tokio::test]
async fn progress_is_seen_while_the_scraper_runs() {
    let machine = Machine::default();
    let go_on = machine.file("await", "go-on");
    let mut machine = machine;
    machine.scraper(
        "openai",
        "",
        &["progress:signup-form", &go_on, "error:captcha"],
    );
    let mut command = machine.command(&["provision", "openai"]);
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "signup-form");
    assert!(child.try_wait().unwrap().is_none());
    std::fs::write(machine.path("go-on"), "").unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(1));
}

#[tokio::test]
async fn a_host_that_reads_no_standard_error_holds_up_nobody() {
    let steps: Vec<String> = (0..990)
        .map(|number| format!("progress:{}{number}", "x".repeat(90)))
        .collect();
    let mut steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    steps.push("error:captcha");
    let machine = Machine::scraping(&steps);
    let mut command = machine.command(&["provision", "openai", "--json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let unread = child.stderr.take();
    let ended = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output());
    let answer = ended.await.expect("it ends by itself").unwrap().stdout;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["code"], "SCRAPER_ERROR");
    drop(unread);
}

#[tokio::test]
async fn a_host_that_ignores_its_children_changes_no_ending() {
    // Such a host hands the ignoring down, and then nobody could wait for anybody.
    let provider = Provider::with(&[KEY]).await;
    let machine = provider.for_machine(Machine::scraping(&[&format!("success:{KEY}")]));
    let host = machine.under("--ignore-signal=CHLD");
    let answer = ran(host).await.ended(0).json();
    assert_eq!(answer["outcome"], "provisioned");
}

#[tokio::test]
async fn a_scraper_that_explains_at_length_is_quoted_in_short() {
    let details = "word ".repeat(100_000);
    let mut machine = Machine::default();
    std::fs::write(
        machine.path("novel"),
        format!("{{\"type\":\"error\",\"code\":\"captcha\",\"details\":\"{details}\"}}\n"),
    )
    .unwrap();
    machine.scraper("openai", "", &["file:novel"]);
    let ran = machine.provision().await.ended(1);
    let message = ran.json()["message"].as_str().unwrap().to_owned();
    assert!(message.starts_with("the scraper gave up with captcha: word word"));
    assert!(message.len() < 3_000, "{} bytes", message.len());
}

#[tokio::test]
async fn a_scraper_sees_what_it_was_granted_and_nothing_else() {
    let mut machine = Machine::default()
        .with("LANG", "C.UTF-8")
        .with("SECRET_OF_ANOTHER", "x")
        .with("GRANTED", "yes")
        .with("PASSWORD_FILE", "password");
    std::fs::write(machine.path("password"), "hunter2\n").unwrap();
    let show = machine.file("env", "seen");
    let grant = "grant = [\"GRANTED\", \"PASSWORD\", \"MISSING\"]";
    machine.scraper("openai", grant, &[&show, "error:captcha"]);
    machine.provision().await.ended(1);
    let seen = std::fs::read_to_string(machine.path("seen")).unwrap();
    let expected = format!(
        "GRANTED=yes\nHOME={}\nLANG=C.UTF-8\nPASSWORD=hunter2\nPATH=/usr/bin:/bin\n",
        machine.folder().display()
    );
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_a_scraper_says_on_standard_error_is_shown_without_secrets() {
    let mut machine = Machine::default().with("PASSWORD", "correct horse battery");
    let (key, password) = (
        format!("stderr:found {KEY}"),
        "stderr:typing correct horse battery",
    );
    let success = format!("success:{KEY}");
    let noise = ["noise:3", "stderr:", &key, password, &success, "exit:9"];
    machine.scraper("openai", "grant = [\"PASSWORD\"]", &noise);
    let ran = machine.run(&["provision", "openai"]).await.ended(1);
    assert!(
        ran.stderr.contains("found sk-proj-****...1cY6"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("typing ****"), "{}", ran.stderr);
    assert!(ran.stderr.len() < 2_000, "{}", ran.stderr.len());
    machine.assert_secret(&[KEY, "correct horse"], &[&ran]);
}

#[tokio::test]
async fn at_the_deadline_everything_that_was_started_ends() {
    for (verb, last) in [("fork", "sleep"), ("detach", "sleep"), ("detach", "close")] {
        let machine = Machine::default();
        let child = machine.file(verb, "child");
        let mut machine = machine;
        // `close` and then waiting for a file that never comes: silent, but alive.
        let never = machine.file("await", "never");
        let last = if last == "close" { &never } else { last };
        machine.scraper(
            "openai",
            "deadline = \"2s\"",
            &[&child, "progress:login", last],
        );
        let started = Instant::now();
        let answer = machine.provision().await.ended(1).json();
        assert_eq!(answer["code"], "SCRAPER_DEADLINE");
        assert!(started.elapsed() < Duration::from_secs(6), "{verb}");
        assert!(is_gone(&machine.path("child")), "{verb} is left behind");
    }
}

#[tokio::test]
async fn a_grandchild_that_holds_the_output_open_holds_up_nobody() {
    for verb in ["fork", "detach"] {
        let mut machine = Machine::default();
        let child = machine.file(verb, "child");
        // The grandchild says that it is there by its file: only then the scraper may end.
        let there = machine.file("await", "child");
        machine.scraper("openai", "", &[&child, &there, "tripwire:timeout:login"]);
        let ran = machine.provision().await.ended(3);
        assert!(ran.took < Duration::from_secs(4), "{verb}: {:?}", ran.took);
        assert!(is_gone(&machine.path("child")), "{verb} is left behind");
    }
}

#[tokio::test]
async fn a_scraper_that_lingers_after_its_last_line_is_ended() {
    let machine = Machine::scraping(&["tripwire:timeout:login", "sleep"]);
    let ran = machine.provision().await.ended(3);
    assert!(ran.took < Duration::from_secs(9), "{:?}", ran.took);
}

#[tokio::test]
async fn when_told_to_stop_the_scraper_goes_first_and_the_audit_has_the_end() {
    let mut machine = Machine::default();
    let (child, there) = (
        machine.file("detach", "child"),
        machine.file("await", "child"),
    );
    let began = machine.file("touch", "began");
    machine.scraper("openai", "", &[&child, &there, &began, "sleep"]);
    let mut command = machine.command(&["provision", "openai", "--json"]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    eventually("the scraper runs", async || {
        machine.path("began").exists().then_some(())
    })
    .await;
    interrupt(&child).await;
    let output = child.wait_with_output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["code"], "INTERRUPTED");
    eventually("nobody is left", async || {
        is_gone(&machine.path("child")).then_some(())
    })
    .await;
    assert_eq!(machine.audit(), ["started", "finished failed INTERRUPTED"]);
}

#[tokio::test]
async fn who_is_told_to_outlive_the_terminal_does() {
    let mut machine = Machine::default();
    let (began, go_on) = (
        machine.file("touch", "began"),
        machine.file("await", "go-on"),
    );
    machine.scraper("openai", "", &[&began, &go_on, "error:captcha"]);
    // As `nohup` does it.
    let mut host = machine.under("--ignore-signal=HUP");
    let child = host.stdout(Stdio::piped()).spawn().unwrap();
    eventually("the scraper runs", async || {
        machine.path("began").exists().then_some(())
    })
    .await;
    let line = format!("kill -HUP {}", child.id().unwrap());
    let mut told = tokio::process::Command::new("sh");
    assert!(told.args(["-c", &line]).status().await.unwrap().success());
    std::fs::write(machine.path("go-on"), "").unwrap();
    let output = child.wait_with_output().await.unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["code"], "SCRAPER_ERROR");
}

#[tokio::test]
async fn a_flood_is_read_in_bounded_memory() {
    for (actions, code) in [
        (&["flood:300", "error:captcha"][..], "SCRAPER_ERROR"),
        (&["long-line:100"], "SCRAPER_LINE_TOO_LONG"),
        (&["noise:300", "error:captcha"], "SCRAPER_ERROR"),
    ] {
        let machine = Machine::scraping(actions);
        let mut command = machine.command(&["provision", "openai", "--json"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        let mut peak = 0;
        let ended = child.wait_with_output();
        tokio::pin!(ended);
        let output = loop {
            tokio::select! {
                output = &mut ended => break output.unwrap(),
                () = tokio::time::sleep(Duration::from_millis(10)) => peak = peak.max(peak_of(pid)),
            }
        };
        let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["code"], code);
        assert!(peak < 80 * 1024, "{peak} KiB for {actions:?}");
    }
}

/// Most resident memory so far, in KiB.
fn peak_of(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    number.unwrap_or(0)
}
