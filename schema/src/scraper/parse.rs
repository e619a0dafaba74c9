//! From the bytes of a line to a `Line`. A flood of progress lines goes through here, so texts are borrowed until
//! they are needed.

use std::borrow::Cow;
use std::fmt;

use serde::de::Visitor;
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::{ApiKey, Failure, Line, Progress, Resource, Success, Tripped};
use crate::report::TripwireKind;
use crate::words::{Digest, FailureCode, NotA, ResourceKind, ScraperVersion, Step};

/// Why a line is not one. Names a field of ours and the rule, never the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{rule}", field.unwrap_or(""), if field.is_some() { ": " } else { "" })]
pub struct Malformed {
    pub field: Option<&'static str>,
    pub rule: &'static str,
}

impl Malformed {
    const fn line(rule: &'static str) -> Self {
        Self { field: None, rule }
    }

    const fn field(field: &'static str, rule: &'static str) -> Self {
        Self {
            field: Some(field),
            rule,
        }
    }
}

/// A text that borrows from the line wherever nothing in it is escaped. `Option<Cow<str>>` would always copy.
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AText;
        impl<'de> Visitor<'de> for AText {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(AText)
    }
}

/// The fields of a progress line, which is nearly every line of a long run: a small struct is moved around faster.
#[derive(Deserialize)]
struct Short<'a> {
    #[serde(rename = "type", borrow)]
    kind_of_line: Option<Text<'a>>,
    #[serde(borrow)]
    step: Option<Text<'a>>,
    #[serde(borrow)]
    tree: Option<Text<'a>>,
}

/// All fields of all types, as they stand.
#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(rename = "type", borrow)]
    kind_of_line: Option<Text<'a>>,
    #[serde(borrow)]
    step: Option<Text<'a>>,
    #[serde(borrow)]
    kind: Option<Text<'a>>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    url: Option<Text<'a>>,
    #[serde(borrow)]
    screenshot_b64: Option<Text<'a>>,
    #[serde(borrow)]
    dom_digest: Option<Text<'a>>,
    #[serde(borrow)]
    resume_token: Option<Text<'a>>,
    #[serde(borrow)]
    scraper_version: Option<Text<'a>>,
    #[serde(borrow)]
    tree: Option<Text<'a>>,
    #[serde(borrow)]
    api_key: Option<Text<'a>>,
    #[serde(borrow)]
    code: Option<Text<'a>>,
    #[serde(borrow)]
    details: Option<Text<'a>>,
}

const FIELDS: [&str; 13] = [
    "type",
    "step",
    "kind",
    "id",
    "url",
    "screenshot_b64",
    "dom_digest",
    "resume_token",
    "scraper_version",
    "tree",
    "api_key",
    "code",
    "details",
];

impl Line {
    /// Reads one line, with or without its line feed.
    pub fn parse(line: &[u8]) -> Result<Self, Malformed> {
        // A list would do for serde, in the order of our struct.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(Malformed::line("not a JSON object"));
        }
        if let Ok(short) = serde_json::from_slice::<Short<'_>>(line)
            && short.kind_of_line.is_some_and(|kind| kind.0 == "progress")
        {
            return Ok(Self::Progress(Progress {
                step: parsed(short.step, "step", Step::parse)?,
                tree: short.tree.map(Text::into_owned),
            }));
        }
        let raw: Raw<'_> = serde_json::from_slice(line).map_err(|error| explain(line, &error))?;
        let kind_of_line = required(raw.kind_of_line, "type")?;
        Ok(match kind_of_line.0.as_ref() {
            "resource" => Self::Resource(Resource {
                kind: parsed(raw.kind, "kind", ResourceKind::parse)?,
                id: parsed(raw.id, "id", resource_id)?,
            }),
            "tripwire" => Self::Tripwire(Tripped {
                kind: parsed(raw.kind, "kind", TripwireKind::parse)?,
                step: parsed(raw.step, "step", Step::parse)?,
                url: raw.url.map(Text::into_owned),
                screenshot_b64: raw.screenshot_b64.map(Text::into_owned),
                dom_digest: optional(raw.dom_digest, "dom_digest", Digest::parse)?,
                resume_token: optional(raw.resume_token, "resume_token", uuid)?,
                scraper_version: optional(
                    raw.scraper_version,
                    "scraper_version",
                    ScraperVersion::parse,
                )?,
                tree: raw.tree.map(Text::into_owned),
            }),
            "success" => Self::Success(Success {
                api_key: parsed(raw.api_key, "api_key", ApiKey::parse)?,
            }),
            "error" => Self::Error(Failure {
                code: parsed(raw.code, "code", FailureCode::parse)?,
                details: raw.details.map(Text::into_owned),
            }),
            _ => {
                return Err(Malformed::field(
                    "type",
                    "one of progress, resource, tripwire, success, error",
                ));
            }
        })
    }
}

impl Text<'_> {
    fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

fn required<'a>(text: Option<Text<'a>>, field: &'static str) -> Result<Text<'a>, Malformed> {
    text.ok_or(Malformed::field(field, "is missing"))
}

fn parsed<T>(
    text: Option<Text<'_>>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, NotA>,
) -> Result<T, Malformed> {
    parse(&required(text, field)?.0).map_err(|NotA(rule)| Malformed::field(field, rule))
}

fn optional<T>(
    text: Option<Text<'_>>,
    field: &'static str,
    parse: impl FnOnce(&str) -> Result<T, NotA>,
) -> Result<Option<T>, Malformed> {
    text.map(|text| parse(&text.0).map_err(|NotA(rule)| Malformed::field(field, rule)))
        .transpose()
}

fn resource_id(text: &str) -> Result<String, NotA> {
    if (1..=512).contains(&text.len()) && !text.contains(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err(NotA("1 to 512 bytes without control characters"))
    }
}

/// Names of files are made of it, so it has to be one.
fn uuid(text: &str) -> Result<Uuid, NotA> {
    let hyphenated = text.len() == 36;
    hyphenated
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or(NotA("a UUID of 36 characters"))
}

/// serde's own text may quote the line. Looks again, more slowly, for what it is that we can say.
fn explain(line: &[u8], error: &serde_json::Error) -> Malformed {
    use serde_json::error::Category;
    if std::str::from_utf8(line).is_err() {
        return Malformed::line("not UTF-8");
    }
    if error.classify() != Category::Data {
        return Malformed::line("not well-formed JSON");
    }
    let whole: Option<serde_json::Value> = serde_json::from_slice(line).ok();
    let wrong = FIELDS.into_iter().find(|field| {
        let value = whole.as_ref().and_then(|whole| whole.get(field));
        value.is_some_and(|value| !value.is_string() && !value.is_null())
    });
    wrong.map_or(Malformed::line("a field stands twice"), |field| {
        Malformed::field(field, "must be a string")
    })
}
