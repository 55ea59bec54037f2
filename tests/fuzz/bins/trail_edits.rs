#![no_main]

#[path = "../targets/trail_dir.rs"]
mod trail_dir;
#[path = "../targets/trail_edits.rs"]
mod trail_edits;

libfuzzer_sys::fuzz_target!(|data: &[u8]| trail_edits::check(data));
