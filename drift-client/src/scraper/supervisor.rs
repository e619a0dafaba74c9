//! The process between us and a scraper. A process group is not enough to end a scraper: a grandchild can leave it
//! (`setsid`), and nobody would be left to look when we are killed ourselves.
//!
//! So the scraper's parent is a small copy of this program that adopts whatever the scraper orphans
//! (`PR_SET_CHILD_SUBREAPER`). When the scraper ends, or when the socket to us closes for whatever reason, it kills all
//! its descendants and exits. Only a process of its own can do that: in ours an orphan would look like any child
//! of the host program.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

use super::Exit;

/// First argument of a program that is to be a supervisor.
pub(super) const WORD: &str = "__supervise";

/// The program that supervises. Its `main` begins with `supervise_if_asked`.
#[derive(Debug, Clone)]
pub struct Supervisor(PathBuf);

impl Supervisor {
    pub fn this_program() -> std::io::Result<Self> {
        // Not `current_exe`, which names a file that may have been replaced by an upgrade meanwhile.
        let itself = Path::new("/proc/self/exe");
        if itself.exists() {
            Ok(Self(itself.to_owned()))
        } else {
            std::env::current_exe().map(Self)
        }
    }

    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self(program.into())
    }

    pub fn program(&self) -> &Path {
        &self.0
    }
}

/// What the supervisor tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    Started(Pid),
    Failed(String),
    /// Everything that the scraper had started is gone, too.
    Ended(Exit),
}

/// Our end of the socket.
pub(super) struct Control(BufReader<tokio::net::UnixStream>, Vec<u8>);

impl Control {
    pub(super) fn new(socket: tokio::net::UnixStream) -> Self {
        Self(BufReader::new(socket), Vec::new())
    }

    /// Safe to cancel: what was read of a line stays for the next call.
    pub(super) async fn next(&mut self) -> News {
        let Self(socket, line) = self;
        // Not `read_line`, which loses the half that it had when it is cancelled.
        let read = socket.read_until(b'\n', line).await;
        let line = String::from_utf8(std::mem::take(line)).unwrap_or_default();
        let told = line.trim_end().split_once(' ');
        let number = |text: &str| text.parse::<i32>().ok();
        let news = match (read, told) {
            (Ok(_), Some(("started", pid))) => {
                number(pid).and_then(Pid::from_raw).map(News::Started)
            }
            (Ok(_), Some(("failed", why))) => Some(News::Failed(why.to_owned())),
            (Ok(_), Some(("exit", code))) => number(code).map(|c| News::Ended(Exit::Code(c))),
            (Ok(_), Some(("signal", s))) => number(s).map(|s| News::Ended(Exit::Signal(s))),
            _ => None,
        };
        news.unwrap_or(News::Ended(Exit::Unknown))
    }

    /// The sign to end everything.
    pub(super) async fn close(&mut self) {
        let _ = self.0.get_mut().shutdown().await;
    }
}

/// Does the supervisor's work if this process was started for it. The first thing in `main`: before any thread,
/// and before anything reads the arguments.
pub fn supervise_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()? != WORD {
        return None;
    }
    let program = arguments.next()?;
    // Whoever waits reads the socket, not this code.
    let _ = supervise(program, arguments.collect());
    Some(ExitCode::SUCCESS)
}

fn supervise(program: OsString, arguments: Vec<OsString>) -> std::io::Result<()> {
    let socket = std::io::stdin().as_fd().try_clone_to_owned()?;
    let mut control = UnixStream::from(socket);
    let itself = rustix::process::getpid();
    rustix::process::set_child_subreaper(Some(itself))?;
    // What is told is one line.
    let named = program.to_string_lossy().replace(char::is_control, " ");
    let spawned = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .process_group(0)
        .spawn();
    // The pipes belong to the scraper: when it closes them, the reader has to see that.
    let nowhere: OwnedFd = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/null")?
        .into();
    rustix::stdio::dup2_stdout(&nowhere)?;
    rustix::stdio::dup2_stderr(&nowhere)?;
    let child = match spawned {
        Ok(child) => child,
        Err(error) => return tell(&mut control, &format!("failed {named}: {error}")),
    };
    let scraper = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let Some(scraper) = scraper else {
        return tell(&mut control, "failed no process id");
    };
    // A broken pipe here means that nobody listens any more; the thread below finds out, too.
    let _ = tell(&mut control, &format!("started {}", child.id()));
    let mut ear = control.try_clone()?;
    std::thread::spawn(move || {
        // Nothing is ever sent: this returns when the other side is gone.
        let _ = ear.read(&mut [0]);
        end_all(itself);
    });
    // An error here means that the thread was first to see it end.
    let ended = rustix::process::waitpid(Some(scraper), WaitOptions::empty());
    end_all(itself);
    let status = ended.ok().flatten().map(|(_, status)| status);
    match (
        status.and_then(WaitStatus::exit_status),
        status.and_then(WaitStatus::terminating_signal),
    ) {
        (Some(code), _) => tell(&mut control, &format!("exit {code}")),
        (None, Some(signal)) => tell(&mut control, &format!("signal {signal}")),
        (None, None) => Ok(()),
    }
}

/// One line, in one piece.
fn tell(control: &mut UnixStream, line: &str) -> std::io::Result<()> {
    control.write_all(format!("{line}\n").as_bytes())
}

/// Kills descendants until there are none. (`wait`, since `waitpid` without a pid means our own process group, in
/// which the scraper is not.) Each round kills at least one direct child, so that waiting for one ends.
fn end_all(itself: Pid) {
    loop {
        // Whoever has descendants has a child. Most scrapers leave none, and then this is all.
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(None) => {}
            Ok(Some(_)) => continue,
            Err(_) => return,
        }
        let descendants = descendants_of(itself);
        if descendants.is_empty() {
            return;
        }
        for pid in descendants {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        if rustix::process::wait(WaitOptions::empty()).is_err() {
            return;
        }
    }
}

fn descendants_of(root: Pid) -> Vec<Pid> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read(process.path().join("stat")).unwrap_or_default();
        if let Some(parent) = parent_of(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root.as_raw_nonzero().get()];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            found.extend(Pid::from_raw(child));
            open.push(child);
        }
    }
    found
}

/// The fourth field of `/proc/PID/stat`. The second, the name, is in brackets and may hold anything.
fn parent_of(stat: &[u8]) -> Option<i32> {
    let behind = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&stat[behind + 1..]).ok()?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_found_behind_any_name() {
        assert_eq!(parent_of(b"12 (sh) S 7 12 12 0"), Some(7));
        assert_eq!(parent_of(b"12 (a) S 1 (b) c) R 9 1"), Some(9));
        assert_eq!(parent_of(b""), None);
    }
}
