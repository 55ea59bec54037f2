#![no_main]

#[path = "../targets/assertion.rs"]
mod assertion;

libfuzzer_sys::fuzz_target!(|data: &[u8]| assertion::check(data));
