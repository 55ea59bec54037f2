//! Parse, hand to the agent, answer.

use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::time::Instant;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use futures_util::FutureExt;

use super::answer::{Refusal, done};
use super::patience::Served;
use super::{Front, body, presence};
use crate::access::Requester;
use crate::agent::Submission;
use crate::audit::Rejection;
use crate::domain::Environment;
use crate::operation::Request;

/// POST /v1/deploy
pub(super) async fn deploy(
    front: web::Data<Front>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let arrived = Instant::now();
    let asked = async {
        let parsed = body::deploy(&whole_body(&request, payload).await?)?;
        let image = front
            .agent
            .parse_image(&parsed.image)
            .map_err(Refusal::Image)?;
        Ok((Request::Deploy { image }, parsed.environment))
    };
    let answer = async {
        match asked.await {
            Ok((asked, environment)) => submit(&front, &request, asked, environment, arrived).await,
            Err(refusal) => refused(&front, &request, &refusal),
        }
    };
    answered(answer).await
}

/// POST /v1/stop
pub(super) async fn stop(
    front: web::Data<Front>,
    request: HttpRequest,
    payload: web::Payload,
) -> HttpResponse {
    let arrived = Instant::now();
    let answer = async {
        let read = whole_body(&request, payload).await;
        match read.and_then(|bytes| Ok(body::stop(&bytes)?)) {
            Ok(()) => submit(&front, &request, Request::Stop, None, arrived).await,
            Err(refusal) => refused(&front, &request, &refusal),
        }
    };
    answered(answer).await
}

async fn whole_body(request: &HttpRequest, payload: web::Payload) -> Result<Vec<u8>, Refusal> {
    let bytes = body::read(payload).await?;
    if let Some(served) = request.conn_data::<Rc<Served>>() {
        served.is_whole();
    }
    Ok(bytes)
}

/// A panic is an answer too.
async fn answered(answer: impl Future<Output = HttpResponse>) -> HttpResponse {
    let outcome = AssertUnwindSafe(answer).catch_unwind().await;
    outcome.unwrap_or_else(|_| Refusal::Panicked.response())
}

/// GET /v1/status
pub(super) async fn status(front: web::Data<Front>) -> HttpResponse {
    match front.agent.status() {
        Ok(body) => HttpResponse::Ok()
            .content_type("application/json")
            .body(body),
        Err(stale) => Refusal::Stale(stale).response(),
    }
}

/// Every other path.
pub(super) async fn not_found() -> HttpResponse {
    Refusal::NotFound.response()
}

/// Every other method of the three paths.
pub(super) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let allowed = if request.path() == "/v1/status" {
        "GET"
    } else {
        "POST"
    };
    Refusal::MethodNotAllowed { allowed }.response()
}

async fn submit(
    front: &Front,
    request: &HttpRequest,
    asked: Request,
    environment_asked: Option<Environment>,
    arrived: Instant,
) -> HttpResponse {
    let requester = request
        .extensions()
        .get::<Requester>()
        .cloned()
        .expect("the guard names the requester of every POST");
    let own = front.agent.environment();
    if let Some(other) = environment_asked.filter(|asked| *asked != own) {
        log::warn!(
            "{} asked for environment {other}; this is {own}, and environment is informational",
            requester.name()
        );
    }
    let client_gone = presence::client_gone(request);
    let submission = Submission {
        request: asked,
        requester,
        cf_ray: cf_ray(request.headers()),
        environment_asked,
        arrived,
        client_gone,
    };
    match front.agent.submit(submission).await {
        Ok(outcome) => done(&front.agent, &outcome),
        Err(failure) => {
            let never_queued = matches!(failure.kind, crate::operation::FailureKind::QueueFull);
            let refusal = Refusal::Failed(failure);
            if never_queued {
                refused(front, request, &refusal)
            } else {
                refusal.response()
            }
        }
    }
}

fn refused(front: &Front, request: &HttpRequest, refusal: &Refusal) -> HttpResponse {
    note(
        front,
        request.method().as_str(),
        request.path(),
        request.headers(),
        refusal,
    );
    refusal.response()
}

/// Records a request that the guard refused.
pub(super) fn record(front: &Front, request: &ServiceRequest, refusal: &Refusal) {
    note(
        front,
        request.method().as_str(),
        request.path(),
        request.headers(),
        refusal,
    );
}

/// Refused requests are recorded, bounded by the trail; what they show of themselves is not believed.
fn note(front: &Front, method: &str, path: &str, headers: &HeaderMap, refusal: &Refusal) {
    let code = refusal.status().as_u16();
    let reason = match refusal {
        Refusal::Denied(denied) => denied.to_string(),
        other => other.reason(),
    };
    let client_id = headers
        .get("cf-access-client-id")
        .map(|value| printable(value.as_bytes()));
    front.agent.refused(Rejection {
        http: code,
        request: format!("{method} {}", printable(path.as_bytes())),
        reason,
        requester: crate::audit::Requester {
            client_id,
            cf_ray: cf_ray(headers),
            common_name: None,
        },
        image: None,
    });
}

/// Cloudflare's id of the request; untrusted, so printable and short.
fn cf_ray(headers: &HeaderMap) -> Option<String> {
    headers
        .get("cf-ray")
        .map(|value| printable(value.as_bytes()))
}

fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take(64)
        .map(|byte| {
            if byte.is_ascii_graphic() {
                char::from(*byte)
            } else {
                '?'
            }
        })
        .collect()
}
