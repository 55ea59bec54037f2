//! What a status allocates in the whole front, beside a bare route of the framework: counted, not timed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use actix_http::Request;
use actix_web::dev::{Service, ServiceResponse};
use actix_web::{App, HttpResponse, test, web};
use bytes::Bytes;
use futures_util::FutureExt as _;

use super::{Front, app};
use crate::access::Access;
use crate::agent::Agent;
use crate::audit::{Fingerprinter, OpenOptions, ROTATE_AT, Trail};
use crate::engine::Engine;
use crate::operation::Context;
use crate::settings::Settings;
use crate::systemd::Heartbeat;
use crate::view;
use crate::watcher::Watcher;

/// The framework boxes the future of a middleware function, and the future of what is behind it.
const MORE: u64 = 2;

const HASH_OF_TEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn settings(directory: &Path) -> Settings {
    let made = |name: &str| {
        let directory = directory.join(name);
        std::fs::create_dir(&directory).expect("made");
        directory.display().to_string()
    };
    let (events, snapshots) = (made("audit-events"), made("snapshots"));
    let state = directory.join("state").display().to_string();
    let variables = [
        ("ENVIRONMENT", "dev"),
        ("CONTAINER_NAME", "x-dev"),
        ("AUDIT_EVENTS_PATH", &events),
        ("SNAPSHOTS_PATH", &snapshots),
        ("STATE_DIRECTORY", &state),
        ("ALLOW_EXECUTION_PLANE", "paper"),
        ("CF_ACCESS_CLIENT_ID", "ci.access"),
        ("CF_ACCESS_CLIENT_SECRET_SHA256", HASH_OF_TEST),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Settings::from_variables(HashMap::from(variables)).expect("valid")
}

/// A front whose view shows that there is no container; no engine is asked.
fn front(settings: Settings) -> web::Data<Front> {
    let options = OpenOptions {
        state_directory: settings.state_directory.clone(),
        environment: "dev".to_owned(),
        agent_version: crate::VERSION.to_owned(),
        rotate_at: ROTATE_AT,
    };
    let (trail, _) = Trail::open(options).expect("a new trail");
    let name = settings.runtime.container_name.clone();
    let engine = Engine::new(settings.engine.clone(), name.clone());
    let (publisher, shown) = view::view(name, Duration::from_secs(3600));
    publisher.publish(None);
    let (_, watcher) = Watcher::new(engine.clone(), publisher, Duration::from_secs(3600));
    let operations = Context {
        environment: settings.environment,
        engine,
        runtime: settings.runtime,
        rules: settings.operation,
        docker_config: None,
        trail,
        fingerprinter: Fingerprinter::open(&settings.state_directory).expect("a new key"),
        settings_fingerprint: String::new(),
        watcher,
        activity: view::activity().0,
    };
    let (agent, _) = Agent::start(operations, shown, 0, Heartbeat::from_environment());
    let access = Access::new(settings.access);
    web::Data::new(Front { agent, access })
}

fn status() -> Request {
    test::TestRequest::get()
        .uri("/v1/status")
        .insert_header(("CF-Access-Client-Id", "ci.access"))
        .insert_header(("CF-Access-Client-Secret", "test"))
        .insert_header(("Content-Type", "application/json"))
        .to_request()
}

/// Allocations of one status, once the first ones have made what lasts.
fn counted<B>(
    service: &impl Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
) -> u64 {
    let ask = |request| {
        let answer = service
            .call(request)
            .now_or_never()
            .expect("it never waits");
        assert_eq!(answer.expect("an answer").status(), 200);
    };
    for _ in 0..3 {
        ask(status());
    }
    let request = status();
    allocation_counter::measure(|| ask(request)).count_total
}

#[test]
fn a_status_allocates_two_times_more_often_than_a_bare_route_and_never_waits() {
    let directory = tempfile::tempdir().expect("a directory");
    let counts = actix_web::rt::System::new().block_on(async {
        let ours = test::init_service(app(front(settings(directory.path())))).await;
        let body = Bytes::from_static(br#"{"container_name":"x-dev","running":false}"#);
        let constant = move || {
            let body = body.clone();
            async move {
                let mut answer = HttpResponse::Ok();
                answer.content_type("application/json").body(body)
            }
        };
        let bare = App::new().route("/v1/status", web::get().to(constant));
        let bare = test::init_service(bare).await;
        (counted(&ours), counted(&bare))
    });
    let (ours, bare) = counts;
    assert_eq!(ours, bare + MORE, "a bare route allocates {bare} times");
}
