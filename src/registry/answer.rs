//! What an answer's head and body say: bounds, redirects, the next page, and why there is no answer.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, LOCATION};
use hyper::{Response, Uri};

use super::error::RegistryError;

/// The address that a text is.
pub(super) fn address(url: &str) -> Result<Uri, RegistryError> {
    url.parse().map_err(|_| RegistryError::Broken("an address"))
}

/// Where a redirect leads, from here.
pub(super) fn target(from: &Uri, headers: &HeaderMap) -> Result<Uri, RegistryError> {
    let nowhere = RegistryError::Broken("a redirect without an address");
    let location = text(headers, &LOCATION).ok_or(nowhere)?;
    match (from.scheme_str(), from.authority()) {
        (Some(scheme), Some(authority))
            if location.starts_with('/') && !location.starts_with("//") =>
        {
            address(&format!("{scheme}://{authority}{location}"))
        }
        _ => address(&location),
    }
}

/// The whole body, within its bound.
pub(super) async fn whole(
    what: &'static str,
    response: Response<Incoming>,
    limit: usize,
) -> Result<Vec<u8>, RegistryError> {
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes().to_vec()),
        Err(error) if error.is::<LengthLimitError>() => {
            Err(RegistryError::TooLarge { what, limit })
        }
        Err(error) => Err(RegistryError::Transport(what, causes(&*error))),
    }
}

/// The value of a header.
pub(super) fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The target of `<…>; rel="next"`.
pub(super) fn next_page(link: &str) -> Option<&str> {
    link.split(',').find_map(|one| {
        let (target, parameters) = one.trim().strip_prefix('<')?.split_once('>')?;
        let next = parameters
            .split(';')
            .any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"));
        next.then_some(target)
    })
}

/// What went wrong, down to its cause: the client's own words, never what the other side sent.
pub(super) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut shown = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !shown.ends_with(&words) {
            shown = format!("{shown}: {words}");
        }
        next = cause.source();
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn the_next_page_is_found_among_links() {
        assert_eq!(next_page("</v2/a?n=1>; rel=\"next\""), Some("/v2/a?n=1"));
        assert_eq!(next_page("</p>; rel=prev, </n>; rel=next"), Some("/n"));
        assert_eq!(next_page("</n>; rel=\"last\""), None);
        assert_eq!(next_page("no link"), None);
    }

    #[test]
    fn a_redirect_is_followed_from_where_it_was_met() {
        let from: Uri = "http://127.0.0.1:5000/v2/a".parse().expect("an address");
        let to = |location: &'static str| {
            let location = HeaderValue::from_static(location);
            let headers = HeaderMap::from_iter([(LOCATION, location)]);
            target(&from, &headers).map(|uri| uri.to_string())
        };
        assert_eq!(
            to("/b?c").ok().as_deref(),
            Some("http://127.0.0.1:5000/b?c")
        );
        assert_eq!(
            to("https://x.example/y").ok().as_deref(),
            Some("https://x.example/y")
        );
        assert!(target(&from, &HeaderMap::new()).is_err());
    }
}
