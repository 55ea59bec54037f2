//! The version of this host's systemd, for `check`.

use std::path::Path;
use std::process::Command;

/// The oldest that knows every line of the units. An older one drops the line that hands the registry's login over, without
/// a word, and the agent would pull without credentials.
const OLDEST: u32 = 251;

/// There when systemd runs this host.
const RUNS: &str = "/run/systemd/system";

/// What runs this host; none if that is not systemd, or does not tell.
pub(super) fn of_this_host() -> Option<u32> {
    if !Path::new(RUNS).is_dir() {
        return None;
    }
    let told = Command::new("systemctl").arg("--version").output().ok()?;
    parse(&String::from_utf8_lossy(&told.stdout))
}

/// # Errors
/// It is older than the units need.
pub(super) fn new_enough(version: u32) -> Result<(), String> {
    match version >= OLDEST {
        true => Ok(()),
        false => Err(format!(
            "systemd {version}: the units need {OLDEST} or newer, and an older one hands no login for the registry over"
        )),
    }
}

/// `systemd 252 (252.39-1~deb12u1)`
fn parse(told: &str) -> Option<u32> {
    let mut words = told.split_whitespace();
    let version = words
        .next()
        .filter(|word| *word == "systemd")
        .and(words.next())?;
    let digits = version.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_number_behind_the_name() {
        assert_eq!(
            parse("systemd 252 (252.39-1~deb12u1)\n+PAM +AUDIT"),
            Some(252)
        );
        assert_eq!(parse("systemd 258~rc2 (258~rc2-1)"), Some(258));
        for other in ["", "runit 2.1", "systemd", "systemd new"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn what_drops_a_line_of_the_units_is_too_old() {
        assert!(new_enough(249).is_err_and(|said| said.contains("249")));
        assert_eq!(new_enough(251), Ok(()));
    }
}
