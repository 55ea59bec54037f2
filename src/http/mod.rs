//! The HTTP face: exactly three routes, exactly the contract's fields, every answer JSON.
//!
//! A request is guarded (access, then content type), parsed, handed to the agent, answered. Nothing here knows
//! Docker; everything the contract does not name is refused.

#[cfg(test)]
mod allocations;
mod answer;
pub mod body;
mod guard;
mod handlers;
mod patience;
mod plain_errors;
mod presence;

use std::future::ready;
use std::net::TcpListener;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{
    AppConfig, Extensions, Server, ServiceFactory, ServiceRequest, ServiceResponse,
};
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::{App, web};

use crate::access::Access;
use crate::agent::Agent;
use patience::Patient;
use plain_errors::JsonErrors;

/// cloudflared keeps idle connections to its origin for 90 s; closing earlier would race with a POST.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// For the request's head; a tunnel sends it in one piece.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// One worker answers status while another reads a slow body; nothing here computes.
const WORKERS: usize = 2;
/// Idle connections cost memory and descriptors; a tunnel keeps 100 at most.
const CONNECTIONS_PER_WORKER: usize = 4096;
/// The connection and the second look at it, see `presence`.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;
/// For the engine, the trail and the files of an operation, however many connections there are.
const DESCRIPTORS_KEPT: u64 = 128;

/// What every request can reach.
pub(crate) struct Front {
    pub(crate) agent: Agent,
    pub(crate) access: Access,
}

/// Starts serving on a bound loopback listener. Signals are the caller's business.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    listener: TcpListener,
    agent: Agent,
    access: Access,
    answer_within: Duration,
) -> std::io::Result<Server> {
    let front = web::Data::new(Front { agent, access });
    let builder = Server::build();
    let ending = builder.graceful_shutdown_signal();
    let address = listener.local_addr()?;
    // What `actix_web::HttpServer` puts together, with one more layer: see `plain_errors`.
    let server = builder.listen("api", listener, move || {
        let (front, ending) = (front.clone(), ending.clone());
        let app = map_config(
            app(front)
                .into_factory()
                .map_err(|error: actix_web::Error| error.error_response()),
            |()| AppConfig::default(),
        );
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let ending = ending.clone();
                async move { ending.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .local_addr(address)
            .on_connect_ext(|connection: &JsonErrors, data: &mut Extensions| {
                presence::remember(connection.io().io(), data);
                data.insert(connection.io().served());
            })
            .h1(app);
        fn_service(|stream: TcpStream| {
            let peer = stream.peer_addr().ok();
            ready(Ok((JsonErrors::new(Patient::new(stream)), peer)))
        })
        .and_then(http)
    })?;
    Ok(server
        .workers(WORKERS)
        .max_concurrent_connections(connections_per_worker())
        .shutdown_timeout(answer_within.as_secs())
        .disable_signals()
        .run())
}

/// As many as the limit of open files leaves room for.
fn connections_per_worker() -> usize {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return CONNECTIONS_PER_WORKER;
    };
    let for_all = limit.saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_PER_CONNECTION;
    let for_each = usize::try_from(for_all / WORKERS as u64).unwrap_or(CONNECTIONS_PER_WORKER);
    for_each.clamp(1, CONNECTIONS_PER_WORKER)
}

/// The three routes behind the guard.
fn app(
    front: web::Data<Front>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(front)
        .wrap(from_fn(guard::guard))
        .service(
            web::resource("/v1/deploy")
                .guard(guard::spelled("/v1/deploy"))
                .route(web::post().to(handlers::deploy))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .service(
            web::resource("/v1/status")
                .guard(guard::spelled("/v1/status"))
                .route(web::get().to(handlers::status))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .service(
            web::resource("/v1/stop")
                .guard(guard::spelled("/v1/stop"))
                .route(web::post().to(handlers::stop))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .default_service(web::to(handlers::not_found))
}
