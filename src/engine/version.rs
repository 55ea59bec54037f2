//! What an engine says of its version: whose it is, and what it can do.

use bollard::models::SystemVersion;

/// From this version of the API on, engines heed an interval of the start period in health checks.
const START_INTERVAL_API: (u32, u32) = (1, 44);

/// The name and version of an engine that only speaks like Docker's.
pub(super) fn other_engine(version: &SystemVersion) -> Option<String> {
    let components = version.components.iter().flatten();
    let mut others = components.filter(|part| part.name.to_ascii_lowercase().contains("podman"));
    others
        .next()
        .map(|part| format!("{} {}", part.name, part.version))
}

/// Whether a health check may have an interval of its own for the start period.
pub(super) fn has_start_interval(version: &SystemVersion) -> bool {
    api(version.api_version.as_deref()) >= START_INTERVAL_API
}

/// `1.41` as two numbers; what cannot be read is older than anything.
fn api(version: Option<&str>) -> (u32, u32) {
    let parts = version.and_then(|version| version.split_once('.'));
    let numbers = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    numbers.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_the_api_are_compared_as_numbers() {
        for new in ["1.44", "1.100", "2.0"] {
            assert!(api(Some(new)) >= START_INTERVAL_API, "{new}");
        }
        for old in [Some("1.41"), Some("1.9"), Some("x"), None] {
            assert!(api(old) < START_INTERVAL_API, "{old:?}");
        }
    }
}
