//! Why a request was denied: one text for the log, another, duller one for the caller.

use thiserror::Error;

/// The first check that a request did not pass. `Display` is for the log and the trail, [`Denied::reason`] for the caller.
///
/// Neither ever holds anything that the caller presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Denied {
    /// A header of the contract is absent, empty or blank. Answer 401.
    #[error("the header {0} is missing or empty")]
    MissingHeader(&'static str),
    /// A header came more than once, so two readers could take two different values. Answer 403.
    #[error("the header {0} came more than once")]
    RepeatedHeader(&'static str),
    /// A browser sent it, on behalf of some page. Answer 403.
    #[error("a web page in a browser sent the request")]
    FromBrowser,
    /// Id and secret are not one of the pinned pairs. Answer 403.
    #[error("client id and secret are not a pinned service token")]
    WrongToken,
    /// The assertion is absent or does not verify. Answer 403.
    #[error("the Access assertion does not verify: {0}")]
    BadAssertion(AssertionFault),
    /// No usable key set: none was ever fetched, or the last good one is too old. Answer 503: it is
    /// the server that cannot judge, not the caller that was judged, and an operator must see to the
    /// server. An unknown key beside a usable set is the caller's fault and stays a 403.
    #[error("there is no usable key set to verify Access assertions with")]
    KeysUnavailable,
}

/// What is wrong with an assertion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum AssertionFault {
    /// The header is absent or empty.
    #[error("it is missing")]
    Missing,
    /// Longer than any real assertion; not even decoded.
    #[error("it is too long")]
    TooLong,
    /// Not three parts of base64url with the expected JSON inside.
    #[error("it is malformed")]
    Malformed,
    /// Any algorithm but RS256.
    #[error("its algorithm is not RS256")]
    Algorithm,
    /// The header carries or points to a key of its own, or asks for an unknown extension.
    #[error("its header brings a key or an extension of its own")]
    ForeignKey,
    /// No key id, or one that no real key has.
    #[error("its key id is missing or odd")]
    KeyId,
    /// A key id that the key set does not hold, even after asking again.
    #[error("its key is not in the key set")]
    UnknownKey,
    /// The signature does not verify.
    #[error("its signature does not verify")]
    Signature,
    /// Issued by another team.
    #[error("its issuer is another one")]
    Issuer,
    /// Meant for another application.
    #[error("its audience is another one")]
    Audience,
    /// Past its expiry.
    #[error("it has expired")]
    Expired,
    /// Issued or valid only in the future.
    #[error("it is not valid yet")]
    NotYetValid,
    /// No `common_name`: a person's login and not a service token.
    #[error("it is not that of a service token")]
    NotAServiceToken,
    /// A service token that is not pinned, or another one than the headers name.
    #[error("its service token is another one")]
    OtherToken,
}

impl Denied {
    /// One sentence for the caller. Every failed check reads the same, so that a caller cannot feel its
    /// way from one check to the next; only the contract's own headers are named.
    pub fn reason(&self) -> String {
        match self {
            Self::MissingHeader(name) => {
                format!("The header {name} is missing or empty; nothing was changed.")
            }
            Self::RepeatedHeader(_)
            | Self::FromBrowser
            | Self::WrongToken
            | Self::BadAssertion(_) => "Access was denied; nothing was changed.".to_owned(),
            Self::KeysUnavailable => {
                "Access cannot be checked at the moment; nothing was changed.".to_owned()
            }
        }
    }
}
