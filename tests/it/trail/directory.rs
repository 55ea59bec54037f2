//! Who may use a state directory, and what may be in it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use deploy_agent::audit::{Fingerprinter, ROTATE_AT, TrailError};

use super::events::started;
use super::fixture::TrailDir;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[tokio::test]
async fn everything_is_made_for_the_agent_alone() {
    let dir = TrailDir::missing();
    let events = (0..10).map(|n| started(&n.to_string())).collect();
    dir.life_rotating(1000, events).await;
    Fingerprinter::open(dir.path()).unwrap();
    assert_eq!(mode(dir.path()), 0o700);
    let names = dir.names();
    for name in &names {
        assert_eq!(mode(&dir.file(name)), 0o600, "{name}");
    }
    for kind in [
        "audit.0",
        "audit.head",
        "audit.jsonl",
        "environment",
        "fingerprint.key",
        "ledger.",
        "lock",
        "reserve",
    ] {
        assert!(names.iter().any(|name| name.starts_with(kind)), "{kind}");
    }
}

#[tokio::test]
async fn only_one_agent_has_the_directory_and_it_is_free_after_close() {
    let dir = TrailDir::new();
    let (trail, _) = dir.open();
    assert!(matches!(dir.try_open(), Err(TrailError::Locked(_))));
    trail.close().await;
    let (again, _) = dir.open();
    drop(again);
    dir.open();
}

#[tokio::test]
async fn what_others_may_reach_is_refused_until_it_is_the_agents_alone() {
    for (name, wrong) in [
        ("", 0o750),
        ("", 0o701),
        ("audit.jsonl", 0o640),
        ("audit.jsonl", 0o644),
        ("audit.jsonl", 0o620),
        ("audit.jsonl", 0o602),
        ("lock", 0o660),
        ("environment", 0o644),
    ] {
        let dir = TrailDir::new();
        dir.life(vec![]).await;
        let path = dir.path().join(name);
        let before = mode(&path);
        set_mode(&path, wrong);
        let refused = dir.try_open().unwrap_err();
        assert!(
            matches!(refused, TrailError::TooOpen { mode, .. } if mode == wrong),
            "{refused}"
        );
        let said = refused.to_string();
        assert!(said.contains(&format!("{wrong:04o}")), "{said}");
        set_mode(&path, before);
        dir.open();
    }
}

#[tokio::test]
async fn a_link_a_directory_or_a_file_for_the_directory_is_no_trail() {
    let dir = TrailDir::new();
    dir.life(vec![]).await;
    let elsewhere = dir.file("elsewhere");
    fs::rename(dir.newest(), &elsewhere).unwrap();
    // A link to the very file that would be accepted in its own place.
    symlink(&elsewhere, dir.newest()).unwrap();
    assert!(matches!(dir.try_open(), Err(TrailError::NotAFile(_))));
    fs::remove_file(dir.newest()).unwrap();
    fs::create_dir(dir.newest()).unwrap();
    assert!(matches!(dir.try_open(), Err(TrailError::NotAFile(_))));

    let file = TrailDir::new();
    fs::remove_dir(file.path()).unwrap();
    fs::write(file.path(), "").unwrap();
    let refused = file.refusal();
    assert!(refused.contains("not a directory"), "{refused}");
    fs::remove_file(file.path()).unwrap();
}

#[tokio::test]
async fn another_environments_directory_is_refused() {
    let dir = TrailDir::new();
    dir.life(vec![]).await;
    let refused = dir.try_open_as("prod", ROTATE_AT).unwrap_err();
    assert!(matches!(refused, TrailError::OtherEnvironment { .. }));
    let said = refused.to_string();
    assert!(said.contains("belongs to environment dev"), "{said}");
    assert!(said.contains("prod"), "{said}");
    dir.open();
}

#[test]
fn fingerprints_tell_values_apart_without_telling_them_and_depend_on_the_key() {
    let (here, there) = (TrailDir::new(), TrailDir::new());
    let key = Fingerprinter::open(here.path()).unwrap();
    let one = key.of([("B", "secret-2"), ("A", "secret-1"), ("A", "secret-1")]);
    let pairs = [("A", "secret-1"), ("B", "secret-2")];
    assert_eq!(one.names, ["A", "B"]);
    assert_eq!(one.fingerprint.len(), 64);
    assert!(!format!("{one:?}").contains("secret"));
    assert_eq!(one, key.clone().of(pairs));
    let again = Fingerprinter::open(here.path()).unwrap();
    assert_eq!(one, again.of(pairs), "the key stays");
    // No two lists run together.
    for other in [
        [("A", "secret-1"), ("B", "secret-3")],
        [("A", "secret-1B"), ("", "secret-2")],
        [("Asecret-1", ""), ("B", "secret-2")],
    ] {
        assert_ne!(one.fingerprint, key.of(other).fingerprint);
    }
    assert_ne!(
        key.of([("A", "BC")]).fingerprint,
        key.of([("AB", "C")]).fingerprint
    );
    let elsewhere = Fingerprinter::open(there.path()).unwrap().of(pairs);
    assert_ne!(one.fingerprint, elsewhere.fingerprint, "keyed");
}

#[test]
fn a_key_that_is_no_key_or_that_others_may_read_is_refused() {
    let dir = TrailDir::new();
    Fingerprinter::open(dir.path()).unwrap();
    let key = dir.file("fingerprint.key");
    fs::write(&key, "short").unwrap();
    assert!(Fingerprinter::open(dir.path()).is_err());
    set_mode(&key, 0o640);
    assert!(matches!(
        Fingerprinter::open(dir.path()),
        Err(TrailError::TooOpen { .. })
    ));
}
