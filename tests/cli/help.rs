//! What `--help` says of the program and of every subcommand.

use super::tripline;

#[test]
fn the_help_of_every_subcommand_is_as_recorded() {
    let help = tripline(&["--help"]).expect(0).out;
    insta::assert_snapshot!("tripline", help);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names: Vec<&str> = commands
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    assert!(names.contains(&"check") && names.contains(&"replay"), "{names:?}");
    for name in names {
        insta::assert_snapshot!(format!("tripline_{name}"), tripline(&[name, "--help"]).expect(0).out);
    }
}

#[test]
fn a_wrong_argument_is_told_on_standard_error() {
    let ran = tripline(&["check", "--formt", "json", "rules"]);
    assert_ne!(ran.code, Some(0));
    assert_eq!(ran.out, "");
    assert!(ran.err.contains("--format"), "{ran:#?}");
}

#[test]
fn wrong_arguments_are_bad_input_and_not_bad_rules() {
    let ran = super::tripline(&["check", "--fromat", "json", "rules"]).expect(3);
    assert!(ran.err.contains("--format"), "{ran:#?}");
    super::tripline(&["nonsense"]).expect(3);
    super::tripline(&["--version"]).expect(0);
}
