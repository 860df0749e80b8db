//! The rules and fixtures that are shipped.

use super::tripline;

#[test]
fn shipped_rules_have_no_problems_and_the_one_form() {
    let ran = tripline(&["check", "--strict", "rules"]).expect(0);
    assert_eq!(ran.out, "");
    assert_eq!(tripline(&["fmt", "--check", "rules"]).expect(0).out, "");
}

#[test]
fn shipped_tests_and_fixtures_pass() {
    let ran = tripline(&["test", "rules", "fixtures"]).expect(0);
    assert!(ran.out.ends_with(" passed, 0 failed\n"), "{}", ran.out);
}

/// No part of a shipped rule is untested, and no change to one goes unnoticed without an explanation.
#[test]
fn shipped_rules_are_covered() {
    tripline(&["test", "--coverage", "rules", "fixtures"]).expect(0);
}

#[test]
fn every_shipped_rule_explains_itself_and_is_tested_both_ways() {
    let paths = [std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")];
    let set = tripline::ruleset::RuleSet::load(&paths).expect("the folder is there");
    for rule in &set.checked.program.rules {
        let tests: Vec<_> = set.checked.tests.iter().filter(|test| *test.rule == *rule.name).collect();
        let expects = |none: bool| tests.iter().any(|test| test.expectations.iter().any(|e| (e.count == 0) == none));
        assert!(expects(false) && expects(true), "{} is not tested both ways", rule.name);
        assert!(!rule.alert.tags.is_empty(), "{} has no tags", rule.name);
        let text = set
            .sources
            .ids()
            .map(|id| set.sources.text(id))
            .find(|text| ["rule", "risk"].iter().any(|word| text.contains(&format!("{word} {} \"", rule.name))));
        assert!(
            text.is_some_and(|text| text.starts_with('#')),
            "{} has no description or its file no comment",
            rule.name
        );
    }
}
