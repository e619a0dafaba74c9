//! What a person sees while a scraper runs: a line that turns on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::convert::Infallible;
use std::io::{IsTerminal as _, Stderr, Write as _};
use std::time::{Duration, Instant};

use drift_schema::scraper::Line;

use crate::provision::Stage;

const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
/// Between two turns of the spinner.
const TURN: Duration = Duration::from_millis(120);
/// Bytes of progress that are written where nobody watches. A log is for people, too: a scraper that goes mad does not
/// fill it. And a host that reads none of it gets its answer: together with that, this fits into a pipe.
const MOST_WRITTEN: usize = 32 * 1024;

pub(super) struct Progress {
    stderr: Stderr,
    terminal: bool,
    started: Instant,
    shown: String,
    turns: usize,
    written: usize,
}

impl Progress {
    pub(super) fn new() -> Self {
        let stderr = std::io::stderr();
        Self {
            terminal: stderr.is_terminal(),
            stderr,
            started: Instant::now(),
            shown: String::new(),
            turns: 0,
            written: 0,
        }
    }

    pub(super) fn show(&mut self, stage: &Stage<'_>) {
        match stage {
            Stage::Checking => self.tell("asking whether the stored key still works"),
            Stage::Verifying => self.tell("asking whether the new key works"),
            Stage::Scraping(Line::Progress(progress)) => self.tell(progress.step.as_str()),
            Stage::Scraping(Line::Resource(resource)) => {
                self.tell(&format!("made: {}", resource.kind));
            }
            Stage::Scraping(_) => {}
        }
    }

    /// A scraper that says the same a million times says it once.
    fn tell(&mut self, text: &str) {
        if text != self.shown {
            text.clone_into(&mut self.shown);
            if self.terminal {
                // The next turn shows it.
                return;
            }
            if self.written > MOST_WRITTEN {
                return;
            }
            self.written += self.shown.len() + 1;
            let _ = if self.written > MOST_WRITTEN {
                writeln!(self.stderr, "(further steps are not shown)")
            } else {
                writeln!(self.stderr, "{}", self.shown)
            };
        }
    }

    /// Turns for as long as it is polled.
    pub(super) async fn turn(progress: &RefCell<Self>) -> Infallible {
        let mut clock = tokio::time::interval(TURN);
        clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            clock.tick().await;
            let mut progress = progress.borrow_mut();
            if progress.terminal && !progress.shown.is_empty() {
                progress.turns += 1;
                progress.draw();
            }
        }
    }

    fn draw(&mut self) {
        let frame = FRAMES[self.turns % FRAMES.len()];
        let seconds = self.started.elapsed().as_secs();
        let _ = write!(self.stderr, "\r\x1b[K{frame} {} ({seconds} s)", self.shown);
        let _ = self.stderr.flush();
    }

    pub(super) fn clear(&mut self) {
        if self.terminal && !self.shown.is_empty() {
            let _ = write!(self.stderr, "\r\x1b[K");
            let _ = self.stderr.flush();
        }
    }
}
