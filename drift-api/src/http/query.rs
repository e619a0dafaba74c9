//! Query strings, read strictly: what we do not know is refused, so that a typo does not silently widen an answer.

use actix_web::HttpRequest;
use actix_web::web::Query;
use drift_schema::{Code, Refusal};
use serde::de::DeserializeOwned;

use super::error::ApiError;

pub(super) fn read<T: DeserializeOwned>(
    request: &HttpRequest,
    rule: &'static str,
) -> Result<T, ApiError> {
    match Query::<T>::from_query(request.query_string()) {
        Ok(query) => Ok(query.into_inner()),
        Err(_) => Err(Refusal::of(Code::InvalidQuery).rule(rule).into()),
    }
}

/// A page size between 1 and 1,000.
pub(super) fn limit(asked: Option<u16>) -> Result<u16, ApiError> {
    match asked {
        None => Ok(100),
        Some(limit @ 1..=1000) => Ok(limit),
        Some(_) => Err(Refusal::of(Code::InvalidQuery)
            .rule("limit is 1 to 1000")
            .into()),
    }
}

/// A place in a list, as `next` of a page named it.
pub(super) fn cursor<T>(
    asked: Option<String>,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Option<T>, ApiError> {
    let rule = "cursor is the next of another page";
    let parsed = asked.map(|text| parse(&text).ok_or(Refusal::of(Code::InvalidQuery).rule(rule)));
    Ok(parsed.transpose()?)
}
