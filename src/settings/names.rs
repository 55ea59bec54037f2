//! The names of the settings, and what is so close to one that it must be meant for one.

/// Every variable that the agent reads.
pub const NAMES: [&str; 41] = [
    "ENVIRONMENT",
    "CONTAINER_NAME",
    "AUDIT_EVENTS_PATH",
    "SNAPSHOTS_PATH",
    "ALLOW_EXECUTION_PLANE",
    "PORT",
    "RUNTIME_ENV_FILE",
    "STATE_DIRECTORY",
    "IMAGE_REPOSITORY",
    "DOCKER_HOST",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_ALLOW_PLAIN_TCP",
    "HOME",
    "RUNTIME_NETWORK",
    "RUNTIME_RESTART_POLICY",
    "RUNTIME_INIT",
    "RUNTIME_LOG_MAX_SIZE",
    "RUNTIME_LOG_MAX_FILES",
    "RUNTIME_MEMORY",
    "RUNTIME_CPUS",
    "RUNTIME_PIDS",
    "STOP_GRACE_SECONDS",
    "START_CONFIRMATION_SECONDS",
    "START_CONFIRMATION",
    "OPERATION_BUDGET_SECONDS",
    "STATUS_MAX_AGE_SECONDS",
    "QUEUE_CAPACITY",
    "ALLOW_MUTABLE_TAGS",
    "METRICS_FILE",
    "RUST_LOG",
    "CF_ACCESS_CLIENT_ID",
    "CF_ACCESS_CLIENT_SECRET_SHA256",
    "CF_ACCESS_TEAM_DOMAIN",
    "CF_ACCESS_AUD",
    "CF_ACCESS_HEADERS",
    "CF_ACCESS_CERTS_URL",
    "SIGNATURE_POLICY",
    "SIGNATURE_KEYS",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// What the settings of the checks begin with: of who may ask, and of what may run.
const CHECKS: [&str; 2] = ["CF_ACCESS", "SIGNATURE"];
/// What other programs read as well, or have names like.
const OF_EVERYBODY: [&str; 5] = ["HOME", "PORT", "RUST_LOG", "HTTPS_PROXY", "NO_PROXY"];
/// How many letters may be wrong, missing or too many in what is still taken for a typing error.
const MAX_TYPOS: usize = 2;

/// The setting of a check that this name must be meant for, or all of its kind if it only begins like one. A check that is
/// silently off is worse than none, so that what looks like one of them is never ignored.
#[must_use]
pub fn misspelled_check(name: &str) -> Option<String> {
    if NAMES.contains(&name) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    CHECKS.iter().find_map(|check| {
        let mut all = NAMES.iter().filter(|known| known.starts_with(check));
        let mut close = all.clone();
        if let Some(close) = close.find(|known| distance(&upper, known) <= MAX_TYPOS) {
            return Some((*close).to_owned());
        }
        let begins = upper
            .get(..check.len())
            .is_some_and(|start| distance(start, check) <= 1);
        begins.then(|| {
            let all: Vec<&str> = all.by_ref().copied().collect();
            all.join(", ")
        })
    })
}

/// The setting that this name is so close to that it may be meant for it: it is ignored, and that may not be what somebody
/// wants. None of a setting, of what [`misspelled_check`] finds, and of names that are as short as any other's.
#[must_use]
pub fn may_be_meant_for(name: &str) -> Option<&'static str> {
    if NAMES.contains(&name) || misspelled_check(name).is_some() {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    let ours = NAMES
        .into_iter()
        .filter(|known| !OF_EVERYBODY.contains(known));
    ours.min_by_key(|known| distance(&upper, known))
        .filter(|known| distance(&upper, known) <= MAX_TYPOS)
}

/// Levenshtein's: how many letters to change, take out or put in.
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in other.bytes().enumerate() {
            let changed = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_in_the_name_of_a_check_is_found() {
        for (name, meant) in [
            ("CF_ACESS_AUD", "CF_ACCESS_AUD"),
            ("CF_ACCESS_AUDIENCE", "CF_ACCESS_CLIENT_ID, "),
            (
                "CF_ACCESS_CLIENT_SECRET_SHA265",
                "CF_ACCESS_CLIENT_SECRET_SHA256",
            ),
            ("CF_ACCESS_CLIENTID", "CF_ACCESS_CLIENT_ID"),
            ("CF_ACCESS_CLIENT_SECRET", "CF_ACCESS_CLIENT_ID, "),
            ("CFACCESS_TEAM_DOMAIN", "CF_ACCESS_TEAM_DOMAIN"),
            ("cf_access_aud", "CF_ACCESS_AUD"),
            ("SIGNATURE_POLCY", "SIGNATURE_POLICY"),
            ("SIGNATURES_KEY", "SIGNATURE_KEYS"),
            ("SIGNATURE_MODE", "SIGNATURE_POLICY, "),
            ("SINGATURE_KEYS", "SIGNATURE_KEYS"),
        ] {
            let found = misspelled_check(name);
            assert!(
                found
                    .as_deref()
                    .is_some_and(|found| found.starts_with(meant)),
                "{name}: {found:?}"
            );
        }
        for name in NAMES
            .into_iter()
            .chain(["NODE_ENV", "CF_ZONE", "PATH", "CI"])
        {
            assert_eq!(misspelled_check(name), None, "{name}");
        }
    }

    #[test]
    fn a_typing_error_in_any_other_name_is_told() {
        for (name, meant) in [
            ("STOP_GRACE_SECOND", "STOP_GRACE_SECONDS"),
            ("START_CONFIRMATIONS", "START_CONFIRMATION"),
            ("RUNTIME_MEMROY", "RUNTIME_MEMORY"),
            ("runtime_cpus", "RUNTIME_CPUS"),
            ("OPERATION_BUDGET_SECONDS ", "OPERATION_BUDGET_SECONDS"),
        ] {
            assert_eq!(may_be_meant_for(name), Some(meant), "{name}");
        }
        // Of the check of who may ask, which is a problem; and what hosts and shells have.
        for name in NAMES.into_iter().chain([
            "CF_ACESS_AUD",
            "HTTP_PROXY",
            "PATH",
            "PWD",
            "LANG",
            "SHELL",
            "USER",
            "LOGNAME",
            "INVOCATION_ID",
            "JOURNAL_STREAM",
            "NODE_ENV",
            "DOCKER_BUILDKIT",
            "DOCKER_CONTEXT",
        ]) {
            assert_eq!(may_be_meant_for(name), None, "{name}");
        }
    }
}
