//! `src/fuzz/config.rs` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (tripline::fuzz::target("config").expect("there is such a target").run)(data);
});
