//! The table of what can make a deploy fail is whole: what finds a cause is there, and so is what shows it.

use std::collections::BTreeSet;
use std::path::Path;

use deploy_agent::operation::{CAUSES, Known};

use crate::host_files::read;

/// The scenarios of a file: what its lists of tests name.
fn scenarios(file: &str) -> BTreeSet<String> {
    let text = read(&format!("tests/it/scenarios/{file}.rs"));
    let mut found = BTreeSet::new();
    for list in ["on_both_engines!(", "with_both_runtimes!("] {
        let lists = text.split(list).skip(1);
        let lists = lists.filter_map(|rest| rest.split(')').next());
        found.extend(
            lists
                .flat_map(|names| names.split(','))
                .map(|name| name.trim().to_owned()),
        );
    }
    found.retain(|name| text.contains(&format!("fn {name}(")));
    found
}

/// Whether a file of this name, anywhere below `directory`, has the function.
fn has_function(directory: &Path, file: &str, function: &str) -> bool {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.flatten().map(|entry| entry.path()).any(|path| {
        if path.is_dir() {
            return has_function(&path, file, function);
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        stem == Some(file)
            && std::fs::read_to_string(&path)
                .is_ok_and(|text| text.contains(&format!("fn {function}(")))
    })
}

#[test]
fn every_cause_names_what_finds_it_and_a_scenario_that_runs_on_both_engines() {
    let mut seen = BTreeSet::new();
    for cause in CAUSES {
        assert!(seen.insert(cause.what), "twice: {}", cause.what);
        let (file, test) = cause.scenario.split_once("::").expect("file::test");
        assert!(
            scenarios(file).contains(test),
            "no scenario {}",
            cause.scenario
        );
        match cause.known {
            Known::Before { by, .. } => {
                let (file, function) = by.split_once("::").expect("file::function");
                assert!(
                    has_function(Path::new("src"), file, function),
                    "no function {by}"
                );
            }
            Known::NotBefore { why } => assert!(!why.is_empty()),
        }
    }
}

#[test]
fn every_scenario_of_what_can_be_known_is_of_a_cause() {
    let named: BTreeSet<&str> = CAUSES.iter().map(|cause| cause.scenario).collect();
    // What is not refused, or by no more than the pull, and what is refused for what it means and not because it fails.
    let others = [
        "known::an_image_that_sets_a_server_owned_variable_is_refused_by_name",
        "known::runtime_env_hides_what_the_image_sets_and_the_record_tells_what_it_does_not_hide",
        "known_images::what_is_odd_and_runs_all_the_same_is_deployed",
        "known_images::a_port_out_of_range_is_no_matter_or_refused_by_the_engine",
    ];
    for file in ["known", "known_images", "known_engines"] {
        for test in scenarios(file) {
            let name = format!("{file}::{test}");
            assert!(
                named.contains(name.as_str()) || others.contains(&name.as_str()),
                "{name} is in no row"
            );
        }
    }
}
