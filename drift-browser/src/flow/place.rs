//! Where in a flow file something is wrong, and the list of everything that is: an author mends a file in one go.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// One thing that is wrong with a flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub file: PathBuf,
    /// Both count from 1. None where the file as a whole is meant.
    pub line_and_column: Option<(usize, usize)>,
    /// The field, as in `step.2.do.1.fill`, and what to do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.line_and_column {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, fault) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

/// One file's text, which turns offsets into places.
pub(super) struct Source {
    pub file: PathBuf,
    pub text: String,
}

impl Source {
    pub fn read(file: &Path) -> Result<Self, Faults> {
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Self {
                file: file.to_owned(),
                text,
            }),
            Err(error) => Err(Faults(vec![Fault {
                file: file.to_owned(),
                line_and_column: None,
                message: format!("cannot be read: {error}"),
            }])),
        }
    }

    pub fn fault(&self, span: Option<Range<usize>>, message: impl Into<String>) -> Fault {
        let place = span.map(|span| {
            let before = self.text.get(..span.start).unwrap_or(&self.text);
            let line_begin = before.rfind('\n').map_or(0, |at| at + 1);
            let column = before[line_begin..].chars().count() + 1;
            (before.matches('\n').count() + 1, column)
        });
        Fault {
            file: self.file.clone(),
            line_and_column: place,
            message: message.into(),
        }
    }
}
