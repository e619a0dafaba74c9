//! Issues at GitHub, by octocrab. octocrab brings the connection, TLS and the token; what to repeat, how fast to write and
//! what an answer means is decided here, since only reads may be repeated.

mod app;
mod call;
mod names;
mod pace;
mod pictures;
mod wire;

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use drift_schema::Digest;
use drift_schema::run::IssueState;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::board::{At, Board, Card, Draft, Edit, Look, Trouble};
pub use app::AppKey;
use call::{Caller, PER_PAGE};
pub use names::Repository;
use wire::{CommentWire, IssueWire};

/// How we are known to GitHub.
#[derive(Debug, Clone)]
pub enum Login {
    /// Of a person or of an Actions job.
    Token(SecretString),
    App {
        id: u64,
        key: AppKey,
        installation: Option<u64>,
    },
}

/// Where screenshots go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screenshots {
    /// A signed link to our own server.
    Link,
    /// Files on an orphan branch of the repository.
    Branch,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub api: Url,
    pub repository: Repository,
    pub login: Login,
    pub screenshots: Screenshots,
    /// Zero is no limit.
    pub writes_per_minute: u32,
    /// How long a limit of GitHub's may make a tick wait before the rest is left to the next one.
    pub patience: Duration,
}

const SWITCHED_ON: &str = "issues switched on in the repository's settings";

pub struct Github {
    caller: Caller,
    repository: Repository,
    screenshots: Screenshots,
    /// Labels that are known to exist.
    labels: Mutex<HashSet<String>>,
    branch: Mutex<bool>,
}

impl Github {
    pub fn new(settings: Settings) -> anyhow::Result<Self> {
        Ok(Self {
            repository: settings.repository.clone(),
            screenshots: settings.screenshots,
            caller: Caller::new(settings)?,
            labels: Mutex::default(),
            branch: Mutex::default(),
        })
    }

    /// The repository as GitHub shows it to us, for `doctor`.
    pub async fn repository(&self) -> Result<Value, Trouble> {
        let answer = self.caller.get(&self.repository.path("")).await?;
        answer
            .expect(&[200], "see the repository", "metadata: read")?
            .json()
    }

    /// What an App was granted; None for a token, which cannot be asked.
    pub async fn granted(&self) -> Result<Option<Value>, Trouble> {
        self.caller.granted().await
    }

    /// Makes our labels with a colour and a word about them. An issue is worth more than its labels' looks: where this does not
    /// work, GitHub is left to make them, and says so in the log.
    async fn ensure_labels(&self, labels: &[String]) -> Result<(), Trouble> {
        let mut known = self.labels.lock().await;
        for label in labels {
            if known.contains(label) {
                continue;
            }
            match self.ensure_label(label).await {
                Err(trouble @ Trouble::Refused { .. }) => {
                    tracing::warn!(label, %trouble, "no label");
                }
                other => other?,
            }
            known.insert(label.clone());
        }
        Ok(())
    }

    async fn ensure_label(&self, label: &str) -> Result<(), Trouble> {
        let path = self
            .repository
            .path(&format!("/labels/{}", names::encoded(label)));
        let found = self.caller.get(&path).await?;
        if found.status != 404 {
            return found
                .expect(&[200], "read the labels", "issues: read")
                .map(drop);
        }
        let body =
            json!({"name": label, "color": "b60205", "description": "Set by the drift tracker"});
        let made = self
            .caller
            .write("POST", &self.repository.path("/labels"), &body)
            .await?;
        // 422: somebody else was faster.
        made.expect(&[201, 422], "create the label", "issues: write")
            .map(drop)
    }

    async fn add_labels(
        &self,
        repository: &Repository,
        number: u64,
        labels: &[String],
    ) -> Result<(), Trouble> {
        self.ensure_labels(labels).await?;
        let path = repository.path(&format!("/issues/{number}/labels"));
        let answer = self
            .caller
            .write("POST", &path, &json!({"labels": labels}))
            .await?;
        answer
            .expect(&[200, 201], "label the issue", "issues: write")
            .map(drop)
    }

    /// Where an issue is; it may have been transferred.
    fn issue_path(&self, at: &At) -> (Repository, String) {
        let repository = Repository::of_issue(&at.url).unwrap_or_else(|| self.repository.clone());
        let path = repository.path(&format!("/issues/{}", at.number));
        (repository, path)
    }

    /// 404 is said of an issue that is gone, of a repository that is, and of a right that is missing; 410 of one that is gone, and of
    /// all where issues are switched off.
    async fn gone_or_refused(&self, repository: &Repository) -> Result<Look, Trouble> {
        let answer = self.caller.get(&repository.path("")).await?;
        let there = answer.expect(
            &[200],
            "see the repository",
            "metadata: read and issues: read",
        )?;
        if there.json::<Value>()?["has_issues"] == false {
            return Err(Trouble::Refused {
                why: format!("GitHub shows no issues of {repository}: this needs {SWITCHED_ON}"),
            });
        }
        Ok(Look::Gone)
    }
}

#[async_trait]
impl Board for Github {
    fn name(&self) -> &'static str {
        "github"
    }

    async fn list(&self, label: &str) -> Result<Vec<Card>, Trouble> {
        let query = format!(
            "/issues?labels={}&state=all&sort=created&direction=asc&per_page={PER_PAGE}",
            names::encoded(label)
        );
        let pages = self
            .caller
            .pages(
                &self.repository.path(&query),
                "list the issues",
                "issues: read",
            )
            .await?;
        let mut cards = Vec::new();
        for page in pages {
            for issue in page.json::<Vec<IssueWire>>()? {
                // The list of issues has the pull requests, too.
                if issue.pull_request.is_none() {
                    cards.push(issue.card());
                }
            }
        }
        Ok(cards)
    }

    async fn look(&self, at: &At) -> Result<Look, Trouble> {
        let (repository, path) = self.issue_path(at);
        let answer = self.caller.get(&path).await?;
        match answer.status {
            404 | 410 => self.gone_or_refused(&repository).await,
            301 | 307 | 308 => {
                let Some(place) = answer.location() else {
                    return Err(answer.strange("a redirect that leads nowhere"));
                };
                if !place.contains("/issues/") {
                    // It was made a discussion, which is no issue any more.
                    return Ok(Look::Gone);
                }
                let moved = self.caller.get(&place).await?;
                match moved.status {
                    200 => Ok(Look::Moved(moved.json::<IssueWire>()?.card())),
                    _ => Ok(Look::Gone),
                }
            }
            _ => {
                let card = answer
                    .expect(&[200], "read the issue", "issues: read")?
                    .json::<IssueWire>()?
                    .card();
                Ok(Look::Here(card))
            }
        }
    }

    async fn create(&self, draft: &Draft) -> Result<Card, Trouble> {
        self.ensure_labels(&draft.labels).await?;
        let body = json!({"title": draft.title, "body": draft.body, "labels": draft.labels});
        let answer = self
            .caller
            .write("POST", &self.repository.path("/issues"), &body)
            .await?;
        let answer = match answer.status {
            410 => {
                return Err(answer.refused("open an issue", SWITCHED_ON));
            }
            _ => answer.expect(&[201], "open an issue", "issues: write")?,
        };
        let card = answer.json::<IssueWire>()?.card();
        let missing: Vec<String> = draft
            .labels
            .iter()
            .filter(|label| !card.labels.contains(label))
            .cloned()
            .collect();
        // GitHub drops labels without a word where the token may not set them. The issue is there all the same: were this an
        // error, the next pass would open another one.
        if !missing.is_empty()
            && let Err(trouble) = self
                .add_labels(&self.repository, card.number, &missing)
                .await
        {
            tracing::error!(issue = card.number, ?missing, %trouble, "the issue has no label, and is not found again after a crash");
        }
        Ok(card)
    }

    async fn edit(&self, at: &At, edit: &Edit) -> Result<Card, Trouble> {
        let (repository, path) = self.issue_path(at);
        if !edit.labels.is_empty() {
            self.add_labels(&repository, at.number, &edit.labels)
                .await?;
        }
        let mut body = json!({});
        if let Some(title) = &edit.title {
            body["title"] = json!(title);
        }
        if let Some(text) = &edit.body {
            body["body"] = json!(text);
        }
        match edit.state {
            Some(IssueState::Open) => body["state"] = json!("open"),
            Some(IssueState::Closed) => body["state"] = json!("closed"),
            None => {}
        }
        let answer = self.caller.write("PATCH", &path, &body).await?;
        Ok(answer
            .expect(&[200], "edit the issue", "issues: write")?
            .json::<IssueWire>()?
            .card())
    }

    async fn comments(&self, at: &At) -> Result<Vec<String>, Trouble> {
        let (_, path) = self.issue_path(at);
        let pages = self
            .caller
            .pages(
                &format!("{path}/comments?per_page={PER_PAGE}"),
                "read the comments",
                "issues: read",
            )
            .await?;
        let mut texts = Vec::new();
        for page in pages {
            let comments = page.json::<Vec<CommentWire>>()?;
            texts.extend(
                comments
                    .into_iter()
                    .map(|comment| comment.body.unwrap_or_default()),
            );
        }
        Ok(texts)
    }

    async fn comment(&self, at: &At, text: &str) -> Result<(), Trouble> {
        let (_, path) = self.issue_path(at);
        let answer = self
            .caller
            .write("POST", &format!("{path}/comments"), &json!({"body": text}))
            .await?;
        answer.expect(&[201], "comment on the issue", "issues: write")?;
        Ok(())
    }

    fn keeps_pictures(&self) -> bool {
        self.screenshots == Screenshots::Branch
    }

    async fn keep_picture(&self, digest: &Digest, png: &[u8]) -> Result<String, Trouble> {
        self.commit_picture(digest, png).await
    }
}
