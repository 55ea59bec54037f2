#![no_main]

#[path = "../targets/request_body.rs"]
mod request_body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| request_body::check(data));
