//! `agentkeys telemetry`: what waits, what was sent, what would be; and the courier's own command.

use std::process::ExitCode;

use clap::Subcommand;
use drift_schema::Micros;
use serde::Serialize;
use uuid::Uuid;

use super::{print, print_json, say};
use crate::config::{Problems, Settings};
use crate::metrics::{self, Measurement};
use crate::scraper::Supervisor;
use crate::telemetry::{Delivery, Dropped, Dsn, Telemetry, Tier};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Whether telemetry is on, where it goes, what waits and what was dropped
    #[command(after_help = "Example: agentkeys telemetry status --json")]
    Status {
        #[arg(long)]
        json: bool,
    },
    /// Send everything that waits, now
    #[command(
        after_help = "Example: agentkeys telemetry flush\n\nExits with 1 when something still waits."
    )]
    Flush {
        #[arg(long)]
        json: bool,
    },
    /// Print what would be sent: the reports that wait, one a line, byte for byte
    #[command(
        after_help = "Example: agentkeys telemetry show-payload | jq .\n\nWith nothing waiting it prints an example."
    )]
    ShowPayload,
    /// Send in the background (started by the other commands)
    #[command(hide = true)]
    Deliver {
        /// First this one, with the answer on standard output
        #[arg(long)]
        report: Option<Uuid>,
        /// A measurement for the collector
        #[arg(long)]
        export: Option<String>,
    },
}

pub(super) async fn run(
    settings: &Settings,
    supervisor: &Supervisor,
    command: Command,
) -> anyhow::Result<ExitCode> {
    let telemetry = Telemetry::new(settings, supervisor.program());
    match command {
        Command::Status { json } => status(&telemetry, json),
        Command::Flush { json } => flush(&telemetry, json).await,
        Command::ShowPayload => show_payload(&telemetry),
        Command::Deliver { report, export } => {
            deliver(settings, &telemetry, report, export).await;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[derive(Serialize)]
struct Status<'a> {
    telemetry: Tier,
    /// Without its key.
    dsn: Option<&'a str>,
    problem: Option<String>,
    waiting: usize,
    sent: u64,
    dropped: Dropped,
    failures: u32,
    last_attempt: Option<Micros>,
    last_error: Option<String>,
    /// The backend asked to be left alone until then.
    silent_until: Option<Micros>,
}

fn status(telemetry: &Telemetry, json: bool) -> anyhow::Result<ExitCode> {
    let state = telemetry.state.read();
    let now = Micros::now();
    let status = Status {
        telemetry: telemetry.tier,
        dsn: telemetry.dsn.as_ref().map(Dsn::shown),
        problem: telemetry.problem(),
        waiting: telemetry.queue.ids().len(),
        sent: state.sent,
        dropped: state.dropped,
        failures: state.failures,
        last_attempt: state.last_attempt,
        silent_until: state.silent_until.filter(|_| !state.server_allows(now)),
        last_error: state.last_error,
    };
    if json {
        return print_json(&status);
    }
    let tier = match status.telemetry {
        Tier::Off => "off (AGENTKEYS_TELEMETRY=1 turns it on)",
        Tier::Reports => "on",
        Tier::Evidence => "on, with masked screenshots",
    };
    let mut lines = vec![
        format!("telemetry  {tier}"),
        format!("backend    {}", status.dsn.unwrap_or("none (DRIFT_DSN)")),
        format!("waiting    {}", status.waiting),
        format!("sent       {}", status.sent),
    ];
    let Dropped {
        queue_full,
        too_old,
        damaged,
        refused,
        pictures,
    } = status.dropped;
    let dropped = status.dropped.reports();
    lines.push(if dropped == 0 {
        "dropped    0".to_owned()
    } else {
        format!(
            "dropped    {dropped} (queue full {queue_full}, too old {too_old}, damaged {damaged}, refused {refused})"
        )
    });
    if pictures > 0 {
        lines.push(format!(
            "           and {pictures} screenshots, whose reports went without"
        ));
    }
    if let (Some(at), Some(why)) = (status.last_attempt, &status.last_error) {
        lines.push(format!("last error {why}, at {at}"));
    }
    if let Some(until) = status.silent_until {
        lines.push(format!(
            "           the backend asked for silence until {until}"
        ));
    }
    if let Some(problem) = &status.problem {
        lines.push(format!("problem    {problem}"));
    }
    print(&(lines.join("\n") + "\n"))
}

async fn flush(telemetry: &Telemetry, json: bool) -> anyhow::Result<ExitCode> {
    if telemetry.tier == Tier::Off {
        let waiting = telemetry.queue.ids().len();
        let text = format!("telemetry is off: nothing was sent, {waiting} wait");
        return Err(Problems::one(text).into());
    }
    let state = telemetry.state.read();
    if let (Some(until), false) = (state.silent_until, state.server_allows(Micros::now())) {
        let waiting = telemetry.queue.ids().len();
        anyhow::bail!("the backend asked for silence until {until}; {waiting} wait");
    }
    let Some(delivery) = Delivery::new(telemetry) else {
        let problem = telemetry.problem();
        return Err(Problems::one(problem.unwrap_or_default()).into());
    };
    let drained = delivery.rest().await;
    if json {
        print_json(&drained)?;
    } else {
        let mut text = format!("sent {}, {} still wait", drained.sent, drained.waiting);
        if drained.dropped > 0 {
            text += &format!(", {} dropped for good", drained.dropped);
        }
        if let Some(why) = &drained.stopped {
            text += &format!(": {why}");
        }
        print(&(text + "\n"))?;
    }
    Ok(ExitCode::from(u8::from(drained.waiting > 0)))
}

fn show_payload(telemetry: &Telemetry) -> anyhow::Result<ExitCode> {
    let waiting = telemetry.queue.waiting();
    if waiting.is_empty() {
        say("nothing waits; this is what a report looks like:");
        return print(EXAMPLE);
    }
    let lines: String = waiting
        .into_iter()
        .map(|waiting| waiting.payload + "\n")
        .collect();
    print(&lines)
}

const EXAMPLE: &str = concat!(
    r#"{"report_id":"01a1fdeb-0000-7000-8000-000000000000","service":"openai","#,
    r#""tripwire":{"kind":"selector-missing","step":"signup-form"},"#,
    r#""dom_digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","#,
    r#""url_host":"platform.openai.com","scraper_version":"1.4.2"}"#,
    "\n"
);

/// The courier's work. Nobody reads its exit code, and only the first line may have a reader.
async fn deliver(
    settings: &Settings,
    telemetry: &Telemetry,
    report: Option<Uuid>,
    export: Option<String>,
) {
    // Out of the terminal's and the parent's reach. Fails for a leader of a group, who is out of it already.
    let _ = rustix::process::setsid();
    if let Some(mut delivery) = Delivery::new(telemetry) {
        if let Some(id) = report {
            let sent = delivery.first(id).await;
            if let Ok(line) = serde_json::to_string(&sent) {
                let _ = print(&(line + "\n"));
            }
        }
        // A new report is always tried once; what waits from earlier keeps its pause.
        let may_send = telemetry.state.read().may_send(Micros::now());
        if may_send && !delivery.is_stopped() {
            delivery.rest().await;
        }
    }
    if let (Some(endpoint), Some(measurement)) = (&settings.otlp, export)
        && let Ok(measurement) = serde_json::from_str::<Measurement>(&measurement)
    {
        let endpoint = endpoint.clone();
        let exported =
            tokio::task::spawn_blocking(move || metrics::export(&endpoint, &measurement));
        let _ = exported.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_report() {
        let report = drift_schema::Report::parse(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(serde_json::to_string(&report).unwrap() + "\n", EXAMPLE);
    }
}
