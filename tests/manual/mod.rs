//! The manual, run: what docs/manual shows is what comes.
//!
//! - `page`      what the blocks of a page mean;
//! - `generated` the pages that are made from definitions: functions and messages;
//! - `operations` that the page on operations leaves nothing out.
//!
//! `TRIPLINE_UPDATE=1 cargo test --test tests -- manual` writes what comes into the pages instead of comparing. Rules
//! and files are written by hand and only read.

mod generated;
mod operations;
mod page;

use std::path::{Path, PathBuf};

/// The folder of the manual.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual")
}

/// Compares a page with what it should be, or writes it.
fn settle(path: &Path, shown: &str, wanted: &str) {
    if shown == wanted {
        return;
    }
    if std::env::var_os("TRIPLINE_UPDATE").is_some() {
        std::fs::write(path, wanted).expect("the manual is writable");
        return;
    }
    let mut lines = shown.lines().zip(wanted.lines()).enumerate();
    let (at, (shown, wanted)) = lines.find(|(_, (shown, wanted))| shown != wanted).unwrap_or((0, ("", "")));
    panic!(
        "{}:{} is not what comes; TRIPLINE_UPDATE=1 writes it\n shown  {shown}\n comes  {wanted}",
        path.display(),
        at + 1
    );
}
