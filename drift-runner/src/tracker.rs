//! Issues: what is to be said about a drift, and where it stands. The rules (one issue per drift, own block and labels only,
//! news or silence, not too many at once) are written once, here, on top of a `Board`, which is GitHub or a folder.

mod asking;
mod board;
mod folding;
pub mod github;
pub mod local;
mod story;
pub mod text;

use std::sync::atomic::{AtomicU32, Ordering};

use drift_schema::Service;
use drift_schema::run::{Issue, IssueState, Observation};
use sha2::{Digest as _, Sha256};

pub use board::{At, Board, Card, Draft, Edit, Look, Trouble};
use folding::is_folded;
pub use story::{Picture, Story};
use text::{COUNTERS, Comment, Identity, PICTURES, own};

/// On every issue of ours.
pub const LABEL: &str = "drift";
/// Stops comments. The shorter one is what people know from other bots.
pub const QUIET: [&str; 2] = ["drift/quiet", "quiet"];

/// How many issues a tick may still open.
pub struct Room(AtomicU32);

impl Room {
    pub fn of(issues: u32) -> Self {
        Self(AtomicU32::new(issues))
    }

    fn take(&self) -> bool {
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }
}

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    Did(Action, Issue),
    /// The issue is not what the task takes it for: nothing was done, and this is how it is.
    Differs(Observation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    Opened,
    /// It was there already: a run before this one did not live to say so.
    Found,
    /// Put into the issue that takes what is too much for one tick.
    Folded,
    Reopened,
    Bumped,
    Settled,
}

pub struct Tracker {
    board: Box<dyn Board>,
    /// The folded issue is read, changed and written by one task at a time.
    folding: tokio::sync::Mutex<()>,
}

impl Tracker {
    pub fn new(board: Box<dyn Board>) -> Self {
        Self {
            board,
            folding: tokio::sync::Mutex::default(),
        }
    }

    pub fn board(&self) -> &dyn Board {
        &*self.board
    }

    /// The drift's one issue: the one that is there, or a new one.
    pub async fn open(&self, story: &Story<'_>, room: &Room) -> Result<Effect, Trouble> {
        let identity = identity(story);
        if let Some(card) = self.find(story, &identity).await? {
            return self.found(story, &identity, card).await;
        }
        if !room.take() {
            return self.fold(story, &identity).await;
        }
        let service_label = service_label(story.service);
        let draft = Draft {
            title: text::title(story),
            body: text::body(story, &identity, ""),
            labels: vec![LABEL.to_owned(), service_label],
        };
        match self.board.create(&draft).await {
            Ok(card) => Ok(self.did(Action::Opened, &card)),
            // The answer was lost. Whether the issue is there, only the list can tell.
            Err(Trouble::Unknown { why }) => match self.find(story, &identity).await? {
                Some(card) => Ok(self.did(Action::Opened, &card)),
                None => Err(Trouble::Unknown { why }),
            },
            Err(trouble) => Err(trouble),
        }
    }

    /// The oldest of this drift.
    async fn find(&self, story: &Story<'_>, identity: &Identity) -> Result<Option<Card>, Trouble> {
        let cards = self.board.list(&service_label(story.service)).await?;
        let ours = cards.into_iter().filter(|card| {
            let about = identity.is_in(&card.body) || text::has_row(&card.body, identity);
            about && Some(card.number) != story.follows
        });
        Ok(ours.min_by_key(|card| card.number))
    }

    /// An issue that the backend does not know yet.
    async fn found(
        &self,
        story: &Story<'_>,
        identity: &Identity,
        card: Card,
    ) -> Result<Effect, Trouble> {
        let proven = story.proof.map_or(story.now, |proof| proof.at);
        let closed_since = card.state == IssueState::Closed
            && card.closed_at.is_some_and(|closed| closed > proven);
        if card.state == IssueState::Open || closed_since {
            // Closed after the proof was made: somebody has dealt with it, and the backend verifies that.
            return Ok(self.did(Action::Found, &card));
        }
        if is_folded(&card) {
            return self
                .fold_into(story, identity, card, Action::Reopened)
                .await;
        }
        self.reopen_card(story, identity, card).await
    }

    /// Opens it again, with the reason.
    pub async fn reopen(
        &self,
        story: &Story<'_>,
        issue: &Issue,
        room: &Room,
    ) -> Result<Effect, Trouble> {
        let identity = identity(story);
        match self.board.look(&issue.into()).await? {
            Look::Here(card) | Look::Moved(card) if is_folded(&card) => {
                self.fold_into(story, &identity, card, Action::Reopened)
                    .await
            }
            Look::Here(card) | Look::Moved(card) => self.reopen_card(story, &identity, card).await,
            Look::Gone => {
                let follows = Some(issue.number);
                self.open(
                    &Story {
                        follows,
                        ..story.clone()
                    },
                    room,
                )
                .await
            }
        }
    }

    async fn reopen_card(
        &self,
        story: &Story<'_>,
        identity: &Identity,
        card: Card,
    ) -> Result<Effect, Trouble> {
        let block = text::body(story, identity, &card.body);
        let edit = Edit {
            // A title that somebody changed is theirs.
            title: card
                .title
                .starts_with(&text::title_start(story))
                .then(|| text::title(story)),
            body: Some(own::with_block(&card.body, identity, &block)),
            state: Some(IssueState::Open),
            labels: Vec::new(),
        };
        let card = self.board.edit(&(&card).into(), &edit).await?;
        self.say(&card, text::reopened(story, identity)).await?;
        Ok(self.did(Action::Reopened, &card))
    }

    /// Counts again. A comment only where there is news.
    pub async fn bump(&self, story: &Story<'_>, issue: &Issue) -> Result<Effect, Trouble> {
        let identity = identity(story);
        let card = match self.board.look(&issue.into()).await? {
            Look::Here(card) | Look::Moved(card) => card,
            Look::Gone => return Ok(Effect::Differs(Observation::Gone)),
        };
        if card.state == IssueState::Closed {
            return Ok(Effect::Differs(Observation::Closed));
        }
        if is_folded(&card) {
            return self.fold_into(story, &identity, card, Action::Bumped).await;
        }
        // The comment first: once the counters show the news, they are no news any more.
        self.say(&card, text::bump_news(story, &identity, &card.body))
            .await?;
        let counted = own::with_part(&card.body, COUNTERS, &text::counters(story));
        let renewed = match counted {
            Some(body) => own::with_part(&body, PICTURES, &text::pictures(story)).unwrap_or(body),
            // Somebody removed them; the whole block comes back.
            None => own::with_block(
                &card.body,
                &identity,
                &text::body(story, &identity, &card.body),
            ),
        };
        if renewed == card.body || renewed.len() > text::LIMIT {
            return Ok(self.did(Action::Bumped, &card));
        }
        let edit = Edit {
            body: Some(renewed),
            ..Edit::default()
        };
        let card = self.board.edit(&(&card).into(), &edit).await?;
        Ok(self.did(Action::Bumped, &card))
    }

    /// Says that the fix holds.
    pub async fn settle(&self, story: &Story<'_>, issue: &Issue) -> Result<Effect, Trouble> {
        let identity = identity(story);
        let card = match self.board.look(&issue.into()).await? {
            Look::Here(card) | Look::Moved(card) => card,
            Look::Gone => return Ok(Effect::Differs(Observation::Gone)),
        };
        if card.state == IssueState::Open && issue.state == IssueState::Closed {
            return Ok(Effect::Differs(Observation::Open));
        }
        if is_folded(&card) {
            return self
                .fold_into(story, &identity, card, Action::Settled)
                .await;
        }
        // Open still: a replay that somebody asked for has passed. Closing it is for people.
        let closing = match (card.state, card.closed_at) {
            (IssueState::Open, _) => None,
            (IssueState::Closed, at) => Some(at.map_or_else(String::new, |at| at.to_string())),
        };
        self.say(
            &card,
            Some(text::settled(story, &identity, closing.as_deref())),
        )
        .await?;
        Ok(self.did(Action::Settled, &card))
    }

    /// Shows pictures that the board itself keeps. Whether this works never decides about an issue.
    pub async fn show_pictures(&self, story: &Story<'_>, issue: &Issue) -> Result<(), Trouble> {
        let (Look::Here(card) | Look::Moved(card)) = self.board.look(&issue.into()).await? else {
            return Ok(());
        };
        match own::with_part(&card.body, PICTURES, &text::pictures(story)) {
            Some(body) if body != card.body && body.len() <= text::LIMIT => {
                let edit = Edit {
                    body: Some(body),
                    ..Edit::default()
                };
                self.board.edit(&(&card).into(), &edit).await.map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// Writes a comment, unless it is there already or nobody wants to hear.
    async fn say(&self, card: &Card, comment: Option<Comment>) -> Result<(), Trouble> {
        let Some(comment) = comment else {
            return Ok(());
        };
        let is_quiet = |label: &String| QUIET.contains(&label.as_str());
        if card.is_locked || card.labels.iter().any(is_quiet) {
            return Ok(());
        }
        let at = card.into();
        if self.is_said(&at, &comment).await? {
            return Ok(());
        }
        match self.board.comment(&at, &comment.text).await {
            Err(Trouble::Unknown { why }) => match self.is_said(&at, &comment).await? {
                true => Ok(()),
                false => Err(Trouble::Unknown { why }),
            },
            other => other,
        }
    }

    async fn is_said(&self, at: &At, comment: &Comment) -> Result<bool, Trouble> {
        let comments = self.board.comments(at).await?;
        Ok(comments.iter().any(|text| text.contains(&comment.marker)))
    }

    fn did(&self, action: Action, card: &Card) -> Effect {
        Effect::Did(
            action,
            Issue {
                tracker: self.board.name().to_owned(),
                number: card.number,
                url: card.url.clone(),
                state: card.state,
            },
        )
    }
}

fn identity(story: &Story<'_>) -> Identity {
    Identity::of(story.service, &story.drift.step_hash)
}

/// What issues of a service are listed by. GitHub takes fifty characters; a longer name is cut, and its hash tells it apart.
pub fn service_label(service: &Service) -> String {
    const LONGEST: usize = 50;
    let label = format!("{LABEL}/{service}");
    if label.len() <= LONGEST {
        return label;
    }
    let hash = hex::encode(Sha256::digest(service.as_str()));
    format!("{}-{}", &label[..LONGEST - 9], &hash[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_at_most_fifty_characters_and_stays_the_services_own() {
        let label = |name: &str| service_label(&Service::parse(name).unwrap());
        assert_eq!(label("openai"), "drift/openai");
        assert_eq!(label(&"a".repeat(44)).len(), 50);
        let (one, other) = (
            label(&format!("{}-one", "a".repeat(60))),
            label(&format!("{}-two", "a".repeat(60))),
        );
        assert_eq!((one.len(), other.len()), (50, 50));
        assert_ne!(one, other);
    }
}
