//! Who may use a state directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use deploy_agent::audit::{Fingerprinter, ROTATE_AT, TrailError, TrailOptions};

use super::Desk;
use crate::audit_support::trail_open;

#[tokio::test]
async fn everything_in_it_is_the_agents_alone() {
    let desk = Desk::with_two_deploys().await;
    Fingerprinter::open(&desk.state).expect("a key");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("there").mode() & 0o777;
    assert_eq!(mode(&desk.state), 0o700);
    for entry in fs::read_dir(&desk.state).expect("readable").flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
    }
}

#[tokio::test]
async fn a_second_writer_is_refused_until_the_first_has_closed() {
    let desk = Desk::new();
    let (trail, _) = desk.opened();
    assert!(matches!(desk.open(), Err(TrailError::Locked(_))));
    trail.close().await;
    desk.opened();
}

#[tokio::test]
async fn what_others_can_reach_is_refused() {
    let desk = Desk::with_two_deploys().await;
    for (path, mode) in [
        (desk.state.clone(), 0o750),
        (desk.file(), 0o644),
        (desk.file(), 0o620),
    ] {
        let before = fs::metadata(&path).expect("there").permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("changed");
        let refused = desk.open().map(drop).expect_err("refused").to_string();
        assert!(refused.contains(&format!("{mode:04o}")), "{refused}");
        fs::set_permissions(&path, before).expect("changed back");
    }
    desk.opened();
}

#[tokio::test]
async fn a_link_or_a_directory_is_no_trail() {
    let desk = Desk::with_two_deploys().await;
    let elsewhere = desk.state.join("elsewhere");
    fs::rename(desk.file(), &elsewhere).expect("moved");
    symlink(&elsewhere, desk.file()).expect("linked");
    assert!(matches!(desk.open(), Err(TrailError::NotAFile(_))));
    fs::remove_file(desk.file()).expect("removed");
    fs::create_dir(desk.file()).expect("made");
    assert!(desk.open().is_err());
}

#[tokio::test]
async fn the_other_environments_directory_is_refused() {
    let desk = Desk::with_two_deploys().await;
    let other = trail_open(TrailOptions {
        state_directory: desk.state.clone(),
        environment: "prod".to_owned(),
        agent_version: String::new(),
        rotate_at: ROTATE_AT,
    });
    let refused = other.map(drop).expect_err("refused").to_string();
    assert!(
        refused.contains("environment dev") && refused.contains("prod"),
        "{refused}"
    );
}

#[test]
fn fingerprints_tell_apart_without_telling_what() {
    let (one, other) = (Desk::new(), Desk::new());
    one.opened();
    other.opened();
    let (mine, theirs) = (
        Fingerprinter::open(&one.state).expect("a key"),
        Fingerprinter::open(&other.state).expect("a key"),
    );
    let pairs = [("A", "secret-1"), ("B", "secret-2")];
    let reversed = [pairs[1], pairs[0]];
    assert_eq!(mine.of(pairs), mine.of(reversed));
    assert_eq!(
        mine.of(pairs),
        Fingerprinter::open(&one.state).expect("a key").of(pairs)
    );
    assert_ne!(
        mine.of(pairs).fingerprint,
        theirs.of(pairs).fingerprint,
        "keyed"
    );
    assert_ne!(
        mine.of(pairs),
        mine.of([("A", "secret-1"), ("B", "secret-3")])
    );
    // No two lists run together.
    assert_ne!(
        mine.of([("A", "BC")]).fingerprint,
        mine.of([("AB", "C")]).fingerprint
    );
    assert_eq!(mine.of(pairs).names, ["A", "B"]);
    assert!(!format!("{:?}", mine.of(pairs)).contains("secret"));
}
