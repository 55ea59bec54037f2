//! Where the API of a repository is, and which addresses may be followed.

use hyper::Uri;

use crate::domain::Repository;
use crate::way_out::{host_of, is_loopback};

/// What Docker Hub is called in references, and where its API is.
const HUB_NAMES: [&str; 2] = ["docker.io", "index.docker.io"];
const HUB_API: &str = "registry-1.docker.io";

/// The API of one repository.
#[derive(Debug, Clone)]
pub(super) struct Address {
    /// `https://ghcr.io`
    origin: String,
    /// `owner/name`
    path: String,
}

impl Address {
    /// Plain HTTP on loopback, as the engine has it; HTTPS everywhere else.
    pub(super) fn of(repository: &Repository) -> Self {
        let host = repository.host();
        let path = repository.as_str().split_once('/');
        let path = path.map_or("", |(_, path)| path);
        if HUB_NAMES.contains(&host) {
            let official = !path.contains('/');
            return Self {
                origin: format!("https://{HUB_API}"),
                path: format!("{}{path}", if official { "library/" } else { "" }),
            };
        }
        let own = is_loopback(host_of(host));
        let scheme = if own { "http" } else { "https" };
        Self {
            origin: format!("{scheme}://{host}"),
            path: path.to_owned(),
        }
    }

    /// The repository as the registry itself calls it.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// `https://ghcr.io/v2/owner/name/` and `rest`.
    pub(super) fn url(&self, rest: &str) -> String {
        format!("{}/v2/{}/{rest}", self.origin, self.path)
    }

    /// The address that a `Link` of this repository leads to, if it stays in it.
    pub(super) fn inside<'l>(&self, link: &'l str) -> Option<&'l str> {
        let rest = link.strip_prefix(&self.origin).unwrap_or(link);
        let rest = rest.strip_prefix("/v2/")?.strip_prefix(&self.path)?;
        rest.strip_prefix('/')
    }
}

/// Whether an address may be asked: over TLS, or on this very host from another address of it.
pub(super) fn is_trusted(address: &Uri, from_loopback: bool) -> bool {
    match (address.scheme_str(), address.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => from_loopback && is_loopback(host),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(repository: &str) -> Address {
        Address::of(&Repository::parse(repository).expect("valid"))
    }

    #[test]
    fn only_loopback_is_asked_without_tls() {
        for (repository, url) in [
            ("ghcr.io/a/b", "https://ghcr.io/v2/a/b/x"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/a/x"),
            ("localhost/a", "http://localhost/v2/a/x"),
            (
                "127.0.0.1.example.com/a",
                "https://127.0.0.1.example.com/v2/a/x",
            ),
            ("10.0.0.1:5000/a", "https://10.0.0.1:5000/v2/a/x"),
            ("docker.io/a", "https://registry-1.docker.io/v2/library/a/x"),
            ("docker.io/u/a", "https://registry-1.docker.io/v2/u/a/x"),
        ] {
            assert_eq!(address(repository).url("x"), url);
        }
    }

    #[test]
    fn a_redirect_or_a_realm_leads_to_https_or_stays_on_this_host() {
        for (url, from_loopback, trusted) in [
            ("https://blobs.example.com/x", false, true),
            ("https://blobs.example.com/x", true, true),
            ("http://127.0.0.1:5001/x", true, true),
            ("http://[::1]:5001/x", true, true),
            ("http://127.0.0.1:5001/x", false, false),
            ("http://blobs.example.com/x", true, false),
            ("http://127.0.0.1@blobs.example.com/x", true, false),
            ("ftp://127.0.0.1/x", true, false),
            ("/x", true, false),
        ] {
            let uri: Uri = url.parse().expect("an address");
            assert_eq!(is_trusted(&uri, from_loopback), trusted, "{url}");
        }
    }

    #[test]
    fn a_link_stays_in_its_repository() {
        let address = address("ghcr.io/a/b");
        for (link, inside) in [
            ("/v2/a/b/referrers/x?n=1", Some("referrers/x?n=1")),
            ("https://ghcr.io/v2/a/b/referrers/x", Some("referrers/x")),
            ("https://elsewhere.example/v2/a/b/referrers/x", None),
            ("/v2/a/bc/referrers/x", None),
            ("referrers/x", None),
        ] {
            assert_eq!(address.inside(link), inside, "{link}");
        }
    }
}
