//! Every refusal has one name. It is the `code` of the problem document (RFC 9457), the label of the metric and
//! the word in the documentation.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $title:literal;)*) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
        pub enum Code { $($(#[$doc])* #[serde(rename = $code)] $name,)* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Stable and in snake_case: clients match on it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)* }
            }
        }
    };
}

codes! {
    /// Not JSON, cut short, or not UTF-8.
    MalformedJson = "malformed_json", 400, "The body is not well-formed JSON";
    MalformedEncoding = "malformed_encoding", 400, "The body does not decompress";
    MalformedRequest = "malformed_request", 400, "The request could not be read";
    InvalidQuery = "invalid_query", 400, "A query parameter is missing, unknown or not in its form";
    MissingKey = "missing_key", 401, "This needs an Authorization header with a bearer key";
    InvalidKey = "invalid_key", 401, "The key is unknown, expired or revoked";
    InvalidSignature = "invalid_signature", 401, "The signature is missing or not ours";
    InsufficientScope = "insufficient_scope", 403, "The key does not have the scope for this";
    LinkExpired = "link_expired", 403, "The link has expired";
    NotFound = "not_found", 404, "There is nothing here";
    MethodNotAllowed = "method_not_allowed", 405, "This resource does not have that method";
    /// The body arrived too slowly.
    RequestTimeout = "request_timeout", 408, "The body did not arrive in time";
    /// The same report_id was sent before with other content.
    ReportConflict = "report_conflict", 409, "This report_id was used for another report";
    /// The lease ran out, and another runner has the work.
    LeaseLost = "lease_lost", 409, "This run does not hold the lease";
    /// The run said otherwise before, or nobody asked for this.
    RunConflict = "run_conflict", 409, "That does not fit what this run is at";
    /// The detail says why not.
    ActionConflict = "action_conflict", 409, "That cannot be done as things are";
    BodyTooLarge = "body_too_large", 413, "The body is over the limit";
    QuotaExceeded = "quota_exceeded", 413, "This workspace keeps as much evidence as it may";
    TooManyLines = "too_many_lines", 413, "The body has more lines than one request may have";
    UnsupportedMediaType = "unsupported_media_type", 415, "The Content-Type is not one that this resource reads";
    UnsupportedArtifact = "unsupported_artifact", 415, "The bytes are not a PNG, plain text or JSON";
    UnsupportedEncoding = "unsupported_encoding", 415, "The Content-Encoding is not one that this resource reads";
    UnknownField = "unknown_field", 422, "The report has a field that reports do not have";
    MissingField = "missing_field", 422, "A required field is missing";
    DuplicateField = "duplicate_field", 422, "A field stands twice";
    InvalidField = "invalid_field", 422, "A field does not have its form";
    /// The value looks like a secret, an address, a phone number or an id.
    PiiSuspected = "pii_suspected", 422, "A value looks personal or secret and was not stored";
    InvalidBody = "invalid_body", 422, "The body does not have the form that this resource reads";
    RateLimited = "rate_limited", 429, "This key sends faster than it may";
    Internal = "internal", 500, "Something went wrong on our side";
    /// The queue is full; nothing was stored.
    Overloaded = "overloaded", 503, "Too busy at the moment; nothing was stored";
    /// The database cannot be reached; nothing was stored, or it cannot be known.
    Unavailable = "unavailable", 503, "The store cannot be reached at the moment";
    ShuttingDown = "shutting_down", 503, "This process is stopping; send it again";
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal on its way to becoming an answer. Names the field at most; it has no place for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{code}{}{}", if field.is_some() { ": " } else { "" }, field.unwrap_or(""))]
pub struct Refusal {
    pub code: Code,
    /// Path of a field that reports have, as in `tripwire.step`.
    pub field: Option<&'static str>,
    /// The rule that was broken, in our words.
    pub rule: Option<&'static str>,
}

impl Refusal {
    pub const fn of(code: Code) -> Self {
        Self {
            code,
            field: None,
            rule: None,
        }
    }

    pub const fn field(code: Code, field: &'static str) -> Self {
        Self {
            code,
            field: Some(field),
            rule: None,
        }
    }

    pub const fn rule(mut self, rule: &'static str) -> Self {
        self.rule = Some(rule);
        self
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::of(code)
    }
}

/// The body of every error answer: `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "describe", derive(schemars::JsonSchema, utoipa::ToSchema))]
pub struct Problem {
    /// Where the code is explained, relative to this server.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Also in the `x-request-id` header and in the server's log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self {
            kind: format!("/docs/problems#{}", refusal.code),
            title: refusal.code.title().to_owned(),
            status: refusal.code.status(),
            code: refusal.code,
            detail: refusal.rule.map(|rule| match refusal.field {
                Some(field) => format!("{field}: {rule}"),
                None => rule.to_owned(),
            }),
            field: refusal.field.map(str::to_owned),
            request_id: None,
        }
    }
}
