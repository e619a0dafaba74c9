//! The report of one tripwire, and the only way from bytes to it. The field list is an allow-list: whatever
//! else stands in the JSON, at any depth, makes the whole report a refusal that names our rule and never
//! repeats what was sent.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::pii;
use crate::problem::{Code, Refusal};
use crate::words::{Digest, Host, NotA, ScraperVersion, Service, Step};

/// How the shape of the page surprised the scraper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub enum TripwireKind {
    SelectorMissing,
    UnexpectedNav,
    Timeout,
}

impl TripwireKind {
    pub fn parse(text: &str) -> Result<Self, NotA> {
        match text {
            "selector-missing" => Ok(Self::SelectorMissing),
            "unexpected-nav" => Ok(Self::UnexpectedNav),
            "timeout" => Ok(Self::Timeout),
            _ => Err(NotA("one of selector-missing, unexpected-nav, timeout")),
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SelectorMissing => "selector-missing",
            Self::UnexpectedNav => "unexpected-nav",
            Self::Timeout => "timeout",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub struct Tripwire {
    pub kind: TripwireKind,
    pub step: Step,
}

/// One tripwire as a client sends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub struct Report {
    /// Drawn by the client, once per report, so that a retry counts once. Version 7 is kindest to the index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report_id: Option<Uuid>,
    pub service: Service,
    pub tripwire: Tripwire,
    /// Shape of the page, without its content.
    pub dom_digest: Digest,
    pub url_host: Host,
    pub scraper_version: ScraperVersion,
    /// A masked screenshot that was uploaded before (opt-in).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screenshot_ref: Option<Digest>,
}

impl Report {
    /// Reads one report. Syntax errors are `malformed_json`; everything else names the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut refusal = None;
        let mut json = serde_json::Deserializer::from_slice(bytes);
        let parsed = ReportSeed {
            refusal: &mut refusal,
        }
        .deserialize(&mut json)
        .and_then(|report| json.end().map(|()| report));
        parsed.map_err(|error| match (error.classify(), refusal) {
            (serde_json::error::Category::Data, Some(refusal)) => refusal,
            // Ours is also the answer when the reader stumbles over the end of a text that we gave up on.
            _ => Refusal::of(Code::MalformedJson),
        })
    }
}

/// A text field, or the note that something else stood there. Never fails on the type, so that the error can
/// name the field.
enum Text<'de> {
    Is(Cow<'de, str>),
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text::Is(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text::Is(Cow::Owned(text.to_owned())))
            }
            fn visit_unit<E>(self) -> Result<Text<'de>, E> {
                Ok(Text::Null)
            }
            fn visit_bool<E>(self, _: bool) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }
            fn visit_i64<E>(self, _: i64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }
            fn visit_u64<E>(self, _: u64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }
            fn visit_f64<E>(self, _: f64) -> Result<Text<'de>, E> {
                Ok(Text::Other)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text<'de>, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Text::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text<'de>, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Text::Other)
            }
        }
        from.deserialize_any(Any)
    }
}

/// Hands the refusal out beside serde's own error, which can only carry text.
fn refuse<E: de::Error>(out: &mut Option<Refusal>, refusal: Refusal) -> E {
    *out = Some(refusal);
    E::custom("refused")
}

/// What a required text field is before it has been seen, and the rules for setting it.
fn required<T>(
    slot: &mut Option<T>,
    field: &'static str,
    text: &Text<'_>,
    parse: impl FnOnce(&str) -> Result<T, NotA>,
    second_net: bool,
) -> Result<(), Refusal> {
    if slot.is_some() {
        return Err(Refusal::field(Code::DuplicateField, field));
    }
    let Text::Is(text) = text else {
        return Err(Refusal::field(Code::InvalidField, field).rule("must be a string"));
    };
    let value =
        parse(text).map_err(|NotA(rule)| Refusal::field(Code::InvalidField, field).rule(rule))?;
    if second_net && let Some(suspicion) = pii::suspect(text) {
        return Err(Refusal::field(Code::PiiSuspected, field).rule(suspicion.rule()));
    }
    *slot = Some(value);
    Ok(())
}

/// As `required`, where `null` is the same as leaving the field out.
fn optional<T>(
    slot: &mut Option<Option<T>>,
    field: &'static str,
    text: &Text<'_>,
    parse: impl FnOnce(&str) -> Result<T, NotA>,
) -> Result<(), Refusal> {
    if matches!(text, Text::Null) {
        return if slot.replace(None).is_some() {
            Err(Refusal::field(Code::DuplicateField, field))
        } else {
            Ok(())
        };
    }
    required(slot, field, text, |text| parse(text).map(Some), false)
}

fn report_id(text: &str) -> Result<Uuid, NotA> {
    let hyphenated = text.len() == 36;
    hyphenated
        .then(|| Uuid::try_parse(text).ok())
        .flatten()
        .ok_or(NotA("a UUID of 36 characters"))
}

struct ReportSeed<'r> {
    refusal: &'r mut Option<Refusal>,
}

impl<'de> DeserializeSeed<'de> for ReportSeed<'_> {
    type Value = Report;
    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Report, D::Error> {
        from.deserialize_any(self)
    }
}

macro_rules! not_an_object {
    ($field:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }
        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Err(refuse(
                self.refusal,
                Refusal::field(Code::InvalidField, $field).rule("must be an object"),
            ))
        }
        fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
            self.visit_unit()
        }
        fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
            self.visit_unit()
        }
        fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
            self.visit_unit()
        }
        fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
            self.visit_unit()
        }
        fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
            self.visit_unit()
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            self.visit_unit()
        }
    };
}

impl<'de> Visitor<'de> for ReportSeed<'_> {
    type Value = Report;

    not_an_object!("report");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Report, A::Error> {
        let (mut id, mut service, mut tripwire, mut dom_digest) = (None, None, None, None);
        let (mut url_host, mut scraper_version, mut screenshot_ref) = (None, None, None);
        let out = self.refusal;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let Text::Is(name) = name else { continue };
            if name == "tripwire" {
                if tripwire.is_some() {
                    return Err(refuse(
                        out,
                        Refusal::field(Code::DuplicateField, "tripwire"),
                    ));
                }
                tripwire = Some(map.next_value_seed(TripwireSeed { refusal: out })?);
                continue;
            }
            let known = matches!(
                name.as_ref(),
                "report_id"
                    | "service"
                    | "dom_digest"
                    | "url_host"
                    | "scraper_version"
                    | "screenshot_ref"
            );
            if !known {
                map.next_value::<IgnoredAny>()?;
                return Err(refuse(out, Refusal::of(Code::UnknownField)));
            }
            let text = map.next_value::<Text<'de>>()?;
            match name.as_ref() {
                "report_id" => optional(&mut id, "report_id", &text, report_id),
                "service" => required(&mut service, "service", &text, Service::parse, true),
                "dom_digest" => {
                    required(&mut dom_digest, "dom_digest", &text, Digest::parse, false)
                }
                "url_host" => required(&mut url_host, "url_host", &text, Host::parse, true),
                "scraper_version" => required(
                    &mut scraper_version,
                    "scraper_version",
                    &text,
                    ScraperVersion::parse,
                    true,
                ),
                _ => optional(&mut screenshot_ref, "screenshot_ref", &text, Digest::parse),
            }
            .map_err(|refusal| refuse(out, refusal))?;
        }
        let mut missing = |field| refuse(out, Refusal::field(Code::MissingField, field));
        Ok(Report {
            report_id: id.flatten(),
            service: service.ok_or_else(|| missing("service"))?,
            tripwire: tripwire.ok_or_else(|| missing("tripwire"))?,
            dom_digest: dom_digest.ok_or_else(|| missing("dom_digest"))?,
            url_host: url_host.ok_or_else(|| missing("url_host"))?,
            scraper_version: scraper_version.ok_or_else(|| missing("scraper_version"))?,
            screenshot_ref: screenshot_ref.flatten(),
        })
    }
}

struct TripwireSeed<'r> {
    refusal: &'r mut Option<Refusal>,
}

impl<'de> DeserializeSeed<'de> for TripwireSeed<'_> {
    type Value = Tripwire;
    fn deserialize<D: de::Deserializer<'de>>(self, from: D) -> Result<Tripwire, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TripwireSeed<'_> {
    type Value = Tripwire;

    not_an_object!("tripwire");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tripwire, A::Error> {
        let (mut kind, mut step) = (None, None);
        let out = self.refusal;
        while let Some(name) = map.next_key::<Text<'de>>()? {
            let Text::Is(name) = name else { continue };
            if name != "kind" && name != "step" {
                map.next_value::<IgnoredAny>()?;
                return Err(refuse(out, Refusal::of(Code::UnknownField)));
            }
            let text = map.next_value::<Text<'de>>()?;
            match name.as_ref() {
                "kind" => required(
                    &mut kind,
                    "tripwire.kind",
                    &text,
                    TripwireKind::parse,
                    false,
                ),
                _ => required(&mut step, "tripwire.step", &text, Step::parse, true),
            }
            .map_err(|refusal| refuse(out, refusal))?;
        }
        let mut missing = |field| refuse(out, Refusal::field(Code::MissingField, field));
        Ok(Tripwire {
            kind: kind.ok_or_else(|| missing("tripwire.kind"))?,
            step: step.ok_or_else(|| missing("tripwire.step"))?,
        })
    }
}

#[cfg(test)]
mod tests;
