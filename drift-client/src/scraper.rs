//! Runs a scraper and reads what it says: the one implementation of the subprocess protocol, for `agentkeys` and for
//! the runner.
//!
//! The scraper is a child of a supervisor process (`supervisor.rs`) that ends every process the scraper has
//! started, however the run ends. Every ending has a name: `Outcome`.

mod lines;
mod outcome;
mod plain;
mod running;
mod supervisor;
mod tail;

use std::time::{Duration, Instant};

use drift_schema::scraper::{Line, Resource};
use drift_schema::{Step, scraper};
use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;

use crate::mask::Mask;
use lines::Lines;
pub use outcome::{Broken, Exit, Outcome};
pub use plain::Plain;
use running::Running;
pub use supervisor::{Supervisor, supervise_if_asked};
use tail::Tail;

pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);
/// Bytes of one line: a screenshot in base64 fits.
pub const LONGEST_LINE: usize = 16 * 1024 * 1024;
/// How many resources one run may leave behind; more is a runaway.
pub const MOST_RESOURCES: usize = 1_000;

/// Bytes up to which a line is remembered.
const SHORT_LINE: usize = 256;

/// How long a scraper that has said its last line may take to exit.
const LINGER: Duration = Duration::from_secs(5);
/// How long one that closed its output without a last line may go on.
const SILENCE: Duration = Duration::from_secs(2);
/// How long output is still read after the scraper and all that it started are gone.
const DRAIN: Duration = Duration::from_millis(500);

/// What to start, and how.
#[derive(Debug, Clone)]
pub struct Scraper {
    pub program: String,
    /// Never a secret: everybody on the machine can see them.
    pub arguments: Vec<String>,
    /// All that the child sees of the environment.
    pub environment: Vec<(String, SecretString)>,
    pub deadline: Duration,
    pub supervisor: Supervisor,
}

/// What became of one run.
#[derive(Debug)]
pub struct Run {
    pub outcome: Outcome,
    /// What now exists at the provider, in the order in which it was told.
    pub resources: Vec<Resource>,
    /// The step that was begun last.
    pub last_step: Option<Step>,
    pub exit: Option<Exit>,
    pub elapsed: Duration,
    /// The end of what the scraper wrote to standard error, without secrets.
    pub stderr: String,
}

impl Scraper {
    /// Runs to the end, whichever that is. `on_line` sees each line as it comes. Dropping the
    /// future kills the scraper.
    pub async fn run(&self, on_line: impl FnMut(&Line)) -> Run {
        let started = Instant::now();
        let mut reader = Reader::new(on_line);
        let (outcome, stderr) = match Running::start(self) {
            Ok(mut running) => {
                let broken = reader.read(&mut running, self.deadline).await;
                let outcome = reader.outcome(broken);
                let stderr = running.finish().await;
                (outcome, stderr)
            }
            Err(why) => (Outcome::Broken(Broken::NotStarted { why }), Tail::default()),
        };
        let mut mask = self.mask();
        reader.keys.into_iter().for_each(|key| mask.add_key(key));
        Run {
            outcome,
            resources: reader.resources,
            last_step: match reader.progress {
                Some(Line::Progress(progress)) => Some(progress.step),
                _ => None,
            },
            exit: reader.exit,
            elapsed: started.elapsed(),
            stderr: mask.text(&stderr.text()),
        }
    }

    /// Covers what the scraper was granted.
    pub fn mask(&self) -> Mask {
        let variables = self.environment.iter();
        let granted = variables.filter(|(name, _)| !PLAIN_VARIABLES.contains(&name.as_str()));
        Mask::of(granted.map(|(_, value)| value.clone()))
    }
}

/// Variables that every scraper gets. Their values are no secrets.
pub const PLAIN_VARIABLES: [&str; 4] = ["PATH", "HOME", "LANG", "TMPDIR"];

/// The state of reading one run.
struct Reader<F> {
    on_line: F,
    lines: Lines,
    last: Option<Line>,
    resources: Vec<Resource>,
    /// The last progress, without its tree.
    progress: Option<Line>,
    /// Its bytes, if it is short: one that says the same again is not read again.
    repeated: Vec<u8>,
    exit: Option<Exit>,
    /// Every key that was seen, also in a run that broke the protocol later.
    keys: Vec<scraper::ApiKey>,
}

impl<F: FnMut(&Line)> Reader<F> {
    fn new(on_line: F) -> Self {
        Self {
            on_line,
            lines: Lines::default(),
            last: None,
            resources: Vec::new(),
            progress: None,
            repeated: Vec::new(),
            exit: None,
            keys: Vec::new(),
        }
    }

    /// Reads until the end of the run, or until the first thing that is wrong with it.
    async fn read(&mut self, running: &mut Running, deadline: Duration) -> Option<Broken> {
        let started = tokio::time::Instant::now();
        let mut until = started + deadline;
        let (mut open, mut errors_open) = (true, true);
        let mut stderr = Vec::with_capacity(8 * 1024);
        loop {
            if !open && self.exit.is_some() {
                return None;
            }
            tokio::select! {
                // Output before the news that the child is gone: what it wrote last counts.
                biased;
                () = tokio::time::sleep_until(until) => return self.out_of_time(open, deadline),
                read = running.stdout.read_buf(self.lines.room()), if open => {
                    let ended = !matches!(read, Ok(bytes) if bytes > 0);
                    let ends_run = self.last.is_some();
                    if let Err(broken) = self.take_lines(ended) {
                        return Some(broken);
                    }
                    if self.last.is_some() && !ends_run {
                        until = until.min(tokio::time::Instant::now() + LINGER);
                    }
                    if ended {
                        open = false;
                        if self.last.is_none() {
                            until = until.min(tokio::time::Instant::now() + SILENCE);
                        }
                    }
                }
                read = running.stderr.read_buf(&mut stderr), if errors_open => {
                    errors_open = matches!(read, Ok(bytes) if bytes > 0);
                    running.tail.push(&stderr);
                    stderr.clear();
                }
                news = running.control.next(), if self.exit.is_none() => match news {
                    supervisor::News::Failed(why) => return Some(Broken::NotStarted { why }),
                    supervisor::News::Started(group) => running.group = Some(group),
                    supervisor::News::Ended(exit) => {
                        self.exit = Some(exit);
                        // A supervisor that was killed has ended nobody.
                        if exit != Exit::Unknown {
                            running.group = None;
                        }
                        until = until.min(tokio::time::Instant::now() + DRAIN);
                    }
                },
            }
        }
    }

    /// What a timer that ran out means depends on what was waited for.
    fn out_of_time(&self, open: bool, deadline: Duration) -> Option<Broken> {
        let waited_for_the_end = self.last.is_some() || self.exit.is_some() || !open;
        (!waited_for_the_end).then_some(Broken::Deadline { after: deadline })
    }

    fn take_lines(&mut self, ended: bool) -> Result<(), Broken> {
        loop {
            let Some((number, bytes)) = self.lines.next(ended)? else {
                return Ok(());
            };
            if self.last.is_none()
                && bytes == self.repeated
                && let Some(progress) = &self.progress
            {
                (self.on_line)(progress);
                continue;
            }
            self.repeated.clear();
            if bytes.len() <= SHORT_LINE {
                self.repeated.extend_from_slice(bytes);
            }
            let line = Line::parse(bytes).map_err(|why| Broken::Malformed { line: number, why });
            // Half a line at the end says how the scraper ended, not what it wanted to say.
            let line = match line {
                Err(_) if self.lines.is_cut_short() && self.last.is_none() => {
                    return Err(Broken::CutShort { line: number });
                }
                line => line,
            };
            if self.last.is_some() {
                return Err(match line {
                    Ok(line) if line.is_terminal() => {
                        self.keys.extend(key_of(&line));
                        Broken::TwoTerminalLines { line: number }
                    }
                    _ => Broken::OutputAfterTerminal { line: number },
                });
            }
            self.take(line?, number)?;
        }
    }

    fn take(&mut self, line: Line, number: u64) -> Result<(), Broken> {
        match line {
            Line::Progress(_) => {
                (self.on_line)(&line);
                let mut line = line;
                if let Line::Progress(progress) = &mut line
                    && progress.tree.take().is_some()
                {
                    self.repeated.clear();
                }
                self.progress = Some(line);
                return Ok(());
            }
            Line::Resource(resource) => {
                if self.resources.len() == MOST_RESOURCES {
                    return Err(Broken::TooManyResources { line: number });
                }
                let line = Line::Resource(resource.clone());
                (self.on_line)(&line);
                self.resources.push(resource);
            }
            terminal => {
                (self.on_line)(&terminal);
                self.keys.extend(key_of(&terminal));
                self.last = Some(terminal);
            }
        }
        // What was remembered is no progress.
        self.repeated.clear();
        Ok(())
    }

    fn outcome(&mut self, broken: Option<Broken>) -> Outcome {
        if let Some(broken) = broken {
            return Outcome::Broken(broken);
        }
        match self.last.take() {
            Some(Line::Success(success)) => match self.exit {
                Some(exit) if exit != Exit::Code(0) => {
                    Outcome::Broken(Broken::NonZeroExit { exit })
                }
                _ => Outcome::Success(success.api_key),
            },
            Some(Line::Tripwire(tripped)) => Outcome::Tripwire(tripped),
            Some(Line::Error(failure)) => Outcome::Error(failure),
            Some(Line::Progress(_) | Line::Resource(_)) | None => {
                Outcome::Broken(Broken::NoTerminalLine { exit: self.exit })
            }
        }
    }
}

fn key_of(line: &Line) -> Option<scraper::ApiKey> {
    match line {
        Line::Success(success) => Some(success.api_key.clone()),
        _ => None,
    }
}
