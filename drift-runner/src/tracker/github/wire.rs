//! The few fields that we read of GitHub's answers. Whatever else an answer has is none of our business, so that a server
//! that is older, newer or not GitHub's own is understood too.

use chrono::{DateTime, Utc};
use drift_schema::Micros;
use drift_schema::run::IssueState;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::tracker::board::Card;

#[derive(Debug, Deserialize)]
pub(super) struct IssueWire {
    number: u64,
    html_url: String,
    title: String,
    body: Option<String>,
    state: String,
    #[serde(default)]
    labels: Vec<LabelWire>,
    #[serde(default)]
    locked: bool,
    closed_at: Option<DateTime<Utc>>,
    pub pull_request: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum LabelWire {
    Whole { name: String },
    Name(String),
}

impl IssueWire {
    pub fn card(self) -> Card {
        let labels = self.labels.into_iter().map(|label| match label {
            LabelWire::Whole { name } | LabelWire::Name(name) => name,
        });
        Card {
            number: self.number,
            url: self.html_url,
            title: self.title,
            body: self.body.unwrap_or_default(),
            labels: labels.collect(),
            state: if self.state == "closed" {
                IssueState::Closed
            } else {
                IssueState::Open
            },
            is_locked: self.locked,
            closed_at: self.closed_at.map(|at| Micros(at.timestamp_micros())),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct CommentWire {
    pub body: Option<String>,
}
