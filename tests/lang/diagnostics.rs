//! What is said of each mistake: a fixture for every code, and the whole message as a snapshot.
//!
//! `tests/diagnostics/CODE.rules` or `CODE-what.rules` shows a typical mistake and must report its code, and no other.
//! A fixture whose name is no code shows how several mistakes are told together.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tripline::diagnostic::{Code, Format, render};
use tripline::ruleset::RuleSet;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics")
}

/// The fixtures: their names without the ending, and their texts.
fn fixtures() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder()).expect("the folder is there");
    let mut fixtures: Vec<(String, String)> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rules"))
        .map(|path| {
            let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
            (name, std::fs::read_to_string(&path).expect("UTF-8"))
        })
        .collect();
    fixtures.sort();
    fixtures
}

fn checked(name: &str, text: &str) -> RuleSet {
    RuleSet::from_texts_in(&folder(), [(format!("{name}.rules"), text.to_owned())])
}

/// What is too large to be kept as a file.
fn generated() -> [(&'static str, String); 3] {
    const RULE: &str = "event login user_id text, n number\nrule r\n  for each user_id\n";
    let steps = format!("  on login\n{}", "  then login\n".repeat(100));
    [
        ("E004", format!("{RULE}  on login where {}n > 1{}\n  alert high\n", "(".repeat(5_000), ")".repeat(5_000))),
        ("E005", format!("{RULE}  on login\n  alert high\n#{}\n", "x".repeat(1024 * 1024))),
        ("E310", format!("{RULE}{steps}  within 1 hour\n  alert high\n")),
    ]
}

/// The code in a fixture's name; none where it shows several mistakes.
fn code_of(name: &str) -> Option<&str> {
    let code = name.split('-').next().unwrap_or_default();
    (code.len() == 4 && code[1..].bytes().all(|byte| byte.is_ascii_digit())).then_some(code)
}

#[test]
fn every_code_has_a_fixture() {
    let stored = fixtures();
    let generated = generated();
    let names = stored.iter().map(|(name, _)| name.as_str()).chain(generated.iter().map(|(name, _)| *name));
    let shown: BTreeSet<&str> = names.filter_map(code_of).collect();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(shown, known);
}

#[test]
fn each_fixture_reports_its_code_and_no_other() {
    let generated = generated().map(|(name, text)| (name.to_owned(), text));
    for (name, text) in fixtures().into_iter().chain(generated) {
        let Some(code) = code_of(&name) else { continue };
        let set = checked(&name, &text);
        let codes: BTreeSet<&str> = set.checked.diagnostics.iter().map(|problem| problem.code.as_str()).collect();
        assert_eq!(codes, BTreeSet::from([code]), "{name}: {:#?}", set.checked.diagnostics);
    }
}

#[test]
fn each_message_is_as_recorded() {
    let mut recorded = BTreeSet::new();
    for (name, text) in fixtures() {
        let set = checked(&name, &text);
        let message = |format| render(&set.checked.diagnostics, &set.sources, format);
        recorded.insert(name.clone());
        snapshot(&name, &message(Format::Full { color: false }));
        if ["E102", "several"].contains(&name.as_str()) {
            for (format, ending) in [(Format::Json, "json"), (Format::Github, "github")] {
                recorded.insert(format!("{name}.{ending}"));
                snapshot(&format!("{name}.{ending}"), &message(format));
            }
        }
    }
    let snapshots = std::fs::read_dir(folder().join("snapshots")).expect("there are snapshots");
    let kept = snapshots.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let kept: BTreeSet<String> = kept.filter_map(|name| name.strip_suffix(".snap").map(ToOwned::to_owned)).collect();
    assert_eq!(kept, recorded, "snapshots without a fixture, or fixtures without a snapshot");
}

fn snapshot(name: &str, text: &str) {
    insta::with_settings!(
        {snapshot_path => "../diagnostics/snapshots", prepend_module_to_snapshot => false, omit_expression => true},
        { insta::assert_snapshot!(name, text); }
    );
}

#[test]
fn every_problem_has_a_place_and_says_what_to_do() {
    for (name, text) in fixtures() {
        let set = checked(&name, &text);
        for problem in &set.checked.diagnostics {
            assert!(problem.primary.span.range().end <= text.len(), "{name}: {problem:#?}");
            let remedy = problem.help.is_some() || problem.fix.is_some() || problem.message.starts_with("expected ");
            assert!(remedy, "{name} does not say what to do: {problem:#?}");
            assert!(!problem.message.ends_with('.'), "{name}: {}", problem.message);
        }
    }
}

#[test]
fn a_fix_applied_mends_its_mistake() {
    for (name, mut text) in fixtures() {
        // Other mistakes may have no fix; each that has one is mended, the last first, so that places stay.
        let before = checked(&name, &text);
        let fixes: Vec<_> = before.checked.diagnostics.iter().filter_map(|p| Some((p.code, p.fix.clone()?))).collect();
        for (_, fix) in fixes.iter().rev() {
            text.replace_range(fix.span.range(), &fix.replacement);
        }
        let after = checked(&name, &text);
        for (code, _) in &fixes {
            let left = |set: &RuleSet| set.checked.diagnostics.iter().filter(|p| p.code == *code).count();
            assert!(left(&after) < left(&before), "{name}: {code:?} is still there after its fix:\n{text}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf_8_are_told_with_their_place() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("latin1.rules");
    std::fs::write(&path, b"rule r \"caf\xe9\"\n  on login\n  alert high\n").expect("writable");
    let set = RuleSet::load(&[path]).expect("readable");
    let problem = set.checked.diagnostics.iter().find(|p| p.code == Code::NotText).expect("it is told");
    assert_eq!(set.sources.line_column(problem.primary.span), (1, 12));
}
