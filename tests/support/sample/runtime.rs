//! The sample runtime that the test images hold: one static program, its first argument says what it does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
}

extern "C" fn asked_to_end(_: i32) {
    ASKED_TO_END.store(true, Ordering::SeqCst);
}

extern "C" fn ignored(_: i32) {}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let mode = arguments.first().map_or("run", String::as_str);
    let handler: extern "C" fn(i32) = if mode == "ignore-term" { ignored } else { asked_to_end };
    // PID 1 gets no signal that it does not handle, and std has no way to handle one. The handlers only
    // store to an atomic.
    unsafe {
        signal(SIGTERM, handler as usize);
        signal(SIGINT, handler as usize);
    }
    let pause = arguments.get(1).and_then(|text| text.parse().ok()).unwrap_or(0);
    let pause = Duration::from_millis(pause);
    match mode {
        "check-ok" => return,
        "check-fail" => std::process::exit(1),
        "crash" => std::process::exit(3),
        "crash-after" => {
            std::thread::sleep(pause);
            std::process::exit(3);
        }
        _ => {}
    }
    if mode == "env" {
        for (name, value) in std::env::vars() {
            println!("{name}={value}");
        }
    }
    println!("READY");
    match mode {
        "exit-0" => return,
        "exit-0-after" => {
            std::thread::sleep(pause);
            return;
        }
        _ => {}
    }
    while !ASKED_TO_END.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(20));
    }
}
