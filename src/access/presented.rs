//! What a caller presents, as a borrowed view, and who it turned out to be.

use std::fmt;

/// Longer names are cut: they go into every record of the audit trail.
const NAME_LIMIT: usize = 128;

/// Of a token's secret. A client id has 32 and goes on with `.access`.
const SECRET_DIGITS: usize = 64;

/// Names of the headers, as the contract writes them.
pub(crate) const CLIENT_ID: &str = "CF-Access-Client-Id";
pub(crate) const CLIENT_SECRET: &str = "CF-Access-Client-Secret";
pub(crate) const ASSERTION: &str = "Cf-Access-Jwt-Assertion";

/// One header of a request, as often as it came.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Header<'a> {
    /// Not there.
    #[default]
    Absent,
    /// There once.
    Once(&'a [u8]),
    /// There more than once, equal or not.
    Repeated,
}

impl<'a> Header<'a> {
    /// The header with these values, in any order.
    pub fn from_values(values: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut values = values.into_iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Absent,
            (Some(value), None) => Self::Once(value),
            (Some(_), Some(_)) => Self::Repeated,
        }
    }
}

/// Tells whether it is there, never what it holds.
impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::Once(_) => "Once([redacted])",
            Self::Repeated => "Repeated",
        })
    }
}

/// The three headers that the checks read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Presented<'a> {
    /// `CF-Access-Client-Id`
    pub client_id: Header<'a>,
    /// `CF-Access-Client-Secret`
    pub client_secret: Header<'a>,
    /// `Cf-Access-Jwt-Assertion`
    pub assertion: Header<'a>,
}

/// A request that passed. Borrowed, so that a route that records nobody pays nothing.
#[derive(Debug)]
pub struct Admitted<'a> {
    pub(crate) client_id: Option<&'a [u8]>,
    pub(crate) common_name: Option<String>,
    pub(crate) pinned: bool,
}

impl Admitted<'_> {
    /// The caller as the audit trail and the log name it: bounded and printable, whatever was sent.
    pub fn requester(&self) -> Requester {
        Requester {
            client_id: self.client_id.map(name),
            common_name: self
                .common_name
                .as_deref()
                .map(|text| name(text.as_bytes())),
            pinned: self.pinned,
            local: false,
        }
    }
}

/// Who asked. Holds no secret; safe to log and to record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    /// The client id header: what the caller claims, proven only when [`Requester::pinned`].
    pub client_id: Option<String>,
    /// The client id that the verified assertion names.
    pub common_name: Option<String>,
    /// Id and secret matched a pinned token.
    pub pinned: bool,
    /// The kernel named the user, as `client_id` says.
    pub local: bool,
}

impl Requester {
    /// A user of this host, as the kernel names the other end of a local socket.
    pub fn local(uid: u32) -> Self {
        Self {
            client_id: Some(format!("local uid {uid}")),
            common_name: None,
            pinned: false,
            local: true,
        }
    }

    /// The best proven name: the assertion's, else the header's.
    pub fn name(&self) -> &str {
        self.common_name
            .as_deref()
            .or(self.client_id.as_deref())
            .unwrap_or("unnamed")
    }
}

/// Whoever mixes the two headers up presents the secret as the id: then it is not named.
fn name(bytes: &[u8]) -> String {
    shown_client_id(&printable(bytes, NAME_LIMIT)).to_owned()
}

/// A client id as it may be shown: not one that has the form of a token's secret, 64 hexadecimal digits.
pub(crate) fn shown_client_id(id: &str) -> &str {
    match is_token_secret(id) {
        true => "***",
        false => id,
    }
}

/// Whether it begins as the secrets that Cloudflare makes; what is cut of one is no less secret.
pub(crate) fn is_token_secret(id: &str) -> bool {
    id.len() >= SECRET_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The first `limit` bytes, visible ASCII only: a control character could forge a log line, a look-alike letter a name.
pub(crate) fn printable(bytes: &[u8], limit: usize) -> String {
    let visible = |byte: &u8| {
        if byte.is_ascii_graphic() {
            char::from(*byte)
        } else {
            '?'
        }
    };
    bytes.iter().take(limit).map(visible).collect()
}
