//! The seam to a place that keeps issues. It knows nothing of drifts, and each call is one thing that can fail or be lost.

use async_trait::async_trait;
use drift_schema::run::{Issue, IssueState};
use drift_schema::{Digest, Micros};

#[async_trait]
pub trait Board: Send + Sync {
    /// As it stands in the log: `github` or `local`.
    fn name(&self) -> &'static str;

    /// All issues with this label, open and closed, from the place itself: never from a search index.
    async fn list(&self, label: &str) -> Result<Vec<Card>, Trouble>;

    async fn look(&self, at: &At) -> Result<Look, Trouble>;

    async fn create(&self, draft: &Draft) -> Result<Card, Trouble>;

    async fn edit(&self, at: &At, edit: &Edit) -> Result<Card, Trouble>;

    async fn comments(&self, at: &At) -> Result<Vec<String>, Trouble>;

    async fn comment(&self, at: &At, text: &str) -> Result<(), Trouble>;

    /// Whether pictures are kept beside the issues, and not linked.
    fn keeps_pictures(&self) -> bool;

    /// Keeps a masked picture. Answers what an issue refers to it by.
    async fn keep_picture(&self, digest: &Digest, png: &[u8]) -> Result<String, Trouble>;
}

/// Which issue is meant. The address tells the repository, for issues that were transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    pub number: u64,
    pub url: String,
}

impl From<&Issue> for At {
    fn from(issue: &Issue) -> Self {
        Self {
            number: issue.number,
            url: issue.url.clone(),
        }
    }
}

impl From<&Card> for At {
    fn from(card: &Card) -> Self {
        Self {
            number: card.number,
            url: card.url.clone(),
        }
    }
}

/// An issue as the place has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    pub number: u64,
    pub url: String,
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub state: IssueState,
    /// Somebody ended the conversation.
    pub is_locked: bool,
    pub closed_at: Option<Micros>,
}

#[derive(Debug, Clone)]
pub enum Look {
    Here(Card),
    /// It has another number or address now.
    Moved(Card),
    /// Deleted, or where we cannot see it.
    Gone,
}

#[derive(Debug, Clone)]
pub struct Draft {
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
}

/// What is to be changed.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    pub title: Option<String>,
    pub body: Option<String>,
    pub state: Option<IssueState>,
    /// To be added to those that are there.
    pub labels: Vec<String>,
}

/// Why something did not happen, by what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nothing was done. It may work another time.
    #[error("{why}")]
    Later { why: String, until: Option<Micros> },
    /// A write was sent, and no answer came: it may be done or not.
    #[error("{why}; whether it took effect, the next tick finds out")]
    Unknown { why: String },
    /// Nothing was done, and will not be until a person changes something.
    #[error("{why}")]
    Refused { why: String },
}
