//! Tests in rule files: their events as JSON, and what they expect.

use std::collections::HashMap;

use serde_json::{Map, Value as Json, json};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Expect, ExpectCount, Item, Literal, Number, Path, Spanned, TestEvent, TestLine};
use crate::lang::check::{Checker, items};
use crate::program::Condition;
use crate::schema::{Kind, TypeId};

/// A test that can be run.
#[derive(Clone, Debug)]
pub struct RuleTest {
    /// The rule that it is of.
    pub rule: String,
    /// What it shows.
    pub description: String,
    /// Where it is written.
    pub span: Span,
    /// Its events in order of time.
    pub events: Vec<TestCase>,
    /// What it expects.
    pub expectations: Vec<Expectation>,
}

/// An event of a test.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// Its time in ms since the test's beginning.
    pub at_ms: i64,
    /// Its type's name.
    pub event_type: String,
    /// Its body.
    pub body: Json,
}

/// What a test expects of a rule.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The rule.
    pub rule: String,
    /// How many alerts.
    pub count: u64,
    /// When, in ms since the test's beginning.
    pub at_ms: Option<i64>,
    /// What holds of each alert.
    pub with: Option<Condition>,
}

/// The tests as they are written.
pub(super) struct Collected<'a> {
    all: Vec<&'a ast::Test>,
    /// The `with` conditions on each rule's alerts, with their places.
    with: HashMap<&'a str, Vec<(Span, &'a ast::Expr)>>,
}

/// The compiled `with` conditions, by their place.
pub(super) type Conditions = HashMap<Span, Condition>;

/// All tests of the files.
pub(super) fn collect(files: &[ast::File]) -> Collected<'_> {
    let tests = items(files).filter_map(|item| match &item.node {
        Item::Test(test) => Some(test),
        _ => None,
    });
    let mut collected = Collected { all: tests.collect(), with: HashMap::new() };
    for line in collected.all.iter().flat_map(|test| &test.lines) {
        if let TestLine::Expect(expect) = &line.node
            && let (Some(name), Some(with)) = (&expect.rule, &expect.with)
        {
            collected.with.entry(&name.node).or_default().push((with.span, with));
        }
    }
    collected
}

impl<'a> Collected<'a> {
    /// The `with` conditions on a rule's alerts, with their places.
    pub(super) fn conditions_on(&self, rule: &str) -> impl Iterator<Item = (Span, &'a ast::Expr)> {
        self.with.get(rule).into_iter().flatten().copied()
    }
}

/// Checks the tests and makes them ready to run.
pub(super) fn compile(checker: &mut Checker, tests: &Collected<'_>, mut conditions: Conditions) -> Vec<RuleTest> {
    tests.all.iter().map(|test| compile_test(checker, test, &mut conditions)).collect()
}

fn compile_test(checker: &mut Checker, test: &ast::Test, conditions: &mut Conditions) -> RuleTest {
    checker.known_rule(&test.rule);
    let mut events: Vec<TestCase> = Vec::new();
    let mut expectations = Vec::new();
    for line in &test.lines {
        match &line.node {
            TestLine::Event(event) => {
                if events.last().is_some_and(|last| event.at.ms < last.at_ms) {
                    checker.report(
                        Diagnostic::new(Code::TestOrder, event.at.span, "this event is before the one above it")
                            .help("write a test's events in order of time"),
                    );
                }
                events.push(checker.test_event(event));
            }
            TestLine::Expect(expect) => expectations.push(expectation(checker, test, expect, conditions)),
        }
    }
    if expectations.is_empty() {
        checker.report(
            Diagnostic::new(
                Code::TestWithoutExpect,
                test.rule.span,
                format!("this test of `{}` expects nothing", test.rule.node),
            )
            .help(format!(
                "end it with `expect {} once`, or with `expect nothing` if it shows a silence",
                test.rule.node
            )),
        );
    }
    let description = test.description.as_ref().map_or_else(String::new, |text| text.node.clone());
    RuleTest { rule: test.rule.node.clone(), description, span: test.rule.span, events, expectations }
}

fn expectation(checker: &mut Checker, test: &ast::Test, expect: &Expect, conditions: &mut Conditions) -> Expectation {
    if let Some(rule) = &expect.rule {
        checker.known_rule(rule);
    }
    let count = match expect.count {
        ExpectCount::Nothing => 0,
        ExpectCount::Once => 1,
        ExpectCount::Times(n) => n,
    };
    Expectation {
        rule: expect.rule.as_ref().unwrap_or(&test.rule).node.clone(),
        count,
        at_ms: expect.at.as_ref().map(|at| at.ms),
        with: expect.with.as_ref().and_then(|with| conditions.remove(&with.span)),
    }
}

impl Checker {
    fn known_rule(&mut self, name: &ast::Name) {
        if self.names.rules.contains_key(&name.node) || self.is_dropped(&name.node) {
            return;
        }
        let known: Vec<String> = self.names.rules.keys().cloned().collect();
        let diagnostic = Diagnostic::new(Code::UnknownRule, name.span, format!("no rule is called `{}`", name.node))
            .help("a test names a rule of the files that are read together")
            .did_you_mean(name.span, &name.node, known.iter().map(String::as_str));
        self.report(diagnostic);
    }

    fn test_event(&mut self, event: &TestEvent) -> TestCase {
        let mut body = Map::new();
        if let Some(type_id) = self.type_id(&event.event_type) {
            if self.relations.is_derived(type_id) {
                let (name, span) = (&event.event_type.node, event.event_type.span);
                let diagnostic = Diagnostic::new(
                    Code::TestValue,
                    span,
                    format!("`{name}` is a rule: its alerts come by themselves"),
                )
                .help("write the events that make the rule alert");
                self.report(diagnostic);
            }
            for (path, value) in &event.fields {
                self.test_field(type_id, path, value, &mut body);
            }
        }
        TestCase { at_ms: event.at.ms, event_type: event.event_type.node.clone(), body: Json::Object(body) }
    }

    fn test_field(&mut self, type_id: TypeId, path: &Path, value: &Spanned<Literal>, body: &mut Map<String, Json>) {
        let event_type = self.schema.get(type_id);
        let names: Vec<&str> = path.segments.iter().map(|segment| segment.node.as_str()).collect();
        let Some(field) = event_type.field(&names) else {
            let fields: Vec<String> = event_type.fields.iter().map(crate::schema::Field::dotted).collect();
            let (span, written, event) = (path.span(), path.dotted(), event_type.name.clone());
            if self.is_dropped_field(type_id, &written) {
                return;
            }
            let diagnostic = Diagnostic::new(Code::UnknownField, span, format!("`{event}` has no field `{written}`"))
                .help("a test's events have the fields that their type declares")
                .did_you_mean(span, &written, fields.iter().map(String::as_str));
            self.report(diagnostic);
            return;
        };
        let kind = event_type.fields[field].kind.clone();
        if !fits(&value.node, &kind) {
            self.report(
                Diagnostic::new(Code::TestValue, value.span, format!("`{}` is declared as {kind}", path.dotted()))
                    .help("write a value of that kind, or `null` for a missing one"),
            );
        }
        if !put(body, &names, json_of(&value.node)) {
            self.report(
                Diagnostic::new(Code::DuplicateName, path.span(), format!("`{}` is given twice", path.dotted()))
                    .help("a field, or a field around it, has a value already"),
            );
        }
    }
}

/// Puts a value at a path. Returns false where something stands in the way.
fn put(body: &mut Map<String, Json>, path: &[&str], value: Json) -> bool {
    let (first, rest) = path.split_first().expect("a path has a segment");
    if rest.is_empty() {
        return body.insert((*first).to_owned(), value).is_none();
    }
    match body.entry(*first).or_insert_with(|| json!({})) {
        Json::Object(inner) => put(inner, rest, value),
        _ => false,
    }
}

fn fits(value: &Literal, kind: &Kind) -> bool {
    match (value, kind) {
        (Literal::Null, _)
        | (Literal::Text(_), Kind::Text)
        | (Literal::Boolean(_), Kind::Boolean)
        | (Literal::Number(_), Kind::Number)
        | (Literal::Number(Number::Integer(_)), Kind::Integer | Kind::Time) => true,
        (Literal::Text(text), Kind::Ip) => text.parse::<std::net::IpAddr>().is_ok(),
        (Literal::Text(text), Kind::Time) => text.parse::<jiff::Timestamp>().is_ok(),
        (Literal::List(numbers), Kind::Point) => {
            numbers.len() == 2 && numbers.iter().all(|number| matches!(number, Literal::Number(_)))
        }
        (Literal::Object(fields), Kind::Point) => {
            ["latitude", "longitude"].iter().all(|name| fields.iter().any(|(field, _)| field == name))
        }
        (Literal::List(values), Kind::List(of)) => values.iter().all(|value| fits(value, of)),
        _ => false,
    }
}

fn json_of(value: &Literal) -> Json {
    match value {
        Literal::Null => Json::Null,
        Literal::Boolean(b) => json!(b),
        Literal::Number(Number::Integer(n)) => json!(n),
        Literal::Number(Number::Float(n)) => json!(n),
        Literal::Text(text) => json!(text),
        Literal::List(values) => Json::Array(values.iter().map(json_of).collect()),
        Literal::Object(fields) => {
            Json::Object(fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect())
        }
    }
}
