//! `operations.md` describes every metric and every line of WARN and ERROR, and names none that does not exist. The unit
//! beside it has the hardening that is promised.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it can be read")
}

fn page() -> String {
    read("docs/manual/operations.md")
}

/// The first cells of the tables' rows.
fn first_cells(page: &str) -> impl Iterator<Item = &str> {
    page.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0))
}

#[test]
fn every_metric_is_described_and_no_other() {
    let source = read("src/telemetry/metrics.rs");
    let defined = source.lines().filter_map(|line| line.split_once("= \"tripline_")?.1.strip_suffix("\","));
    let defined: BTreeSet<String> = defined.map(|name| format!("tripline_{name}")).collect();
    assert!(defined.len() > 30, "the metrics are found: {defined:?}");
    let page = page();
    let (_, table) = page.split_once("\n## Metrics\n").expect("there is such a chapter");
    let (table, _) = table.split_once("\n## ").expect("it ends");
    let described = first_cells(table).filter_map(|cell| cell.strip_prefix('`')?.split_once('`'));
    let described: BTreeSet<String> = described.map(|(name, _)| name.to_owned()).collect();
    assert_eq!(described, defined, "described on the left, defined on the right");
}

#[test]
fn every_warning_and_error_is_described_and_no_other() {
    let page = page();
    for (level, heading) in [("error", "### ERROR\n"), ("warn", "### WARN\n")] {
        let (_, table) = page.split_once(heading).expect("there is such a chapter");
        let table = table.split_once("\n### ").map_or(table, |(table, _)| table);
        let bare = |cell: &'_ str| {
            let double = cell.strip_prefix("`` ").and_then(|cell| cell.strip_suffix(" ``"));
            double.or_else(|| cell.strip_prefix('`')?.strip_suffix('`')).map(str::to_owned)
        };
        let rows = first_cells(table).filter_map(bare);
        let described: BTreeSet<String> = rows.collect();
        let said = said(level);
        assert!(said.len() > 10, "the lines are found: {said:?}");
        assert_eq!(described, said, "{level}: described on the left, said on the right");
    }
}

/// The sentences that the daemon logs at a level.
fn said(level: &str) -> BTreeSet<String> {
    let call = format!("tracing::{level}!(");
    let files = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let texts = files.iter().map(|path| std::fs::read_to_string(path).expect("it can be read"));
    let of_text = |text: String| text.split(&call).skip(1).map(last_text).collect::<Vec<_>>();
    texts.flat_map(of_text).collect()
}

/// The last text among the arguments of a call, after its opening parenthesis.
fn last_text(call: &str) -> String {
    let (mut depth, mut last) = (1, String::new());
    let mut chars = call.chars();
    while depth > 0 {
        match chars.next().expect("the call ends") {
            '"' => {
                let text = quoted(&mut chars);
                if depth == 1 {
                    last = text;
                }
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    last
}

/// A text up to its closing quote. A backslash before a line break joins the lines.
fn quoted(chars: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    let mut joins = false;
    for c in chars.by_ref() {
        match c {
            '"' if !text.ends_with('\\') => return text,
            '\n' if text.ends_with('\\') => {
                text.pop();
                joins = true;
            }
            c if joins && c.is_whitespace() => {}
            c => {
                joins = false;
                if c == '"' {
                    text.pop();
                }
                text.push(c);
            }
        }
    }
    panic!("a text ends: {text}")
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("it can be read");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let nested = paths.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

#[test]
fn a_call_over_several_lines_is_read() {
    let call =
        "sink, %error, what = \"x\", reason = f(\"inner\"),\n \"one \\\n    two \\\"three\\\"\"\n); after(\"it\")";
    assert_eq!(last_text(call), "one two \"three\"");
}

#[test]
fn the_unit_has_the_hardening_that_is_promised() {
    let unit = read("docs/systemd/tripline.service");
    for line in [
        "DynamicUser=yes",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "MemoryMax=8G",
        "SystemCallFilter=@system-service",
        "CapabilityBoundingSet=",
        "StateDirectory=tripline",
        "RestartPreventExitStatus=2 3",
    ] {
        assert!(unit.lines().any(|found| found == line), "{line}");
    }
    assert!(page().contains("docs/systemd/tripline.service"), "the manual tells of it");
}
