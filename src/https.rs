//! What every HTTPS client of the agent trusts: this host's certificate authorities, by the one provider.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use thiserror::Error;

/// No client can be made.
#[derive(Debug, Error)]
#[error("no trusted certificate authorities were found on this host")]
pub struct NoAuthorities;

/// A client that trusts the host's authorities. They are read anew each time, off the async threads, so that a renewed
/// bundle of them is seen without a restart.
///
/// # Errors
/// There are none.
pub async fn client_config() -> Result<ClientConfig, NoAuthorities> {
    use hyper_rustls::ConfigBuilderExt;
    let builder = builder()?;
    let builder = tokio::task::spawn_blocking(|| builder.with_native_roots())
        .await
        .map_err(|_| NoAuthorities)?
        .map_err(|_| NoAuthorities)?;
    Ok(builder.with_no_client_auth())
}

/// A client that trusts nobody, for addresses on this host that need no TLS.
///
/// # Errors
/// The provider speaks no version of TLS.
pub fn no_authorities() -> Result<ClientConfig, NoAuthorities> {
    let none = rustls::RootCertStore::empty();
    Ok(builder()?
        .with_root_certificates(none)
        .with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, NoAuthorities> {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| NoAuthorities)
}
