//! The one issue that takes what is more than a tick may open: a row for each drift. A bot that opens forty issues in a night is
//! a bot that gets removed.

use drift_schema::run::{IssueState, Observation};

use super::text::{self, Identity};
use super::{
    Action, Card, Draft, Edit, Effect, LABEL, Look, Story, Tracker, Trouble, service_label,
};

impl Tracker {
    /// A row in the oldest folded issue that is open and has room, or in a new one.
    pub(super) async fn fold(
        &self,
        story: &Story<'_>,
        identity: &Identity,
    ) -> Result<Effect, Trouble> {
        let _alone = self.folding.lock().await;
        let row = text::row(story, identity, "failing");
        for card in self.folded().await? {
            if let Some(body) = text::with_row(&card.body, identity, &row) {
                return self
                    .write_row(story, identity, &card, body, &row, Action::Folded)
                    .await;
            }
        }
        let draft = Draft {
            title: text::folded_title(story.now),
            body: text::folded_body(&row),
            labels: vec![LABEL.to_owned(), service_label(story.service)],
        };
        let created = match self.board.create(&draft).await {
            Ok(card) => card,
            Err(Trouble::Unknown { why }) => {
                let there = self.folded().await?;
                let with_this = there.into_iter().find(|card| card.body.contains(&row));
                with_this.ok_or(Trouble::Unknown { why })?
            }
            Err(trouble) => return Err(trouble),
        };
        Ok(self.did(Action::Folded, &created))
    }

    /// Folded issues that are open, oldest first.
    async fn folded(&self) -> Result<Vec<Card>, Trouble> {
        let mut cards = self.board.list(LABEL).await?;
        cards.retain(|card| card.state == IssueState::Open && is_folded(card));
        cards.sort_by_key(|card| card.number);
        Ok(cards)
    }

    /// Renews the row of a drift that was folded before.
    pub(super) async fn fold_into(
        &self,
        story: &Story<'_>,
        identity: &Identity,
        card: Card,
        action: Action,
    ) -> Result<Effect, Trouble> {
        let _alone = self.folding.lock().await;
        // Again, now that nobody else of us changes it.
        let (Look::Here(card) | Look::Moved(card)) = self.board.look(&(&card).into()).await? else {
            return Ok(Effect::Differs(Observation::Gone));
        };
        let state = if action == Action::Settled {
            "fixed"
        } else {
            "failing"
        };
        let row = text::row(story, identity, state);
        let body = text::with_row(&card.body, identity, &row).unwrap_or_else(|| card.body.clone());
        if action == Action::Reopened {
            let edit = Edit {
                body: Some(body),
                state: Some(IssueState::Open),
                ..Edit::default()
            };
            let was = card.state;
            let card = self.board.edit(&(&card).into(), &edit).await?;
            if was == IssueState::Closed {
                self.say(&card, text::reopened(story, identity)).await?;
            }
            return Ok(self.did(action, &card));
        }
        self.write_row(story, identity, &card, body, &row, action)
            .await
    }

    /// Writes a row and looks whether it is there: another runner may have written its own at the same moment.
    async fn write_row(
        &self,
        story: &Story<'_>,
        identity: &Identity,
        card: &Card,
        body: String,
        row: &str,
        action: Action,
    ) -> Result<Effect, Trouble> {
        let at = card.into();
        let mut body = body;
        // By its label the row is found again.
        let label = service_label(story.service);
        let missing: Vec<String> = if card.labels.contains(&label) {
            Vec::new()
        } else {
            vec![label]
        };
        for _ in 0..3 {
            let edit = Edit {
                body: Some(body),
                labels: missing.clone(),
                ..Edit::default()
            };
            self.board.edit(&at, &edit).await?;
            let (Look::Here(card) | Look::Moved(card)) = self.board.look(&at).await? else {
                return Ok(Effect::Differs(Observation::Gone));
            };
            if card.body.contains(row) {
                return Ok(self.did(action, &card));
            }
            match text::with_row(&card.body, identity, row) {
                Some(again) => body = again,
                None => break,
            }
        }
        Err(Trouble::Later {
            why: format!(
                "the row of {} in issue #{} was overwritten by somebody else again and again",
                story.drift.step, card.number
            ),
            until: None,
        })
    }
}

pub(super) fn is_folded(card: &Card) -> bool {
    Identity::folded().is_in(&card.body)
}
