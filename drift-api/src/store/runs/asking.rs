//! Which issues a runner is to ask the tracker about. Asking costs calls to GitHub, and an hour in which nothing was reported is
//! to cost none: where GitHub tells us by itself, it is asked only beside other work, and once a day in case something was lost.

use std::collections::HashMap;

use drift_schema::run::{Issue, IssueToAsk};
use drift_schema::{Micros, Service, Step, Workspace};

use crate::lifecycle::Drift;
use crate::store::{Result, Store};

/// The most issues that one answer asks about. With more, each hour has its share of them.
const MOST: i64 = 1_000;
const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;
/// A webhook that was not heard of for so long may have been removed.
const SILENCE: i64 = 30 * DAY;

const ISSUES: &str = "
    SELECT service, step, state FROM drifts
    WHERE workspace = $1 AND issue IS NOT NULL AND stage IN ('open', 'closed', 'settling', 'fixed', 'muted', 'renamed')
    ORDER BY service, step LIMIT $2 OFFSET $3";
const COUNT: &str = "
    SELECT COUNT(*) FROM drifts WHERE workspace = $1 AND issue IS NOT NULL AND stage IN ('open', 'closed', 'settling', 'fixed', 'muted', 'renamed')";
/// They stand beside the deliveries, under names that none has.
const CONTACTS: &str = "
    SELECT delivery, received_at FROM deliveries WHERE delivery LIKE 'heard %' OR delivery = $1";
const CONTACT: &str = "
    INSERT INTO deliveries (delivery, received_at) VALUES ($1, $2)
    ON CONFLICT (delivery) DO UPDATE SET received_at = excluded.received_at";
const LAST_CONTACT: &str = "SELECT received_at FROM deliveries WHERE delivery = $1";

/// When trackers were last heard of, and when they were last asked.
#[derive(Debug, Default)]
struct Contacts {
    heard: HashMap<String, Micros>,
    asked: Option<Micros>,
}

impl Contacts {
    /// Whether the tracker tells about this issue by itself.
    fn are_told(&self, issue: &Issue, now: Micros) -> bool {
        let heard = repository(&issue.url).and_then(|repository| self.heard.get(repository));
        heard.is_some_and(|heard| now.0 - heard.0 < SILENCE)
    }

    /// Something may have got lost since.
    fn is_a_day_ago(&self, now: Micros) -> bool {
        self.asked
            .is_none_or(|asked| !(0..DAY).contains(&(now.0 - asked.0)))
    }
}

/// Issues to ask about, and whether those are among them that are asked about once a day.
pub(super) struct Asking {
    pub(super) issues: Vec<IssueToAsk>,
    pub(super) is_daily: bool,
}

impl Store {
    pub(super) async fn asking(
        &self,
        workspace: &Workspace,
        is_work: bool,
        now: Micros,
    ) -> Result<Asking> {
        let scope = workspace.as_str();
        let row = self.db.row(COUNT, [scope.into()]).await?;
        let count: i64 = row.map(|row| row.get(0)).transpose()?.unwrap_or(0);
        if count == 0 {
            return Ok(Asking {
                issues: Vec::new(),
                is_daily: false,
            });
        }
        let contacts = self.contacts(workspace).await?;
        let daily = contacts.is_a_day_ago(now);
        let (mut issues, mut is_daily) = (Vec::new(), false);
        let params = [scope.into(), MOST.into(), first_of(count, now).into()];
        for row in &self.db.rows(ISSUES, params).await? {
            let (service, step): (Service, Step) = (row.word(0)?, row.word(1)?);
            let Some(issue) = row.json::<Drift>(2)?.issue else {
                continue;
            };
            let are_told = contacts.are_told(&issue, now);
            is_daily |= are_told && daily;
            if !are_told || is_work || daily {
                issues.push(IssueToAsk {
                    service,
                    step_hash: step.hash(),
                    step,
                    issue,
                });
            }
        }
        Ok(Asking { issues, is_daily })
    }

    async fn contacts(&self, workspace: &Workspace) -> Result<Contacts> {
        let mut contacts = Contacts::default();
        for row in self.db.rows(CONTACTS, [asked(workspace).into()]).await? {
            let (name, at): (String, i64) = (row.get(0)?, row.get(1)?);
            match name.strip_prefix("heard ") {
                Some(repository) => {
                    contacts.heard.insert(repository.to_owned(), Micros(at));
                }
                None => contacts.asked = Some(Micros(at)),
            }
        }
        Ok(contacts)
    }

    /// A webhook of this repository came. Written down once an hour.
    pub async fn heard(&self, repository: &str, now: Micros) -> Result<()> {
        let name = format!("heard {repository}");
        let row = self.db.row(LAST_CONTACT, [name.as_str().into()]).await?;
        let last: Option<i64> = row.map(|row| row.get(0)).transpose()?;
        if last.is_some_and(|last| now.0 - last < HOUR) {
            return Ok(());
        }
        self.note_contact(name, now).await
    }

    /// A runner has asked about all that there was to ask about.
    pub async fn asked(&self, workspace: &Workspace, now: Micros) -> Result<()> {
        self.note_contact(asked(workspace), now).await
    }

    async fn note_contact(&self, name: String, now: Micros) -> Result<()> {
        let mut session = self.db.write().await?;
        session.run(CONTACT, [name.into(), now.0.into()]).await?;
        Ok(session.commit().await?)
    }
}

fn asked(workspace: &Workspace) -> String {
    format!("asked {workspace}")
}

/// Where this hour's share begins.
fn first_of(count: i64, now: Micros) -> i64 {
    let shares = (count + MOST - 1) / MOST;
    (now.0 / HOUR) % shares.max(1) * MOST
}

/// `https://github.com/octo-org/drift` of the address of one of its issues. A file has none, and is asked about at no cost.
fn repository(url: &str) -> Option<&str> {
    let (repository, _) = url.rsplit_once("/issues/")?;
    repository.contains("://").then_some(repository)
}

#[cfg(test)]
mod tests {
    use drift_schema::run::IssueState;

    use super::*;

    fn issue(url: &str) -> Issue {
        Issue {
            tracker: "github".to_owned(),
            number: 7,
            url: url.to_owned(),
            state: IssueState::Open,
        }
    }

    #[test]
    fn a_repository_whose_webhooks_come_tells_by_itself_for_a_month() {
        let now = Micros(100 * DAY);
        let contacts = Contacts {
            heard: HashMap::from([("https://github.com/octo/drift".to_owned(), now)]),
            asked: None,
        };
        let ours = issue("https://github.com/octo/drift/issues/7");
        assert!(contacts.are_told(&ours, now));
        assert!(!contacts.are_told(&ours, Micros(now.0 + SILENCE)));
        for other in [
            "https://github.com/octo/other/issues/7",
            "issues/7.md",
            "drift-issues/0007-openai-login.md",
        ] {
            assert!(!contacts.are_told(&issue(other), now), "{other}");
        }
        assert!(contacts.is_a_day_ago(now));
        let contacts = Contacts {
            asked: Some(now),
            ..contacts
        };
        assert!(!contacts.is_a_day_ago(Micros(now.0 + DAY - 1)));
        assert!(contacts.is_a_day_ago(Micros(now.0 + DAY)));
        // The clock was set back: better asked once too often than never again.
        assert!(contacts.is_a_day_ago(Micros(now.0 - DAY)));
    }

    #[test]
    fn with_more_issues_than_one_answer_holds_each_has_its_hour() {
        for (count, shares) in [(1, 1), (1_000, 1), (1_001, 2), (2_500, 3)] {
            let begins: std::collections::BTreeSet<i64> = (0..24)
                .map(|hour| first_of(count, Micros(hour * HOUR)))
                .collect();
            let expected: std::collections::BTreeSet<i64> =
                (0..shares).map(|share| share * MOST).collect();
            assert_eq!(begins, expected, "{count}");
        }
    }
}
