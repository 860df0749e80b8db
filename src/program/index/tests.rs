//! Which way a rule is found, and that a value leads to what asks for it and to nothing else.

use super::*;
use crate::diagnostic::FileId;
use crate::lang;
use crate::program::RuleId;

const DECLARATIONS: &str = "
event login user_id text, country text, ip ip, n integer, seen time
event purchase user_id text, country text, amount number, n integer, flag boolean
";

/// The program of rules whose patterns are these, in order.
fn program(patterns: &[&str]) -> Program {
    let rule = |(at, pattern): (usize, &&str)| format!("rule r{at:02} for each user_id {pattern} alert low\n");
    let rules: String = patterns.iter().enumerate().map(rule).collect();
    let (file, diagnostics) = lang::parse(FileId::default(), &format!("{DECLARATIONS}{rules}"));
    assert!(diagnostics.is_empty(), "{diagnostics:?}");
    let checked = lang::check(&[file]);
    assert!(checked.is_ok(), "{:?}", checked.diagnostics);
    checked.program
}

/// By what the rules of these patterns are found at an event of a type, in words.
fn found(event_type: &str, patterns: &[&str]) -> Vec<String> {
    let program = program(patterns);
    let plan = &program.types[program.schema.type_id(event_type).expect("declared").index()];
    let entries = &plan.dispatch[0].entries;
    let field = |subject: &Expr| match subject {
        Expr::Field(slot) => program.schema.type_id(event_type).map(|id| {
            let at = plan.fields[usize::from(*slot)];
            program.schema.get(id).fields[at].dotted()
        }),
        Expr::Call(function, _) => Some(format!("{}()", function.name)),
        _ => None,
    };
    let words = |found: &Found| match found {
        Found::Always => "always".to_owned(),
        Found::Equality(at) => format!("{} equal", field(&entries.equalities[*at].subject).expect("a field")),
        Found::Threshold(at) => format!("{} bound", field(&entries.thresholds[*at].subject).expect("a field")),
        Found::Condition(at) => format!("condition {at}"),
    };
    let rules = (0..patterns.len()).map(|at| RuleId(u32::try_from(at).expect("few rules")));
    rules.map(|rule| entries.found(rule).iter().map(words).collect::<Vec<_>>().join(", ")).collect()
}

#[test]
fn a_rule_is_found_by_a_part_that_must_hold() {
    let ways = found(
        "purchase",
        &[
            "on purchase where country is \"DE\"",
            "on purchase where \"DE\" is country",
            "on purchase where country in (\"US\", \"GB\") and amount > 1",
            "on purchase where amount > 100",
            "on purchase where 100 >= amount",
            "on purchase where country is \"DE\" or amount > 5",
            "on purchase where lower(country) is \"de\"",
            "on purchase where country is not \"DE\"",
            "on purchase where country is not \"DE\"",
            "on purchase where country is \"DE\" or n is missing",
            "on purchase",
            "on purchase where flag",
        ],
    );
    let expected = [
        "country equal",
        "country equal",
        "country equal",
        "amount bound",
        "amount bound",
        "country equal, amount bound",
        "lower() equal",
        "condition 0",
        "condition 0",
        "condition 1",
        "always",
        "condition 2",
    ];
    assert_eq!(ways, expected);
}

#[test]
fn what_depends_on_more_than_the_event_finds_nothing() {
    let ways = found(
        "purchase",
        &[
            "on purchase where count(purchase) over 1 minute > 3",
            "on purchase where count(purchase) over 1 minute > 3 and n is 1",
            "on purchase where country is new over 1 day or n is 1",
            "on purchase where amount > 5 for 1 minute",
        ],
    );
    assert_eq!(ways, ["always", "n equal", "always", "always"]);
}

#[test]
fn later_steps_are_looked_at_only_where_something_is_open() {
    let patterns = [
        "on login a where n is 1 then purchase b where country is not a.country within 1 minute",
        "on purchase then no login within 1 minute",
    ];
    assert_eq!(found("login", &patterns), ["n equal", ""]);
    assert_eq!(found("purchase", &patterns), ["", "always"]);
}

#[test]
fn every_slot_side_and_event_of_a_session_can_begin_something() {
    let patterns = [
        "on all of login a where n is 1, purchase b where amount > 2 and country is a.country within 1 minute",
        "on all of login a, login b where n is 2 within 1 minute",
        "on each pair of login a, purchase b where a.n is 1 and b.country is \"DE\" within 1 minute",
        "on session s of login, purchase after 1 minute idle where count(s) > 2",
    ];
    assert_eq!(found("login", &patterns), ["n equal", "always, n equal", "n equal", "always"]);
    assert_eq!(found("purchase", &patterns), ["amount bound", "", "country equal", "always"]);
}

#[test]
fn the_part_that_leaves_out_most_is_chosen() {
    let own_country = |at: usize| format!("on purchase where n is 1 and amount > {at} and country is \"C{at}\"");
    let own_amount = |at: usize| format!("on purchase where n is 1 and amount > {at}");
    for (pattern, expected) in
        [(&own_country as &dyn Fn(usize) -> String, "country equal"), (&own_amount, "amount bound")]
    {
        let patterns: Vec<String> = (0..4).map(pattern).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        assert_eq!(found("purchase", &patterns), [expected; 4]);
    }
}

fn values() -> Vec<Value> {
    let ip = |text: &str| Value::Ip(text.parse().expect("an address"));
    let beyond = 9_007_199_254_740_992.0;
    [0, 1, 2, (1 << 53) + 1, i64::MAX, i64::MIN]
        .map(Value::Integer)
        .into_iter()
        .chain([0.0, -0.0, 1.0, 0.5, 1.5, beyond, 1e300, -1e300, 9_223_372_036_854_775_808.0].map(Value::Number))
        .chain(["", "DE", "de", "1"].map(|text| Value::Text(text.into())))
        .chain([0, 1].map(Value::Time))
        .chain([true, false].map(Value::Boolean))
        .chain([ip("10.0.0.1"), ip("2001:db8::1"), Value::Missing, Value::List(Box::new([Value::Integer(1)]))])
        .collect()
}

#[test]
fn an_equal_value_finds_what_asks_for_it_and_nothing_else() {
    let mut equality = Equality::new(Expr::Time);
    let asked: Vec<Value> =
        values().into_iter().filter(|value| !matches!(value, Value::Missing | Value::List(_))).collect();
    asked.iter().zip(0..).for_each(|(value, listener)| equality.insert(value, listener));
    for value in values() {
        let is_equal = |(asked, listener)| (equal(asked, &value) == Some(true)).then_some(listener);
        let expected: Vec<i32> = asked.iter().zip(0..).filter_map(is_equal).collect();
        assert_eq!(equality.find(&value), expected, "{value:?}");
    }
}

#[test]
fn a_value_finds_the_bounds_that_it_fulfils_and_no_others() {
    use Comparison::{Greater, GreaterOrEqual, Less, LessOrEqual};
    let kinds: [fn(&Value) -> bool; 3] = [
        |value| matches!(value, Value::Integer(_) | Value::Number(_)),
        |value| matches!(value, Value::Text(_)),
        |value| matches!(value, Value::Ip(_)),
    ];
    for kind in kinds {
        let mut thresholds = Thresholds::new(Expr::Time);
        let bounds: Vec<Value> = values().into_iter().filter(kind).collect();
        let asked = || bounds.iter().flat_map(|bound| [Greater, Less, GreaterOrEqual, LessOrEqual].map(|c| (c, bound)));
        asked().zip(0..).for_each(|((comparison, bound), listener)| thresholds.push(comparison, bound, listener));
        thresholds.sort();
        for value in values() {
            let fulfils = |((comparison, bound), listener): ((Comparison, &Value), i32)| {
                let standing = order(&value, bound)?;
                let holds = match comparison {
                    Greater => standing.is_gt(),
                    GreaterOrEqual => standing.is_ge(),
                    Less => standing.is_lt(),
                    _ => standing.is_le(),
                };
                holds.then_some(listener)
            };
            let expected: Vec<i32> = asked().zip(0..).filter_map(fulfils).collect();
            let mut found = [thresholds.least.find(&value), thresholds.most.find(&value)].concat();
            found.sort_unstable();
            assert_eq!(found, expected, "{value:?}");
        }
    }
}

#[test]
fn a_condition_of_several_rules_is_one() {
    let same = "on purchase where n is not 1 and amount > 2";
    let program = program(&[same, same, "on purchase where n is not 2"]);
    let parts = |rule: &Rule| match &rule.steps[0].guards[0].condition {
        Some(Condition::All(parts)) => parts.clone(),
        one => one.iter().cloned().collect(),
    };
    let numbers: Vec<Vec<Option<u32>>> = program
        .rules
        .iter()
        .map(|rule| {
            let number = |part: &Condition| match part {
                Condition::Shared(id, _) => Some(id.0),
                _ => None,
            };
            parts(rule).iter().map(number).collect()
        })
        .collect();
    assert_eq!(numbers, [vec![Some(0), Some(1)], vec![Some(0), Some(1)], vec![None]]);
    assert_eq!(program.predicates, 2);
}
