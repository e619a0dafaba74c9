//! Time as the log keeps it: whole microseconds since 1970 in UTC. Postgres would cut finer times and SQLite
//! would not, so the same event would differ from itself after a move.

use std::fmt;

use chrono::{DateTime, Datelike as _, NaiveDate, SecondsFormat, Utc};

/// Microseconds since 1970-01-01T00:00:00Z. On the wire an RFC 3339 text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

impl Micros {
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    pub fn day(self) -> Day {
        Day(self.datetime().date_naive())
    }

    /// This moment moved into the past; stays within what a date can express.
    pub fn minus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds.saturating_mul(1_000_000)))
    }

    /// This moment moved into the future.
    pub fn plus_seconds(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds.saturating_mul(1_000_000)))
    }

    fn datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_micros(self.0).unwrap_or(if self.0 < 0 {
            DateTime::<Utc>::MIN_UTC
        } else {
            DateTime::<Utc>::MAX_UTC
        })
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.datetime().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl serde::Serialize for Micros {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Micros {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let time = DateTime::parse_from_rfc3339(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(time.timestamp_micros()))
    }
}

/// A day in UTC: the bucket that counts reports, never part of a drift's identity.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Day(pub NaiveDate);

impl Day {
    pub fn start(self) -> Micros {
        Micros(
            self.0
                .and_time(chrono::NaiveTime::MIN)
                .and_utc()
                .timestamp_micros(),
        )
    }
}

impl std::str::FromStr for Day {
    type Err = crate::words::NotA;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .map(Self)
            .map_err(|_| crate::words::NotA("a day as in 2026-11-21"))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not `format`: this is in the path of every report.
        write!(
            f,
            "{:04}-{:02}-{:02}",
            self.0.year(),
            self.0.month(),
            self.0.day()
        )
    }
}

#[cfg(feature = "describe")]
mod describe {
    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
    use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

    macro_rules! text_with_format {
        ($name:ident, $format:literal, $known:expr) => {
            impl JsonSchema for super::$name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    json_schema!({ "type": "string", "format": $format })
                }
            }
            impl utoipa::PartialSchema for super::$name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                    ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat($known))).into()
                }
            }
            impl utoipa::ToSchema for super::$name {}
        };
    }
    text_with_format!(Micros, "date-time", KnownFormat::DateTime);
    text_with_format!(Day, "date", KnownFormat::Date);
}
