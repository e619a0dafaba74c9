//! What the page looked like: the picture of the proof beside what changed in the tree since the last good run.

use std::sync::Arc;

use drift_schema::event::{DriftJudged, Event};
use drift_schema::run::Proof;
use drift_schema::{Digest, Micros, Workspace};

use super::compare::{self, Compared};
use crate::http::State;
use crate::http::error::ApiError;
use crate::pages::time::When;
use crate::store::DriftLook;

pub(super) struct Evidence {
    pub(super) proved: Option<Proved>,
    /// A replay has passed the step since it was proved.
    pub(super) is_past: bool,
    /// What a scraper sent of its own accord, where there is no proof of ours.
    pub(super) reported: Option<Picture>,
    pub(super) good_tree: Option<Digest>,
    pub(super) compared: Comparison,
}

pub(super) enum Comparison {
    /// There is no proof yet.
    NoProof,
    /// Proved, and nothing to compare with.
    NoGood,
    /// One of the trees is not kept.
    Missing,
    /// The same on both sides.
    Same,
    Changed(Arc<Compared>),
}

/// A picture, with its size so that nothing moves when it comes.
pub(super) struct Picture {
    pub(super) sha256: Digest,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// One proof.
pub(super) struct Proved {
    pub(super) at: When,
    pub(super) proof: Proof,
    pub(super) picture: Option<Picture>,
}

impl Evidence {
    /// Whether there is nothing to show, and nothing to compare.
    pub(super) fn is_empty(&self) -> bool {
        self.proved.is_none() && self.reported.is_none() && self.good_tree.is_none()
    }

    pub(super) async fn gather(
        state: &State,
        workspace: &Workspace,
        look: &DriftLook,
        now: Micros,
    ) -> Result<Self, ApiError> {
        let proof = look.drift.proof.as_ref();
        let good_tree = look
            .drift
            .last_good
            .as_ref()
            .and_then(|good| good.tree.clone());
        let picture = match proof.and_then(|proof| proof.screenshot.as_ref()) {
            Some(name) => Picture::find(state, workspace, name).await?,
            None => None,
        };
        let reported = match &look.seen.screenshot_ref {
            Some(name) if picture.is_none() => Picture::find(state, workspace, name).await?,
            _ => None,
        };
        let compared = match (proof.map(|proof| proof.tree.as_ref()), &good_tree) {
            (None, _) => Comparison::NoProof,
            (Some(_), None) => Comparison::NoGood,
            (Some(None), Some(_)) => Comparison::Missing,
            (Some(Some(bad)), Some(good)) if bad == good => Comparison::Same,
            (Some(Some(bad)), Some(good)) => {
                match compare::trees(state, workspace, good, bad).await? {
                    None => Comparison::Missing,
                    Some(compared) if compared.is_empty() => Comparison::Same,
                    Some(compared) => Comparison::Changed(compared),
                }
            }
        };
        Ok(Self {
            proved: proof.map(|proof| Proved {
                at: When::new(proof.at, now),
                proof: proof.clone(),
                picture,
            }),
            is_past: match (proof, &look.drift.last_good) {
                (Some(proof), Some(good)) => good.at > proof.at,
                _ => false,
            },
            reported,
            good_tree,
            compared,
        })
    }
}

impl Picture {
    /// None if it is not kept, or is no picture.
    async fn find(
        state: &State,
        workspace: &Workspace,
        name: &Digest,
    ) -> Result<Option<Self>, ApiError> {
        let Some((media_type, bytes)) = state.find_artifact(workspace, name).await? else {
            return Ok(None);
        };
        let size = (media_type == "image/png").then(|| size(&bytes)).flatten();
        Ok(size.map(|(width, height)| Self {
            sha256: name.clone(),
            width,
            height,
        }))
    }
}

/// Width and height stand in the first chunk of a PNG.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(png.get(at..at + 4)?.try_into().ok()?));
    if png.get(12..16)? != b"IHDR" {
        return None;
    }
    number(16).zip(number(20))
}

/// Proofs before the latest, of the events that the page shows anyway.
pub(super) fn older(look: &DriftLook, now: Micros) -> Vec<Proved> {
    let latest = look.drift.proof.as_ref();
    let proofs = look.moments.iter().filter_map(|moment| {
        let payload = moment.data.as_ref()?.to_string();
        match Event::decode(&moment.kind, moment.version, &payload).ok()? {
            Event::DriftJudged(DriftJudged { proof, .. }) => proof,
            _ => None,
        }
    });
    proofs
        .filter(|proof| Some(proof) != latest)
        .filter(|proof| proof.screenshot.is_some() || proof.tree.is_some())
        .map(|proof| Proved {
            at: When::new(proof.at, now),
            proof,
            picture: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_how_large_it_is() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        assert_eq!(size(&png), None);
        png.extend([0, 0, 5, 0, 0, 0, 2, 208]);
        assert_eq!(size(&png), Some((1280, 720)));
        assert_eq!(
            size(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT\0\0\x05\0\0\0\x02\xd0"),
            None
        );
    }
}
