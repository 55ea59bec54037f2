//! Builds the client: Unix socket by default, `DOCKER_HOST` as every Docker client reads it.

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};

use super::error::{EngineError, EngineFault};
use super::tls;
use crate::settings::{EngineAddress, EngineSettings};

/// Where Docker listens unless told otherwise.
const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";
/// Seconds. Longer than any operation: deadlines are ours, and bollard's would cover response headers only.
const CLIENT_TIMEOUT: u64 = 600;
const REGISTRY_AUTH: &str = "x-registry-auth";

pub(super) fn connect(settings: &EngineSettings) -> Result<Docker, EngineError> {
    let host = settings.docker_host.as_ref();
    let host = host.map_or(DEFAULT_SOCKET, EngineAddress::with_password);
    let client = if let Some(path) = host.strip_prefix("unix://") {
        Docker::connect_with_unix(path, CLIENT_TIMEOUT, API_DEFAULT_VERSION)?
    } else if let Some(certificates) = &settings.tls_directory {
        let [key, cert, ca] = tls::files(certificates)
            .map_err(|problem| EngineError::without_effect(EngineFault::Untrusted(problem)))?;
        Docker::connect_with_ssl(host, &key, &cert, &ca, CLIENT_TIMEOUT, API_DEFAULT_VERSION)?
    } else if host.starts_with("https://") {
        let message = "DOCKER_HOST with https:// needs DOCKER_CERT_PATH".to_owned();
        return Err(EngineError::without_effect(EngineFault::Unproven(message)));
    } else {
        Docker::connect_with_http(host, CLIENT_TIMEOUT, API_DEFAULT_VERSION)?
    };
    Ok(client.with_request_modifier(url_safe_registry_auth))
}

/// Rewrites the credentials into the alphabet the engine reads: bollard 0.21.1 encodes standard base64, the engine
/// decodes base64url and silently pulls anonymously when it cannot (bollard pull request 169).
fn url_safe_registry_auth(mut request: BollardRequest) -> BollardRequest {
    if let Some(value) = request.headers_mut().get_mut(REGISTRY_AUTH) {
        let rewritten: Vec<u8> = value
            .as_bytes()
            .iter()
            .map(|b| match b {
                b'+' => b'-',
                b'/' => b'_',
                other => *other,
            })
            .collect();
        // The type is the header value of the `http` crate, which bollard does not hand on by name.
        if let Ok(header) = TryFrom::try_from(rewritten.as_slice()) {
            *value = header;
            value.set_sensitive(true);
        }
    }
    request
}
