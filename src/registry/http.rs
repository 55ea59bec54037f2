//! HTTP as the agent speaks it to registries: over TLS or on loopback, through a proxy where one is set.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Request, Response, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;

use super::error::RegistryError;
use crate::https;
use crate::settings::{ProxyAddress, ProxySettings};

type Direct = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type Tunnelled = Client<HttpsConnector<Tunnel<HttpConnector>>, Full<Bytes>>;

/// Connections of one question.
pub(super) struct Http {
    direct: Direct,
    /// The only client that leaves by the proxy, and for which hosts it does not.
    tunnelled: Option<Tunnelled>,
    proxy: ProxySettings,
}

impl Http {
    /// Connects to nothing yet.
    ///
    /// # Errors
    /// This host has no certificate authorities, or the proxy has no address.
    pub(super) async fn new(proxy: &ProxySettings) -> Result<Self, RegistryError> {
        let tls = https::client_config().await?;
        let direct = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            .https_or_http()
            .enable_http1()
            .build();
        // Whether a proxy is set at all: no name is excepted by being empty.
        let tunnelled = match proxy.for_host("") {
            Some(address) => Some(tunnelled(tls, address)?),
            None => None,
        };
        Ok(Self {
            direct: Client::builder(TokioExecutor::new()).build(direct),
            tunnelled,
            proxy: proxy.clone(),
        })
    }

    /// One request. What is on this host is asked directly.
    pub(super) async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, Error> {
        let host = request.uri().host().unwrap_or_default();
        let secure = request.uri().scheme_str() == Some("https");
        let by_proxy = secure && self.proxy.for_host(host).is_some();
        match self.tunnelled.as_ref().filter(|_| by_proxy) {
            Some(client) => client.request(request).await,
            None => self.direct.request(request).await,
        }
    }
}

fn tunnelled(tls: ClientConfig, proxy: &ProxyAddress) -> Result<Tunnelled, RegistryError> {
    let invalid = RegistryError::Broken("the address of the proxy");
    let Ok(address) = format!("http://{}", proxy.authority).parse::<Uri>() else {
        return Err(invalid);
    };
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    let mut tunnel = Tunnel::new(address, connector);
    if let Some(credentials) = &proxy.credentials {
        let basic = format!("Basic {}", STANDARD.encode(credentials));
        let basic = HeaderValue::from_str(&basic).map_err(|_| invalid)?;
        tunnel = tunnel.with_auth(basic);
    }
    let connector = HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
        .enable_http1()
        .wrap_connector(tunnel);
    Ok(Client::builder(TokioExecutor::new()).build(connector))
}
