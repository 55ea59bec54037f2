//! Answers: the contract's fields as JSON, stored by no cache.

use std::fmt::Display;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::HttpResponse;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Bytes;
use serde::Serialize;

use crate::agent::Agent;
use crate::domain::ImageReference;

#[derive(Serialize)]
struct ErrorBody<'a> {
    status: &'static str,
    reason: &'a str,
}

#[derive(Serialize)]
struct DeployedBody<'a> {
    status: &'static str,
    container_name: &'a str,
    image: &'a str,
    environment: &'static str,
}

#[derive(Serialize)]
struct StoppedBody<'a> {
    status: &'static str,
    container_name: &'a str,
}

/// Every answer of this agent is made here.
pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .insert_header(("Cache-Control", "no-store"))
        .body(body.into())
}

/// The contract's success replies: to a deploy of this image, else to a stop.
pub(super) fn success(agent: &Agent, deployed: Option<&ImageReference>) -> HttpResponse {
    let container_name = agent.container_name().as_str();
    let body = match deployed {
        Some(image) => serde_json::to_vec(&DeployedBody {
            status: "deployed",
            container_name,
            image: image.as_str(),
            environment: agent.environment().as_str(),
        }),
        None => serde_json::to_vec(&StoppedBody {
            status: "stopped",
            container_name,
        }),
    };
    json(StatusCode::OK, body.expect("structs of text serialise"))
}

/// Adds a header to the answer of an operation, if there is a value for it.
pub(super) fn add_header(
    response: &mut HttpResponse,
    header: &HeaderName,
    value: Option<impl Display>,
) {
    // An id and a hash are plain ASCII.
    if let Some(value) = value.and_then(|value| HeaderValue::try_from(value.to_string()).ok()) {
        response.headers_mut().insert(header.clone(), value);
    }
}

/// The contract's failure reply.
pub(super) fn error(code: StatusCode, reason: &str) -> HttpResponse {
    let body = ErrorBody {
        status: "error",
        reason,
    };
    let body = serde_json::to_vec(&body).expect("a struct of two texts serialises");
    json(code, body)
}

/// The body of an answer, which holds on to what was not read of its request.
///
/// Had that been dropped before, the server would go on reading a chunked request for as long as it comes, to reach its
/// end. So the server ends the connection behind the answer instead.
pub(super) struct KeepsRequest {
    answer: BoxBody,
    _unread: Payload,
}

impl KeepsRequest {
    /// A request without a body leaves nothing unread, and its answer stays as it is.
    pub(super) fn boxed(answer: BoxBody, unread: Payload) -> BoxBody {
        match unread {
            Payload::None => answer,
            _unread => BoxBody::new(Self { answer, _unread }),
        }
    }
}

impl MessageBody for KeepsRequest {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.answer).poll_next(context)
    }
}
