//! `HTTPS_PROXY` and `NO_PROXY`: the way of the agent's own questions to the registry, where there is no other.
//!
//! The engine has a proxy of its own, set where the engine is. These count where signatures are asked for and nowhere
//! else; an environment that never asks may hold them in any form.

use std::fmt;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use super::engine::without_password;
use super::reader::Reader;

const PROXY: &str = "HTTPS_PROXY";
const EXCEPT: &str = "NO_PROXY";

/// A proxy, and the hosts that are asked without it. Neither `Debug` nor `Display` shows a password.
#[derive(Clone, Default)]
pub struct ProxySettings {
    address: Option<ProxyAddress>,
    except: Vec<String>,
}

/// Where a proxy is, and who the agent is to it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyAddress {
    /// `host:port`
    pub authority: String,
    /// `user:password`
    pub credentials: Option<String>,
}

impl ProxySettings {
    /// The proxy for this host, if it is not asked directly.
    #[must_use]
    pub fn for_host(&self, host: &str) -> Option<&ProxyAddress> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let excepted = self.except.iter().any(|entry| covers(entry, host));
        self.address.as_ref().filter(|_| !excepted)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let except = reader.text(EXCEPT).unwrap_or_default();
        Self {
            address: reader.optional(PROXY, ProxyAddress::parse),
            except: except
                .split(',')
                .map(|entry| entry.trim().to_ascii_lowercase())
                .filter(|entry| !entry.is_empty())
                .collect(),
        }
    }

    /// What `check` shows.
    pub(super) fn lines(&self) -> [(&'static str, String); 2] {
        let Self { address, except } = self;
        let none = || "(none)".to_owned();
        let address = address.as_ref().map_or_else(none, ToString::to_string);
        let except = match except.is_empty() {
            true => none(),
            false => except.join(","),
        };
        [(PROXY, address), (EXCEPT, except)]
    }
}

impl ProxyAddress {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let wrong = "must be http://[user:password@]host:port";
        let rest = text.strip_prefix("http://").ok_or(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some((credentials, authority)) => {
                // What is no encoding of a byte stays.
                let credentials = percent_decode_str(credentials).decode_utf8_lossy();
                (Some(credentials.into_owned()), authority)
            }
            None => (None, rest),
        };
        let port = authority.rsplit_once(':').map(|(_, port)| port);
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        let valid = port.is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
            && authority.chars().all(plain);
        valid
            .then(|| Self {
                authority: authority.to_owned(),
                credentials,
            })
            .ok_or(wrong)
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = if self.credentials.is_some() { "x@" } else { "" };
        let url = format!("http://{secret}{}", self.authority);
        f.write_str(&without_password(&url))
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lines()).finish()
    }
}

/// Whether an entry of `NO_PROXY` is about this host: `*`, a name with all below it, an address, or a range of them.
fn covers(entry: &str, host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    if entry == "*" {
        return true;
    }
    if let Ok(address) = host.parse::<IpAddr>() {
        return match entry.split_once('/') {
            Some((network, length)) => in_range(address, network, length),
            None => entry.parse() == Ok(address),
        };
    }
    // A port behind the name is of no matter.
    let name = entry.split(':').next().unwrap_or(entry);
    let name = name.trim_start_matches("*.").trim_start_matches('.');
    let below = host.strip_suffix(name);
    !name.is_empty() && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn in_range(address: IpAddr, network: &str, length: &str) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let (Ok(network), Ok(length)) = (network.parse::<IpAddr>(), length.parse::<u32>()) else {
        return false;
    };
    let ((one, size), (other, other_size)) = (bits(address), bits(network));
    let shift = 128_u32.saturating_sub(length);
    let same = one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0);
    size == other_size && length <= size && same
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        let address = ProxyAddress::parse("http://me:p%40ss@proxy.example:3128/").expect("valid");
        assert_eq!(address.authority, "proxy.example:3128");
        assert_eq!(address.credentials.as_deref(), Some("me:p@ss"));
        assert_eq!(address.to_string(), "http://***@proxy.example:3128");
        let settings = ProxySettings {
            address: Some(address),
            except: Vec::new(),
        };
        assert!(!format!("{settings:?}").contains("p@ss"));
        for wrong in [
            "proxy:3128",
            "https://proxy:3128",
            "http://proxy",
            "http://a b:1",
            "http://:x",
        ] {
            assert!(ProxyAddress::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_proxy_is_read_as_other_programs_read_it() {
        for (entry, host, covered) in [
            ("*", "ghcr.io", true),
            ("ghcr.io", "ghcr.io", true),
            ("ghcr.io:443", "GHCR.io", true),
            (".example.com", "registry.example.com", true),
            ("example.com", "registry.example.com", true),
            ("*.example.com", "registry.example.com", true),
            ("example.com", "badexample.com", false),
            ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false),
            ("0.0.0.0/0", "11.1.2.3", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "10.0.0.1", false),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("10.0.0.0/x", "10.0.0.0", false),
        ] {
            assert_eq!(covers(entry, host), covered, "{entry} {host}");
        }
    }
}
