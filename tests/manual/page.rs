//! The pages, run. A fenced block means:
//!
//! - `rules`: all of a page form one file, `NAME.rules` for `NAME.md`. It has no problems, every rule, risk and measure in
//!   it is tested, and every test passes;
//! - `file:NAME`: a file of the page's folder;
//! - `console`: lines after `$ ` are run in the folder, and what they print, on both streams, follows. `…` stands for any
//!   text within a line; a line of it alone stands for any lines;
//! - `mistake`, and the `message` after it: added to the page's rules, the first is told as the second shows;
//! - `json` after a `console`: the first line of JSON in it, laid out;
//! - anything else is only shown.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tripline::diagnostic::{Format, render};
use tripline::ruleset::RuleSet;
use tripline::ruletest::run_block;

use super::{folder, settle};

/// A piece of a page.
#[derive(Debug)]
enum Piece<'t> {
    /// What is read and not run.
    Prose(&'t str),
    /// A fenced block: what stands behind the fence, and the lines inside.
    Block { kind: &'t str, text: &'t str },
}

fn pieces(page: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = page;
    while let Some(start) = opening(rest) {
        let (prose, fenced) = rest.split_at(start);
        let (head, body) = fenced.split_once('\n').expect("a fence is a line");
        let end = if body.starts_with("```") { 0 } else { body.find("\n```").expect("a fence is closed") + 1 };
        pieces.push(Piece::Prose(prose));
        pieces.push(Piece::Block { kind: head.trim_start_matches('`').trim(), text: &body[..end] });
        rest = body[end..].strip_prefix("```").and_then(|rest| rest.strip_prefix('\n')).unwrap_or("");
    }
    pieces.push(Piece::Prose(rest));
    pieces
}

/// Where the next fence begins.
fn opening(text: &str) -> Option<usize> {
    if text.starts_with("```") { Some(0) } else { text.find("\n```").map(|at| at + 1) }
}

/// A page while it is run.
struct Page<'t> {
    name: &'t str,
    pieces: &'t [Piece<'t>],
    folder: tempfile::TempDir,
}

impl<'t> Page<'t> {
    fn blocks(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Block { kind, text } => Some((*kind, *text)),
            Piece::Prose(_) => None,
        })
    }

    /// The page's rules as one text.
    fn rules(&self) -> String {
        let rules = self.blocks().filter(|(kind, _)| *kind == "rules");
        rules.flat_map(|(_, text)| [text, "\n"]).collect()
    }

    fn rules_name(&self) -> String {
        format!("{}.rules", self.name)
    }

    fn write_files(&self) {
        let write = |name: &str, text: &str| {
            let path = self.folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the folder can be made");
            fs::write(path, text).expect("the file can be written");
        };
        for (kind, text) in self.blocks() {
            if let Some(name) = kind.strip_prefix("file:") {
                write(name, text);
            }
        }
        if !self.rules().is_empty() {
            write(&self.rules_name(), &self.rules());
        }
    }

    fn check_rules(&self) {
        let text = self.rules();
        let set = RuleSet::from_texts_in(self.folder.path(), [(self.rules_name(), text.clone())]);
        let told = render(&set.checked.diagnostics, &set.sources, Format::Full { color: false });
        assert!(told.is_empty(), "{}.md\n{told}", self.name);
        let program = Arc::new(set.checked.program.clone());
        for test in &set.checked.tests {
            let failures = run_block(&program, test).failures;
            assert!(failures.is_empty(), "{}.md, test {} {:?}: {failures:#?}", self.name, test.rule, test.description);
        }
        let rules = program.rules.iter().map(|rule| &rule.name);
        for rule in rules.chain(program.measures.iter().map(|measure| &measure.name)) {
            let is_tested = set.checked.tests.iter().any(|test| *test.rule == **rule);
            assert!(is_tested, "{}.md: {rule} has no test", self.name);
        }
    }

    fn message(&self, mistake: &str) -> String {
        let texts = [(self.rules_name(), self.rules()), ("wrong.rules".to_owned(), mistake.to_owned())];
        let set = RuleSet::from_texts_in(self.folder.path(), texts);
        let told = render(&set.checked.diagnostics, &set.sources, Format::Full { color: false });
        assert!(!told.is_empty(), "{}.md: this is no mistake:\n{mistake}", self.name);
        format!("{}\n", told.trim_end())
    }

    /// Runs the lines of a block and gives the block with what they print.
    fn console(&self, text: &str) -> String {
        let mut comes = String::new();
        let mut shown = text.lines().peekable();
        while let Some(line) = shown.next() {
            let command = line.strip_prefix("$ ").unwrap_or_else(|| panic!("no command: {line}"));
            let mut expected = Vec::new();
            while let Some(line) = shown.next_if(|line| !line.starts_with("$ ")) {
                expected.push(line);
            }
            let printed = self.printed(command);
            let fits = fits(&expected, &printed.lines().collect::<Vec<_>>());
            let output =
                if fits { expected.iter().fold(String::new(), |all, line| all + line + "\n") } else { printed };
            writeln!(comes, "{line}").expect("a string takes it");
            comes.push_str(&output);
        }
        comes
    }

    fn printed(&self, command: &str) -> String {
        let binary = Path::new(env!("CARGO_BIN_EXE_tripline")).parent().expect("it lies in a folder");
        let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(self.folder.path()).env("PATH", path);
        let output = shell.stdin(Stdio::null()).output().expect("a shell runs");
        let text = String::from_utf8(output.stdout).expect("the program writes UTF-8");
        let mut lines: Vec<String> = text.lines().map(without_speed).collect();
        lines.push(String::new());
        lines.join("\n")
    }
}

/// The summary of a replay without what differs from run to run.
fn without_speed(line: &str) -> String {
    match (line.find(" events in "), line.find(" events/s)")) {
        (Some(from), Some(to)) => format!("{} events in … s (…{}", &line[..from], &line[to..]),
        _ => line.to_owned(),
    }
}

/// Whether lines are as shown.
fn fits(shown: &[&str], come: &[&str]) -> bool {
    match shown.split_first() {
        None => come.is_empty(),
        Some((&"…", rest)) => (0..=come.len()).any(|skipped| fits(rest, &come[skipped..])),
        Some((line, rest)) => come.split_first().is_some_and(|(first, come)| like(line, first) && fits(rest, come)),
    }
}

/// Whether a line is as shown; `…` stands for any text.
fn like(shown: &str, comes: &str) -> bool {
    match shown.split_once('…') {
        None => shown == comes,
        Some((head, tail)) => comes.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| like(tail, &rest[at..]))
        }),
    }
}

/// The page as it should be.
fn run(name: &str, text: &str) -> String {
    let pieces = pieces(text);
    let page = Page { name, pieces: &pieces, folder: tempfile::tempdir().expect("a folder for the page") };
    page.write_files();
    page.check_rules();
    let mut wanted = String::new();
    let (mut mistake, mut printed) = (None, String::new());
    for piece in &pieces {
        let (kind, text) = match piece {
            Piece::Prose(prose) => {
                wanted.push_str(prose);
                continue;
            }
            Piece::Block { kind, text } => (*kind, *text),
        };
        let body = match kind {
            "console" => {
                printed = page.console(text);
                printed.clone()
            }
            "message" => page.message(mistake.take().expect("a message follows a mistake")),
            "json" => {
                same_json(name, text, &printed);
                text.to_owned()
            }
            _ => text.to_owned(),
        };
        if kind == "mistake" {
            mistake = Some(text);
        }
        write!(wanted, "```{kind}\n{body}```\n").expect("a string takes it");
    }
    assert!(mistake.is_none(), "{name}.md: a mistake without its message");
    wanted
}

fn same_json(name: &str, shown: &str, printed: &str) {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    let line = printed.lines().find(|line| line.starts_with('{')).expect("a console with JSON stands before");
    let shown = parse(shown).unwrap_or_else(|error| panic!("{name}.md: {error}\n{shown}"));
    assert_eq!(shown, parse(line).expect("the program writes JSON"), "{name}.md");
}

#[test]
fn every_page_shows_what_comes() {
    for (name, path) in pages() {
        let text = fs::read_to_string(&path).expect("a page is UTF-8");
        settle(&path, &text, &run(&name, &text));
    }
}

#[test]
fn links_lead_somewhere_and_the_index_names_every_page() {
    let index = fs::read_to_string(folder().join("README.md")).expect("there is an index");
    for (name, path) in pages() {
        assert!(name == "README" || index.contains(&format!("({name}.md)")), "{name}.md is not in the index");
        let text = fs::read_to_string(&path).expect("a page is UTF-8");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let leads = file.is_empty() || link.starts_with("http") || folder().join(file).exists();
            assert!(leads, "{name}.md: {link} leads nowhere");
        }
    }
}

/// The pages: their names and paths.
fn pages() -> Vec<(String, std::path::PathBuf)> {
    let entries = fs::read_dir(folder()).expect("there is a manual");
    let mut pages: Vec<(String, std::path::PathBuf)> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect();
    pages.sort();
    pages
}

#[test]
fn wildcards_stand_for_text_and_lines() {
    assert!(fits(&["a…c", "…", "z"], &["abc", "x", "y", "z"]));
    assert!(fits(&["…"], &[]) && !fits(&["a"], &["a", "b"]) && !fits(&["a…"], &["b"]));
}
