//! What `agentkeys` costs its caller: reading a flood, running a scraper, and a backend that cannot be reached.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use crate::options::ClientArgs;
use crate::process;
use crate::report::{Row, Table, median};

/// Short lines are the hardest. One that is said again need not be read again, two in turn have to be.
const ONE_LINE: &str = "{\"type\":\"progress\",\"step\":\"signup-form\"}\n";
const TWO_LINES: &str = concat!(
    r#"{"type":"progress","step":"signup-form"}"#,
    "\n",
    r#"{"type":"progress","step":"otp"}"#,
    "\n"
);
const TRIPWIRE: &str = concat!(
    r#"{"type":"tripwire","kind":"selector-missing","step":"signup-form","url":"https://platform.openai.com/signup","#,
    r#""dom_digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#
);

pub fn run(args: &ClientArgs) -> Result<Vec<Table>> {
    let program = args.program()?;
    let directory = args.directory()?;
    Ok(vec![
        flood(&program, &directory, args.mebibytes)?,
        overhead(&program, &directory, args.rounds)?,
        unreachable(&program, &directory, args.rounds)?,
    ])
}

/// The scraper of the flood: started by this program through `agentkeys`.
pub fn write_flood(mebibytes: u64, in_turn: bool) -> Result<()> {
    use std::io::Write as _;
    let lines = if in_turn { TWO_LINES } else { ONE_LINE };
    let block = lines.repeat(64 * 1024 / lines.len());
    let mut stdout = std::io::stdout().lock();
    for _ in 0..(mebibytes * 1024 * 1024).div_ceil(block.len() as u64) {
        stdout.write_all(block.as_bytes())?;
    }
    stdout.write_all(b"{\"type\":\"error\",\"code\":\"done\"}\n")?;
    Ok(stdout.flush()?)
}

fn flood(program: &Path, directory: &Path, mebibytes: u64) -> Result<Table> {
    let mut table = Table::new("a flood of progress lines");
    let itself = std::env::current_exe()?;
    let words = ["flood".to_owned(), mebibytes.to_string()];
    let plain = Command::new(&itself)
        .args(&words)
        .stdout(Stdio::piped())
        .spawn()?;
    let (time, _) = read_all(plain)?;
    let rate = |time: Duration| mebibytes as f64 * 1.048_576 / time.as_secs_f64();
    table.push(Row::new("read and thrown away", rate(time), "MB/s"));

    for (what, flag) in [
        ("one line again and again", None),
        ("two in turn", Some("--in-turn")),
    ] {
        let mut command = vec![itself.display().to_string()];
        command.extend(words.iter().cloned().chain(flag.map(str::to_owned)));
        let place = Place::new(directory, &command)?;
        let child = place.provision(program).stdout(Stdio::null()).spawn()?;
        let (time, peak) = watch(child)?;
        table.push(
            Row::new(
                format!("read by agentkeys provision, {what}"),
                rate(time),
                "MB/s",
            )
            .against("a child's", 200.0)
            .at_least(1.0),
        );
        let peak = peak as f64 / 1024.0 / 1024.0;
        table.push(Row::new("its peak memory", peak, "MB").under(50.0));
    }
    Ok(table)
}

fn overhead(program: &Path, directory: &Path, rounds: usize) -> Result<Table> {
    let mut table = Table::new("one tripwire, telemetry off");
    let script = format!("echo '{TRIPWIRE}'");
    let place = Place::new(
        directory,
        &["sh".to_owned(), "-c".to_owned(), script.clone()],
    )?;
    let (mut direct, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        direct.push(timed(Command::new("sh").args(["-c", &script]), 0)?);
        ours.push(timed(&mut place.provision(program), 3)?);
    }
    let fsync = fsync_of(place.folder.path())?;
    let (direct, ours) = (median(direct), median(ours));
    table.push(Row::new("the scraper alone", direct, "ms"));
    table.push(Row::new("through agentkeys provision", ours, "ms"));
    table.push(
        Row::new("one fsync here", fsync, "ms")
            .note("a tripwire takes five: audit, fallback and their folder"),
    );
    table.push(Row::new("what agentkeys adds", ours - direct, "ms").under(10.0));
    Ok(table)
}

fn unreachable(program: &Path, directory: &Path, rounds: usize) -> Result<Table> {
    let mut table =
        Table::new("one tripwire after half a second of work, telemetry on, backend unreachable");
    let script = format!("sleep 0.5; echo '{TRIPWIRE}'");
    let command = ["sh".to_owned(), "-c".to_owned(), script];
    // Takes connections, and never says a word: the worst of them.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent = format!("http://key@{}/", silent.local_addr()?);
    let off = Place::new(directory, &command)?;
    for (what, dsn) in [
        ("refuses connections", "http://key@127.0.0.1:1/"),
        ("says nothing", silent.as_str()),
    ] {
        let on = Place::new(directory, &command)?;
        let reporting = |place: &Place| {
            let mut command = place.provision(program);
            command
                .env("AGENTKEYS_TELEMETRY", "1")
                .env("DRIFT_DSN", dsn);
            command
        };
        let first = timed(&mut reporting(&on), 3)?;
        wait_for_failure(&on)?;
        let (mut without, mut with) = (Vec::new(), Vec::new());
        for _ in 0..rounds.div_ceil(4) {
            without.push(timed(&mut off.provision(program), 3)?);
            with.push(timed(&mut reporting(&on), 3)?);
        }
        let (without, with) = (median(without), median(with));
        table.push(
            Row::new(format!("it {what}"), with, "ms")
                .against("off", without)
                .at_most(1.05),
        );
        table.push(
            Row::new(format!("it {what}, the first time ever"), first, "ms")
                .against("off", without)
                .note("waits a quarter of a second at most for an answer, once"),
        );
    }
    Ok(table)
}

/// A folder with a scraper for `openai` and a home.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new(directory: &Path, command: &[String]) -> Result<Self> {
        let folder = tempfile::tempdir_in(directory)?;
        let command = json!(command);
        let toml = format!("[scrapers.openai]\ncommand = {command}\n");
        std::fs::write(folder.path().join("scrapers.toml"), toml)?;
        Ok(Self { folder })
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn provision(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args(["provision", "openai", "--json"])
            .current_dir(self.folder.path())
            .env_remove("AGENTKEYS_TELEMETRY")
            .env("AGENTKEYS_HOME", self.home())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Wall time in milliseconds of a command that has to end with this code.
fn timed(command: &mut Command, code: i32) -> Result<f64> {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    let time = started.elapsed();
    if status.code() != Some(code) {
        bail!("{command:?} ended with {status}");
    }
    Ok(time.as_secs_f64() * 1e3)
}

fn read_all(mut child: Child) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut stdout = child.stdout.take().context("piped")?;
    let bytes = std::io::copy(&mut stdout, &mut std::io::sink())?;
    child.wait()?;
    Ok((started.elapsed(), bytes))
}

/// Until it ends: the time, and the most memory that was seen.
fn watch(mut child: Child) -> Result<(Duration, u64)> {
    let started = Instant::now();
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = process::resident(child.id()).map_or(peak, |resident| peak.max(resident.peak));
        pause();
    }
    Ok((started.elapsed(), peak))
}

/// The courier outlives the command; the next one is a second attempt only when it has failed.
fn wait_for_failure(place: &Place) -> Result<()> {
    let state = place.home().join("telemetry/state.json");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !state.exists() {
        if Instant::now() > deadline {
            bail!("the courier has not failed");
        }
        pause();
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own looks at another process"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn fsync_of(folder: &Path) -> Result<f64> {
    use std::io::Write as _;
    let mut file = std::fs::File::create(folder.join("fsync"))?;
    let mut times = Vec::new();
    for _ in 0..20 {
        file.write_all(&[0; 512])?;
        let started = Instant::now();
        file.sync_all()?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    Ok(median(times))
}
