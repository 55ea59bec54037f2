//! A process on the host without the token gets nothing, and what it sends forges nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Agent, CLIENT_SECRET, Kind, World, contract_headers, exchange, request_bytes,
};

/// An agent with the tests' token pinned, beside another one.
fn pinned() -> (World, Agent) {
    let mut world = World::new(Kind::Fake);
    let hash = |secret: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.as_bytes());
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    world.set("CF_ACCESS_CLIENT_ID", "old.access,ci.access");
    world.set(
        "CF_ACCESS_CLIENT_SECRET_SHA256",
        &format!("{},{}", hash("old"), hash(CLIENT_SECRET)),
    );
    world.push("1.0.0", &["run"]);
    let agent = world.agent();
    (world, agent)
}

#[test]
fn without_the_pinned_token_nobody_deploys_stops_or_reads_the_status() {
    let (world, agent) = pinned();
    assert_eq!(agent.deploy(&world.image("1.0.0")).status, 200);
    let body = json!({ "image": world.image("1.0.0") }).to_string();
    for (id, secret) in [
        ("ci.access", "wrong"),
        ("old.access", CLIENT_SECRET),
        ("stranger", "x"),
        ("ci.access ", ""),
    ] {
        let headers = [
            ("CF-Access-Client-Id", id),
            ("CF-Access-Client-Secret", secret),
            ("Content-Type", "application/json"),
        ];
        let code = if secret.is_empty() { 401 } else { 403 };
        for (method, path, body) in [
            ("POST", "/v1/deploy", body.as_str()),
            ("GET", "/v1/status", ""),
            ("POST", "/v1/stop", ""),
        ] {
            let answer = agent.request(method, path, &headers, body);
            assert_eq!(answer.status, code, "{id} {path}");
            let reason = answer.reason();
            assert!(
                !reason.contains("secret is") && !reason.contains("pinned"),
                "{reason}"
            );
        }
    }
    assert_eq!(agent.status()["running"], true);
    assert_eq!(world.events("operation_started").len(), 1);
    // The answer does not wait for the record of a refusal.
    crate::harness::until("it is recorded", std::time::Duration::from_secs(30), || {
        world
            .events("rejected")
            .iter()
            .any(|record| record["http"] == 403 && record["requester"]["client_id"] == "stranger")
    });
}

#[test]
fn a_tokens_secret_that_was_sent_as_its_id_is_named_nowhere() {
    let mut world = World::new(Kind::Fake);
    world.push("1.0.0", &["run"]);
    let secret = "4f9a3c2d".repeat(8);
    let body = json!({ "image": world.image("1.0.0") }).to_string();
    let mixed_up = [
        ("CF-Access-Client-Id", secret.as_str()),
        ("CF-Access-Client-Secret", "ci.access"),
        ("Content-Type", "application/json"),
    ];
    let agent = world.agent();
    // With presence alone it may deploy; pinned, it is denied.
    assert_eq!(
        agent.request("POST", "/v1/deploy", &mixed_up, &body).status,
        200
    );
    assert_eq!(
        world.events("operation_started")[0]["requester"]["client_id"],
        "***"
    );
    drop(agent);
    world.set("CF_ACCESS_CLIENT_ID", "ci.access");
    world.set("CF_ACCESS_CLIENT_SECRET_SHA256", &"ab".repeat(32));
    let agent = world.agent();
    assert_eq!(
        agent
            .request("POST", &format!("/{secret}"), &mixed_up, &body)
            .status,
        403
    );
    crate::harness::until("it is recorded", Duration::from_secs(30), || {
        !world.events("rejected").is_empty()
    });
    let found = crate::harness::found_below(world.directory.path(), &secret[..16]);
    assert_eq!(found, Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_header_that_comes_twice_is_refused() {
    let (_world, agent) = pinned();
    let mut headers = contract_headers().to_vec();
    headers.push(("CF-Access-Client-Secret", "another"));
    assert_eq!(agent.request("GET", "/v1/status", &headers, "").status, 403);
}

#[test]
fn a_page_in_a_browser_cannot_deploy() {
    let (world, agent) = pinned();
    let body = json!({ "image": world.image("1.0.0") }).to_string();
    for mark in [
        ("Origin", "http://127.0.0.1:3005"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        let mut headers = contract_headers().to_vec();
        headers.push(mark);
        assert_eq!(
            agent.request("POST", "/v1/deploy", &headers, &body).status,
            403,
            "{mark:?}"
        );
        assert_eq!(
            agent.request("GET", "/v1/status", &headers, "").status,
            403,
            "{mark:?}"
        );
    }
    // The question that a browser asks first is not answered with a permission.
    let asked = [
        ("Origin", "http://evil.example"),
        ("Access-Control-Request-Method", "POST"),
    ];
    let answer = agent.request("OPTIONS", "/v1/deploy", &asked, "");
    assert_eq!(answer.status, 401);
    assert!(!answer.head.to_lowercase().contains("access-control-allow"));
    assert!(world.container().is_none());
}

/// A request as it would be sent to this name, with the token of the tests.
fn sent_to(agent: &Agent, host: &str, marks: &[(&str, &str)]) -> u16 {
    let headers = [&contract_headers()[..], marks].concat();
    let request = request_bytes("GET", "/v1/status", &headers, "");
    let request = String::from_utf8(request).expect("text");
    let request = request.replace("Host: 127.0.0.1\r\n", &format!("Host: {host}\r\n"));
    exchange(agent.port, request.as_bytes())
        .expect("answered")
        .status
}

#[test]
fn a_page_whose_name_is_rebound_to_the_loopback_reads_no_status() {
    let (_world, agent) = pinned();
    let rebound = format!("rebound.example:{}", agent.port);
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    for mark in [
        ("User-Agent", browser),
        ("Referer", "http://rebound.example/"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-CH-UA", "\"Chromium\";v=\"140\""),
    ] {
        assert_eq!(sent_to(&agent, &rebound, &[mark]), 403, "{mark:?}");
    }
    // A pipeline's request behind the tunnel has the public name, and a program's own.
    for marks in [
        &[][..],
        &[("User-Agent", "curl/8.5.0")],
        &[
            ("User-Agent", "node"),
            ("Sec-Fetch-Mode", "cors"),
            ("Accept-Language", "*"),
        ],
    ] {
        assert_eq!(
            sent_to(&agent, "deploy-dev.example.com", marks),
            200,
            "{marks:?}"
        );
    }
    // What is sent to this host's loopback by name is no rebound page.
    for host in [
        "127.0.0.1",
        "localhost",
        &format!("127.0.0.1:{}", agent.port),
        "[::1]",
    ] {
        assert_eq!(
            sent_to(&agent, host, &[("User-Agent", browser)]),
            200,
            "{host}"
        );
    }
    // The target of a request counts like its Host.
    let request = request_bytes(
        "GET",
        "http://rebound.example/v1/status",
        &contract_headers(),
        "",
    );
    let request = String::from_utf8(request).expect("text");
    let request = request.replace("Connection:", "User-Agent: Mozilla/5.0\r\nConnection:");
    let answer = exchange(agent.port, request.as_bytes()).expect("answered");
    assert_eq!(answer.status, 403);
}

/// Sends the head of a deploy that asks before it sends its body, and reads the first bytes that come back.
fn asks_first(agent: &Agent, headers: &[(&str, &str)], length: usize) -> (TcpStream, String) {
    let length = length.to_string();
    let asking = [("Expect", "100-continue"), ("Content-Length", &length)];
    let request = request_bytes("POST", "/v1/deploy", &[headers, &asking].concat(), "");
    let request = String::from_utf8(request).expect("text");
    let request = request.replace("Content-Length: 0\r\n", "");
    let mut stream = TcpStream::connect(("127.0.0.1", agent.port)).expect("connected");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut first = [0; 256];
    let count = stream.read(&mut first).expect("answered");
    (
        stream,
        String::from_utf8_lossy(&first[..count]).into_owned(),
    )
}

#[test]
fn nobody_is_told_to_send_a_body_before_access_was_checked() {
    let (world, agent) = pinned();
    let token = contract_headers();
    let wrong = [token[0], ("CF-Access-Client-Secret", "wrong"), token[2]];
    let page = [
        token[0],
        token[1],
        token[2],
        ("Origin", "http://page.example"),
    ];
    for (headers, code) in [
        (&token[1..], "401"),
        (&wrong[..], "403"),
        (&page, "403"),
        (&token[..2], "415"),
    ] {
        let (mut stream, first) = asks_first(&agent, headers, 1 << 20);
        assert!(
            first.starts_with(&format!("HTTP/1.1 {code} ")),
            "{code}: {first}"
        );
        let mut rest = first;
        stream
            .read_to_string(&mut rest)
            .expect("closed behind the answer");
        assert!(
            !rest.contains("100 Continue") && rest.contains("\"status\":\"error\""),
            "{rest}"
        );
    }
    crate::harness::until("each is recorded", Duration::from_secs(30), || {
        world.events("rejected").len() == 4
    });
    let body = json!({ "image": world.image("1.0.0") }).to_string();
    let (mut stream, first) = asks_first(&agent, &token, body.len());
    assert_eq!(first, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(body.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(agent.status()["running"], true);
}

#[test]
fn headers_and_paths_forge_no_line_of_log_or_trail() {
    let (world, agent) = pinned();
    let before = agent.log().lines().count();
    for hostile in [
        &b"a\x1b[2Jb"[..],
        b"a\tERROR forged",
        b"\xff\xfe\xc2\x9b31m",
        b"a\x7fb",
    ] {
        let mut bytes = request_bytes("GET", "/v1/status%0aERROR%1b[2J", &[], "");
        bytes.truncate(bytes.len() - 2);
        for name in ["CF-Access-Client-Id", "Cf-Ray", "CF-Access-Client-Secret"] {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(hostile);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"Content-Type: application/json\r\n\r\n");
        let answer = exchange(agent.port, &bytes).expect("answered");
        assert!([400, 403].contains(&answer.status), "{}", answer.status);
    }
    for text in [
        agent.log(),
        std::fs::read_to_string(world.path("state/audit.jsonl")).expect("a trail"),
    ] {
        let odd = text.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(odd, None);
    }
    let forged = agent
        .log()
        .lines()
        .skip(before)
        .any(|line| line.starts_with("ERROR") || line.starts_with("<3>ERROR"));
    assert!(!forged, "{}", agent.log());
}

#[test]
fn only_loopback_is_listened_on() {
    let (_world, agent) = pinned();
    let listening = std::fs::read_to_string("/proc/net/tcp").expect("readable");
    let port = format!(":{:04X}", agent.port);
    let own: Vec<&str> = listening
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|address| address.ends_with(&port))
        .collect();
    assert!(!own.is_empty());
    for address in own {
        assert_eq!(
            address.split(':').next(),
            Some("0100007F"),
            "127.0.0.1, as the kernel writes it"
        );
    }
    let six = std::fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
    let own = six
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .any(|address| address.ends_with(&port));
    assert!(!own, "not on IPv6 either");
}

#[test]
fn the_log_says_at_the_start_which_checks_are_on_and_how_to_mend_none() {
    let (_world, agent) = pinned();
    assert_eq!(agent.status_answer().status, 200);
    assert!(
        agent.log().contains("pinned token (old.access, ci.access)"),
        "{}",
        agent.log()
    );
    let mut world = World::new(Kind::Fake);
    world.set("ENVIRONMENT", "prod");
    world.name = world.name.replace("-dev", "-prod");
    let name = world.name.clone();
    world.set("CONTAINER_NAME", &name);
    let agent = world.agent();
    // Its port takes connections before it has said everything.
    assert_eq!(agent.status_answer().status, 200);
    let log = agent.log();
    let warned = log
        .lines()
        .any(|line| line.contains("WARN") && line.contains("CF_ACCESS_CLIENT_SECRET_SHA256="));
    assert!(warned, "{log}");
}

#[test]
fn core_dumps_are_off_and_the_memory_is_not_for_others() {
    let (_world, agent) = pinned();
    let limits =
        std::fs::read_to_string(format!("/proc/{}/limits", agent.pid())).expect("readable");
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .expect("a limit");
    let words: Vec<&str> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "{core}");
}
