//! A scraper that does what its arguments say, one after the other: the real subprocess of the stories.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const HELP: &str = "\
progress:STEP resource:KIND:ID tripwire:KIND:STEP success:KEY error:CODE   lines of the protocol
walked:STEP          progress, with the tree of the page before
evidence:KIND:STEP   a tripwire with everything that one may have
line:TEXT     any other line                    raw:TEXT      the same without a line feed
bytes:HEX     any other bytes                   stderr:TEXT   a line on standard error
file:FILE     what the file has
flood:MIB     progress lines, that many MiB     long-line:MIB one line of that many MiB
noise:MIB     that much on standard error       close         closes standard output
fork:FILE     a child in our group, its id in FILE, that holds our output open
detach:FILE   the same in a session of its own, forgotten by its parent
env:FILE      writes what it sees of the environment
touch:FILE    makes a file                      await:FILE    waits until there is one
sleep         until killed                      exit:CODE     ends with that code
die           ends by a signal                  else: ends with 0 after the last";

fn main() {
    for action in std::env::args().skip(1) {
        if let Err(error) = act(&action) {
            // As after a closed pipe: nobody is there to read why.
            let _ = writeln!(std::io::stderr(), "fake-scraper: {action}: {error}");
            std::process::exit(70);
        }
    }
}

fn act(action: &str) -> std::io::Result<()> {
    let (verb, rest) = action.split_once(':').unwrap_or((action, ""));
    let (first, second) = rest.split_once(':').unwrap_or((rest, ""));
    match verb {
        "progress" => say(&format!(r#"{{"type":"progress","step":"{rest}"}}"#)),
        "walked" => say(&format!(
            r#"{{"type":"progress","step":"{rest}","tree":"main\n  link"}}"#
        )),
        "resource" => say(&format!(
            r#"{{"type":"resource","kind":"{first}","id":"{second}"}}"#
        )),
        "tripwire" => say(&tripwire(first, second, "")),
        "evidence" => say(&tripwire(
            first,
            second,
            // The smallest PNG: one black pixel.
            r#","screenshot_b64":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==","tree":"main\n  button","scraper_version":"1.4.2","resume_token":"0199aa00-0000-7000-8000-000000000001""#,
        )),
        "success" => say(&format!(r#"{{"type":"success","api_key":"{rest}"}}"#)),
        "error" => say(&format!(
            r#"{{"type":"error","code":"{rest}","details":"the page said so"}}"#
        )),
        "line" => say(rest),
        "raw" => write(rest.as_bytes()),
        "bytes" => write(&hex::decode(rest).map_err(std::io::Error::other)?),
        "file" => write(&std::fs::read(rest)?),
        "stderr" => writeln!(std::io::stderr(), "{rest}"),
        "flood" => flood(mebibytes(rest)),
        "long-line" => write(&vec![b'x'; mebibytes(rest)]),
        "noise" => std::io::stderr().write_all(&vec![b'x'; mebibytes(rest)]),
        "close" => {
            let nowhere = std::fs::File::create("/dev/null")?;
            rustix::stdio::dup2_stdout(&nowhere).map_err(Into::into)
        }
        "fork" => child(&format!("pid:{rest}")).map(drop),
        // The child in between ends at once: nobody in our family is left to be asked about the grandchild.
        "detach" => child(&format!("orphan:{rest}"))?.wait().map(drop),
        "orphan" => {
            rustix::process::setsid()?;
            child(&format!("pid:{rest}")).map(drop)
        }
        "pid" => std::fs::write(rest, std::process::id().to_string()),
        "env" => std::fs::write(rest, environment()),
        "touch" => std::fs::write(rest, ""),
        "await" => await_file(Path::new(rest)),
        "sleep" => loop {
            std::thread::park();
        },
        "exit" => std::process::exit(rest.parse().unwrap_or(1)),
        "die" => {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
            Ok(())
        }
        _ => Err(std::io::Error::other(format!(
            "unknown. Known are:\n{HELP}"
        ))),
    }
}

fn tripwire(kind: &str, step: &str, more: &str) -> String {
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    format!(
        r#"{{"type":"tripwire","kind":"{kind}","step":"{step}","url":"https://Platform.OpenAI.com/signup?session=s3cr3t","dom_digest":"{digest}"{more}}}"#
    )
}

fn say(line: &str) -> std::io::Result<()> {
    write(format!("{line}\n").as_bytes())
}

fn write(bytes: &[u8]) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    stdout.write_all(bytes)?;
    stdout.flush()
}

fn flood(bytes: usize) -> std::io::Result<()> {
    // Long lines: a debug build parses a few million short ones too slowly for a story.
    let tree = "x".repeat(1_000);
    let line = format!("{{\"type\":\"progress\",\"step\":\"signup-form\",\"tree\":\"{tree}\"}}\n");
    let block = line.repeat(64);
    for _ in 0..bytes.div_ceil(block.len()) {
        write(block.as_bytes())?;
    }
    Ok(())
}

/// Another one of us that sleeps. It inherits our output.
fn child(action: &str) -> std::io::Result<std::process::Child> {
    let mut arguments = vec![action];
    if !action.starts_with("orphan:") {
        arguments.push("sleep");
    }
    Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a scraper that shows what it was given"
)]
fn environment() -> String {
    let mut names: Vec<String> = std::env::vars()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    names.sort_unstable();
    names.concat()
}

/// A file is how a story tells this process to go on.
#[expect(
    clippy::disallowed_methods,
    reason = "no task is on this thread, and a file cannot be waited for"
)]
fn await_file(path: &Path) -> std::io::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() {
        if Instant::now() > deadline {
            return Err(std::io::Error::other("nobody made the file"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    std::fs::File::open(path)?.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn mebibytes(text: &str) -> usize {
    text.parse::<usize>().unwrap_or(1) * 1024 * 1024
}
