//! A fake engine to talk to by hand: `fake-engine SOCKET`, then `docker -H unix://SOCKET ps -a`.
//! With a second socket it stands in front of that engine and logs its calls.

use std::time::Duration;

use dreichor_test_support::fake_engine::{Controls, FakeEngine, FaultProxy};

const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

fn main() {
    let mut arguments = std::env::args().skip(1);
    let socket = arguments
        .next()
        .expect("usage: fake-engine SOCKET [UPSTREAM]");
    match arguments.next() {
        Some(upstream) => log_calls(FaultProxy::start(socket, upstream).controls()),
        None => log_calls(FakeEngine::start(socket).controls()),
    }
}

fn log_calls(controls: &Controls) -> ! {
    let mut told = 0;
    loop {
        let calls = controls.calls();
        for call in calls.get(told..).unwrap_or_default() {
            println!("{} {} {}", call.verb, call.method, call.path);
        }
        told = calls.len();
        std::thread::sleep(BETWEEN_LOOKS);
    }
}
