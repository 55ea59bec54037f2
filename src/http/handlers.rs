//! Parse, hand to the agent, answer. The guard has read the body and records what is rejected.

use actix_web::http::StatusCode;
use actix_web::http::header::HeaderName;
use actix_web::{HttpMessage, HttpRequest, HttpResponse, ResponseError, web};

use super::error::ApiError;
use super::guard::{Admitted, AskedImage};
use super::state::AppState;
use super::{answer, body};
use crate::domain::{Environment, names_a_repository};
use crate::operation::{Ended, Operation, Request};

/// Finds the operation in the log and in the trail.
static OPERATION: HeaderName = HeaderName::from_static("dreichor-operation");
/// `SEQ:HASH` of the record of its outcome: whoever keeps it can prove that the record is still there.
static AUDIT_HEAD: HeaderName = HeaderName::from_static("dreichor-audit-head");

/// POST /v1/deploy
pub(super) async fn deploy(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let admitted = admitted(&request);
    let parsed = body::deploy(&admitted.body)?;
    // What has not the form of one may be a secret in the wrong place, and is not written down.
    if names_a_repository(&parsed.image) {
        let asked = AskedImage(parsed.image.clone());
        request.extensions_mut().insert(asked);
    }
    let image = state
        .agent
        .parse_image(&parsed.image)
        .map_err(ApiError::Image)?;
    submit(
        &state,
        admitted,
        Request::Deploy { image },
        parsed.environment,
    )
    .await
}

/// POST /v1/stop
pub(super) async fn stop(
    state: web::Data<AppState>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let admitted = admitted(&request);
    body::stop(&admitted.body)?;
    submit(&state, admitted, Request::Stop, None).await
}

/// GET /v1/status
pub(super) async fn status(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let body = state.agent.status().map_err(ApiError::Stale)?;
    Ok(answer::json(StatusCode::OK, body))
}

/// Every other path.
pub(super) async fn not_found() -> Result<HttpResponse, ApiError> {
    Err(ApiError::NotFound)
}

/// Every other method of the three paths.
pub(super) async fn method_not_allowed(request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let allowed = match request.path() {
        "/v1/status" => "GET",
        _ => "POST",
    };
    Err(ApiError::MethodNotAllowed { allowed })
}

fn admitted(request: &HttpRequest) -> Admitted {
    let admitted = request.extensions_mut().remove();
    admitted.expect("the guard admits every POST")
}

/// The server drops this future when the client leaves; the agent then knows that nobody waits for the outcome.
async fn submit(
    state: &AppState,
    admitted: Admitted,
    request: Request,
    environment_asked: Option<Environment>,
) -> Result<HttpResponse, ApiError> {
    let own = state.agent.environment();
    if let Some(other) = environment_asked.filter(|asked| *asked != own) {
        log::warn!(
            "{} asked for environment {other}; this is {own}, and environment is informational",
            admitted.requester.name()
        );
    }
    let operation = Operation {
        cf_ray: admitted.cf_ray,
        user_agent: admitted.user_agent,
        environment_asked,
        ..Operation::new(request, admitted.requester, admitted.arrived)
    };
    let deployed = operation.image().cloned();
    let Ended {
        operation,
        audit_head,
        result,
    } = state.agent.submit(operation).await;
    let mut response = match result {
        Ok(_) => answer::success(&state.agent, deployed.as_ref()),
        // As an error, so that the guard records it: there is no operation that tells of it.
        Err(failure) if operation.is_none() => return Err(ApiError::Failed(failure)),
        Err(failure) => ApiError::Failed(failure).error_response(),
    };
    answer::add_header(&mut response, &OPERATION, operation);
    answer::add_header(&mut response, &AUDIT_HEAD, audit_head);
    Ok(response)
}
