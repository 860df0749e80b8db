//! `why` over generated rules and streams: what it suggests fires, by the reference evaluator too.

use std::sync::Arc;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use serde_json::Value as Json;
use tripline::engine::End;
use tripline::event::Sources;
use tripline::lang::{self, ast};
use tripline::program::Program;
use tripline::testing::generate::{Case, case, windowed_case};
use tripline::testing::oracle;
use tripline::why::{Answer, Inquiry, Question, Suggestion};

use super::reference::decoded;

const CASES: usize = 150;

#[test]
fn every_suggestion_fires_by_the_reference_too() {
    let mut runner = TestRunner::deterministic();
    let (mut fired, mut silent, mut suggested) = (0, 0, 0);
    for number in 0..CASES {
        let strategy = if number % 2 == 0 { case().boxed() } else { windowed_case().boxed() };
        let case = strategy.new_tree(&mut runner).expect("the generator makes a case").current();
        let checked = lang::check(std::slice::from_ref(&case.file));
        assert!(checked.is_ok(), "{case:?}");
        let program = Arc::new(checked.program);
        let events = decoded(&program, &case.events);
        for (rule, key) in questions(&program, &case) {
            let question = Question { rule: rule.clone(), key: key.clone(), at: None };
            let files = std::slice::from_ref(&case.file);
            let mut inquiry = Inquiry::new(files, &program, &question).expect("the rule and its key are there");
            for event in &events {
                inquiry.see(event);
            }
            let Answer { fired: has_fired, suggestions, .. } = inquiry.answer(End::LastEvent, &Sources::default());
            assert_eq!(has_fired, alerts(&case.file, &case, &rule, &key), "{rule} for {key} in {case:?}");
            assert!(!has_fired || suggestions.is_empty());
            fired += usize::from(has_fired);
            silent += usize::from(!has_fired);
            for suggestion in suggestions {
                suggested += 1;
                let changed = with(&case.file, &suggestion);
                let text = (&suggestion.old, &suggestion.new);
                assert!(alerts(&changed, &case, &rule, &key), "{text:?} does not fire {rule} for {key} in {case:?}");
            }
        }
    }
    assert!(fired > 20 && silent > 20 && suggested > 20, "{fired} fired, {silent} did not, {suggested} suggestions");
}

/// Every rule with every key that the events hold.
fn questions(program: &Program, case: &Case) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for rule in &program.rules {
        let names = &program.keys[rule.key.index()].parts;
        if names.is_empty() {
            all.push((rule.name.to_string(), "-".to_owned()));
            continue;
        }
        for event in &case.events {
            let parts: Option<Vec<String>> = names.iter().map(|name| text(part(&event.body, name)?)).collect();
            all.extend(parts.map(|parts| (rule.name.to_string(), parts.join(","))));
        }
    }
    all.sort();
    all.dedup();
    all
}

fn part<'j>(body: &'j Json, path: &str) -> Option<&'j Json> {
    path.split('.').try_fold(body, |value, name| value.get(name))
}

fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a rule fires for a key, by the reference.
fn alerts(file: &ast::File, case: &Case, rule: &str, key: &str) -> bool {
    let said =
        oracle::evaluate(std::slice::from_ref(file), &case.events, &oracle::Tables::new(), oracle::End::LastEvent);
    said.iter().filter(|said| said.rule == rule).any(|said| {
        let parts: Vec<String> = said.key.iter().filter_map(|(_, value)| text(value)).collect();
        parts.join(",") == key || (said.key.is_empty() && key == "-")
    })
}

/// The file with the suggested rule in place of its own.
fn with(file: &ast::File, suggestion: &Suggestion) -> ast::File {
    let mut changed = file.clone();
    let ast::Item::Rule(new) = suggestion.item() else { panic!("the cases have only rules") };
    for item in &mut changed.items {
        if let ast::Item::Rule(rule) = &mut item.node
            && rule.name == new.name
        {
            *rule = new.clone();
        }
    }
    changed
}
