#![no_main]

#[path = "../targets/runtime_env.rs"]
mod runtime_env;

libfuzzer_sys::fuzz_target!(|data: &[u8]| runtime_env::check(data));
