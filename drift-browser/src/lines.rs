//! What the scraper says on its standard output: the lines of the protocol, one at a time, each whole.

use std::io::Write as _;

use drift_schema::scraper::{Line, Progress, Resource};
use drift_schema::words::{ResourceKind, Step};

/// Where lines go: standard output, or a test's list.
pub trait Lines: Send {
    fn say(&mut self, line: &Line);
}

pub struct Stdout;

impl Lines for Stdout {
    fn say(&mut self, line: &Line) {
        // A line that is not JSON, or a reader that went away, is nothing that we could mend.
        let Ok(mut text) = serde_json::to_string(line) else {
            return;
        };
        text.push('\n');
        let mut stdout = std::io::stdout().lock();
        let _ = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
    }
}

/// For commands that speak in another way.
pub struct Nowhere;

impl Lines for Nowhere {
    fn say(&mut self, _: &Line) {}
}

impl dyn Lines + '_ {
    pub fn progress(&mut self, step: &Step, tree: Option<String>) {
        let step = step.clone();
        self.say(&Line::Progress(Progress { step, tree }));
    }

    pub fn resource(&mut self, kind: &ResourceKind, id: &str) {
        let (kind, id) = (kind.clone(), id.to_owned());
        self.say(&Line::Resource(Resource { kind, id }));
    }
}
