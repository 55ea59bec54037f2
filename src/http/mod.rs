//! The HTTP face: exactly three routes, exactly the contract's fields, every answer JSON.
//!
//! A request is guarded (access, then content type), parsed, handed to the agent, answered. Nothing here knows
//! Docker; everything the contract does not name is refused.

mod answer;
mod body;
mod guard;
mod handlers;
mod presence;

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};

use crate::access::Access;
use crate::agent::Agent;

/// cloudflared keeps idle connections to its origin for 90 s; closing earlier would race with a POST.
const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// For the request's head; a tunnel sends it in one piece.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// One worker answers status while another reads a slow body; nothing here computes.
const WORKERS: usize = 2;
/// Idle connections cost memory and descriptors; a tunnel keeps 100 at most.
const CONNECTIONS_PER_WORKER: usize = 4096;

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
    let server = HttpServer::new(move || {
        App::new()
            .app_data(front.clone())
            .wrap(from_fn(guard::guard))
            .service(
                web::resource("/v1/deploy")
                    .route(web::post().to(handlers::deploy))
                    .default_service(web::to(handlers::method_not_allowed)),
            )
            .service(
                web::resource("/v1/status")
                    .route(web::get().to(handlers::status))
                    .default_service(web::to(handlers::method_not_allowed)),
            )
            .service(
                web::resource("/v1/stop")
                    .route(web::post().to(handlers::stop))
                    .default_service(web::to(handlers::method_not_allowed)),
            )
            .default_service(web::to(handlers::not_found))
    })
    .workers(WORKERS)
    .max_connections(CONNECTIONS_PER_WORKER)
    .keep_alive(KEEP_ALIVE)
    .client_request_timeout(HEAD_TIMEOUT)
    .shutdown_timeout(answer_within.as_secs())
    .disable_signals()
    .on_connect(presence::remember)
    .listen(listener)?
    .run();
    Ok(server)
}
