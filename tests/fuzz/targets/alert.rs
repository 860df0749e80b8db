//! `src/fuzz/alert.rs` for libFuzzer.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    (tripline::fuzz::target("alert").expect("there is such a target").run)(data);
});
