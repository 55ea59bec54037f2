//! One client for one question: a bound on every answer, a challenge answered once, redirects without credentials.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::WWW_AUTHENTICATE;
use hyper::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LINK,
};
use hyper::{Request, Response, StatusCode, Uri};

use super::address::{Address, is_trusted};
use super::answer::{address, causes, next_page, target, text, whole};
use super::challenge::Challenge;
use super::error::RegistryError;
use super::http::Http;
use super::oci;
use super::token;
use crate::credentials::RegistryAuth;
use crate::domain::Repository;
use crate::settings::ProxySettings;
use crate::way_out::is_loopback;

/// From a registry to its blob store is one.
const MAX_REDIRECTS: usize = 4;
/// A token has a few KiB.
const LARGEST_TOKEN: usize = 64 * 1024;
/// What the registry says the answer's digest is.
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Asks one repository of one registry.
pub(super) struct Client {
    address: Address,
    auth: Option<RegistryAuth>,
    /// What the registry has accepted, or shall.
    authorization: Option<HeaderValue>,
    challenged: bool,
    http: Http,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Without parameters.
    pub(super) content_type: String,
    /// As the registry says.
    pub(super) digest: Option<String>,
    /// Where the next page is, inside the repository.
    pub(super) next: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Client {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// This host has no certificate authorities.
    pub(super) async fn new(
        repository: &Repository,
        auth: Option<RegistryAuth>,
        proxy: &ProxySettings,
    ) -> Result<Self, RegistryError> {
        let authorization = match &auth {
            Some(RegistryAuth::RegistryToken(token)) => token::bearer(token),
            _ => None,
        };
        Ok(Self {
            address: Address::of(repository),
            auth,
            authorization,
            challenged: false,
            http: Http::new(proxy).await?,
        })
    }

    /// The whole answer to one question, whatever its status but 401 and 403. `what` names it in errors.
    pub(super) async fn get(
        &mut self,
        what: &'static str,
        rest: &str,
        accept: &'static str,
        largest: usize,
    ) -> Result<Answer, RegistryError> {
        let url = self.address.url(rest);
        let mut response = self.follow(what, &url, accept).await?;
        if response.status() == StatusCode::UNAUTHORIZED && !self.challenged {
            self.challenged = true;
            self.authorization = self.answer_challenge(response.headers()).await?;
            response = self.follow(what, &url, accept).await?;
        }
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(RegistryError::Denied {
                status: status.as_u16(),
                anonymous: self.auth.is_none(),
            });
        }
        let headers = response.headers();
        let content_type = text(headers, &CONTENT_TYPE).unwrap_or_default();
        let content_type = content_type.split(';').next().unwrap_or_default();
        let next = match text(headers, &LINK).as_deref().and_then(next_page) {
            None => None,
            Some(link) => Some(
                self.address
                    .inside(link)
                    .ok_or(RegistryError::Broken("its next page is elsewhere"))?
                    .to_owned(),
            ),
        };
        let digest = text(headers, &CONTENT_DIGEST);
        let content_type = content_type.trim().to_ascii_lowercase();
        let body = match whole(what, response, largest).await {
            // What counts of a refusal is its status.
            Err(RegistryError::TooLarge { .. }) if status != StatusCode::OK => Vec::new(),
            body => body?,
        };
        Ok(Answer {
            status: status.as_u16(),
            content_type,
            digest,
            next,
            body,
        })
    }

    /// Whether the repository may be read, by asking for a signature that nobody has made: whoever may ask a deploy's
    /// question may ask this one.
    pub(super) async fn try_the_way(&mut self) -> Result<(), RegistryError> {
        let what = "the list of signatures";
        let rest = format!("manifests/sha256-{}", "0".repeat(64));
        let answer = self.get(what, &rest, oci::INDEX, LARGEST_TOKEN).await?;
        match answer.status {
            // An empty repository is reached as well.
            200 | 404 => Ok(()),
            status => Err(RegistryError::Status { what, status }),
        }
    }

    /// Follows redirects; credentials go to the registry alone.
    async fn follow(
        &self,
        what: &'static str,
        url: &str,
        accept: &'static str,
    ) -> Result<Response<Incoming>, RegistryError> {
        let own: Uri = address(url)?;
        let from_loopback = own.host().is_some_and(is_loopback);
        let mut uri = own.clone();
        for _ in 0..=MAX_REDIRECTS {
            if !is_trusted(&uri, from_loopback) {
                return Err(RegistryError::Astray("an address"));
            }
            let mut request = Request::get(uri.clone()).header(ACCEPT, accept);
            let same = uri.scheme() == own.scheme() && uri.authority() == own.authority();
            if let Some(authorization) = self.authorization.as_ref().filter(|_| same) {
                request = request.header(AUTHORIZATION, authorization.clone());
            }
            let request = request.body(Full::default());
            let request = request.map_err(|_| RegistryError::Broken("an address"))?;
            let response = self.send(what, request).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            uri = target(&uri, response.headers())?;
        }
        Err(RegistryError::Redirects(MAX_REDIRECTS))
    }

    async fn send(
        &self,
        what: &'static str,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, RegistryError> {
        let sent = self.http.request(request).await;
        sent.map_err(|error| RegistryError::Transport(what, causes(&error)))
    }

    async fn answer_challenge(
        &self,
        headers: &HeaderMap,
    ) -> Result<Option<HeaderValue>, RegistryError> {
        let offered = headers.get_all(WWW_AUTHENTICATE).iter();
        let offered = offered.filter_map(|value| value.to_str().ok());
        match Challenge::choose(offered) {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.auth.as_ref().and_then(token::basic)),
            Some(Challenge::Bearer { realm, service }) => {
                self.token(&realm, service.as_deref()).await.map(Some)
            }
        }
    }

    /// A token for this repository, from the token server that the registry names.
    async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
    ) -> Result<HeaderValue, RegistryError> {
        let what = "a token";
        let registry = address(&self.address.url(""))?;
        let from_loopback = registry.host().is_some_and(is_loopback);
        if !is_trusted(&token::realm(realm)?, from_loopback) {
            return Err(RegistryError::Astray("a token server"));
        }
        let request = token::request(realm, service, self.address.path(), self.auth.as_ref())?;
        let response = self.send(what, request).await?;
        if response.status() != StatusCode::OK {
            return Err(RegistryError::NoToken(response.status().as_u16()));
        }
        match whole(what, response, LARGEST_TOKEN).await {
            Err(RegistryError::TooLarge { .. }) => Err(token::none()),
            body => token::given(&body?),
        }
    }
}
