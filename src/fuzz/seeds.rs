//! What the inputs of the targets begin with: the rules, fixtures and documents of this repository, and what was found
//! before (`tests/fuzz/found/TARGET`).

use std::fs;
use std::path::{Path, PathBuf};

use crate::lang::ast;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Rule files: the shipped ones and those with mistakes.
pub(super) fn rules() -> Vec<Vec<u8>> {
    let of = |folder: &str| files(&root().join(folder), "rules");
    [of("rules"), of("tests/diagnostics"), found("rules")].concat()
}

/// Messages: lines of the fixtures, a few of each.
pub(super) fn events() -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = Vec::new();
    for file in files(&root().join("fixtures"), "ndjson") {
        lines.extend(file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).take(3).map(<[u8]>::to_vec));
    }
    lines.extend(found("event"));
    lines.push(super::event::LEARNED.as_bytes().to_vec());
    lines
}

/// Configurations: those of the README and the manual.
pub(super) fn configs() -> Vec<Vec<u8>> {
    let pages = [vec![root().join("README.md")], paths(&root().join("docs/manual"), "md")].concat();
    let mut blocks = Vec::new();
    for text in pages.iter().filter_map(|page| fs::read_to_string(page).ok()) {
        let after = text.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
        blocks.extend(after.map(|block| block.as_bytes().to_vec()));
    }
    blocks.extend(found("config"));
    blocks
}

/// Values of events, one after the other behind zero bytes.
pub(super) fn values() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"u1\0DE\0FR\0some text".to_vec(),
        "Ünï\u{301} 🦀\0\u{202e}x\0a\u{2028}b\0".as_bytes().to_vec(),
        b"a\r\nBcc: x@y.z\r\n\r\n<script>\0=cmd|' /C calc'!A0\0\x1b[31m\0{a.country}".to_vec(),
        vec![b'x'; 2_000],
    ];
    seeds.extend([found("alert"), found("mail")].concat());
    seeds
}

/// Requests to the daemon.
pub(super) fn requests() -> Vec<Vec<u8>> {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").into_bytes();
    let mut seeds = vec![
        get("/healthz"),
        get("/readyz"),
        get("/metrics"),
        get("/../../etc/passwd"),
        b"POST /healthz HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_vec(),
        b"POST /metrics HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhello".to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
    ];
    seeds.extend(found("http"));
    seeds
}

/// Choices of the generators: how they lie on the tape does not matter, only that there are many.
pub(super) fn tapes() -> Vec<Vec<u8>> {
    let tape = |seed: u32| (0..900_u32).map(|at| (at.wrapping_mul(seed * 2 + 7) >> 3).to_le_bytes()[0]).collect();
    let mut seeds: Vec<Vec<u8>> = (0..64).map(tape).collect();
    seeds.extend(found("engine"));
    seeds
}

fn found(target: &str) -> Vec<Vec<u8>> {
    files(&root().join("tests/fuzz/found").join(target), "")
}

/// What the files of a folder and its folders hold, of those that end so.
fn files(folder: &Path, extension: &str) -> Vec<Vec<u8>> {
    paths(folder, extension).iter().filter_map(|path| fs::read(path).ok()).collect()
}

fn paths(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    entries.sort();
    let fits = |path: &PathBuf| extension.is_empty() || path.extension().is_some_and(|found| found == extension);
    let nested = entries.into_iter().flat_map(|path| if path.is_dir() { paths(&path, extension) } else { vec![path] });
    nested.filter(fits).collect()
}

/// A file of rules, for the targets that need one.
pub(super) fn parsed(text: &str) -> Option<ast::File> {
    let (file, diagnostics) = crate::lang::parse(crate::diagnostic::FileId::default(), text);
    diagnostics.is_empty().then_some(file)
}
