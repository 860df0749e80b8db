//! Files or a configuration: what `replay` and `why` refuse before they read anything.

use super::{Folder, GOOD, Ran, tripline};

const TOPICS: &str = "name = \"t\"\nrules = [\"good.rules\"]\n[kafka]\nbrokers = \"127.0.0.1:1\"\n[[source]]\ntopic = \"e\"\n\
                      [alerts]\ntopic = \"a\"\n";

/// A folder with rules and a configuration; the program over it, once as `replay` and once as `why`.
fn refused(config: &str, arguments: &[&str]) -> [Ran; 2] {
    let folder = Folder::new();
    folder.file("good.rules", GOOD);
    let config = folder.file("t.toml", config);
    let arguments: Vec<&str> = arguments.iter().map(|one| if *one == "CONFIG" { &config } else { *one }).collect();
    [&["replay"][..], &["why", "any_login", "u1"]]
        .map(|subcommand| tripline(&[subcommand, &arguments].concat()).expect(3))
}

#[track_caller]
fn assert_told(config: &str, arguments: &[&str], told: &[&str]) {
    for ran in refused(config, arguments) {
        assert!(ran.out.is_empty(), "{ran:#?}");
        assert!(told.iter().all(|told| ran.err.contains(told)), "{told:?}: {ran:#?}");
    }
}

#[test]
fn files_and_a_configuration_exclude_each_other() {
    assert_told(TOPICS, &[], &["--rules <PATH>", "<EVENTS>...", "not provided"]);
    assert_told(TOPICS, &["-c", "CONFIG", "e.ndjson"], &["--config <FILE>' cannot be used with '[EVENTS]...'"]);
    for option in [["--lateness", "2s"], ["--late", "drop"], ["--format", "json"], ["--type", "t"], ["--id", "i"]] {
        let told = format!("cannot be used with '{}", option[0]);
        assert_told(TOPICS, &[&["-c", "CONFIG"], &option[..]].concat(), &[&told]);
    }
    for option in ["--from", "--to"] {
        assert_told(TOPICS, &["--rules", "rules", "e.ndjson", option, "2h"], &[option, "cannot be used with"]);
        assert_told(TOPICS, &["--rules", "rules", option, "2h"], &["<EVENTS>...", "not provided"]);
    }
}

#[test]
fn a_range_has_two_ends_in_their_order() {
    let order = ["-c", "CONFIG", "--from", "1h", "--to", "2h"];
    assert_told(TOPICS, &order, &["--from is not before --to"]);
    for wrong in ["yesterday", "2026-01-31", "-2h", "5"] {
        assert_told(TOPICS, &["-c", "CONFIG", "--from", wrong], &["how long ago: 90s, 5m, 2h, 7d"]);
    }
}

#[test]
fn a_configuration_is_one_of_topics_that_answer() {
    let files = "name = \"t\"\nrules = [\"good.rules\"]\n[[source]]\nstdin = true\n[alerts]\nstdout = true\n";
    assert_told(files, &["-c", "CONFIG"], &["the sources of", "are no topics", "--rules"]);
    assert_told("name = 1\n", &["-c", "CONFIG"], &["t.toml:1"]);
    assert_told("", &["-c", "absent.toml"], &["cannot read the configuration absent.toml"]);
    assert_told(TOPICS, &["-c", "CONFIG"], &["cannot read the topics: no answer from 127.0.0.1:1: ", "refused"]);
}
