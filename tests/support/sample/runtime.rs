//! The sample runtime that the test images hold: one static program, its first argument says what it does.

use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static ASKED_TO_END: AtomicBool = AtomicBool::new(false);

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// How long `loops` and `serves` take before they look at anything, as Node does to come up.
const WARM_UP: Duration = Duration::from_millis(400);
/// What `loops` and `serves` cannot do without.
const NEEDED: [&str; 2] = ["DATABASE_URL", "EXECUTION_PLANE"];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Raw sockets that see what passes on the network: (name, domain, type, protocol).
const RAW_SOCKETS: [(&str, i32, i32, i32); 2] = [
    // AF_PACKET, SOCK_RAW, every protocol in the network's byte order.
    ("packet", 17, 3, 0x0300),
    // AF_INET, SOCK_RAW, IPPROTO_TCP.
    ("raw", 2, 3, 6),
];

unsafe extern "C" {
    fn signal(number: i32, handler: usize) -> usize;
    fn socket(domain: i32, kind: i32, protocol: i32) -> i32;
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
        "loops" | "serves" => come_up(),
        "sniff" => sniff(),
        _ => {}
    }
    if mode == "env" {
        for (name, value) in std::env::vars() {
            println!("{name}={value}");
        }
    }
    println!("READY");
    if let ("fill", Some(path)) = (mode, arguments.get(1)) {
        fill(path);
    }
    match mode {
        "exit-0" | "loops" => return,
        "exit-0-after" => {
            std::thread::sleep(pause);
            return;
        }
        _ => {}
    }
    run_for(Duration::MAX);
}

/// Takes every byte that the disk has, and each that it gets later, until it is asked to end.
fn fill(path: &str) {
    let piece = [b'x'; 65_536];
    let Ok(mut file) = std::fs::File::create(path) else {
        give_up("the file to fill cannot be made");
    };
    while !ASKED_TO_END.load(Ordering::SeqCst) {
        let taken = [piece.len(), 4096, 1].iter().any(|size| file.write_all(&piece[..*size]).is_ok());
        if !taken {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    std::process::exit(0);
}

/// Says what each raw socket gives, and whether new privileges are to be had; ends with 3 if a socket opens.
fn sniff() {
    let mut opened = false;
    for (name, domain, kind, protocol) in RAW_SOCKETS {
        // Plain numbers go in and a descriptor or -1 comes out.
        if unsafe { socket(domain, kind, protocol) } >= 0 {
            println!("{name} socket: opened");
            opened = true;
        } else {
            println!("{name} socket: {}", std::io::Error::last_os_error());
        }
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().filter(|line| line.starts_with("NoNewPrivs")).for_each(|line| println!("{line}"));
    if opened {
        std::process::exit(3);
    }
}

/// What the owner's runtime does before it is ready: its environment, then its database.
fn come_up() {
    run_for(WARM_UP);
    if ASKED_TO_END.load(Ordering::SeqCst) {
        std::process::exit(0);
    }
    let missing = NEEDED.iter().find(|name| std::env::var(name).unwrap_or_default().is_empty());
    if let Some(name) = missing {
        give_up(&format!("{name} is not set"));
    }
    let url = std::env::var("DATABASE_URL").unwrap_or_default();
    let Some(address) = address_of(&url) else {
        // Never the value: it holds a password.
        give_up("DATABASE_URL names no host and port");
    };
    let resolved = address.to_socket_addrs().ok().and_then(|mut found| found.next());
    let connected = resolved.map(|found| TcpStream::connect_timeout(&found, CONNECT_TIMEOUT));
    match connected {
        Some(Ok(_)) => {}
        Some(Err(error)) => give_up(&format!("the database at {address} refused: {error}")),
        None => give_up(&format!("the database's host {address} is unknown")),
    }
}

fn give_up(why: &str) -> ! {
    eprintln!("the runtime cannot start: {why}");
    std::process::exit(1);
}

/// `host:port` of `postgres://user:password@host:port/name`.
fn address_of(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split('/').next()?;
    let address = authority.rsplit('@').next()?;
    address.rsplit_once(':')?.1.parse::<u16>().ok()?;
    Some(address)
}

/// Waits so long, or until it is asked to end.
fn run_for(time: Duration) {
    let begun = Instant::now();
    while !ASKED_TO_END.load(Ordering::SeqCst) && begun.elapsed() < time {
        std::thread::sleep(Duration::from_millis(20));
    }
}
