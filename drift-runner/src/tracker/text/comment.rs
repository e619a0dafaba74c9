//! Comments. Each has a hidden key that says what it is about, so that one whose answer was lost is not written twice.

use drift_schema::run::Counted;
use sha2::{Digest as _, Sha256};

use super::body::{COUNTERS, PICTURES};
use super::neutral::{code, link};
use super::own::{Identity, read_part};
use super::{kind_name, minute, second};
use crate::tracker::{Picture, Story};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    pub marker: String,
    pub text: String,
}

impl Comment {
    fn new(identity: &Identity, about: &str, text: &str) -> Self {
        let key = hex::encode(Sha256::digest(format!("{}\n{about}", identity.as_str())));
        let marker = format!("<!-- drift-tracker comment {} -->", &key[..32]);
        Self {
            text: format!("{marker}\n{}", text.trim_end()),
            marker,
        }
    }
}

/// Why the issue is open again.
pub fn reopened(story: &Story<'_>, identity: &Identity) -> Option<Comment> {
    let proof = story.proof?;
    let version = proof.scraper_version.as_ref();
    let version = version.map_or_else(String::new, |version| {
        format!(" with scraper {}", code(version.as_str()))
    });
    let text = format!(
        "Reopened: the fix does not hold. The replay of {}{version} tripped again at {} ({}). The description above shows this failure.",
        minute(proof.at),
        code(story.drift.step.as_str()),
        code(kind_name(proof.kind)),
    );
    Some(Comment::new(
        identity,
        &format!("reopened {}", second(proof.at)),
        &text,
    ))
}

/// The step passes again. `closing` tells this closing from others of the same issue; an issue without one is open.
pub fn settled(story: &Story<'_>, identity: &Identity, closing: Option<&str>) -> Comment {
    let version = story.drift.fixed_in.as_ref();
    let version = version.map_or_else(String::new, |version| {
        format!(" with scraper {}", code(version.as_str()))
    });
    let step = code(story.drift.step.as_str());
    let later = version_note(story);
    if let Some(at) = story.drift.fix_declared {
        let what = if closing.is_some() {
            "This issue stays closed."
        } else {
            "If that is right, close this issue."
        };
        let text = format!("A maintainer marked {step} as fixed. {what}{later}");
        return Comment::new(identity, &format!("declared {}", second(at)), &text);
    }
    match closing {
        Some(closing) => {
            let text = format!(
                "The fix holds: a replay{version} passed {step}. This issue stays closed.{later}"
            );
            Comment::new(identity, &format!("settled {closing}"), &text)
        }
        None => {
            let good = story.drift.last_good.as_ref();
            let about = good.map_or_else(String::new, |good| second(good.at));
            let text = format!(
                "A replay{version} passed {step} again. If that is the fix, close this issue.{later}"
            );
            Comment::new(identity, &format!("passed {about}"), &text)
        }
    }
}

fn version_note(story: &Story<'_>) -> String {
    match &story.drift.fixed_in {
        Some(version) => format!(
            " Reports of versions before {} are counted and change nothing.",
            code(version.as_str())
        ),
        None => String::new(),
    }
}

/// What readers have not been shown yet. `body` is the issue as it stands, before the counters are renewed.
pub fn bump_news(story: &Story<'_>, identity: &Identity, body: &str) -> Option<Comment> {
    let shown = read_part(body, COUNTERS)?;
    let shown_pictures = read_part(body, PICTURES).unwrap_or_default();
    let seen = &story.drift.seen;
    let mut news = Vec::new();
    let mut about = String::new();
    for (what, values) in [
        ("scraper version", &seen.versions),
        ("DOM digest", &seen.digests),
    ] {
        let new = values
            .iter()
            .map(|Counted { value, .. }| code(value))
            .filter(|value| !shown.contains(value.as_str()));
        let new: Vec<String> = new.take(10).collect();
        if !new.is_empty() {
            about += &new.concat();
            let s = if new.len() == 1 { "" } else { "s" };
            news.push(format!("- new {what}{s}: {}", new.join(", ")));
        }
    }
    if let Some(picture) = &story.reported_picture
        && !shown_pictures.contains(&code(picture.digest().as_str()))
    {
        about += picture.digest().as_str();
        news.push(match picture {
            Picture::Link { url, .. } => {
                format!("- {}", link("new screenshot from the field", url))
            }
            _ => "- a new screenshot from the field, shown above".to_owned(),
        });
    }
    if news.is_empty() {
        return None;
    }
    let text = format!("Reported again, with news:\n\n{}", news.join("\n"));
    Some(Comment::new(identity, &format!("news {about}"), &text))
}
