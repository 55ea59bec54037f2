//! The fuzz targets over their seeds, and over every input that once failed one: `./tests/fuzz/run` finds new ones.

use std::path::{Path, PathBuf};

#[path = "../fuzz/targets/assertion.rs"]
mod assertion;
#[path = "../fuzz/targets/image_reference.rs"]
mod image_reference;
#[path = "../fuzz/targets/request_body.rs"]
mod request_body;
#[path = "../fuzz/targets/runtime_env.rs"]
mod runtime_env;
#[path = "../fuzz/targets/settings_file.rs"]
mod settings_file;
#[path = "../fuzz/targets/signature.rs"]
pub mod signature;
#[path = "../fuzz/targets/trail_bytes.rs"]
mod trail_bytes;
#[path = "../fuzz/targets/trail_dir.rs"]
mod trail_dir;
#[path = "../fuzz/targets/trail_edits.rs"]
mod trail_edits;

const FUZZ: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fuzz");

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Every seed, whole and cut short anywhere, and every crash. A failure names its file.
fn replay(target: &str, check: fn(&[u8])) {
    let seeds = files(&Path::new(FUZZ).join("seeds").join(target));
    let crashes = files(&Path::new(FUZZ).join("crashes").join(target));
    assert!(seeds.len() >= 4, "{target} has seeds");
    for path in seeds.iter().chain(&crashes) {
        let bytes = std::fs::read(path).expect("readable");
        let shown = path.display();
        // Shown with the failure only.
        println!("{shown}");
        check(&bytes);
        for cuts in 1..8 {
            check(&bytes[..bytes.len() * cuts / 8]);
        }
    }
}

macro_rules! replayed {
    ($($test:ident: $target:ident),+ $(,)?) => {
        $(#[test] fn $test() { replay(stringify!($target), $target::check); })+

        /// What is fuzzed is replayed, and the other way round.
        #[test]
        fn every_fuzz_target_is_replayed_here() {
            let manifest = std::fs::read_to_string(Path::new(FUZZ).join("Cargo.toml")).expect("readable");
            let manifest: toml::Table = manifest.parse().expect("TOML");
            let names = manifest["bin"].as_array().expect("a list").iter();
            let mut fuzzed: Vec<&str> = names.map(|bin| bin["name"].as_str().expect("text")).collect();
            let mut replayed = vec![$(stringify!($target)),+];
            fuzzed.sort_unstable();
            replayed.sort_unstable();
            assert_eq!(fuzzed, replayed);
        }
    };
}

replayed! {
    a_body_that_is_taken_means_what_json_says: request_body,
    an_image_that_is_taken_is_the_repository_a_colon_and_a_tag: image_reference,
    runtime_env_reads_as_a_second_reader_does: runtime_env,
    a_settings_file_can_be_written_again_and_no_message_quotes_a_value: settings_file,
    only_the_assertion_that_was_signed_is_let_in: assertion,
    only_what_was_signed_counts: signature,
    any_bytes_as_a_trail_are_read_and_nothing_of_them_is_lost: trail_bytes,
    any_edit_of_a_trail_shows_and_no_record_before_it_is_lost: trail_edits,
}
