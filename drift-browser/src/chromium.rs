//! Starts Chromium with a profile of its own and takes it down again, whole. The child sees no variable that it does
//! not need, so no secret of ours.

use std::ffi::OsString;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cdp::Connection;
use crate::page::Page;

/// Until the browser answers its first call. A cold disk and two busy cores take seconds.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// What a browser gets to end by itself before it is killed.
const END_DEADLINE: Duration = Duration::from_secs(5);

/// Hands the ends of our two pipes to the descriptors 3 and 4, where Chromium expects them.
const ON_PIPES: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;

/// Frames of other sites share the page's process: one session reaches all of them, so that nothing in a frame escapes
/// the mask. The browser lives for one flow and holds no other site's logins.
const FEATURES_OFF: &str = "--disable-features=IsolateOrigins,site-per-process,IsolateSandboxedIframes,\
    OriginKeyedProcessesByDefault,Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,\
    PaintHolding,HttpsUpgrades,DestroyProfileOnBrowserClose";

const ARGUMENTS: [&str; 22] = [
    "--remote-debugging-pipe",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-gpu",
    "--disable-quic",
    "--disable-site-isolation-trials",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--lang=en-US",
    "--metrics-recording-only",
    "--mute-audio",
    "--password-store=basic",
    FEATURES_OFF,
];

/// How to start it. The default is headless, sandboxed unless root, found by name.
#[derive(Debug, Clone, Default)]
pub struct Launch {
    /// Instead of the first of `chromium`, `chromium-browser`, `google-chrome` on the `PATH`.
    pub program: Option<PathBuf>,
    /// Chromium refuses to run as root with its sandbox, so root never has one.
    pub no_sandbox: bool,
    /// A window to look at, instead of headless.
    pub headed: bool,
    pub more_arguments: Vec<String>,
    /// The few variables that a browser needs: `PATH`, `HOME`, `DISPLAY` and their like.
    pub environment: Vec<(String, OsString)>,
}

/// A running browser of our own. Dropping it kills it; `close` is the orderly way.
pub struct Chromium {
    connection: Connection,
    child: Child,
    _stderr: JoinSet<()>,
    // Last, so that it goes when the child is gone.
    profile: TempDir,
}

impl Launch {
    pub async fn start(&self) -> anyhow::Result<Chromium> {
        let program = self.find_program()?;
        let profile = tempfile::Builder::new()
            .prefix("drift-scraper-")
            .tempdir()
            .context("cannot make a folder for the browser's profile")?;
        let mut child = self
            .command(&program, profile.path())?
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (from, to) = child
            .stdout
            .take()
            .zip(child.stdin.take())
            .context("no pipes")?;
        let mut said = Vec::new();
        let mut stderr = child.stderr.take().context("no pipe")?;
        let chromium = Chromium {
            connection: Connection::over_pipes(from, to),
            child,
            _stderr: JoinSet::new(),
            profile,
        };
        let version = timeout(START_DEADLINE, chromium.version());
        match version.await {
            Ok(Ok(version)) => tracing::debug!(%version, "browser started"),
            Ok(Err(_)) => {
                // It ended before it answered; it says why on its last lines.
                let _ = timeout(END_DEADLINE, stderr.read_to_end(&mut said)).await;
                bail!("{} ended at once: {}", program.display(), last_words(&said));
            }
            Err(_) => bail!(
                "{} did not answer within {START_DEADLINE:?}",
                program.display()
            ),
        }
        let mut chromium = chromium;
        chromium._stderr.spawn(async move {
            // Read, so that a full pipe never stops the browser; what it says is no news.
            let mut nowhere = [0; 4096];
            while stderr.read(&mut nowhere).await.is_ok_and(|read| read > 0) {}
        });
        Ok(chromium)
    }

    fn command(&self, program: &Path, profile: &Path) -> anyhow::Result<Command> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ON_PIPES, "sh"]).arg(program);
        command.args(ARGUMENTS).args(&self.more_arguments);
        let mut folder = OsString::from("--user-data-dir=");
        folder.push(profile);
        command.arg(folder);
        if !self.headed {
            command.args([
                "--headless=new",
                "--hide-scrollbars",
                "--window-size=1280,900",
            ]);
        }
        // The owner of what we just made is who we are.
        if self.no_sandbox || std::fs::metadata(profile)?.uid() == 0 {
            command.arg("--no-sandbox");
        }
        command
            .arg("about:blank")
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    fn find_program(&self) -> anyhow::Result<PathBuf> {
        if let Some(program) = &self.program {
            return Ok(program.clone());
        }
        let path = self.environment.iter().find(|(name, _)| name == "PATH");
        let path = path.map_or_else(|| "/usr/bin:/bin".into(), |(_, value)| value.clone());
        let names = ["chromium", "chromium-browser", "google-chrome"];
        std::env::split_paths(&path)
            .flat_map(|folder| names.map(|name| folder.join(name)))
            .find(|program| program.is_file())
            .context(
                "no Chromium on the PATH; on Debian: apt-get install chromium, or name one in DRIFT_CHROMIUM",
            )
    }
}

/// The last lines of what a browser said before it ended.
fn last_words(said: &[u8]) -> String {
    let text = String::from_utf8_lossy(said);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    match &lines[lines.len().saturating_sub(3)..] {
        [] => "it said nothing".to_owned(),
        last => last.join("; "),
    }
}

impl Chromium {
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The process id of the browser itself, which outlives none of its children.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    async fn version(&self) -> Result<String, crate::cdp::Error> {
        let answer: serde_json::Value = self
            .connection
            .call("", "Browser.getVersion", json!({}))
            .await?;
        Ok(answer["product"].as_str().unwrap_or_default().to_owned())
    }

    /// The page that a fresh browser opens with.
    pub async fn first_page(&self) -> anyhow::Result<Page> {
        Page::first(&self.connection).await
    }

    /// Ends the browser and waits until it is gone.
    pub async fn close(mut self) -> anyhow::Result<()> {
        let farewell = self.connection.call_raw("", "Browser.close", json!({}));
        // The answer may get lost in the end that it announces.
        let _ = timeout(END_DEADLINE, farewell).await;
        if timeout(END_DEADLINE, self.child.wait()).await.is_err() {
            self.child.kill().await.context("cannot kill the browser")?;
        }
        if let Err(error) = self.profile.close() {
            tracing::debug!(%error, "the browser's profile could not be removed");
        }
        Ok(())
    }
}
