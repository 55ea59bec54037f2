//! The framework's own server: one request a connection, bounded in time and number, and the three routes behind the
//! guard.

use std::net::TcpListener;
use std::time::Duration;

use actix_http::{HttpService, KeepAlive};
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::BoxBody;
use actix_web::dev::{
    AppConfig, Extensions, Server, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse,
};
use actix_web::middleware::from_fn;
use actix_web::{App, web};
use tokio::sync::watch;

use super::state::AppState;
use super::{expect, guard, handlers};
use crate::access::Access;
use crate::agent::Agent;

/// For the whole head of a request, from the connection's begin; a tunnel sends it in one piece.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// For a client to notice that the rest of its request is not wanted.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// For a client to take bytes of an answer that the kernel holds for it.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);
/// One worker answers status while another reads a slow body; nothing here computes.
const WORKERS: usize = 2;
/// What the workers take at once; each costs a descriptor and some 20 KiB of memory.
const CONNECTIONS_PER_WORKER: usize = 4096;
/// Connections that wait for a worker: past it the kernel drops a client's first packet, and the client tries again
/// only after a second, three, seven. The standard library asks for 128, a burst of few milliseconds.
const BACKLOG: i32 = 4096;
/// For the engine, the trail and the files of an operation, however many connections there are.
const DESCRIPTORS_KEPT: u64 = 128;

/// For the thread that accepts to stop doing so, and for its last connection to get to the worker that counts it. The
/// framework tells neither; on a busy host the thread alone was 70 ms late.
const HANDED_ON_WITHIN: Duration = Duration::from_millis(500);

/// How the serving is ended.
pub struct Closing {
    handle: ServerHandle,
    open: watch::Receiver<usize>,
}

impl Closing {
    /// Takes no more connections and lets those that were taken end, with their answers. What has not been taken stays
    /// where systemd holds the listener: the next process answers it.
    ///
    /// The server's own graceful stop would close whatever has not sent its request yet.
    pub async fn graceful(mut self) {
        self.handle.pause().await;
        tokio::time::sleep(HANDED_ON_WITHIN).await;
        let all_ended = self.open.wait_for(|open| *open == 0);
        // Past it there is no connection any more that has not sent its head.
        tokio::time::timeout(HEAD_TIMEOUT, all_ended).await.ok();
        self.handle.stop(true).await;
    }

    /// Closes what is open.
    pub async fn at_once(self) {
        self.handle.stop(false).await;
    }
}

/// Counts a connection for as long as it is open.
struct Open(watch::Sender<usize>);

impl Open {
    fn count(counter: &watch::Sender<usize>) -> Self {
        counter.send_modify(|open| *open += 1);
        Self(counter.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

/// Starts serving on a bound loopback listener. Signals are the caller's business. A graceful end waits at most
/// `answer_within` for the answers that are due.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(
    listener: TcpListener,
    agent: Agent,
    access: Access,
    answer_within: Duration,
) -> std::io::Result<(Server, Closing)> {
    prepare(&listener)?;
    let state = web::Data::new(AppState { agent, access });
    let (counter, open) = watch::channel(0);
    let address = listener.local_addr()?;
    let builder = Server::build()
        .workers(WORKERS)
        .max_concurrent_connections(connections_per_worker())
        .shutdown_timeout(answer_within.as_secs())
        .disable_signals();
    let stopping = builder.graceful_shutdown_signal();
    // What `HttpServer` of the framework does, which has no place for an answer to `Expect`.
    let builder = builder.listen("api", listener, move || {
        let (counter, stopping) = (counter.clone(), stopping.clone());
        let app = app(state.clone()).into_factory();
        let app = app.map_err(|error: actix_web::Error| error.error_response());
        HttpService::build()
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            // A client that closes its side waits for no answer.
            .h1_allow_half_closed(false)
            .local_addr(address)
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .on_connect_ext(move |_, data: &mut Extensions| {
                data.insert(Open::count(&counter));
                data.insert(guard::HadRequest::default());
            })
            .expect(expect::before_continue(state.clone()))
            .finish(map_config(app, |()| AppConfig::default()))
            .tcp()
    })?;
    let server = builder.run();
    let handle = server.handle();
    Ok((server, Closing { handle, open }))
}

/// Sets what accepted connections inherit, and lengthens the queue of those that wait to be accepted.
fn prepare(listener: &TcpListener) -> std::io::Result<()> {
    let unread = u32::try_from(UNREAD_TIMEOUT.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(listener, unread)?;
    rustix::net::listen(listener, BACKLOG)?;
    Ok(())
}

/// As many as the limit of open files leaves room for.
fn connections_per_worker() -> usize {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return CONNECTIONS_PER_WORKER;
    };
    let for_each = limit.saturating_sub(DESCRIPTORS_KEPT) / WORKERS as u64;
    let for_each = usize::try_from(for_each).unwrap_or(CONNECTIONS_PER_WORKER);
    for_each.clamp(1, CONNECTIONS_PER_WORKER)
}

/// The three routes behind the guard.
fn app(
    state: web::Data<AppState>,
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
        .app_data(state)
        .wrap(from_fn(guard::guard))
        .service(
            web::resource("/v1/deploy")
                .guard(guard::exact_path("/v1/deploy"))
                .route(web::post().to(handlers::deploy))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .service(
            web::resource("/v1/status")
                .guard(guard::exact_path("/v1/status"))
                .route(web::get().to(handlers::status))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .service(
            web::resource("/v1/stop")
                .guard(guard::exact_path("/v1/stop"))
                .route(web::post().to(handlers::stop))
                .default_service(web::to(handlers::method_not_allowed)),
        )
        .default_service(web::to(handlers::not_found))
}
