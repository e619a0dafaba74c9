//! `agentkeys audit`: what was done on this machine, readably.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use anyhow::Context as _;
use drift_schema::Service;
use uuid::Uuid;

use super::{kind_name, print, say};
use crate::audit::{Audit, Entry, Event};
use crate::config::Settings;

#[derive(clap::Args)]
pub(super) struct Args {
    /// Only this service
    #[arg(long)]
    service: Option<Service>,
    /// Only the last lines
    #[arg(long, value_name = "N")]
    last: Option<usize>,
    /// Print the lines as they are, one JSON object each
    #[arg(long)]
    json: bool,
}

pub(super) fn run(settings: &Settings, args: &Args) -> anyhow::Result<ExitCode> {
    let (mut entries, damaged) = Audit::new(&settings.home)
        .read()
        .context("the audit cannot be read")?;
    entries.retain(|entry| {
        args.service
            .as_ref()
            .is_none_or(|wanted| *wanted == entry.service)
    });
    let finished: HashSet<Uuid> = entries
        .iter()
        .filter(|entry| matches!(entry.event, Event::Finished { .. }))
        .map(|entry| entry.attempt)
        .collect();
    let skipped = entries.len() - args.last.unwrap_or(entries.len()).min(entries.len());
    let mut text = String::new();
    let mut numbers = HashMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let next = numbers.len() + 1;
        let number = *numbers.entry(entry.attempt).or_insert(next);
        if index < skipped {
            continue;
        }
        text += &if args.json {
            serde_json::to_string(entry)?
        } else {
            line(entry, number, finished.contains(&entry.attempt))
        };
        text.push('\n');
    }
    if damaged > 0 {
        say(&format!(
            "note: {damaged} lines of the audit could not be read"
        ));
    }
    if entries.is_empty() && !args.json {
        say("nothing was done yet");
    }
    print(&text)
}

fn line(entry: &Entry, number: usize, finished: bool) -> String {
    let what = match &entry.event {
        Event::Started { force, .. } => {
            let force = if *force { ", by force" } else { "" };
            let open = if finished { "" } else { " (no end is known)" };
            format!("provisioning started{force}{open}")
        }
        Event::Tripwire { kind, step, token } => {
            let kind = kind_name(*kind);
            format!("tripwire at {step} ({kind}), token {token}")
        }
        Event::Finished {
            outcome,
            code,
            key,
            duration_seconds,
        } => {
            let mut text = outcome.replace('_', " ");
            if let Some(code) = code.as_ref().filter(|_| outcome == "failed") {
                text += &format!(": {code}");
            }
            if let Some(key) = key {
                text += &format!(", key {key}");
            }
            format!("{text}, after {duration_seconds:.1} s")
        }
        Event::Reported { kind, step, state } => {
            let kind = kind_name(*kind);
            format!("report by hand of {step} ({kind}): {state}")
        }
    };
    // Words of ours and of our own forms; still, a file can be edited.
    crate::mask::printable(&format!(
        "{}  #{number:<4} {:<16} {what}",
        entry.at,
        entry.service.as_str()
    ))
}
