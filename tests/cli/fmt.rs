//! `fmt`: in place, as a check, and as a filter.

use super::{Folder, GOOD, tripline, tripline_reading};

const UNTIDY: &str =
    "event login user_id text\nrule any_login for each user_id on every login alert low \"{user_id}\"\n";

#[test]
fn check_names_what_would_change_and_changes_nothing() {
    let folder = Folder::new();
    let (tidy, untidy) = (folder.file("tidy.rules", GOOD), folder.file("untidy.rules", UNTIDY));
    let ran = tripline(&["fmt", "--check", &tidy, &untidy]).expect(1);
    assert_eq!(folder.without(&ran.out), "untidy.rules\n");
    assert_eq!(std::fs::read_to_string(&untidy).expect("still there"), UNTIDY);
    tripline(&["fmt", "--check", &tidy]).expect(0);
}

#[test]
fn a_file_is_replaced_by_its_one_form() {
    let folder = Folder::new();
    let untidy = folder.file("untidy.rules", UNTIDY);
    tripline(&["fmt", &untidy]).expect(0);
    assert_eq!(std::fs::read_to_string(&untidy).expect("still there"), GOOD);
    let files = std::fs::read_dir(folder.0.path()).expect("readable").count();
    assert_eq!(files, 1, "nothing is left beside it");
}

#[test]
fn standard_input_goes_to_standard_output() {
    let ran = tripline_reading(&["fmt", "-"], UNTIDY.as_bytes()).expect(0);
    assert_eq!(ran.out, GOOD);
    tripline_reading(&["fmt", "--check", "-"], UNTIDY.as_bytes()).expect(1);
    tripline_reading(&["fmt", "--check", "-"], GOOD.as_bytes()).expect(0);
}

#[test]
fn what_cannot_be_parsed_stays_as_it_is() {
    let folder = Folder::new();
    let broken = UNTIDY.replace("every login", "every");
    let path = folder.file("broken.rules", &broken);
    let ran = tripline(&["fmt", &path]).expect(2);
    assert!(ran.err.contains("broken.rules:2:"), "{ran:#?}");
    assert_eq!(std::fs::read_to_string(&path).expect("still there"), broken);
    tripline(&["fmt", "no/such.rules"]).expect(3);
}
