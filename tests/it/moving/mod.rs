//! `deploy/moving.md`: every line of it names a test, and every test here is named by a line.

mod host;
mod images;
mod pipeline;

use std::collections::BTreeSet;

use crate::harness::{Kind, World};
use crate::host_files::read;

const PAGE: &str = "deploy/moving.md";

/// A host of dev with two good images, and no confirmation window to wait for.
fn world(kind: Kind) -> World {
    let mut world = World::new(kind);
    world.set("START_CONFIRMATION_SECONDS", "0");
    for tag in ["1.0.0", "1.0.1"] {
        world.push(tag, &["run"]);
    }
    world
}

/// The names of the tests in a file.
fn tests_in(file: &str) -> BTreeSet<String> {
    let text = read(file);
    let after = text.split("#[test]\n").skip(1);
    let names = after.filter_map(|rest| rest.trim_start().strip_prefix("fn ")?.split('(').next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_line_of_the_page_has_its_test_and_every_test_its_line() {
    let page = read(PAGE);
    let mut named = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if row.starts_with("|---") || cells[0] == "The old agent" {
            continue;
        }
        assert_eq!(cells.len(), 3, "{row}");
        let name = cells[2].trim_matches('`');
        assert!(named.insert(name.to_owned()), "twice: {name}");
    }
    // And one sentence beside the tables.
    let unchanged = "a_runtime_that_ends_with_0_and_is_brought_back_reads_running";
    assert!(page.contains(unchanged));
    named.insert(unchanged.to_owned());
    let here =
        ["pipeline.rs", "images.rs", "host.rs"].map(|file| format!("tests/it/moving/{file}"));
    let here: BTreeSet<_> = here.iter().flat_map(|file| tests_in(file)).collect();
    // What `check` tells is tested beside the other commands, and beside the reader of the file.
    let of_check = ["tests/it/command_line.rs", "src/settings/env_file/tests.rs"].map(tests_in);
    let elsewhere = of_check.iter().flat_map(|tests| named.intersection(tests));
    let elsewhere: BTreeSet<_> = elsewhere.cloned().collect();
    assert_eq!(named, here.union(&elsewhere).cloned().collect());
}
