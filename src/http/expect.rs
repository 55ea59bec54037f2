//! `Expect: 100-continue`: a client that asks whether to send its body. The server would answer yes before anybody has
//! looked at the request; here it is judged first, so that nobody without access is asked for anything.

use actix_http::Request;
use actix_web::body::BoxBody;
use actix_web::dev::{Response, ServiceFactory, fn_service};
use actix_web::{ResponseError, web};

use super::answer::KeepsRequest;
use super::error::ApiError;
use super::guard::{HadRequest, admit_head, record};
use super::state::AppState;

/// What the server asks before it says `100 Continue`. The guard judges the request once more, as every other.
pub(super) fn before_continue(
    state: web::Data<AppState>,
) -> impl ServiceFactory<
    Request,
    Config = (),
    Response = Request,
    Error = Response<BoxBody>,
    InitError = (),
    Service: 'static,
> {
    fn_service(move |request: Request| {
        let state = state.clone();
        async move { judge(&state, request).await }
    })
}

async fn judge(state: &AppState, mut request: Request) -> Result<Request, Response<BoxBody>> {
    let had = request.conn_data::<HadRequest>();
    let judged = match had.is_some_and(|HadRequest(had)| had.get()) {
        true => Err(ApiError::SecondRequest),
        false => admit_head(state, request.head()).await.map(drop),
    };
    let Err(error) = judged else {
        return Ok(request);
    };
    // It never gets to the guard.
    if let Some(HadRequest(had)) = had {
        had.set(true);
    }
    if error.is_rejection() {
        record(state, request.head(), None, &error);
    }
    let unread = request.take_payload();
    let answer = error.error_response();
    Err(answer
        .map_body(|_, body| KeepsRequest::boxed(body, unread))
        .into())
}
