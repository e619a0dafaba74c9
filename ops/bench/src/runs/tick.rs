//! What a pass of the runner costs: with nothing to do, and with five hundred fresh drifts of fifty services whose scrapers
//! answer at once.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;

use crate::database::Place;
use crate::options::Common;
use crate::process;
use crate::report::{Row, Table, median};
use crate::server::Installation;

const SERVICES: usize = 50;
const STEPS: usize = 10;

pub async fn run(common: &Common, runner: &Path, rounds: usize) -> Result<Vec<Table>> {
    let directory = common.directory()?;
    let mut tables = Vec::new();
    for &kind in common.database.kinds() {
        let mut table = Table::new(format!("a pass of the runner, {kind}"));
        eprintln!("{}", table.title);
        let mut place = Place::new(kind, &directory)?;
        let store = place.store().await?;
        let installation = Installation::new(common, &store)?;
        let (ingest, key) = (installation.key("ingest")?, installation.key("runner")?);
        let server = installation.serve()?;
        let post = Post {
            runner,
            folder: tempfile::tempdir_in(&directory)?,
            address: server.address,
            key,
        };
        post.write_scrapers()?;

        // The first one pays for cold files.
        post.tick()?;
        let mut empty = Vec::new();
        for _ in 0..rounds {
            let started = Instant::now();
            post.tick()?;
            empty.push(started.elapsed().as_secs_f64() * 1e3);
        }
        table.push(Row::new("nothing to do, start to end", median(empty), "ms").under(50.0));

        report_all(server.address, &ingest)?;
        let (time, peak) = watch(post.command().spawn()?)?;
        let issues = std::fs::read_dir(post.folder.path().join("drift-issues"))?.flatten();
        let issues = issues
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "md"))
            .count();
        if issues != SERVICES {
            bail!("{issues} issues, and not {SERVICES}");
        }
        table.push(
            Row::new(
                format!(
                    "{} drifts of {SERVICES} services, claim to finish",
                    SERVICES * STEPS
                ),
                time.as_secs_f64(),
                "s",
            )
            .under(30.0),
        );
        table.push(Row::new("its peak memory", peak as f64 / 1024.0 / 1024.0, "MB").under(100.0));
        server.stop()?;
        tables.push(table);
    }
    Ok(tables)
}

/// A folder for the runner, with the local tracker.
struct Post<'a> {
    runner: &'a Path,
    folder: tempfile::TempDir,
    address: SocketAddr,
    key: String,
}

impl Post<'_> {
    /// Each scraper passes nine of the ten steps and trips at the last, so that one start decides all of them.
    fn write_scrapers(&self) -> Result<()> {
        let mut lines = String::new();
        for step in 0..STEPS {
            write!(lines, r#"{{"type":"progress","step":"step-{step}"}}\n"#)?;
        }
        let last = STEPS - 1;
        write!(
            lines,
            r#"{{"type":"tripwire","kind":"selector-missing","step":"step-{last}","url":"https://a.example/"}}\n"#
        )?;
        let command = json!(["printf", lines]);
        let mut text = String::new();
        for service in 0..SERVICES {
            writeln!(
                text,
                "[scrapers.service-{service}]\ncommand = {command}\nbudget = {{ per_day = 1000, cooldown = \"1ms\" }}"
            )?;
        }
        Ok(std::fs::write(
            self.folder.path().join("scrapers.toml"),
            text,
        )?)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.runner);
        command
            .arg("tick")
            .current_dir(self.folder.path())
            .env("DRIFT_API_URL", format!("http://{}", self.address))
            .env("DRIFT_RUNNER_KEY", &self.key)
            .env("DRIFT_TRACKER", "local")
            .env("DRIFT_NEW_ISSUES_PER_TICK", "100000")
            .env("DRIFT_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn tick(&self) -> Result<()> {
        let status = self.command().status()?;
        if status.success() {
            Ok(())
        } else {
            bail!("drift-runner ended with {status}")
        }
    }
}

fn report_all(address: SocketAddr, key: &str) -> Result<()> {
    let mut lines = String::new();
    for (service, step) in
        (0..SERVICES).flat_map(|service| (0..STEPS).map(move |step| (service, step)))
    {
        let report = json!({
            "service": format!("service-{service}"),
            "tripwire": {"kind": "selector-missing", "step": format!("step-{step}")},
            "dom_digest": "ab".repeat(32), "url_host": "a.example", "scraper_version": "1.4.2",
        });
        writeln!(lines, "{report}")?;
    }
    let mut socket = TcpStream::connect(address)?;
    write!(
        socket,
        "POST /drift/reports HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\ncontent-type: application/x-ndjson\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{lines}",
        lines.len()
    )?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer)?;
    if !answer.contains("\"rejected\":[]") {
        bail!("not all reports were taken: {answer}");
    }
    Ok(())
}

/// The wall time of a process, and the most memory that it had.
fn watch(mut child: Child) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = process::resident(child.id()).map_or(peak, |resident| peak.max(resident.peak));
        pause();
    };
    if status.success() {
        Ok((started.elapsed(), peak))
    } else {
        bail!("drift-runner ended with {status}")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own looks at another process"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
