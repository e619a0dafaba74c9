//! What a person sees while a scraper runs: a line that turns on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Stderr, Write as _};
use std::time::{Duration, Instant};

use drift_schema::scraper::Line;

use crate::provision::Stage;

const FRAMES: [char; 4] = ['|', '/', '-', '\\'];
/// Between two turns of the spinner.
const TURN: Duration = Duration::from_millis(120);

pub(super) struct Progress {
    stderr: Stderr,
    terminal: bool,
    started: Instant,
    shown: String,
    turns: usize,
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
        }
    }

    pub(super) fn show(&mut self, stage: &Stage<'_>) {
        let text = match stage {
            Stage::Checking => "asking whether the stored key still works".to_owned(),
            Stage::Verifying => "asking whether the new key works".to_owned(),
            Stage::Scraping(Line::Progress(progress)) => progress.step.to_string(),
            Stage::Scraping(Line::Resource(resource)) => format!("made: {}", resource.kind),
            Stage::Scraping(_) => return,
        };
        // A scraper that says the same a million times says it once.
        if text != self.shown {
            self.shown = text;
            if self.terminal {
                self.draw();
            } else {
                let _ = writeln!(self.stderr, "{}", self.shown);
            }
        }
    }

    /// Turns for as long as it is polled.
    pub(super) async fn turn(progress: &std::cell::RefCell<Self>) {
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
