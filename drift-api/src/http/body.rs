//! Reading a body within limits: of size, of inflated size, and of time. Nothing is read ahead of the limit, so a
//! body of a gigabyte costs as much as one of seventeen kilobytes.

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
};
use actix_web::web::{Bytes, BytesMut, Payload};
use drift_schema::{Code, Refusal};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use super::State;
use super::error::ApiError;

/// What a resource takes.
pub(crate) struct Accepts {
    /// The first is what is usual; none is any.
    pub(crate) media_types: &'static [&'static str],
    /// Bytes, before and after inflating.
    pub(crate) limit: usize,
    /// Whether it may come compressed.
    pub(crate) gzip: bool,
    pub(crate) deadline: Duration,
}

impl Accepts {
    pub(crate) async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Bytes, ApiError> {
        let gzip = self.check_head(request)?;
        let read = self.collect(payload);
        // Most bodies arrive with their head; only for the others is a timer set.
        tokio::pin!(read);
        let body = match futures_util::poll!(read.as_mut()) {
            std::task::Poll::Ready(body) => body,
            std::task::Poll::Pending => tokio::time::timeout(self.deadline, read)
                .await
                .map_err(|_| Code::RequestTimeout)?,
        }?;
        if gzip { self.inflate(&body) } else { Ok(body) }
    }

    /// Whether the body is compressed; refuses what the head gives away.
    fn check_head(&self, request: &HttpRequest) -> Result<bool, ApiError> {
        let media_type = match only(request, &CONTENT_TYPE) {
            Only::One(value) => value.to_str().unwrap_or_default(),
            Only::None | Only::Many => "",
        };
        let media_type = media_type.split(';').next().unwrap_or_default().trim();
        let is_one = |ours: &&str| media_type.eq_ignore_ascii_case(ours);
        if let Some(usual) = self.media_types.first()
            && !self.media_types.iter().any(is_one)
        {
            return Err(Refusal::of(Code::UnsupportedMediaType).rule(usual).into());
        }
        let gzip = match only(request, &CONTENT_ENCODING) {
            Only::None => false,
            Only::One(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"identity") => false,
            Only::One(encoding)
                if self.gzip && encoding.as_bytes().eq_ignore_ascii_case(b"gzip") =>
            {
                true
            }
            Only::One(_) | Only::Many => return Err(Code::UnsupportedEncoding.into()),
        };
        let length = request.headers().get(CONTENT_LENGTH);
        if length
            .and_then(|length| length.to_str().ok()?.trim().parse::<u64>().ok())
            .is_some_and(|length| length > self.limit as u64)
        {
            return Err(Code::BodyTooLarge.into());
        }
        Ok(gzip)
    }

    async fn collect(&self, mut payload: Payload) -> Result<Bytes, ApiError> {
        let mut chunks = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Code::MalformedRequest)?;
            if chunks.len() + chunk.len() > self.limit {
                return Err(Code::BodyTooLarge.into());
            }
            chunks.extend_from_slice(&chunk);
        }
        Ok(chunks.freeze())
    }

    fn inflate(&self, body: &[u8]) -> Result<Bytes, ApiError> {
        let mut inflated = Vec::new();
        let limit = self.limit as u64 + 1;
        flate2::read::MultiGzDecoder::new(body)
            .take(limit)
            .read_to_end(&mut inflated)
            .map_err(|_| Code::MalformedEncoding)?;
        if inflated.len() > self.limit {
            Err(Code::BodyTooLarge.into())
        } else {
            Ok(inflated.into())
        }
    }
}

/// A proof names its evidence; only the tail of a scraper's log is long.
const JSON_BYTES: usize = 256 * 1024;

/// What our own halves say to each other, read strictly. What does not fit is not repeated.
pub(super) async fn json<T: DeserializeOwned>(
    state: &State,
    request: &HttpRequest,
    payload: Payload,
) -> Result<T, ApiError> {
    let accepts = Accepts {
        media_types: &["application/json"],
        limit: JSON_BYTES,
        gzip: true,
        deadline: state.body_deadline,
    };
    let body = accepts.read(request, payload).await?;
    serde_json::from_slice(&body).map_err(|error| {
        if error.is_data() {
            Code::InvalidBody.into()
        } else {
            Code::MalformedJson.into()
        }
    })
}

/// A header that may stand once: of two, a proxy before us may have gone by the other.
pub(super) enum Only<'r> {
    None,
    One(&'r HeaderValue),
    Many,
}

pub(super) fn only<'r>(request: &'r HttpRequest, name: &HeaderName) -> Only<'r> {
    let mut values = request.headers().get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Only::None,
        (Some(value), None) => Only::One(value),
        (Some(_), Some(_)) => Only::Many,
    }
}
