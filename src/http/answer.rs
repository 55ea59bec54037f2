//! From outcome to answer: one exhaustive table.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

use crate::access::Denied;
use crate::agent::Agent;
use crate::domain::ImageError;
use crate::operation::{Done, Failure};
use crate::view::StaleView;

/// Everything a request can be refused for, or fail with.
#[derive(Debug)]
pub(super) enum Refusal {
    Denied(Denied),
    ContentType,
    NotFound,
    MethodNotAllowed { allowed: &'static str },
    TooLarge,
    TooSlow,
    Body(String),
    Image(ImageError),
    Stale(StaleView),
    Failed(Failure),
    Panicked,
}

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

/// The contract's success replies.
pub(super) fn done(agent: &Agent, done: &Done) -> HttpResponse {
    let container_name = agent.container_name().as_str();
    match done {
        Done::Deployed { image } => HttpResponse::Ok().json(DeployedBody {
            status: "deployed",
            container_name,
            image: image.as_str(),
            environment: agent.environment().as_str(),
        }),
        Done::Stopped => HttpResponse::Ok().json(StoppedBody {
            status: "stopped",
            container_name,
        }),
    }
}

impl Refusal {
    /// The status code of DESIGN section 3.
    pub(super) fn status(&self) -> StatusCode {
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
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Body(_) => StatusCode::BAD_REQUEST,
            Self::Image(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Stale(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Failed(failure) => StatusCode::from_u16(failure.kind.http_status())
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// One sentence a person can act on.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Denied(denied) => denied.reason(),
            Self::ContentType => {
                "add the header Content-Type: application/json, also to a request without a body; nothing was changed"
                    .into()
            }
            Self::NotFound => {
                "no such route; there are POST /v1/deploy, GET /v1/status and POST /v1/stop".into()
            }
            Self::MethodNotAllowed { allowed } => format!("this route takes {allowed} only"),
            Self::TooLarge => "the request body is larger than 16 KiB; nothing was changed".into(),
            Self::TooSlow => "the request body did not arrive in time; nothing was changed".into(),
            Self::Body(problem) => format!("{problem}; nothing was changed"),
            Self::Image(error) => format!("{error}; nothing was changed"),
            Self::Stale(StaleView {
                last_seen: Some(since),
            }) => {
                format!(
                    "the Docker engine does not show the runtime container; it was last seen at {since}"
                )
            }
            Self::Stale(StaleView { last_seen: None }) => {
                "the Docker engine has not shown the runtime container since the agent started"
                    .into()
            }
            Self::Failed(failure) => failure.reason.clone(),
            Self::Panicked => {
                "the agent failed on this request; read the status and the agent's log".into()
            }
        }
    }

    /// The answer.
    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status());
        if let Self::MethodNotAllowed { allowed } = self {
            response.insert_header(("Allow", allowed.split(' ').next().unwrap_or(allowed)));
        }
        let body = error_body(&self.reason());
        response.content_type("application/json").body(body)
    }
}

/// The contract's failure reply.
pub(super) fn error_body(reason: &str) -> Vec<u8> {
    let body = ErrorBody {
        status: "error",
        reason,
    };
    serde_json::to_vec(&body).expect("a struct of two strings always serialises")
}
