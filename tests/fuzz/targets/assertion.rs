//! The Access assertion: of all byte strings only the one that was signed is let in, and only while it is valid.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use deploy_agent::access::{Access, Header, Presented, run_key_refresher};
use deploy_agent::settings::Settings;

/// Signed once for this test by a key that nobody has any more, and the public half of it.
const GOOD: &str = include_str!("assertion.jwt");
const KEYS: &str = include_str!("assertion.keys.json");
/// Its `iat`, and how long it is good.
const ISSUED: Duration = Duration::from_secs(1_700_000_000);
const GOOD_FOR: Duration = Duration::from_secs(600);

static ACCESS: LazyLock<Access> = LazyLock::new(|| {
    let keys = std::env::temp_dir().join(format!("fuzz-keys-{}.json", std::process::id()));
    std::fs::write(&keys, KEYS).expect("written");
    let certs_url = format!("file:{}", keys.display());
    let variables = [
        ("ENVIRONMENT", "dev"),
        ("CONTAINER_NAME", "dreichor-runtime-dev"),
        ("AUDIT_EVENTS_PATH", "/a"),
        ("SNAPSHOTS_PATH", "/b"),
        ("ALLOW_EXECUTION_PLANE", "paper"),
        ("CF_ACCESS_TEAM_DOMAIN", "example.cloudflareaccess.com"),
        ("CF_ACCESS_AUD", "aud-of-this-environment"),
        ("CF_ACCESS_HEADERS", "optional"),
        ("CF_ACCESS_CERTS_URL", &certs_url),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let settings = Settings::from_variables(variables.into()).expect("valid");
    let access = Access::new(settings.access);
    let refresher = access.key_refresher().expect("an assertion is checked");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let refresher = tokio::spawn(run_key_refresher(refresher));
        let admitted = access.admit(&presented(GOOD.as_bytes()), noon()).await;
        admitted.expect("the keys are there and the good one is let in");
        refresher.abort();
    });
    std::fs::remove_file(&keys).expect("removed");
    access
});

fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + ISSUED + GOOD_FOR / 2
}

fn presented(assertion: &[u8]) -> Presented<'_> {
    Presented {
        client_id: Header::Absent,
        client_secret: Header::Absent,
        assertion: Header::Once(assertion),
    }
}

pub fn check(data: &[u8]) {
    let same = data.trim_ascii() == GOOD.trim().as_bytes();
    let verdict = ACCESS.check(&presented(data), noon());
    assert_eq!(verdict.is_ok(), same, "{verdict:?}");
    if let Err(denied) = verdict {
        let reason = denied.reason();
        assert!(reason.is_ascii() && reason.len() < 100, "{reason:?}");
    }
    let leeway = Duration::from_secs(31);
    for other in [
        SystemTime::UNIX_EPOCH,
        SystemTime::UNIX_EPOCH + ISSUED - leeway,
        SystemTime::UNIX_EPOCH + ISSUED + GOOD_FOR + leeway,
    ] {
        assert!(ACCESS.check(&presented(data), other).is_err());
    }
}
