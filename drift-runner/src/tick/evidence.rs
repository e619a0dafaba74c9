//! Evidence on its way: from the scraper to the backend's store, and from there into an issue.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use drift_schema::Digest;
use drift_schema::run::Task;
use drift_schema::tree::Difference;

use crate::api::{Api, ApiError};
use crate::tracker::{Picture, Story, Tracker};

/// Of what this run has stored, so that it need not be fetched again.
pub(super) struct Evidence<'a> {
    api: &'a Api,
    known: HashMap<Digest, Vec<u8>>,
}

impl<'a> Evidence<'a> {
    pub fn new(api: &'a Api) -> Self {
        Self {
            api,
            known: HashMap::new(),
        }
    }

    /// The inner `Err` says why it is missing; a run is never lost for it.
    pub async fn store_screenshot(
        &mut self,
        base64: &str,
    ) -> Result<Result<Digest, String>, ApiError> {
        match STANDARD.decode(base64) {
            Ok(png) if png.starts_with(b"\x89PNG\r\n\x1a\n") => self.store(png, "image/png").await,
            Ok(_) => Ok(Err("what the scraper sent is no PNG".to_owned())),
            Err(_) => Ok(Err("what the scraper sent is not in base64".to_owned())),
        }
    }

    pub async fn store_tree(&mut self, tree: &str) -> Result<Result<Digest, String>, ApiError> {
        self.store(tree.as_bytes().to_vec(), "text/plain; charset=utf-8")
            .await
    }

    async fn store(
        &mut self,
        bytes: Vec<u8>,
        kind: &'static str,
    ) -> Result<Result<Digest, String>, ApiError> {
        match self.api.store(&bytes, kind).await {
            Ok(digest) => {
                self.known.insert(digest.clone(), bytes);
                Ok(Ok(digest))
            }
            // Away for good would end the run at its next word anyway.
            Err(error @ ApiError::Away { .. }) => Err(error),
            Err(error) => {
                tracing::warn!(%error, "evidence could not be stored");
                Ok(Err(error.to_string()))
            }
        }
    }

    async fn bytes(&mut self, digest: &Digest) -> Option<&[u8]> {
        if !self.known.contains_key(digest) {
            match self.api.artifact(digest).await {
                Ok(bytes) => {
                    self.known.insert(digest.clone(), bytes);
                }
                Err(error) => tracing::warn!(%digest, %error, "evidence could not be read"),
            }
        }
        self.known.get(digest).map(Vec::as_slice)
    }

    async fn text(&mut self, digest: &Digest) -> Option<String> {
        let bytes = self.bytes(digest).await?;
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Links for every task; trees and what changed in them only where the whole body is written.
    pub async fn tell(&mut self, story: &mut Story<'_>, task: Task) {
        if task == Task::Settle {
            return;
        }
        if let Some(digest) = story.proof.and_then(|proof| proof.screenshot.as_ref()) {
            story.picture = Some(self.link(digest).await);
        }
        if let Some(digest) = &story.drift.seen.screenshot_ref {
            story.reported_picture = Some(self.link(digest).await);
        }
        let stored = story.proof.and_then(|proof| proof.tree.as_ref());
        let (Some(digest), true) = (stored, task != Task::Bump) else {
            return;
        };
        story.tree = self.text(digest).await;
        if let Picture::Link { url, .. } = self.link(digest).await {
            story.tree_link = Some(url);
        }
        let good = story
            .drift
            .last_good
            .as_ref()
            .and_then(|good| good.tree.as_ref());
        if let (Some(good), Some(bad)) = (good, &story.tree)
            && let Some(good) = self.text(good).await
        {
            story.changes = Some(Difference::of_trees(&good, bad, None));
        }
    }

    async fn link(&self, digest: &Digest) -> Picture {
        let digest = digest.clone();
        match self.api.link(&digest).await {
            Ok(url) => Picture::Link { digest, url },
            Err(error) => {
                tracing::warn!(%digest, %error, "no link to this evidence");
                Picture::Missing {
                    digest,
                    why: error.to_string(),
                }
            }
        }
    }

    /// Pictures to where the issues are. A link stays where that does not work.
    pub async fn put_pictures(&mut self, story: &mut Story<'_>, tracker: &Tracker) {
        for reported in [false, true] {
            let shown = if reported {
                &story.reported_picture
            } else {
                &story.picture
            };
            let Some(digest) = shown.as_ref().map(|picture| picture.digest().clone()) else {
                continue;
            };
            let Some(png) = self.bytes(&digest).await else {
                continue;
            };
            match tracker.board().keep_picture(&digest, png).await {
                Ok(target) => {
                    let inline = Some(Picture::Inline { digest, target });
                    if reported {
                        story.reported_picture = inline;
                    } else {
                        story.picture = inline;
                    }
                }
                Err(trouble) => {
                    tracing::warn!(%digest, %trouble, "the picture could not be kept beside the issue");
                }
            }
        }
    }
}
