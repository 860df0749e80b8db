//! From syntax trees to a program: every name resolved, every type checked, every problem told at once.
//!
//! - `declarations` event types;
//! - `slots`        what is read of each event type;
//! - `steps`        the steps of a rule, as names see them;
//! - `scope`        which names can be seen at a place;
//! - `expr`         values and conditions; `calls` functions and aggregates; `compare` comparisons;
//! - `rule`         a rule's shape, conditions and alert; `key` its key;
//! - `tests`        tests in rule files;
//! - `identity`     what an alert's id and a rule's version depend on.
//!
//! Checking and compiling are one pass: a checked expression *is* its compiled form, so there is no third tree to
//! keep in step. Nothing here reads files or runs rules.

mod calls;
mod compare;
mod declarations;
mod expr;
mod identity;
mod key;
mod rule;
mod scope;
mod slots;
mod steps;
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::lang::ast::{self, Item, Name};
use crate::program::{Dispatch, KeyId, KeyPlan, Program, RuleId, TypePlan};
use crate::schema::{Schema, TypeId};
use slots::Slots;

pub use tests::{Expectation, RuleTest, TestCase};

/// What came of checking.
#[derive(Debug, Default)]
pub struct Checked {
    /// The rules that are right; all of them where there is no error.
    pub program: Program,
    /// The tests of the files, in order.
    pub tests: Vec<RuleTest>,
    /// All problems, in the order of files and places.
    pub diagnostics: Vec<Diagnostic>,
}

impl Checked {
    /// Whether nothing stands in the way of running the rules.
    pub fn is_ok(&self) -> bool {
        self.diagnostics.iter().all(|diagnostic| diagnostic.severity() != Severity::Error)
    }
}

/// The most rules of one program.
const RULES_MAX: usize = 100_000;

/// Checks the files of one rule set together.
pub fn check(files: &[ast::File]) -> Checked {
    let mut checker = Checker { names: Names::collect(files), ..Checker::default() };
    checker.schema = declarations::schema(files, &mut checker.diagnostics, &mut checker.names.dropped_fields);
    checker.slots = Slots::new(&checker.schema);
    checker.refuse_unsupported(files);
    checker.refuse_duplicate_rules(files);
    let tests = tests::collect(files);
    let mut compiled = Vec::new();
    let mut conditions = tests::Conditions::default();
    for rule in rules(files) {
        if let Some(made) = rule::compile(&mut checker, rule, &tests, &mut conditions) {
            compiled.push(made);
        }
    }
    checker.finish(compiled, &tests, conditions)
}

fn items(files: &[ast::File]) -> impl Iterator<Item = &ast::Spanned<Item>> {
    files.iter().flat_map(|file| &file.items)
}

fn rules(files: &[ast::File]) -> impl Iterator<Item = &ast::Rule> {
    items(files).filter_map(|item| match &item.node {
        Item::Rule(rule) => Some(rule),
        _ => None,
    })
}

/// What the parts of the checker share.
#[derive(Debug, Default)]
struct Checker {
    schema: Schema,
    names: Names,
    slots: Slots,
    diagnostics: Vec<Diagnostic>,
    /// How many uses of names were let pass because what they name could not be read.
    excused: usize,
}

/// The names of what is declared beside event types.
#[derive(Debug, Default)]
struct Names {
    rules: BTreeMap<String, Span>,
    lookups: BTreeMap<String, Span>,
    /// What could not be read and is told of already: a use is no second error.
    dropped: BTreeSet<String>,
    /// The fields of an unknown kind, with their types.
    dropped_fields: BTreeSet<String>,
}

impl Names {
    fn collect(files: &[ast::File]) -> Names {
        let dropped = files.iter().flat_map(|file| &file.dropped);
        let mut names = Names { dropped: dropped.map(|name| name.node.clone()).collect(), ..Names::default() };
        for item in items(files) {
            match &item.node {
                Item::Rule(rule) => drop(names.rules.entry(rule.name.node.clone()).or_insert(rule.name.span)),
                Item::List(lookup) | Item::Table(lookup) => {
                    names.lookups.entry(lookup.name.node.clone()).or_insert(lookup.name.span);
                }
                _ => {}
            }
        }
        names
    }
}

impl Checker {
    fn report(&mut self, diagnostic: Diagnostic) {
        // A condition of `X or Y` is checked once for each type and may be wrong in the same way for both.
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether a name is that of an item that could not be read.
    fn is_dropped(&mut self, name: &str) -> bool {
        let dropped = self.names.dropped.contains(name);
        self.excused += usize::from(dropped);
        dropped
    }

    /// Whether a field is declared with a kind that is unknown.
    fn is_dropped_field(&mut self, type_id: TypeId, path: &str) -> bool {
        let dropped = self.names.dropped_fields.contains(&format!("{}.{path}", self.schema.get(type_id).name));
        self.excused += usize::from(dropped);
        dropped
    }

    fn not_yet(&mut self, span: Span, what: &str) {
        self.report(
            Diagnostic::new(Code::NotYet, span, format!("{what} not supported yet"))
                .help("it is part of the language and will come; this version refuses it rather than misread it"),
        );
    }

    fn refuse_unsupported(&mut self, files: &[ast::File]) {
        for item in items(files) {
            match &item.node {
                Item::List(list) => self.not_yet(list.name.span, "lists are"),
                Item::Table(table) => self.not_yet(table.name.span, "tables are"),
                Item::Risk(risk) => self.not_yet(risk.name.span, "risk sums are"),
                Item::Measure(measure) => self.not_yet(measure.name.span, "measures are"),
                Item::Event(_) | Item::Rule(_) | Item::Test(_) => {}
            }
        }
    }

    fn refuse_duplicate_rules(&mut self, files: &[ast::File]) {
        for rule in rules(files) {
            let first = self.names.rules[&rule.name.node];
            if first != rule.name.span {
                self.report(duplicate(&rule.name, first, "rule"));
            }
        }
        if self.names.rules.len() > RULES_MAX {
            let (_, span) = self.names.rules.last_key_value().expect("there are many");
            self.report(
                Diagnostic::new(Code::RuleLimit, *span, format!("there are more than {RULES_MAX} rules"))
                    .help("run them as several rule sets"),
            );
        }
    }

    fn finish(
        mut self,
        mut compiled: Vec<rule::Compiled>,
        tests: &[tests::Collected<'_>],
        conditions: tests::Conditions,
    ) -> Checked {
        compiled.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        let tests = tests::compile(&mut self, tests, conditions);
        let mut program = Program { schema: self.schema, ..Program::default() };
        program.types = self.slots.into_fields().into_iter().map(type_plan).collect();
        for made in compiled {
            add_rule(&mut program, made);
        }
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.primary.span, diagnostic.code));
        Checked { program, tests, diagnostics: self.diagnostics }
    }
}

fn type_plan(fields: Vec<usize>) -> TypePlan {
    TypePlan { fields, dispatch: Vec::new() }
}

/// Adds a rule to the program: its number, its key, and its place with the types that it names.
fn add_rule(program: &mut Program, made: rule::Compiled) {
    let rule::Compiled { mut rule, key, dispatch, .. } = made;
    rule.id = RuleId(u32::try_from(program.rules.len()).expect("rules are limited"));
    rule.key = key_id(program, key);
    for (type_id, values) in dispatch {
        let listeners = &mut program.types[type_id.index()].dispatch;
        match listeners.iter_mut().find(|dispatch| dispatch.key == rule.key && dispatch.values == values) {
            Some(dispatch) => dispatch.rules.push(rule.id),
            None => listeners.push(Dispatch { key: rule.key, values, rules: vec![rule.id] }),
        }
    }
    program.rules.push(rule);
}

fn key_id(program: &mut Program, key: KeyPlan) -> KeyId {
    let at = program.keys.iter().position(|other| *other == key).unwrap_or_else(|| {
        program.keys.push(key);
        program.keys.len() - 1
    });
    KeyId(u32::try_from(at).expect("keys are as few as rules"))
}

/// "`x` is declared twice", with both places.
fn duplicate(name: &Name, first: Span, what: &str) -> Diagnostic {
    Diagnostic::new(Code::DuplicateName, name.span, format!("the {what} `{}` is declared twice", name.node))
        .at("again here")
        .label(first, "first here")
        .help("give one of the two another name, or remove it")
}
