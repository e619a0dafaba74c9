//! Homes that cannot be written. Nothing is begun that could not be written down.

use std::process::Stdio;

use harness::Machine;
use harness::agentkeys::{program, ran};
use tokio::process::Command;

#[tokio::test]
async fn without_a_home_that_can_be_written_nothing_is_begun() {
    let mut machine = Machine::default();
    let began = machine.file("touch", "began");
    machine.scraper("openai", "", &[&began, "tripwire:timeout:login"]);
    // A folder in which nobody can make anything, root included.
    let machine = machine.with("AGENTKEYS_HOME", "/proc/self/home");
    let ran = machine.run(&["provision", "openai"]).await.ended(1);
    assert!(
        ran.stderr.contains("AUDIT_FAILED") && ran.stderr.contains("AGENTKEYS_HOME"),
        "{}",
        ran.stderr
    );
    assert!(!machine.path("began").exists());
    // The other commands say so, or have nothing to say.
    machine.run(&["telemetry", "status"]).await.ended(0);
    machine.run(&["audit"]).await.ended(0);
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_begun_and_no_half_line_is_left() {
    let mut machine = Machine::default();
    let began = machine.file("touch", "began");
    machine.scraper("openai", "", &[&began, "tripwire:timeout:login"]);
    machine.provision().await.ended(3);
    let before = machine.audit();
    std::fs::remove_file(machine.path("began")).unwrap();

    let full = limited(&machine, 0);
    let full = ran(full).await.ended(1);
    assert_eq!(full.json()["code"], "AUDIT_FAILED");
    assert_eq!(machine.audit(), before);
    assert!(!machine.path("began").exists());
}

#[tokio::test]
async fn a_disk_that_fills_up_meanwhile_costs_the_picture_and_not_the_answer() {
    let resource = format!("resource:account:{}", "x".repeat(500));
    let actions = [resource.as_str(), &resource, "evidence:timeout:login"];
    let machine = Machine::scraping(&actions).reporting_to("http://k@127.0.0.1:1/");
    // One block of 1,024 bytes: the lines of the audit fit, the state of the page does not.
    let ran = ran(limited(&machine, 1)).await.ended(3);
    let answer = ran.json();
    assert_eq!(answer["outcome"], "needs_fallback");
    assert!(answer.get("fallback_file").is_none(), "{answer:#}");
    let notes = answer["notes"].to_string();
    assert!(notes.contains("could not be kept"), "{notes}");
}

/// `provision openai --json` where no file may grow beyond so many blocks: what a full disk looks like to a program.
fn limited(machine: &Machine, blocks: u32) -> Command {
    let mut template = machine.command(&[]);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" provision openai --json");
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .arg(program("agentkeys-under-test"))
        .current_dir(machine.folder())
        .env_clear()
        .stdin(Stdio::null());
    for (name, value) in template.as_std_mut().get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
}
