//! A flow file as it is written, field by field, every text with its place. `read` makes flows of these; nothing else
//! sees them.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use toml::Spanned;

pub(super) type Text = Spanned<String>;
pub(super) type Table<T> = BTreeMap<Spanned<String>, Spanned<T>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Flow {
    pub service: Text,
    pub version: Text,
    pub deadline: Option<Text>,
    pub settle: Option<Text>,
    pub result: Option<Text>,
    pub last_safe_step: Option<Text>,
    #[serde(default)]
    pub values: Table<Value>,
    #[serde(default)]
    pub secrets: Table<Value>,
    pub mailbox: Option<Mailbox>,
    pub dismiss: Option<Spanned<Locators>>,
    pub mask: Option<Spanned<Locators>>,
    #[serde(default)]
    pub not_drift: Vec<Spanned<Rule>>,
    pub step: Vec<Spanned<Step>>,
    #[serde(default)]
    pub cleanup: Vec<Spanned<Cleanup>>,
}

/// Steps that several flows share, with holes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Pattern {
    /// For the reader.
    #[serde(rename = "about")]
    pub _about: Option<String>,
    #[serde(default)]
    pub needs: Vec<Text>,
    #[serde(default)]
    pub defaults: Table<Locators>,
    pub step: Vec<Spanned<Step>>,
}

/// Rules that hold for every flow.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rules {
    pub not_drift: Vec<Spanned<Rule>>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "a text, or a table with env or random")]
pub(super) enum Value {
    Plain(String),
    Source(Source),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Source {
    pub env: Option<String>,
    pub default: Option<String>,
    pub plus: Option<bool>,
    pub public: Option<bool>,
    pub random: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Mailbox {
    pub address: Text,
    pub password: Text,
    pub server: Option<Text>,
    pub ca_file: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rule {
    pub code: Text,
    pub when: Option<Spanned<Locators>>,
    pub url: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub name: Option<Text>,
    #[serde(rename = "use")]
    pub pattern: Option<Text>,
    #[serde(default)]
    pub with: Table<Locators>,
    pub deadline: Option<Text>,
    pub settle: Option<Text>,
    pub at: Option<Text>,
    #[serde(rename = "do", default)]
    pub actions: Vec<Spanned<Action>>,
    pub expect: Option<Spanned<Locators>>,
    pub expect_url: Option<Text>,
    #[serde(default)]
    pub creates: Vec<Creates>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creates {
    pub kind: Text,
    pub id: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Cleanup {
    /// The kind of resource that these steps remove.
    pub removes: Text,
    pub step: Vec<Spanned<Step>>,
}

/// One verb, and the fields that belong to it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Action {
    pub goto: Option<Text>,
    pub fill: Option<Spanned<Locators>>,
    pub with: Option<Text>,
    pub click: Option<Spanned<Locators>>,
    pub check: Option<Spanned<Locators>>,
    pub uncheck: Option<Spanned<Locators>>,
    pub select: Option<Spanned<Locators>>,
    pub option: Option<Text>,
    pub press: Option<Text>,
    pub wait_for: Option<Spanned<Locators>>,
    pub expect_url: Option<Text>,
    pub extract: Option<Spanned<Locators>>,
    pub pattern: Option<Text>,
    pub attribute: Option<Text>,
    pub save: Option<Text>,
    pub old: Option<Spanned<bool>>,
    pub otp: Option<Text>,
    pub from: Option<Text>,
    pub subject: Option<Text>,
    pub to: Option<Text>,
    pub optional: Option<Spanned<bool>>,
}

/// A text, or a list of texts of which the first that works counts.
pub(super) enum Locators {
    One(String),
    Several(Vec<Text>),
}

impl<'de> Deserialize<'de> for Locators {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Locators;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Locators, E> {
        Ok(Locators::One(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Locators, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element()? {
            texts.push(text);
        }
        Ok(Locators::Several(texts))
    }
}
