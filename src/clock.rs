//! The wall clock as text.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Now in RFC 3339, UTC, whole seconds.
#[must_use]
pub fn now_rfc3339() -> String {
    rfc3339(OffsetDateTime::now_utc())
}

/// A span of time as people write it: `90m`, `2h`, `3d`.
#[must_use]
pub fn span(text: &str) -> Option<time::Duration> {
    let unit = text.chars().next_back()?;
    let seconds: u32 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        'w' => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    if !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u32 = number.parse().ok()?;
    Some(time::Duration::seconds(
        i64::from(seconds) * i64::from(number),
    ))
}

/// `at` in RFC 3339, UTC, whole seconds.
#[must_use]
pub fn rfc3339(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    let at = at.replace_nanosecond(0).unwrap_or(at);
    at.format(&Rfc3339)
        .unwrap_or_else(|_| "1970-01-01T00:00:00Z".to_owned())
}
