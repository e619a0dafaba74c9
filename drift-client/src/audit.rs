//! What was done, for the owner of the machine: one line of JSON per attempt and per ending, on disk before anything
//! else happens, whether or not telemetry is on. No secrets; keys as their masks.
//!
//! `AGENTKEYS_HOME/audit/<UTC day>.jsonl`. Lines are appended under a lock and synced. A line that a crash has torn is
//! closed by the next one, and costs itself alone.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;

use drift_schema::{Micros, Service, Step, TripwireKind};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::home::{self, Home};

#[derive(Debug, Clone)]
pub struct Audit(PathBuf);

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub at: Micros,
    /// The same in all lines of one attempt.
    pub attempt: Uuid,
    pub service: Service,
    #[serde(flatten)]
    pub event: Event,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    Started {
        force: bool,
        pid: u32,
        version: String,
    },
    Tripwire {
        kind: TripwireKind,
        step: Step,
        token: Uuid,
    },
    Finished {
        outcome: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<String>,
        /// Masked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        duration_seconds: f64,
    },
    /// A report by hand or by a script.
    Reported {
        kind: TripwireKind,
        step: Step,
        state: String,
    },
}

impl Audit {
    pub fn new(home: &Home) -> Self {
        Self(home.audit())
    }

    pub fn write(&self, entry: &Entry) -> io::Result<()> {
        home::private_folder(&self.0)?;
        let path = self.0.join(format!("{}.jsonl", entry.at.day()));
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        let mut file = home::append_private(&path)?;
        file.lock()?;
        let length = file.metadata()?.len();
        if length > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                line.insert(0, b'\n');
            }
        }
        // A disk that is full halfway through leaves no half line behind.
        if let Err(error) = file.write_all(&line).and_then(|()| file.sync_all()) {
            let _ = file.set_len(length);
            return Err(error);
        }
        Ok(())
    }

    /// All lines, oldest first, and how many could not be read.
    pub fn read(&self) -> io::Result<(Vec<Entry>, usize)> {
        let folder = match std::fs::read_dir(&self.0) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
            Err(error) => return Err(error),
        };
        let mut files: Vec<PathBuf> = folder
            .filter_map(|file| Some(file.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
            .collect();
        files.sort_unstable();
        let (mut entries, mut damaged) = (Vec::new(), 0);
        for file in files {
            let bytes = std::fs::read(file)?;
            let lines = bytes.split(|byte| *byte == b'\n');
            for line in lines.filter(|line| !line.is_empty()) {
                match serde_json::from_slice(line) {
                    Ok(entry) => entries.push(entry),
                    Err(_) => damaged += 1,
                }
            }
        }
        Ok((entries, damaged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_line_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::new(&Home::at(folder.path()));
        let entry = |number: u128| Entry {
            at: Micros(0),
            attempt: Uuid::from_u128(number),
            service: Service::parse("openai").unwrap(),
            event: Event::Started {
                force: false,
                pid: 1,
                version: "0".to_owned(),
            },
        };
        audit.write(&entry(1)).unwrap();
        let file = folder.path().join("audit/1970-01-01.jsonl");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, format!("{text}{}", &text[..20])).unwrap();
        audit.write(&entry(2)).unwrap();
        let (entries, damaged) = audit.read().unwrap();
        assert_eq!((entries, damaged), (vec![entry(1), entry(2)], 1));
    }
}
