//! What every request passes first: the access check, the content type, and the reading of its body.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::time::{Instant, SystemTime};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, RequestHead, ServiceRequest, ServiceResponse};
use actix_web::guard::{Guard, fn_guard};
use actix_web::http::Method;
use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, ResponseError, web};
use futures_util::FutureExt;

use super::answer::KeepsRequest;
use super::body;
use super::browser::from_browser;
use super::error::ApiError;
use super::state::AppState;
use crate::access::{self, Denied, Header, Presented, Requester, printable, shown_client_id};
use crate::audit::Rejection;
use crate::domain::{blank_secrets, blank_secrets_but_ids};
use crate::operation::asked_by;

// Parsed once: a lookup by text would parse and copy the name for every request.
static CLIENT_ID: HeaderName = HeaderName::from_static("cf-access-client-id");
static CLIENT_SECRET: HeaderName = HeaderName::from_static("cf-access-client-secret");
static ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
static CF_RAY: HeaderName = HeaderName::from_static("cf-ray");
static USER_AGENT: HeaderName = HeaderName::from_static("user-agent");

/// In bytes. Longer paths and values of headers are cut before they are recorded.
const RECORDED_LIMIT: usize = 64;
/// The same of what a pipeline says of its run and actor.
const USER_AGENT_LIMIT: usize = 256;

/// Whether a connection has had its request. The server also hands over what a client has sent after its first one;
/// nothing of that is carried out, so that no request can be smuggled in behind another.
#[derive(Default)]
pub(super) struct HadRequest(pub(super) Cell<bool>);

/// A POST that was admitted, as its handler finds it in the extensions of the request.
pub(super) struct Admitted {
    pub(super) requester: Requester,
    /// `Cf-Ray`, printable and short.
    pub(super) cf_ray: Option<String>,
    /// `User-Agent`, likewise.
    pub(super) user_agent: Option<String>,
    /// Before its body was read.
    pub(super) arrived: Instant,
    /// To its end.
    pub(super) body: Vec<u8>,
}

/// Who was admitted, for the record of a request that is rejected later.
struct Known(Requester);

/// The image that a deploy asks for, as it was sent, for the same record.
pub(super) struct AskedImage(pub(super) String);

/// The framework's router also takes a path whose letters are percent-encoded; a proxy's rules may not.
pub(super) fn exact_path(path: &'static str) -> impl Guard {
    fn_guard(move |context| context.head().uri.path() == path)
}

/// Admits, lets the route act, and records what was rejected by either. A panic of either is an answer too.
///
/// Unknown routes are guarded alike, so that a caller without access cannot tell routes apart.
pub(super) async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let state = request
        .app_data::<web::Data<AppState>>()
        .cloned()
        .expect("the app is built with its state");
    let mut payload = request.take_payload();
    let admitted = AssertUnwindSafe(admit(&state, &request, &mut payload));
    let response = match admitted.catch_unwind().await {
        Ok(Ok(())) => {
            let called = AssertUnwindSafe(next.call(request)).catch_unwind().await;
            called
                .unwrap_or_else(|_| Err(ApiError::Panicked.into()))?
                .map_into_boxed_body()
        }
        Ok(Err(error)) => request.error_response(error),
        Err(_) => request.error_response(ApiError::Panicked),
    };
    let error = response.response().error();
    if let Some(error) = error.and_then(actix_web::Error::as_error::<ApiError>)
        && error.is_rejection()
    {
        let request = response.request();
        record(&state, request.head(), Some(&request.extensions()), error);
    }
    Ok(response.map_body(|_, body| KeepsRequest::boxed(body, payload)))
}

/// Checks the connection, access, then content type; then reads the body of a POST.
async fn admit(
    state: &AppState,
    request: &ServiceRequest,
    payload: &mut Payload,
) -> Result<(), ApiError> {
    let arrived = Instant::now();
    if let Some(HadRequest(had)) = request.conn_data()
        && had.replace(true)
    {
        return Err(ApiError::SecondRequest);
    }
    let admitted = admit_head(state, request.head()).await?;
    // Only what may become an operation is read and named: a status allocates nothing here.
    if request.method() == Method::POST {
        let requester = admitted.requester();
        let known = Known(requester.clone());
        request.extensions_mut().insert(known);
        let admitted = Admitted {
            requester,
            cf_ray: cf_ray(request.headers()),
            user_agent: user_agent(request.headers()),
            arrived,
            body: body::read(payload).await?,
        };
        request.extensions_mut().insert(admitted);
    }
    Ok(())
}

/// All that can be judged before there is a body: access, then content type.
pub(super) async fn admit_head<'a>(
    state: &AppState,
    head: &'a RequestHead,
) -> Result<access::Admitted<'a>, ApiError> {
    let headers = head.headers();
    let presented = Presented {
        client_id: header(headers, &CLIENT_ID),
        client_secret: header(headers, &CLIENT_SECRET),
        assertion: header(headers, &ASSERTION),
    };
    let admitted = state
        .access
        .admit(&presented, SystemTime::now())
        .await
        .map_err(ApiError::Denied)?;
    if from_browser(head) {
        return Err(ApiError::Denied(Denied::FromBrowser));
    }
    match speaks_json(headers) {
        true => Ok(admitted),
        false => Err(ApiError::ContentType),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Header<'a> {
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

/// Rejected requests are recorded, bounded by the trail; what they say of themselves is not believed.
pub(super) fn record(
    state: &AppState,
    head: &RequestHead,
    extensions: Option<&Extensions>,
    error: &ApiError,
) {
    let headers = head.headers();
    let reason = match error {
        // The caller is told less.
        ApiError::Denied(denied) => denied.to_string(),
        other => other.to_string(),
    };
    let method = &head.method;
    let (cf_ray, user_agent) = (cf_ray(headers), user_agent(headers));
    let requester = match extensions.and_then(Extensions::get) {
        Some(Known(requester)) => asked_by(requester, cf_ray, user_agent),
        None => crate::audit::Requester {
            client_id: header_text(headers, &CLIENT_ID, RECORDED_LIMIT)
                .map(|id| shown_client_id(&id).to_owned()),
            cf_ray,
            user_agent,
            ..crate::audit::Requester::default()
        },
    };
    let asked = extensions.and_then(Extensions::get);
    state.agent.record_rejection(Rejection {
        http: error.status_code().as_u16(),
        request: format!(
            "{method} {}",
            blank_secrets(&printable(head.uri.path().as_bytes(), RECORDED_LIMIT))
        ),
        reason,
        requester,
        image: asked.map(|AskedImage(image)| blank_secrets_but_ids(image)),
    });
}

/// Cloudflare's id of the request; untrusted, so printable and short.
fn cf_ray(headers: &HeaderMap) -> Option<String> {
    header_text(headers, &CF_RAY, RECORDED_LIMIT)
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(&USER_AGENT)?.as_bytes();
    let value = &value[..value.len().min(USER_AGENT_LIMIT)];
    // A blank between words is harmless, and no letter of any of them.
    let words = value.split(|byte| *byte == b' ');
    let words: Vec<String> = words
        .map(|word| printable(word, USER_AGENT_LIMIT))
        .collect();
    Some(blank_secrets_but_ids(&words.join(" ")))
}

/// A header as it may be recorded: printable and short.
fn header_text(headers: &HeaderMap, name: &HeaderName, limit: usize) -> Option<String> {
    let value = headers.get(name)?;
    Some(printable(value.as_bytes(), limit))
}
