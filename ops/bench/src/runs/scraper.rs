//! From the start of `drift-scraper` to its tripwire, on the provider site of the tests with new terms over the sign-up
//! form; and how much memory our own process takes. The time for a bare browser to start stands beside it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::options::{built, built_somehow};
use crate::process::resident;
use crate::report::{Row, Table, median};

/// Seconds and megabytes that a run may take.
const TARGET_SECONDS: f64 = 2.5;
const TARGET_MEMORY: f64 = 100.0;

pub fn run(rounds: usize) -> Result<Vec<Table>> {
    let mut table = Table::new("Scraper");
    let site = Site::start()?;
    let state = tempfile::tempdir()?;
    let flow = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../flows/openai.toml");
    let mapping = format!("https://platform.openai.com={}", site.base);
    let (mut took, mut peak) = (Vec::new(), 0.0_f64);
    for _ in 0..rounds {
        let (seconds, memory) = tripwire(&flow, &mapping, &state)?;
        took.push(seconds);
        peak = peak.max(memory);
    }
    let slowest = took.iter().copied().fold(0.0, f64::max);
    let bare = median((0..5).map(|_| bare_browser()).collect::<Result<_>>()?);
    let row = Row::new("start to tripwire, median", median(took), "s")
        .against("a bare browser that opens a page and ends", bare)
        .under(TARGET_SECONDS);
    table.push(row.note(format!("the slowest of {rounds} took {slowest:.2} s")));
    table.push(Row::new("resident, peak, our process", peak, "MB").under(TARGET_MEMORY));
    Ok(vec![table])
}

/// One run: seconds to its last line, and megabytes at most.
fn tripwire(flow: &Path, mapping: &str, state: &TempDir) -> Result<(f64, f64)> {
    let began = Instant::now();
    let mut child = Command::new(built("drift-browser", "drift-scraper")?)
        .arg("run")
        .arg(flow)
        .args(["--map", mapping])
        .env("DRIFT_STATE", state.path())
        .env("AGENTKEYS_SIGNUP_EMAIL", "alice@mail.example")
        .env("AGENTKEYS_EMAIL_PASSWORD", "no mail is read")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("drift-scraper")?;
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().context("piped")?).lines() {
        last = line?;
        if last.starts_with("{\"type\":\"tripwire\"") {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    // After its last line it only takes down the browser.
    let memory = resident(child.id()).map_or(0.0, |resident| resident.peak as f64 / 1e6);
    let mut errors = String::new();
    child
        .stderr
        .take()
        .context("piped")?
        .read_to_string(&mut errors)?;
    child.wait()?;
    if !last.contains("\"step\":\"signup-form\"") || !last.contains("screenshot_b64") {
        bail!("no tripwire with a picture: {errors}");
    }
    Ok((seconds, memory))
}

/// What nobody who uses a browser gets around.
fn bare_browser() -> Result<f64> {
    let profile = tempfile::tempdir()?;
    let began = Instant::now();
    let done = Command::new("chromium")
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("about:blank")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("chromium")?;
    if !done.success() {
        bail!("chromium ended with {done}");
    }
    Ok(began.elapsed().as_secs_f64())
}

struct Site {
    base: String,
    process: Child,
}

impl Site {
    fn start() -> Result<Self> {
        let program: PathBuf = built_somehow("drift-tests", "provider-site")?;
        let mut process = Command::new(program)
            .args(["--service", "openai", "--switch", "tos"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("provider-site")?;
        let mut base = String::new();
        let stdout = process.stdout.take().context("piped")?;
        BufReader::new(stdout).read_line(&mut base)?;
        let base = base.trim_end().to_owned();
        Ok(Self { base, process })
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
