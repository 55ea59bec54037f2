//! Before anything else: is the caller let in, and does it speak JSON?

use std::rc::Rc;
use std::time::SystemTime;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, fn_guard};
use actix_web::http::ConnectionType;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, TRANSFER_ENCODING};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, web};

use super::Front;
use super::answer::Refusal;
use super::patience::Served;
use crate::access::{Denied, Header, Presented, Requester};

// Parsed once: a lookup by text would parse and copy the name for every request.
static CLIENT_ID: HeaderName = HeaderName::from_static("cf-access-client-id");
static CLIENT_SECRET: HeaderName = HeaderName::from_static("cf-access-client-secret");
static ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");

/// The framework's router also takes a path whose letters are percent-encoded; a proxy's rules may not.
pub(super) fn spelled(path: &'static str) -> impl Guard {
    fn_guard(move |context| context.head().uri.path() == path)
}

/// Admits and serves, and tells the connection about it. Behind a chunked request that was refused the connection ends:
/// the framework would go on reading its body for as long as it comes.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let served = request.conn_data::<Rc<Served>>().cloned();
    let serving = served.as_ref().map(Served::enter);
    let chunked = request.headers().contains_key(TRANSFER_ENCODING);
    let mut response = admit_and_serve(request, next).await?;
    if chunked && !response.status().is_success() {
        let head = response.response_mut().head_mut();
        head.set_connection_type(ConnectionType::Close);
        if let Some(serving) = &serving {
            serving.is_the_last();
        }
    }
    Ok(response)
}

/// Checks access, then content type, then lets the route act. Unknown routes are guarded alike, so that a caller
/// without access cannot tell routes apart.
async fn admit_and_serve(
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
        client_id: header(headers, &CLIENT_ID),
        client_secret: header(headers, &CLIENT_SECRET),
        assertion: header(headers, &ASSERTION),
    };
    let admitted = front
        .access
        .admit(&presented, SystemTime::now())
        .await
        .map_err(Refusal::Denied)?;
    if from_browser(headers) {
        return Err(Refusal::Denied(Denied::FromBrowser));
    }
    if !speaks_json(headers) {
        return Err(Refusal::ContentType);
    }
    Ok(named.then(|| admitted.requester()))
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Header<'a> {
    Header::from_values(headers.get_all(name).map(|value| value.as_bytes()))
}

/// Browsers name the page that sends a request; pipelines, curl and cloudflared do not. A page that was rebound to
/// 127.0.0.1 may send any header, but not leave this one out.
fn from_browser(headers: &HeaderMap) -> bool {
    headers.contains_key("origin") || headers.contains_key("sec-fetch-site")
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
