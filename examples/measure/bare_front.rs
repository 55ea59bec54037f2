//! The bare framework: one actix-web route that returns a constant, in a process of its own.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};

use actix_web::{App, HttpResponse, HttpServer, web};

/// As many as the agent has.
const WORKERS: usize = 2;

/// Prints its port, then serves `GET /v1/status` until its standard input ends.
pub fn serve(size: usize) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a loopback port");
    let port = listener.local_addr().expect("it is bound").port();
    let body = web::Bytes::from(vec![b'x'; size]);
    let system = actix_web::rt::System::new();
    let served = system.block_on(async move {
        let server = HttpServer::new(move || {
            let body = body.clone();
            App::new().route(
                "/v1/status",
                web::get().to(move || {
                    let body = body.clone();
                    async move {
                        HttpResponse::Ok()
                            .content_type("application/json")
                            .body(body)
                    }
                }),
            )
        });
        // One request a connection, as of the agent.
        let server = server.keep_alive(None).workers(WORKERS);
        let server = server.disable_signals().listen(listener)?;
        let server = server.run();
        let handle = server.handle();
        std::thread::spawn(move || {
            // The end of the input is the end, and so is an error.
            std::io::stdin().read_to_end(&mut Vec::new()).ok();
            drop(handle.stop(false));
            std::process::exit(0);
        });
        println!("{port}");
        server.await
    });
    served.expect("the bare route is served to the end");
}
