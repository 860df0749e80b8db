//! From syntax trees to a program: every name resolved, every type checked, every problem told at once.
//!
//! - `declarations` event types;
//! - `slots`        what is read of each event type;
//! - `steps`        the steps of a rule, as names see them;
//! - `scope`        which names can be seen at a place;
//! - `expr`         values and conditions; `calls` functions and aggregates; `compare` comparisons;
//! - `aggregates`   aggregates over steps; `session` over sessions; `past` over windows, and `is new`;
//! - `relations`    rules over other rules' alerts;
//! - `rule`         a rule's conditions; `shape` its form, `names` its types and names, `key` its key, `alert` its alert,
//!   `unordered` conditions on events in any order; `risk` a risk as a rule;
//! - `measure`      measures;
//! - `lint`         what is allowed and hardly meant;
//! - `assemble`     from compiled rules to the program;
//! - `tables`       lists and tables;
//! - `tests`        tests in rule files;
//! - `identity`     what an alert's id and a rule's version depend on.
//!
//! Checking and compiling are one pass: a checked expression *is* its compiled form, so there is no third tree to
//! keep in step. Nothing here reads files or runs rules.

mod aggregates;
mod alert;
mod assemble;
mod calls;
mod compare;
mod declarations;
mod expr;
mod identity;
mod key;
mod lint;
mod measure;
mod names;
mod past;
mod relations;
mod risk;
mod rule;
mod scope;
mod session;
mod shape;
mod slots;
mod steps;
mod tables;
mod tests;
mod unordered;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::lang::ast::{self, Item, Name};
use crate::program::{Program, TypePlan};
use crate::schema::{Schema, TypeId};
use past::PastPlans;
use relations::Relations;
use slots::Slots;

pub use tables::{FileLookup, FileRead, Lookups, file_lookups};
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

/// Checks the files of one rule set together. Lists and tables from files are refused: see [`check_with`].
pub fn check(files: &[ast::File]) -> Checked {
    check_with(files, Lookups::default())
}

/// As [`check`], with what the files of lists and tables hold: see [`file_lookups`].
pub fn check_with(files: &[ast::File], lookups: Lookups) -> Checked {
    let mut checker = Checker { names: Names::collect(files), ..Checker::default() };
    checker.schema = declarations::schema(files, &mut checker.diagnostics, &mut checker.names.dropped_fields);
    checker.tables = tables::declare(&mut checker, files, lookups);
    checker.slots = Slots::new(&checker.schema);
    checker.refuse_duplicate_rules(files);
    let tests = tests::collect(files);
    relations::relate(&mut checker, files);
    let mut compiled = Vec::new();
    let mut conditions = tests::Conditions::default();
    for risk in relations::risks(files) {
        compiled.extend(risk::compile(&mut checker, risk, &tests, &mut conditions));
    }
    let measures = relations::measures(files);
    let measures = measures.filter_map(|measure| measure::compile(&mut checker, measure, &tests, &mut conditions));
    let measures = measures.collect();
    // What a rule's alerts must carry is known when all that use them are compiled.
    let mut rules: Vec<&ast::Rule> = rules(files).collect();
    rules.sort_by_key(|rule| Reverse(checker.relations.level(&rule.name.node)));
    for rule in rules {
        compiled.extend(rule::compile(&mut checker, rule, &tests, &mut conditions));
    }
    let compiled = Compiled { rules: compiled, measures };
    checker.finish(compiled, &tests, conditions)
}

/// What has been compiled, in no order.
struct Compiled {
    rules: Vec<rule::Compiled>,
    measures: Vec<measure::Compiled>,
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
    relations: Relations,
    past: PastPlans,
    tables: tables::Tables,
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
                Item::Risk(risk) => drop(names.rules.entry(risk.name.node.clone()).or_insert(risk.name.span)),
                Item::Measure(measure) => {
                    names.rules.entry(measure.name.node.clone()).or_insert(measure.name.span);
                }
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

    fn refuse_duplicate_rules(&mut self, files: &[ast::File]) {
        let rules = rules(files).map(|rule| (&rule.name, "rule"));
        let risks = relations::risks(files).map(|risk| (&risk.name, "risk"));
        let measures = relations::measures(files).map(|measure| (&measure.name, "measure"));
        for (name, what) in rules.chain(risks).chain(measures) {
            let first = self.names.rules[&name.node];
            if first != name.span {
                self.report(duplicate(name, first, what));
            } else if self.schema.type_id(&name.node).is_some() {
                self.report(
                    Diagnostic::new(
                        Code::DuplicateName,
                        name.span,
                        format!("`{}` is the name of an event type", name.node),
                    )
                    .help(match what {
                        "measure" => "give the measure another name".to_owned(),
                        _ => format!("give the {what} another name: a rule's name stands for its alerts"),
                    }),
                );
            } else if let Some(lookup) = self.names.lookups.get(&name.node) {
                let problem = format!("`{}` is the name of a list or table", name.node);
                let diagnostic = Diagnostic::new(Code::DuplicateName, name.span, problem)
                    .label(*lookup, "declared here")
                    .help(format!("give the {what} another name"));
                self.report(diagnostic);
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

    fn finish(mut self, compiled: Compiled, tests: &tests::Collected<'_>, conditions: tests::Conditions) -> Checked {
        let Compiled { rules: mut compiled, mut measures } = compiled;
        compiled.sort_by(|a, b| a.rule.name.cmp(&b.rule.name));
        measures.sort_by(|a, b| a.measure.name.cmp(&b.measure.name));
        identity::include_used(&mut compiled);
        identity::include_in_measures(&mut measures, &compiled);
        let tests = tests::compile(&mut self, tests, conditions);
        let mut program = Program { schema: self.schema, ..Program::default() };
        self.tables.finish(&mut program, |type_id, field| self.slots.of(type_id, field));
        let derived = |at: u32| self.relations.is_derived(TypeId(at));
        let types = (0..).zip(self.slots.into_fields());
        let plan = |(at, fields)| TypePlan { fields, derived: derived(at), ..TypePlan::default() };
        program.types = types.map(plan).collect();
        assemble::past(&mut program, self.past, &compiled);
        for made in compiled {
            assemble::rule(&mut program, made);
        }
        for made in measures {
            assemble::measure(&mut program, made);
        }
        program.share_conditions();
        program.choose_strategies();
        program.index();
        self.diagnostics.sort_by_key(|diagnostic| (diagnostic.primary.span, diagnostic.code));
        Checked { program, tests, diagnostics: self.diagnostics }
    }
}

/// "`x` is declared twice", with both places.
fn duplicate(name: &Name, first: Span, what: &str) -> Diagnostic {
    Diagnostic::new(Code::DuplicateName, name.span, format!("the {what} `{}` is declared twice", name.node))
        .at("again here")
        .label(first, "first here")
        .help("give one of the two another name, or remove it")
}
