//! Who may ask: the checks that every request passes before anything else is read of it. A request that fails one is
//! *denied*.
//!
//! Three checks, each stronger than the one before; the settings say which are on:
//! 1. headers: the contract's two Cloudflare headers are there and not empty (always, unless made optional);
//! 2. pinned tokens: they are a client id and a secret whose hash the server knows (`pinned`);
//! 3. assertion: Cloudflare's signed statement about the caller verifies (`assertion`), against a key
//!    set that one task keeps fresh (`key_cache`, `refresher`).
//!
//! Nothing here knows the web framework: the HTTP layer hands in a borrowed [`Presented`]. Headers and
//! pinned tokens are decided without allocating; the [`Requester`] for the audit trail is built on demand.

mod assertion;
mod check;
mod denied;
mod fetch;
pub mod hash_secret;
mod key_cache;
mod key_set;
mod pinned;
mod presented;
mod refresher;
mod settings;

pub use check::Access;
pub use denied::{AssertionFault, Denied};
pub use fetch::KeySource;
pub use key_cache::{KeyRefresher, RefreshPolicy};
pub(crate) use pinned::PinnedTokens;
pub use presented::{Admitted, Header, Presented, Requester};
pub(crate) use presented::{is_token_secret, printable, shown_client_id};
pub use refresher::run_key_refresher;
pub use settings::AccessSettings;
pub(crate) use settings::{AssertionSettings, parse_hash, parse_team_domain};
