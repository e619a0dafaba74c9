//! The innermost layer around every route (see `startup`): tells the connection when a request is in service, and
//! sees to it that a body without end does end.
//!
//! To use a connection again, actix would go on reading a chunked body that the route left unread, for as long as the
//! client goes on sending. While somebody holds on to that body until the answer is out, it hangs up instead: it
//! announces that with the answer, and reads on only until the client had time to see it.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, EitherBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, HttpMessage as _};
use futures_util::Stream;

use crate::connection::{Body, Gate};

pub(crate) async fn front<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, Holding>>, Error> {
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let gate = request.conn_data::<Rc<Gate>>().cloned();
    let mut in_service = gate.map(|gate| gate.enter(announced(&request, chunked)));
    // A body with a length needs no help: what is left of it is known, and actix hangs up.
    if !chunked {
        let answer = next.call(request).await?;
        if let (Some(in_service), BodySize::Stream) =
            (&mut in_service, answer.response().body().size())
        {
            in_service.answers_with_a_stream();
        }
        return Ok(answer.map_into_left_body());
    }
    let held = Held(Rc::new(RefCell::new(request.take_payload())));
    let payload = Box::pin(held.clone());
    request.set_payload(Payload::Stream { payload });
    let answer = next.call(request).await?;
    Ok(answer.map_body(|_, body| {
        EitherBody::right(Holding {
            body: body.boxed(),
            _held: held,
        })
    }))
}

/// What the head says of the body.
fn announced(request: &ServiceRequest, chunked: bool) -> Body {
    let Some(length) = request.headers().get(CONTENT_LENGTH) else {
        return if chunked { Body::Unknown } else { Body::None };
    };
    let length = length.to_str().ok().and_then(|text| text.parse().ok());
    match length {
        Some(length) if !chunked => Body::Length(length),
        _ => Body::Unknown,
    }
}

#[derive(Clone)]
struct Held(Rc<RefCell<Payload>>);

impl Stream for Held {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// The body of an answer, with the body of its request.
pub(crate) struct Holding {
    body: BoxBody,
    _held: Held,
}

impl MessageBody for Holding {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
