//! A command under the same supervision as a scraper, that does not speak the protocol: a clean-up.

use tokio::io::AsyncReadExt as _;

use super::running::Running;
use super::supervisor::News;
use super::tail::Tail;
use super::{DRAIN, Exit, Scraper};

/// What became of such a command.
#[derive(Default)]
pub struct Plain {
    /// None: it did not start, or not end in time.
    pub exit: Option<Exit>,
    /// The end of what it wrote, as it stands: to be compared with, not to be shown.
    pub stdout: String,
    /// The end of its log, without secrets.
    pub stderr: String,
}

impl Scraper {
    /// Runs to the end or to the deadline, and ends whatever it has started. The child sees one more variable, which is no
    /// secret.
    pub async fn run_plainly(&self, variable: (&str, &str)) -> Plain {
        let mut command = self.clone();
        let (name, value) = variable;
        command.environment.push((name.to_owned(), value.into()));
        let mut running = match Running::start(&command) {
            Ok(running) => running,
            Err(why) => {
                return Plain {
                    stderr: why,
                    ..Plain::default()
                };
            }
        };
        let mut stdout = Tail::default();
        let ended = read(&mut running, &mut stdout);
        let exit = tokio::time::timeout(self.deadline, ended).await.ok();
        let (exit, failed) = match exit {
            Some(Ok(exit)) => (Some(exit), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let stderr = running.finish().await.text();
        Plain {
            exit,
            stdout: stdout.text(),
            stderr: self.mask().text(&failed.unwrap_or(stderr)),
        }
    }
}

/// `Err` is why it could not be started.
async fn read(running: &mut Running, stdout: &mut Tail) -> Result<Exit, String> {
    let (mut out, mut err) = (Vec::with_capacity(8 * 1024), Vec::with_capacity(8 * 1024));
    let (mut out_open, mut err_open) = (true, true);
    let mut exit = None;
    // Somebody who escaped may hold the pipe open.
    let mut drained = tokio::time::Instant::now();
    loop {
        if let Some(exit) = exit
            && !out_open
        {
            return Ok(exit);
        }
        tokio::select! {
            biased;
            read = running.stdout.read_buf(&mut out), if out_open => {
                out_open = matches!(read, Ok(bytes) if bytes > 0);
                stdout.push(&out);
                out.clear();
            }
            read = running.stderr.read_buf(&mut err), if err_open => {
                err_open = matches!(read, Ok(bytes) if bytes > 0);
                running.tail.push(&err);
                err.clear();
            }
            () = tokio::time::sleep_until(drained), if exit.is_some() => return Ok(exit.unwrap_or(Exit::Unknown)),
            news = running.control.next(), if exit.is_none() => match news {
                News::Failed(why) => return Err(why),
                News::Started(group) => running.group = Some(group),
                News::Ended(ended) => {
                    exit = Some(ended);
                    // A supervisor that was killed has ended nobody.
                    if ended != Exit::Unknown {
                        running.group = None;
                    }
                    drained = tokio::time::Instant::now() + DRAIN;
                }
            },
        }
    }
}
