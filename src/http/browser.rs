//! Whether a browser sent a request, on behalf of some page.
//!
//! A page whose name is rebound to 127.0.0.1 reaches the agent as its own origin, and may send any header of the
//! contract. What gives it away is what it cannot leave out: the headers below, and else its own name in `Host`. That
//! alone proves nothing, because behind the tunnel the public name is in `Host`; together with a browser's `User-Agent` it
//! does. What is left: a browser that lets its pages choose their `User-Agent`, asking for the status.

use std::net::{Ipv4Addr, Ipv6Addr};

use actix_web::dev::RequestHead;
use actix_web::http::header::{HOST, HeaderMap, HeaderName, REFERER, USER_AGENT};

/// No program but a browser sends these. Pipelines in Node send `Sec-Fetch-Mode`, which is not among them.
static OF_BROWSERS: [HeaderName; 5] = [
    HeaderName::from_static("origin"),
    HeaderName::from_static("sec-fetch-site"),
    HeaderName::from_static("sec-fetch-dest"),
    HeaderName::from_static("sec-fetch-user"),
    HeaderName::from_static("sec-ch-ua"),
];
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// What Node's own fetch calls itself.
const NODE: [&[u8]; 2] = [b"node", b"undici"];

pub(super) fn from_browser(head: &RequestHead) -> bool {
    let headers = head.headers();
    OF_BROWSERS.iter().any(|name| headers.contains_key(name))
        || resembles_browser(headers) && names_foreign_host(head)
}

/// Every browser begins its name with `Mozilla/`. So does PowerShell, which can be told another.
fn resembles_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).map(|agent| agent.as_bytes());
    let agent = agent.unwrap_or_default();
    agent.starts_with(b"Mozilla/")
        || headers.contains_key(REFERER)
        || headers.contains_key(&SEC_FETCH_MODE) && !NODE.contains(&agent)
}

/// Whether the request was sent to another name than this host's loopback.
fn names_foreign_host(head: &RequestHead) -> bool {
    let named = head.headers().get_all(HOST).map(|host| host.as_bytes());
    let target = head.uri.host().map(str::as_bytes);
    named.chain(target).any(|host| !is_loopback(host))
}

fn is_loopback(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    if let Some(six) = host.strip_prefix('[') {
        let six = six.split(']').next().and_then(|six| six.parse().ok());
        return six.is_some_and(|six: Ipv6Addr| six.is_loopback());
    }
    let name = host.split(':').next().unwrap_or_default();
    let four: Option<Ipv4Addr> = name.parse().ok();
    four.is_some_and(|four| four.is_loopback()) || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_the_loopback_of_this_host_is_no_foreign_name() {
        for own in [
            "127.0.0.1",
            "127.0.0.1:3005",
            "127.9.9.9",
            "localhost",
            "LocalHost:3005",
            "[::1]",
            "[::1]:3005",
        ] {
            assert!(is_loopback(own.as_bytes()), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:3005",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0.0.0.0:3005",
            "10.0.0.1",
            "[::]:3005",
            "[::1.evil",
            "127.0.0.1@evil.example",
            "",
        ] {
            assert!(!is_loopback(foreign.as_bytes()), "{foreign}");
        }
        assert!(!is_loopback(b"\xff"));
    }
}
