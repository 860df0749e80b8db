//! The demonstration through the binary: it ends by itself, finds what was planted, and leaves behind what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const FRAUDS: [(&str, &str); 7] = [
    ("anna", "country_hop"),
    ("bruno", "failed_burst"),
    ("carla", "takeover"),
    ("dmitri", "card_testing"),
    ("elena", "impossible_travel"),
    ("farid", "cart_abandoned"),
    ("gina", "new_password_drain"),
];
const HARMLESS: [&str; 5] = ["ines", "jonas", "karim", "lena", "marco"];

fn tripline(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    // Its folder is made where temporary files are, so that the test can remove it.
    command.env("TMPDIR", folder).args(arguments).output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is text")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    entries.map(|entry| entry.expect("an entry can be read").path()).collect()
}

#[test]
fn demo_finds_every_planted_fraud_and_nothing_else() {
    let temporary = tempfile::tempdir().expect("a folder");
    let output = tripline(temporary.path(), &["demo", "--seconds", "8"]);
    let (shown, complaints) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}\n{complaints}");
    assert_eq!(complaints, "", "nothing but the show is on the screen");
    let told = |words: [&str; 3]| shown.lines().any(|line| line.split_whitespace().take(3).eq(words));
    for (user, rule) in FRAUDS {
        assert!(told(["found", rule, user]), "{user}: {shown}");
    }
    for user in HARMLESS {
        let line = shown.lines().find(|line| line.trim_start().starts_with("silent") && line.contains(user));
        assert!(line.is_some(), "{user}: {shown}");
    }
    assert!(shown.contains("No alert about anybody else.") && !shown.contains('\x1b'), "{shown}");

    let [folder] = &entries(temporary.path())[..] else { panic!("one folder: {shown}") };
    replaying_gives_the_same_alerts(folder);
}

/// The file of events through `replay`: the same rules, and of those that were mailed the same ids.
fn replaying_gives_the_same_alerts(folder: &Path) {
    let path = |name: &str| folder.join(name).display().to_string();
    let output = tripline(folder, &["replay", "--rules", &path("demo.rules"), &path("events.ndjson")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let alerts: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("an alert is JSON")).collect();
    let of = |field: &str| -> BTreeSet<String> {
        alerts.iter().map(|alert| alert[field].as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(of("rule"), FRAUDS.iter().map(|(_, rule)| (*rule).to_owned()).collect());
    let ids = of("alert_id");
    let mails = entries(&folder.join("mails"));
    assert_eq!(mails.len(), 5, "high and critical ones are mailed");
    for mail in mails {
        let name = mail.file_name().expect("it has one").to_string_lossy().into_owned();
        assert!(ids.iter().any(|id| name.contains(id.as_str())), "{name}: {ids:?}");
    }
}

#[test]
fn demo_ships_rules_whose_own_tests_pass() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/demo.rules").display().to_string();
    for arguments in [&["check", "--strict", &rules][..], &["fmt", "--check", &rules], &["test", &rules]] {
        let output = tripline(Path::new("."), arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {out}{err}");
    }
}

#[test]
fn demo_refuses_a_run_too_short_for_its_stories() {
    let output = tripline(Path::new("."), &["demo", "--seconds", "3"]);
    assert_eq!(output.status.code(), Some(3), "wrong arguments are bad input");
    assert!(text(&output.stderr).contains("8..=3600"), "{}", text(&output.stderr));
}
