//! TLS to an engine: the three files, and what a failed handshake means to whoever has to mend it.

use std::error::Error;
use std::path::{Path, PathBuf};

use rustls::AlertDescription as Alert;

/// The key, the certificate and the authority in `directory`, as every Docker client names them. Looked at here,
/// because bollard reads key and certificate in the handshake and goes on without them when it cannot.
///
/// # Errors
/// The file that is missing or is not what its name says.
pub(super) fn files(directory: &Path) -> Result<[PathBuf; 3], String> {
    let file = |name: &str, kind: &str| {
        let path = directory.join(name);
        let problem = match std::fs::read_to_string(&path) {
            Ok(text) if text.contains("-----BEGIN ") && text.contains(kind) => return Ok(path),
            Ok(_) => format!("it holds no {}", kind.trim_end_matches('-').to_lowercase()),
            Err(error) => error.to_string(),
        };
        Err(format!("{} cannot be used: {problem}", path.display()))
    };
    Ok([
        file("key.pem", "PRIVATE KEY-----")?,
        file("cert.pem", "CERTIFICATE-----")?,
        file("ca.pem", "CERTIFICATE-----")?,
    ])
}

/// What of the TLS went wrong, if that is why a call failed. Then no request was taken.
pub(super) fn problem(error: &bollard::errors::Error) -> Option<String> {
    use bollard::errors::Error as Bollard;
    match error {
        Bollard::CertPathError { path }
        | Bollard::CertParseError { path }
        | Bollard::CertMultipleKeys { path, .. } => {
            Some(format!("{} cannot be used", path.display()))
        }
        Bollard::NoNativeCertsError { .. } | Bollard::LoadNativeCertsErrors { .. } => {
            Some("the certificate authorities of this host cannot be read".into())
        }
        other => handshake(other).map(in_words),
    }
}

/// The error of TLS among the causes.
fn handshake<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An I/O error hides what it was made from.
        let inside = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match inside {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    None
}

fn in_words(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(why) => {
            format!("its certificate does not verify against ca.pem of DOCKER_CERT_PATH ({why})")
        }
        rustls::Error::AlertReceived(
            Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError,
        ) => "it refuses the agent's certificate: cert.pem and key.pem of DOCKER_CERT_PATH".into(),
        rustls::Error::InvalidMessage(_) => {
            "it does not speak TLS, which DOCKER_CERT_PATH asks for".into()
        }
        other => format!("no TLS with it ({other})"),
    }
}
