//! The public keys of the pipeline: ECDSA P-256, out of PEM files.

use std::fmt;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::{PemObject, SectionKind};
use thiserror::Error;

/// One key has some 180 bytes.
const LARGEST_FILE: u64 = 64 * 1024;
/// What precedes the point in the SubjectPublicKeyInfo of every P-256 key (RFC 5480): the algorithm, the curve, and that
/// the point is not compressed.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// An uncompressed point.
const POINT_LENGTH: usize = 65;

/// SHA-256 of a key's SubjectPublicKeyInfo: `openssl pkey -pubin -in FILE -outform DER | sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 32]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key whose signatures count.
#[derive(Debug, Clone)]
pub struct PinnedKey {
    path: PathBuf,
    id: KeyId,
    point: [u8; POINT_LENGTH],
}

/// Why a file gives no keys.
#[derive(Debug, Error)]
pub enum KeyError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(std::io::Error),
    /// A directory, a pipe, a device.
    #[error("is not a regular file")]
    NotAFile,
    /// Whoever may write it decides what runs.
    #[error("can be written by everybody of this host")]
    WorldWritable,
    /// More than any set of keys.
    #[error("is larger than 64 KiB")]
    TooLarge,
    /// The private half has no business on this host.
    #[error("holds a private key: the agent must have the public one only")]
    Private,
    /// No PEM, or without such a block.
    #[error("holds no PEM block `PUBLIC KEY`")]
    NoKey,
    /// RSA, Ed25519, another curve, or no point of it.
    #[error("holds a key that is not ECDSA P-256")]
    OtherKind,
}

impl PinnedKey {
    /// Reads the keys of a PEM file. Blocks.
    ///
    /// # Errors
    /// [`KeyError`]; a file without a key is one.
    pub fn read(path: &Path) -> Result<Vec<Self>, KeyError> {
        // Asked before it is opened: opening a pipe would wait for its writer.
        let meta = std::fs::metadata(path).map_err(KeyError::Unreadable)?;
        if !meta.is_file() {
            return Err(KeyError::NotAFile);
        }
        if meta.permissions().mode() & 0o002 != 0 {
            return Err(KeyError::WorldWritable);
        }
        let mut pem = Vec::new();
        let file = std::fs::File::open(path).map_err(KeyError::Unreadable)?;
        file.take(LARGEST_FILE + 1)
            .read_to_end(&mut pem)
            .map_err(KeyError::Unreadable)?;
        if pem.len() as u64 > LARGEST_FILE {
            return Err(KeyError::TooLarge);
        }
        Self::parse(path, &pem)
    }

    /// The keys of a PEM text; `path` is where it came from.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(path: &Path, pem: &[u8]) -> Result<Vec<Self>, KeyError> {
        // Also of a kind that the reader of PEM does not know, such as cosign's own.
        let private = b"PRIVATE KEY-----";
        if pem.windows(private.len()).any(|bytes| bytes == private) {
            return Err(KeyError::Private);
        }
        let mut keys = Vec::new();
        for block in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
            match block {
                Ok((SectionKind::PublicKey, der)) => keys.push(Self::of_der(path, &der)?),
                Ok(_) | Err(_) => return Err(KeyError::NoKey),
            }
        }
        if keys.is_empty() {
            return Err(KeyError::NoKey);
        }
        Ok(keys)
    }

    fn of_der(path: &Path, der: &[u8]) -> Result<Self, KeyError> {
        let point = der.strip_prefix(&P256_PREFIX).ok_or(KeyError::OtherKind)?;
        let point: [u8; POINT_LENGTH] = point.try_into().map_err(|_| KeyError::OtherKind)?;
        // Whether it lies on the curve.
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).map_err(|_| KeyError::OtherKind)?;
        let mut id = [0; 32];
        id.copy_from_slice(digest(&SHA256, der).as_ref());
        Ok(Self {
            path: path.to_owned(),
            id: KeyId(id),
            point,
        })
    }

    /// The file it came from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its fingerprint.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// How a bundle of cosign names the key that made it.
    pub(super) fn hint(&self) -> String {
        STANDARD.encode(self.id.0)
    }

    /// Whether it made this signature (ASN.1 DER) of `message`.
    pub(super) fn made(&self, signature: &[u8], message: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.point)
            .verify(message, signature)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by `cosign generate-key-pair`.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpmI+JAxHNbknWaqDwXJK4lCHC3q3\n\
        x9eGRsDLN18DwilUp9uNGZLnx9Q9CqYmfmMtSqOsq6O4cqPJJg+otXzF3w==\n\
        -----END PUBLIC KEY-----\n";
    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAaWvCNzBQUzn2HifsUbBS8MrR3DBMagcudUu7GkjhvQo=\n\
        -----END PUBLIC KEY-----\n";

    fn parse(pem: &str) -> Result<Vec<PinnedKey>, String> {
        let path = Path::new("/keys.pem");
        PinnedKey::parse(path, pem.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_keys_id_is_the_hash_that_openssl_and_cosign_show() {
        let keys = parse(PEM).expect("a key");
        assert_eq!(
            keys[0].id().to_string(),
            "sha256:1d03843e8ae3bf51a0345334e314760d84e5d39c34883923ea4a00f3b63cf83c"
        );
        assert_eq!(
            keys[0].hint(),
            "HQOEPorjv1GgNFM04xR2DYTl05w0iDkj6koA87Y8+Dw="
        );
    }

    #[test]
    fn a_file_may_hold_several_keys_and_words_around_them() {
        let keys = parse(&format!("made in June\n{PEM}\nmade in July\n{PEM}"));
        assert_eq!(keys.expect("keys").len(), 2);
    }

    #[test]
    fn what_is_no_public_key_of_this_kind_is_refused_for_its_own_reason() {
        let off_the_curve = PEM.replace("zF3w==", "zF3A==");
        let second = PEM.lines().nth(2).expect("a second line of the key");
        let cut = PEM.replace(second, "");
        for (pem, reason) in [
            ("", "holds no PEM block"),
            ("a key", "holds no PEM block"),
            (cut.as_str(), "not ECDSA P-256"),
            (ED25519, "not ECDSA P-256"),
            (off_the_curve.as_str(), "not ECDSA P-256"),
            (&PEM.replace("PUBLIC KEY", "CERTIFICATE"), "no PEM block"),
            (&PEM.replace("PUBLIC", "EC PRIVATE"), "a private key"),
            (
                &format!(
                    "{PEM}{}",
                    PEM.replace("PUBLIC", "ENCRYPTED SIGSTORE PRIVATE")
                ),
                "a private key",
            ),
            (&format!("{PEM}{ED25519}"), "not ECDSA P-256"),
        ] {
            let error = parse(pem).expect_err(pem);
            assert!(error.contains(reason), "{error}: {pem}");
        }
    }

    #[test]
    fn a_file_that_everybody_may_write_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("cosign.pub");
        std::fs::write(&path, PEM).expect("written");
        let mode = |mode| {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("set");
            PinnedKey::read(&path).map_err(|error| error.to_string())
        };
        assert!(mode(0o644).is_ok());
        assert!(mode(0o666).expect_err("refused").contains("everybody"));
        let error = PinnedKey::read(directory.path()).expect_err("refused");
        assert!(error.to_string().contains("regular file"));
    }
}
