//! How issues are that somebody else may have closed, reopened, moved or deleted.

use std::collections::HashMap;

use drift_schema::Micros;
use drift_schema::run::{Issue, IssueState, IssueToAsk, Observation};

use super::board::{Look, Trouble};
use super::{LABEL, Tracker};

/// One by one, so many are looked at in a pass. More are not in the list when somebody renames our label; the rest has its turn
/// in the next passes.
const MOST_LOOKS: usize = 50;
const HOUR: i64 = 3_600_000_000;

/// What is different from what we know, and why not more of it is known.
#[derive(Debug, Default)]
pub struct Asked<'a> {
    pub changed: Vec<(&'a IssueToAsk, Observation)>,
    pub trouble: Option<Trouble>,
}

impl Tracker {
    /// How issues are, where that is not what we know of them. Many at once cost one list. The first trouble ends it: the others
    /// would fail the same way.
    pub async fn changed<'a>(&self, asked: &'a [IssueToAsk], now: Micros) -> Asked<'a> {
        let mut found = Asked::default();
        let listed = if asked.len() > 2 {
            match self.board().list(LABEL).await {
                Ok(listed) => listed,
                Err(trouble) => {
                    found.trouble = Some(trouble);
                    return found;
                }
            }
        } else {
            Vec::new()
        };
        let states: HashMap<(u64, &str), IssueState> = listed
            .iter()
            .map(|card| ((card.number, card.url.as_str()), card.state))
            .collect();
        // Folded drifts share an issue, which is looked at once.
        let mut seen: HashMap<(u64, &str), Observation> = HashMap::new();
        // Where not all have their turn, others come first in the next hour.
        let hour = usize::try_from(now.0 / HOUR).unwrap_or_default();
        let (later, sooner) = asked.split_at(hour * MOST_LOOKS % asked.len().max(1));
        for ask in sooner.iter().chain(later) {
            let key = (ask.issue.number, ask.issue.url.as_str());
            let observation = match (states.get(&key), seen.get(&key)) {
                (Some(state), _) => of_state(*state),
                (None, Some(known)) => known.clone(),
                (None, None) if seen.len() == MOST_LOOKS => {
                    found.trouble.get_or_insert_with(|| Trouble::Later {
                        why: format!(
                            "more than {MOST_LOOKS} issues are not among those with the label `{LABEL}`: was it renamed?"
                        ),
                        until: None,
                    });
                    continue;
                }
                (None, None) => match self.observe(&ask.issue).await {
                    Ok(observation) => {
                        seen.insert(key, observation.clone());
                        observation
                    }
                    Err(trouble) => {
                        found.trouble = Some(trouble);
                        return found;
                    }
                },
            };
            if observation != of_state(ask.issue.state) {
                found.changed.push((ask, observation));
            }
        }
        found
    }

    /// How an issue is, as far as the tracker knows.
    pub async fn observe(&self, issue: &Issue) -> Result<Observation, Trouble> {
        Ok(match self.board().look(&issue.into()).await? {
            Look::Here(card) => of_state(card.state),
            Look::Moved(card) => Observation::Moved {
                number: card.number,
                url: card.url,
            },
            Look::Gone => Observation::Gone,
        })
    }
}

fn of_state(state: IssueState) -> Observation {
    match state {
        IssueState::Open => Observation::Open,
        IssueState::Closed => Observation::Closed,
    }
}
