//! One issue as a text: a head of `name: value` lines, the body, and the comments.

use std::path::Path;

use drift_schema::Micros;
use drift_schema::run::IssueState;

use crate::tracker::board::{Card, Draft};

const COMMENT: &str = "<!-- drift-tracker file comment -->";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    pub number: u64,
    pub title: String,
    pub state: IssueState,
    pub closed: Option<Micros>,
    pub labels: Vec<String>,
    pub body: String,
    pub comments: Vec<String>,
    /// The time of the file; not part of its text.
    pub changed: Micros,
}

impl File {
    pub fn new(number: u64, draft: &Draft) -> Self {
        Self {
            number,
            title: draft.title.clone(),
            state: IssueState::Open,
            closed: None,
            labels: draft.labels.clone(),
            body: draft.body.clone(),
            comments: Vec::new(),
            changed: Micros(0),
        }
    }

    pub fn parse(text: &str, changed: Micros) -> Option<Self> {
        let text = text.replace("\r\n", "\n");
        let (head, rest) = text.strip_prefix("---\n")?.split_once("\n---\n")?;
        let value = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(it, _)| it.trim() == name)
                .map(|(_, value)| value.trim())
        };
        let mut parts = rest.split(COMMENT).map(str::trim);
        let body = parts.next().unwrap_or_default().to_owned();
        let closed = value("closed").and_then(|text| serde_json::from_value(text.into()).ok());
        Some(Self {
            number: value("number")?.parse().ok()?,
            title: value("title")?.to_owned(),
            state: if value("state")?.eq_ignore_ascii_case("closed") {
                IssueState::Closed
            } else {
                IssueState::Open
            },
            closed,
            labels: value("labels")
                .unwrap_or_default()
                .split(',')
                .map(|label| label.trim().to_owned())
                .filter(|label| !label.is_empty())
                .collect(),
            // The title is for the reader of the file; it is not part of the body.
            body: body
                .strip_prefix("# ")
                .map_or(body.as_str(), |rest| {
                    rest.split_once('\n').map_or("", |(_, body)| body)
                })
                .trim()
                .to_owned(),
            comments: parts.map(str::to_owned).collect(),
            changed,
        })
    }

    pub fn text(&self) -> String {
        let state = if self.state == IssueState::Closed {
            "closed"
        } else {
            "open"
        };
        let closed = self
            .closed
            .map_or_else(String::new, |at| format!("closed: {at}\n"));
        let mut text = format!(
            "---\nnumber: {}\ntitle: {}\nstate: {state}\n{closed}labels: {}\n---\n\n# {}\n\n{}\n",
            self.number,
            self.title,
            self.labels.join(", "),
            self.title,
            self.body.trim()
        );
        for comment in &self.comments {
            text += &format!("\n{COMMENT}\n\n{}\n", comment.trim());
        }
        text
    }

    pub fn card(&self, path: &Path) -> Card {
        let closed_at =
            (self.state == IssueState::Closed).then(|| self.closed.unwrap_or(self.changed));
        Card {
            number: self.number,
            url: file_url(path),
            title: self.title.clone(),
            body: self.body.clone(),
            labels: self.labels.clone(),
            state: self.state,
            is_locked: false,
            closed_at,
        }
    }
}

fn file_url(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    url::Url::from_file_path(&whole).map_or_else(|()| whole.display().to_string(), String::from)
}
