//! `agentkeys provision`: the answer on standard output, everything else on standard error.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::process::ExitCode;

use drift_schema::Service;
use tokio::signal::unix::{SignalKind, signal};

use super::progress::Progress;
use super::{kind_name, print, print_json, say};
use crate::config::Settings;
use crate::provision::{Provisioner, Summary};
use crate::scraper::Supervisor;

pub(super) async fn run(
    settings: Settings,
    supervisor: Supervisor,
    service: &Service,
    force: bool,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let progress = RefCell::new(Progress::new());
    let provisioner = Provisioner::new(settings, supervisor);
    let stop = told_to_stop()?;
    let summary = tokio::select! {
        summary = provisioner.provision(service, force, |stage| progress.borrow_mut().show(&stage), stop) => summary,
        never = Progress::turn(&progress) => match never {},
    };
    progress.borrow_mut().clear();
    for note in &summary.notes {
        say(&format!("note: {note}"));
    }
    if json {
        print_json(&summary)?;
    } else {
        tell(&summary)?;
    }
    Ok(ExitCode::from(summary.exit_code))
}

fn tell(summary: &Summary) -> anyhow::Result<()> {
    let service = &summary.service;
    match (&summary.key, summary.outcome) {
        (Some(key), _) => {
            say(&format!("{service}: {}", summary.message));
            if let Some(place) = &summary.stored_in {
                say(&format!("the whole key is in {place}"));
            }
            print(&format!("{key}\n"))?;
        }
        (None, "needs_fallback") => {
            print(&tripwire(summary))?;
        }
        (None, _) => {
            let mut text = format!("{service}: {}", summary.message);
            if let Some(stderr) = &summary.stderr {
                let indented = stderr.replace('\n', "\n    ");
                let _ = write!(
                    text,
                    "\n  The last lines of its standard error:\n    {indented}"
                );
            }
            let (code, advice) = (summary.code.unwrap_or_default(), summary.advice);
            let _ = write!(text, "\n  {} ({code})", advice.unwrap_or_default());
            say(&text);
        }
    }
    Ok(())
}

fn tripwire(summary: &Summary) -> String {
    let mut text = format!("{}: {}\n", summary.service, summary.message);
    if let (Some(kind), Some(step)) = (summary.kind, &summary.step) {
        let kind = kind_name(kind);
        let _ = writeln!(text, "the page has changed at step {step} ({kind})");
    }
    if let Some(token) = summary.token {
        let _ = writeln!(text, "resume token: {token}");
    }
    if let Some(file) = &summary.fallback_file {
        let _ = writeln!(text, "what the page looked like: {file}");
    }
    text
}

/// Ctrl-C or a polite kill. The scraper has a process group of its own, and hears neither.
fn told_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}
