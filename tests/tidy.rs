//! The house's shape, as a test: who may import whom, which code may touch the outside, that files open with what
//! they are, that they stay small, and that nothing is left half done. The tables below are the rules; a failure
//! names the file, the line and the rule. What clippy can see is left to clippy.

mod rust;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rust::Tokens;

/// What each module of `src` may import of ours, itself aside. Tests inside it may import anything: a unit test of
/// the engine may well start from a rule's text. The configuration holds each part's settings in the type that the part gives them.
const IMPORTS: &[(&str, &[&str])] = &[
    ("event", &["schema"]),
    ("schema", &["event"]),
    ("diagnostic", &[]),
    ("xml", &[]),
    ("program", &["event", "schema", "xml"]),
    ("lang", &["program", "schema", "event", "diagnostic"]),
    ("decode", &["event", "schema", "program"]),
    ("alert", &["program", "event", "schema", "decode::without_huge_numbers"]),
    ("engine", &["program", "event", "schema", "alert"]),
    ("secret", &[]),
    (
        "config",
        &[
            "secret",
            "alert",
            "checkpoint::BucketSettings",
            "checkpoint::Keys",
            "event",
            "schema",
            "diagnostic",
            "program::Evidence",
            "program::Severity",
            "engine::Limits",
            "engine::WhenFull",
            "sink::EmailSettings",
            "sink::FileSettings",
            "sink::PostgresSettings",
            "sink::TopicSettings",
            "sink::WebhookSettings",
            "telemetry::check_filter",
        ],
    ),
    ("kafka", &["config", "secret", "event", "telemetry"]),
    ("source", &["alert", "config", "secret", "event", "kafka", "telemetry"]),
    // The alerts topic is the outbox: a sink reads it as any topic is read.
    ("net", &[]),
    ("sink", &["alert", "config", "secret", "event", "kafka", "telemetry", "source", "net", "program::Severity"]),
    ("checkpoint", &["secret", "net"]),
    ("tables", &["program", "event", "schema", "source", "decode"]),
    ("ruleset", &["lang", "diagnostic", "program", "tables"]),
    ("infer", &["decode", "lang", "program", "event", "schema", "diagnostic"]),
    ("intake", &["config", "engine", "decode", "program", "event"]),
    (
        "replay",
        &[
            "intake",
            "config",
            "engine",
            "decode",
            "source",
            "tables",
            "alert",
            "program",
            "event",
            "telemetry::Metrics",
        ],
    ),
    (
        "ruletest",
        &["lang", "diagnostic", "ruleset", "engine", "decode", "replay", "source", "alert", "program", "event"],
    ),
    ("why", &["lang", "engine", "alert", "program", "schema", "event", "diagnostic"]),
    ("workload", &[]),
    ("telemetry", &[EVERYTHING_BUT_CLI]),
    ("daemon", &[EVERYTHING_BUT_CLI]),
    ("demo", &[EVERYTHING_BUT_CLI]),
    ("fuzz", &[EVERYTHING_BUT_CLI]),
    ("cli", &[EVERYTHING]),
    // The simulator runs the daemon; the reference evaluator beside it shares no code with what it judges.
    ("testing::sim", &["daemon", "config", "checkpoint", "ruleset", "source::kafka", "sink::kafka"]),
    ("testing", &["lang::ast", "lang::fmt", "lang::words", "event", "schema", "diagnostic"]),
];
const EVERYTHING: &str = "*";
const EVERYTHING_BUT_CLI: &str = "* but cli";

/// The core: given the same input it does the same thing, so it sees no clock, no file, no thread, no network.
const CORE: &[&str] = &["event", "schema", "diagnostic", "program", "lang", "decode", "alert", "engine"];

/// Outside paths that only some modules may name.
struct Fence {
    paths: &'static [&'static str],
    within: Within,
    why: &'static str,
}

enum Within {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

const FENCES: &[Fence] = &[
    Fence {
        paths: &["pest", "pest_derive"],
        within: Within::Only(&["lang::parser"]),
        why: "only the parser knows pest",
    },
    Fence { paths: &["toml"], within: Within::Only(&["config"]), why: "only the configuration knows toml" },
    Fence { paths: &["clap"], within: Within::Only(&["cli"]), why: "only the command line knows clap" },
    Fence {
        paths: &["hyper"],
        within: Within::Only(&["sink::webhook", "checkpoint::objects", "cli::plan"]),
        why: "only who asks over HTTP knows hyper",
    },
    Fence {
        paths: &["object_store"],
        within: Within::Only(&["checkpoint::objects"]),
        why: "only the store of snapshots in buckets knows its client",
    },
    Fence {
        paths: &["tokio_postgres"],
        within: Within::Only(&["sink::postgres"]),
        why: "only the sink of PostgreSQL knows its client",
    },
    Fence { paths: &["lettre"], within: Within::Only(&["sink"]), why: "only the mail sink knows lettre" },
    Fence {
        paths: &["std::time::SystemTime", "std::time::Instant", "SystemTime::now", "Instant::now"],
        within: Within::AllBut(CORE),
        why: "in the core, time comes with the event or the watermark",
    },
    Fence {
        paths: &["jiff::Timestamp::now", "jiff::Zoned::now", "Timestamp::now", "Zoned::now"],
        within: Within::AllBut(CORE),
        why: "in the core, time comes with the event or the watermark",
    },
    Fence {
        paths: &[
            "std::fs",
            "std::net::TcpStream",
            "std::net::TcpListener",
            "std::net::UdpSocket",
            "std::env",
            "std::process",
            "std::thread",
            "tokio",
            "rdkafka",
            "axum",
        ],
        within: Within::AllBut(CORE),
        why: "the core has no outside",
    },
    Fence { paths: &["tracing"], within: Within::AllBut(CORE), why: "the core returns what there is to say" },
];

/// Lines outside test modules. The largest honest file, the syntax tree, has 629.
const FILE_LINES_MAX: usize = 650;
const FUNCTION_LINES_MAX: usize = 90;
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];

#[test]
fn modules_import_only_what_stands_below_them() {
    check(&["src"], imports);
}

#[test]
fn only_the_edges_touch_the_outside() {
    check(&["src"], fences);
}

#[test]
fn every_file_opens_with_what_it_is() {
    check(&["src", "tests", "benches"], opening);
}

#[test]
fn files_and_functions_are_small() {
    check(&["src"], sizes);
}

#[test]
fn nothing_is_left_half_done() {
    check(&["src", "tests", "benches"], unfinished);
}

#[test]
fn every_grammar_rule_is_documented() {
    let text = fs::read_to_string(root().join("grammar/rules.pest")).expect("grammar/rules.pest can be read");
    report(&grammar(&text).into_iter().map(|finding| finding.at("grammar/rules.pest")).collect::<Vec<_>>());
}

// ---- the rules: each looks at one file

struct File {
    /// `["lang", "parser"]` for src/lang/parser.rs and src/lang/parser/mod.rs; empty for main.rs and lib.rs.
    module: Vec<String>,
    text: String,
    tokens: Tokens,
}

#[derive(Debug, PartialEq, Eq)]
struct Finding {
    line: usize,
    what: String,
}

fn imports(file: &File) -> Vec<Finding> {
    let Some(own) = file.module.first() else { return Vec::new() };
    let Some((_, allowed)) = IMPORTS.iter().find(|(module, _)| leads_into(&file.module, module)) else {
        let what = format!("module {own} is not in the table of imports: say in tests/tidy.rs what it may import");
        return vec![Finding { line: 1, what }];
    };
    let refused = |line, target: Vec<String>| {
        let fine = target.first().is_none_or(|top| top == own) || allowed.iter().any(|entry| permits(entry, &target));
        let list = if allowed.is_empty() { "nothing of ours".to_owned() } else { allowed.join(", ") };
        (!fine).then(|| Finding { line, what: format!("{own} may import {list}; not {}", target.join("::")) })
    };
    outside_tests(file).filter_map(|path| refused(path.line, target(file, &path)?)).collect()
}

/// Where a path of ours leads, from the root of the crate; none for paths that are not ours.
fn target(file: &File, path: &rust::Path) -> Option<Vec<String>> {
    let mut parts = path.parts.iter().map(String::as_str).peekable();
    let mut base: Vec<&str> = match path.parts[0].as_str() {
        "crate" => {
            parts.next();
            Vec::new()
        }
        "super" => file.module.iter().chain(&path.inside).map(String::as_str).collect(),
        _ => return None,
    };
    while parts.next_if_eq(&"super").is_some() {
        base.pop();
    }
    Some(base.into_iter().chain(parts).map(str::to_owned).collect())
}

fn permits(entry: &str, target: &[String]) -> bool {
    match entry {
        EVERYTHING => true,
        EVERYTHING_BUT_CLI => target[0] != "cli",
        _ => leads_into(target, entry),
    }
}

fn fences(file: &File) -> Vec<Finding> {
    let paths: Vec<rust::Path> = outside_tests(file).collect();
    let closed = FENCES.iter().filter(|fence| !fence.within.holds(&file.module));
    let hits = closed.flat_map(|fence| {
        let named = paths.iter().filter(|path| fence.paths.iter().any(|outside| leads_into(&path.parts, outside)));
        named.map(|path| Finding { line: path.line, what: format!("{}: {}", path.parts.join("::"), fence.why) })
    });
    hits.collect()
}

impl Within {
    fn holds(&self, module: &[String]) -> bool {
        match self {
            Self::Only(inside) => inside.iter().any(|entry| leads_into(module, entry)),
            Self::AllBut(outside) => !outside.iter().any(|entry| leads_into(module, entry)),
        }
    }
}

/// Whether `path` is `prefix` or something in it.
fn leads_into(path: &[String], prefix: &str) -> bool {
    let prefix: Vec<&str> = prefix.split("::").collect();
    path.len() >= prefix.len() && path.iter().zip(&prefix).all(|(part, wanted)| part == wanted)
}

fn opening(file: &File) -> Vec<Finding> {
    if file.text.starts_with("//!") {
        return Vec::new();
    }
    vec![Finding { line: 1, what: "the file opens with `//!`: what it is and what it does not do".to_owned() }]
}

fn sizes(file: &File) -> Vec<Finding> {
    let functions = file.tokens.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    let mut findings: Vec<Finding> = functions
        .map(|function| Finding {
            line: function.line,
            what: format!("fn {} has {} lines, more than {FUNCTION_LINES_MAX}", function.name, function.lines),
        })
        .collect();
    let tests: usize = file.tokens.test_modules().iter().map(ExactSizeIterator::len).sum();
    let lines = file.text.lines().count() - tests;
    if lines > FILE_LINES_MAX && !is_test_file(file) {
        findings.push(Finding {
            line: 1,
            what: format!("the file has {lines} lines without its tests, more than {FILE_LINES_MAX}"),
        });
    }
    findings
}

fn unfinished(file: &File) -> Vec<Finding> {
    let calls =
        UNFINISHED.iter().flat_map(|name| file.tokens.macro_calls(name).into_iter().map(move |line| (line, name)));
    calls.map(|(line, name)| Finding { line, what: format!("`{name}!` is left in the code") }).collect()
}

/// A rule starts its line with `name =`; its doc comment is the line above.
fn grammar(text: &str) -> Vec<Finding> {
    let rule = |line: &str| {
        let (name, _) = line.split_once('=')?;
        let name = name.trim_end();
        (!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')).then(|| name.to_owned())
    };
    let lines: Vec<&str> = text.lines().collect();
    let bare = lines.iter().enumerate().filter(|(at, _)| *at == 0 || !lines[at - 1].starts_with("///"));
    bare.filter_map(|(at, line)| {
        Some(Finding { line: at + 1, what: format!("rule {} has no `///` above it", rule(line)?) })
    })
    .collect()
}

/// The paths of a file without those in its tests.
fn outside_tests(file: &File) -> impl Iterator<Item = rust::Path> {
    let tests = file.tokens.test_modules();
    let paths = if is_test_file(file) { Vec::new() } else { file.tokens.paths() };
    paths.into_iter().filter(move |path| !tests.iter().any(|lines| lines.contains(&path.line)))
}

/// `tests.rs` or a folder `tests` beside the code it tests.
fn is_test_file(file: &File) -> bool {
    file.module.iter().any(|part| part == "tests")
}

// ---- the walk

fn check(folders: &[&str], rule: fn(&File) -> Vec<Finding>) {
    let mut findings = Vec::new();
    for path in folders.iter().flat_map(|folder| rust_files(&root().join(folder))) {
        let name = path.strip_prefix(root()).expect("the walk starts at the root").display().to_string();
        let file = File::new(&name, fs::read_to_string(&path).expect("a file of the checkout can be read"));
        findings.extend(rule(&file).into_iter().map(|finding| finding.at(&name)));
    }
    report(&findings);
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}\n", findings.len(), findings.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the checkout can be read");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry can be read").path()).collect();
    paths.sort();
    let nested = paths.into_iter().flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    nested.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl File {
    fn new(name: &str, text: String) -> Self {
        let inside = name.strip_suffix(".rs").unwrap_or(name).split('/').skip(1);
        let module = inside.filter(|part| !matches!(*part, "mod" | "lib" | "main")).map(str::to_owned).collect();
        Self { module, tokens: Tokens::of(&text), text }
    }
}

impl Finding {
    fn at(&self, file: &str) -> String {
        format!("{file}:{self}")
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}

// ---- the rules can fail

/// What `rule` says of a file called `name` with this text.
fn found(rule: fn(&File) -> Vec<Finding>, name: &str, text: &str) -> Vec<String> {
    rule(&File::new(name, text.to_owned())).iter().map(Finding::to_string).collect()
}

#[test]
fn an_import_from_above_is_found() {
    let text =
        "//! Doc of [crate::lang].\nuse crate::{event::Value, lang::{ast, check}};\nfn f() { crate::cli::run() }\n";
    assert_eq!(
        found(imports, "src/engine/nfa.rs", text),
        [
            "2: engine may import program, event, schema, alert; not lang::ast",
            "2: engine may import program, event, schema, alert; not lang::check",
            "3: engine may import program, event, schema, alert; not cli::run",
        ]
    );
    assert_eq!(
        found(imports, "src/diagnostic/span.rs", "use super::super::event::Value;"),
        ["1: diagnostic may import nothing of ours; not event::Value"]
    );
    assert_eq!(
        found(imports, "src/testing/oracle/mod.rs", "use crate::lang::ast;\nuse crate::lang::check;"),
        ["2: testing may import lang::ast, lang::fmt, lang::words, event, schema, diagnostic; not lang::check"]
    );
    assert_eq!(
        found(imports, "src/daemon/shard.rs", "use crate::{engine, cli};"),
        ["1: daemon may import * but cli; not cli"]
    );
    assert_eq!(found(imports, "src/novel.rs", "").len(), 1);
}

#[test]
fn imports_that_the_table_allows_pass() {
    let text = "use crate::engine::x;\nuse super::y;\n#[cfg(test)]\nmod tests {\n  use super::*;\n  use crate::lang::compile;\n}\n";
    assert_eq!(found(imports, "src/engine/nfa.rs", text), [""; 0]);
    assert_eq!(found(imports, "src/engine/tests.rs", "use crate::lang::compile;"), [""; 0]);
    assert_eq!(found(imports, "src/lib.rs", "pub use crate::cli::run;"), [""; 0]);
    assert_eq!(found(imports, "src/cli/check.rs", "use crate::lang;"), [""; 0]);
}

#[test]
fn a_clock_a_file_or_a_foreign_library_in_the_core_is_found() {
    let text = "use std::{fs, time::{Duration, Instant}};\nlet t = jiff::Timestamp::now();\ntokio::spawn(f);\n";
    assert_eq!(
        found(fences, "src/engine/timer.rs", text),
        [
            "1: std::time::Instant: in the core, time comes with the event or the watermark",
            "2: jiff::Timestamp::now: in the core, time comes with the event or the watermark",
            "1: std::fs: the core has no outside",
            "3: tokio::spawn: the core has no outside",
        ]
    );
    assert_eq!(found(fences, "src/daemon/shard.rs", text), [""; 0]);
    assert_eq!(
        found(fences, "src/lang/check.rs", "use pest::Parser;"),
        ["1: pest::Parser: only the parser knows pest"]
    );
    assert_eq!(found(fences, "src/lang/parser/mod.rs", "use pest::Parser;"), [""; 0]);
}

#[test]
fn a_file_that_does_not_say_what_it_is_is_found() {
    assert_eq!(found(opening, "src/a.rs", "use std::fmt;\n").len(), 1);
    assert_eq!(found(opening, "src/a.rs", "//! It is.\n").len(), 0);
}

#[test]
fn long_files_and_functions_are_found() {
    let body = "\n".repeat(FUNCTION_LINES_MAX);
    assert_eq!(found(sizes, "src/a.rs", &format!("fn long() {{{body}}}")), ["1: fn long has 91 lines, more than 90"]);
    let long = "\n".repeat(FILE_LINES_MAX + 1);
    assert_eq!(found(sizes, "src/a.rs", &long), ["1: the file has 651 lines without its tests, more than 650"]);
    assert_eq!(found(sizes, "src/a.rs", &format!("#[cfg(test)]\nmod tests {{{long}}}\n")), [""; 0]);
}

#[test]
fn unfinished_code_is_found() {
    let text = "fn f() {\n    todo!(\"later\")\n}\nfn g() { dbg!(1); }\n// todo!() in a comment\n";
    assert_eq!(
        found(unfinished, "src/a.rs", text),
        ["2: `todo!` is left in the code", "4: `dbg!` is left in the code"]
    );
}

#[test]
fn an_undocumented_grammar_rule_is_found() {
    let text =
        "/// A word.\nword = { \"a\" }\nother = @{ word ~ \"=\" }\n\n// Not a doc comment.\nthird = _{\n  word\n}\n";
    let findings: Vec<String> = grammar(text).iter().map(Finding::to_string).collect();
    assert_eq!(findings, ["3: rule other has no `///` above it", "6: rule third has no `///` above it"]);
}
