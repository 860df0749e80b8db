//! The examples of the functions, as the manual shows them, through the checker and the engine.

use std::sync::Arc;

use tripline::lang::functions::{self, Definition};
use tripline::ruleset::RuleSet;
use tripline::ruletest::run_block;

/// A rule that alerts if an example gives what it says, on events with the names and places that examples use.
fn rule(expression: &str, result: &str) -> String {
    format!(
        "event visit location point
event probe berlin point, paris point

rule example
  on visit berlin_at_noon
  then visit paris_at_noon
  then visit paris_at_one
  then probe where ({expression}) is {result}
  within 1 day
  alert info

test example
  at 12 h visit location [13.405, 52.52]
  at 12 h visit location [2.3522, 48.8566]
  at 13 h visit location [2.3522, 48.8566]
  at 14 h probe berlin [13.405, 52.52] paris [2.3522, 48.8566]
  expect example once
"
    )
}

#[test]
fn every_example_gives_what_it_says() {
    for Definition { examples, .. } in functions::ALL {
        for (expression, result) in *examples {
            let set = RuleSet::from_texts([("example.rules".to_owned(), rule(expression, result))]);
            assert!(set.checked.diagnostics.is_empty(), "{expression}: {:#?}", set.checked.diagnostics);
            let program = Arc::clone(&set.program().expect("there is no problem"));
            let outcome = run_block(&program, &set.checked.tests[0]);
            assert!(outcome.passed(), "{expression} is not {result}: {:?}", outcome.failures);
        }
    }
}
