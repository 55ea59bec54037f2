//! Before anything else: is the caller let in, and does it speak JSON?

use std::time::SystemTime;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CONTENT_TYPE, HeaderMap};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use super::Front;
use super::answer::Refusal;
use crate::access::{Header, Presented, Requester};

/// Checks access, then content type, then lets the route act. Unknown routes are guarded alike, so that a caller
/// without access cannot tell routes apart.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let front = request
        .app_data::<web::Data<Front>>()
        .cloned()
        .expect("the app is built with its front");
    let admitted = admit(
        &front,
        request.headers(),
        request.method() != actix_web::http::Method::GET,
    )
    .await;
    let requester = match admitted {
        Ok(requester) => requester,
        Err(refusal) => {
            super::handlers::record(&front, &request, &refusal);
            return Ok(request.into_response(refusal.response()));
        }
    };
    if let Some(requester) = requester {
        request.extensions_mut().insert(requester);
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// The requester is built for what is recorded only; reading the status names nobody and allocates nothing here.
async fn admit(
    front: &Front,
    headers: &HeaderMap,
    named: bool,
) -> Result<Option<Requester>, Refusal> {
    let presented = Presented {
        client_id: header(headers, "cf-access-client-id"),
        client_secret: header(headers, "cf-access-client-secret"),
        assertion: header(headers, "cf-access-jwt-assertion"),
    };
    let admitted = front
        .access
        .admit(&presented, SystemTime::now())
        .await
        .map_err(Refusal::Denied)?;
    if !speaks_json(headers) {
        return Err(Refusal::ContentType);
    }
    Ok(named.then(|| admitted.requester()))
}

fn header<'a>(headers: &'a HeaderMap, name: &'static str) -> Header<'a> {
    Header::from_values(headers.get_all(name).map(|value| value.as_bytes()))
}

/// `application/json`, parameters allowed, once.
fn speaks_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE);
    let (Some(value), None) = (values.next(), values.next()) else {
        return false;
    };
    let essence = value
        .as_bytes()
        .split(|b| *b == b';')
        .next()
        .unwrap_or_default();
    essence
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}
