//! The wall clock as text.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now in RFC 3339, UTC, whole seconds.
#[must_use]
pub fn now_rfc3339() -> String {
    let now = OffsetDateTime::now_utc();
    let now = now.replace_nanosecond(0).unwrap_or(now);
    now.format(&Rfc3339)
        .expect("a UTC time of this age has an RFC 3339 form")
}
