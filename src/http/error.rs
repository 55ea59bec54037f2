//! From error to answer: one exhaustive table of codes and reasons.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::answer;
use crate::access::Denied;
use crate::domain::ImageError;
use crate::operation::{Failure, FailureKind};
use crate::runtime::StaleView;

/// Everything that a request can be answered with instead of success. `Display` is the reason, one sentence that a
/// person can act on; it never holds a secret.
#[derive(Debug)]
pub(super) enum ApiError {
    /// The access check says no.
    Denied(Denied),
    /// The connection has had its request already.
    SecondRequest,
    ContentType,
    NotFound,
    MethodNotAllowed {
        allowed: &'static str,
    },
    BodyTooLarge,
    BodyTooSlow,
    /// What is wrong with the body, in one line.
    Body(String),
    Image(ImageError),
    /// The status is older than it may be.
    Stale(StaleView),
    /// The operation failed, or was not admitted.
    Failed(Failure),
    Panicked,
}

impl ApiError {
    /// Whether the request was rejected: no operation was made of it, and what it asked for is worth a record. What the
    /// trail already tells of an operation, and questions for what is not there, are not recorded again.
    pub(super) fn is_rejection(&self) -> bool {
        match self {
            Self::Denied(_)
            | Self::SecondRequest
            | Self::ContentType
            | Self::BodyTooLarge
            | Self::BodyTooSlow
            | Self::Body(_)
            | Self::Image(_) => true,
            Self::Failed(failure) => matches!(
                failure.kind,
                FailureKind::QueueFull | FailureKind::ShuttingDown
            ),
            Self::NotFound | Self::MethodNotAllowed { .. } | Self::Stale(_) | Self::Panicked => {
                false
            }
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(denied) => f.write_str(&denied.reason()),
            Self::SecondRequest => f.write_str(
                "this connection has had its request; send one request a connection; nothing was changed",
            ),
            Self::ContentType => {
                f.write_str("add the header Content-Type: application/json, also to a request without a body; nothing was changed")
            }
            Self::NotFound => f.write_str(
                "no such route; there are POST /v1/deploy, GET /v1/status and POST /v1/stop",
            ),
            Self::MethodNotAllowed { allowed } => write!(f, "this route takes {allowed} only"),
            Self::BodyTooLarge => {
                f.write_str("the request body is larger than 16 KiB; nothing was changed")
            }
            Self::BodyTooSlow => {
                f.write_str("the request body did not arrive in time; nothing was changed")
            }
            Self::Body(problem) => write!(f, "{problem}; nothing was changed"),
            Self::Image(error) => write!(f, "{error}; nothing was changed"),
            Self::Stale(StaleView {
                last_seen: Some(since),
            }) => write!(
                f,
                "the Docker engine does not show the runtime container; it was last seen at {since}"
            ),
            Self::Stale(StaleView { last_seen: None }) => f.write_str(
                "the Docker engine has not shown the runtime container since the agent started",
            ),
            Self::Failed(failure) => f.write_str(&failure.reason),
            Self::Panicked => f.write_str(
                "the agent failed on this request; read the status and the agent's log",
            ),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Denied(Denied::MissingHeader(_)) => StatusCode::UNAUTHORIZED,
            Self::Denied(
                Denied::RepeatedHeader(_)
                | Denied::FromBrowser
                | Denied::WrongToken
                | Denied::BadAssertion(_),
            ) => StatusCode::FORBIDDEN,
            Self::Denied(Denied::KeysUnavailable) => StatusCode::SERVICE_UNAVAILABLE,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::SecondRequest | Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Image(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Stale(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(failure) => StatusCode::from_u16(failure.kind.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = answer::error(self.status_code(), &self.to_string());
        if let Self::MethodNotAllowed { allowed } = self {
            let allowed = actix_web::http::header::HeaderValue::from_static(allowed);
            let headers = response.headers_mut();
            headers.insert(actix_web::http::header::ALLOW, allowed);
        }
        response
    }
}
