#![no_main]

#[path = "../targets/trail_dir.rs"]
mod trail_dir;
#[path = "../targets/trail_bytes.rs"]
mod trail_bytes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| trail_bytes::check(data));
