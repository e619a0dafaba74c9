//! Reading a body within limits: of size, of inflated size, and of time. Nothing is read ahead of the limit, so a
//! body of a gigabyte costs as much as one of seventeen kilobytes.

use std::io::Read as _;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut, Payload};
use drift_schema::{Code, Refusal};
use futures_util::StreamExt as _;

use super::error::ApiError;

/// What a resource takes.
pub(super) struct Accepts {
    pub(super) media_types: &'static [&'static str],
    /// Bytes, before and after inflating.
    pub(super) limit: usize,
    pub(super) deadline: Duration,
}

impl Accepts {
    pub(super) async fn read(
        &self,
        request: &HttpRequest,
        payload: Payload,
    ) -> Result<Bytes, ApiError> {
        let gzip = self.check_head(request).map_err(ApiError::hang_up)?;
        let read = self.collect(payload);
        // Most bodies arrive with their head; only for the others is a timer set.
        tokio::pin!(read);
        let body = match futures_util::poll!(read.as_mut()) {
            std::task::Poll::Ready(body) => body,
            std::task::Poll::Pending => tokio::time::timeout(self.deadline, read)
                .await
                .map_err(|_| ApiError::from(Code::RequestTimeout).hang_up())?,
        }?;
        if gzip { self.inflate(&body) } else { Ok(body) }
    }

    /// Whether the body is compressed; refuses what the head gives away.
    fn check_head(&self, request: &HttpRequest) -> Result<bool, ApiError> {
        let header = |name| {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let media_type = header(CONTENT_TYPE)
            .unwrap_or_default()
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        if !self
            .media_types
            .iter()
            .any(|ours| media_type.eq_ignore_ascii_case(ours))
        {
            return Err(Refusal::of(Code::UnsupportedMediaType)
                .rule(self.media_types[0])
                .into());
        }
        let gzip = match request
            .headers()
            .get(CONTENT_ENCODING)
            .map(|encoding| encoding.as_bytes())
        {
            None => false,
            Some(encoding) if encoding.eq_ignore_ascii_case(b"identity") => false,
            Some(encoding) if encoding.eq_ignore_ascii_case(b"gzip") => true,
            Some(_) => return Err(Code::UnsupportedEncoding.into()),
        };
        if header(CONTENT_LENGTH)
            .and_then(|length| length.parse::<u64>().ok())
            .is_some_and(|length| length > self.limit as u64)
        {
            return Err(Code::BodyTooLarge.into());
        }
        Ok(gzip)
    }

    async fn collect(&self, mut payload: Payload) -> Result<Bytes, ApiError> {
        let mut chunks = BytesMut::new();
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| ApiError::from(Code::MalformedRequest).hang_up())?;
            if chunks.len() + chunk.len() > self.limit {
                return Err(ApiError::from(Code::BodyTooLarge).hang_up());
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
