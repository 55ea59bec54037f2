//! The way out of this host, which the agent's unit closes.

use std::net::IpAddr;

/// Whether a host is this one, as an address names it.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// `host:port` of a URL, without a user; none of what is no URL.
#[must_use]
pub fn authority_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    authority.rsplit('@').next()
}

/// The host of `host:port`, `[::1]:port`, or of either without a port.
#[must_use]
pub fn host_of(authority: &str) -> &str {
    let end = match authority.strip_prefix('[') {
        Some(six) => six.find(']').map(|end| end + 2),
        None => authority.find(':'),
    };
    &authority[..end.unwrap_or(authority.len())]
}

/// What to say behind a failure to reach this address, `host` or `host:port`; nothing of one on this host. What the unit's
/// filter drops looks like a network that is down: a name is not found, a connection is not made in time.
#[must_use]
pub fn hint(authority: &str) -> &'static str {
    match is_loopback(host_of(authority)) {
        true => "",
        false => "; a unit needs the drop-in network.conf for it (deploy/README.md)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_of_a_url_has_no_user_and_no_path() {
        for (url, authority) in [
            ("https://a.example/b", Some("a.example")),
            ("tcp://me:secret@[::1]:2376", Some("[::1]:2376")),
            ("http://127.0.0.1:1?a@b#c", Some("127.0.0.1:1")),
            ("/run/docker.sock", None),
        ] {
            assert_eq!(authority_of(url), authority, "{url}");
        }
    }

    #[test]
    fn only_another_host_needs_the_way_out() {
        for own in [
            "localhost",
            "localhost:1",
            "127.0.0.1:5000",
            "127.9.9.9",
            "[::1]",
            "[::1]:2376",
        ] {
            assert_eq!(hint(own), "", "{own}");
        }
        for other in [
            "ghcr.io",
            "ghcr.io:443",
            "192.0.2.1:2376",
            "[2001:db8::1]:2376",
            "localhost.example.org",
            "127.0.0.1.example.org:80",
        ] {
            assert!(hint(other).contains("network.conf"), "{other}");
        }
        assert_eq!(host_of("[::1"), "[::1");
    }
}
