//! How rules stand on each other: whose alerts each uses, in which order they are judged, and what their alerts are as
//! events.
//!
//! The alerts of a rule are events of a derived type that has the rule's name; a risk has a derived type for the scores
//! that it adds up. Rules that use each other's alerts under different keys are judged in one place.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Expr, ExprKind, Item, Measure, Name, Pattern, Risk, Rule, TemplatePart};
use crate::lang::check::rule::Builder;
use crate::lang::check::shape::as_sequence;
use crate::lang::check::{Checker, items, rules};
use crate::lang::{fmt, walk};
use crate::program::{CaptureId, Derived, DerivedValue};
use crate::schema::{EventType, Field, Kind, Schema, TypeId};

/// How the rules and risks stand on each other, by their names.
#[derive(Debug, Default)]
pub(super) struct Relations {
    /// The rules whose alerts each uses.
    uses: BTreeMap<String, BTreeSet<String>>,
    levels: BTreeMap<String, u16>,
    pinned: BTreeSet<String>,
    /// The derived types that a rule's alerts become.
    derived: BTreeMap<String, Vec<TypeId>>,
    /// The derived types of risks; no rule can name them.
    risks: BTreeSet<TypeId>,
}

/// The field of a risk's derived type that holds the rule's name.
pub(super) const RULE_FIELD: &str = "rule";
/// The field of a risk's derived type that holds the score.
pub(super) const SCORE_FIELD: &str = "score";

impl Relations {
    /// Whether one shard judges all keys of a rule.
    pub(super) fn is_pinned(&self, rule: &str) -> bool {
        self.pinned.contains(rule)
    }

    /// How many rules over rules a rule stands on.
    pub(super) fn level(&self, rule: &str) -> u16 {
        self.levels.get(rule).copied().unwrap_or(0)
    }

    /// The rules whose alerts a rule uses, by name.
    pub(super) fn uses(&self, rule: &str) -> Vec<String> {
        self.uses.get(rule).into_iter().flatten().cloned().collect()
    }

    /// Whether a type's events are made of alerts.
    pub(super) fn is_derived(&self, type_id: TypeId) -> bool {
        self.risks.contains(&type_id) || self.derived.values().flatten().any(|derived| *derived == type_id)
    }

    /// Whether a type is that of a risk.
    pub(super) fn is_risk(&self, type_id: TypeId) -> bool {
        self.risks.contains(&type_id)
    }
}

/// Finds how the rules of the files stand on each other, and declares the derived types.
pub(super) fn relate(checker: &mut Checker, files: &[ast::File]) {
    let by_name: BTreeMap<&str, &Rule> = rules(files).map(|rule| (rule.name.node.as_str(), rule)).collect();
    let risks: Vec<&Risk> = risks(files).collect();
    let measures: Vec<&Measure> = measures(files).collect();
    let mut relations = Relations::default();
    for rule in by_name.values() {
        let used = used_names(rule).into_iter().map(|name| name.node.as_str());
        let used = used.filter(|name| by_name.contains_key(name) && checker.schema.type_id(name).is_none());
        relations.uses.insert(rule.name.node.clone(), used.map(str::to_owned).collect());
    }
    for risk in &risks {
        let sources = by_name.values().filter(|rule| rule.alert.score.is_some() && same_parts(&rule.keys, &risk.keys));
        relations.uses.insert(risk.name.node.clone(), sources.map(|rule| rule.name.node.clone()).collect());
    }
    for measure in &measures {
        let used = measured_names(measure).into_iter().map(|name| name.node.as_str());
        let used = used.filter(|name| by_name.contains_key(name) && checker.schema.type_id(name).is_none());
        relations.uses.insert(measure.name.node.clone(), used.map(str::to_owned).collect());
    }
    let order = relations.order(checker, &by_name);
    relations.pin(&by_name, &risks, &measures);
    relations.declare_alerts(checker, &order, &by_name);
    relations.declare_risks(checker, &risks, &by_name);
    checker.relations = relations;
}

/// All risks of the files.
pub(super) fn risks(files: &[ast::File]) -> impl Iterator<Item = &Risk> {
    items(files).filter_map(|item| match &item.node {
        Item::Risk(risk) => Some(risk),
        _ => None,
    })
}

/// All measures of the files.
pub(super) fn measures(files: &[ast::File]) -> impl Iterator<Item = &Measure> {
    items(files).filter_map(|item| match &item.node {
        Item::Measure(measure) => Some(measure),
        _ => None,
    })
}

impl Relations {
    /// The rules and risks, each after those that it stands on; those in a cycle are told of and left out.
    fn order(&mut self, checker: &mut Checker, by_name: &BTreeMap<&str, &Rule>) -> Vec<String> {
        let mut order = Vec::new();
        let mut waiting: BTreeSet<String> = self.uses.keys().cloned().collect();
        loop {
            let free = |name: &&String| self.uses[*name].iter().all(|used| !waiting.contains(used));
            let free: Vec<String> = waiting.iter().filter(free).cloned().collect();
            if free.is_empty() {
                break;
            }
            for name in free {
                let level = self.uses[&name].iter().map(|used| self.levels[used] + 1).max().unwrap_or(0);
                waiting.remove(&name);
                self.levels.insert(name.clone(), level);
                order.push(name);
            }
        }
        for name in &waiting {
            if let Some(cycle) = self.cycle(name) {
                report_cycle(checker, name, &cycle, by_name);
            }
            // What it names cannot be resolved, and the cycle is told of already.
            checker.names.dropped.insert(name.clone());
        }
        order
    }

    /// The way from a rule back to itself, if it lies in a cycle.
    fn cycle(&self, name: &str) -> Option<Vec<String>> {
        let mut ways: Vec<Vec<&String>> = self.uses[name].iter().map(|used| vec![used]).collect();
        let mut seen: BTreeSet<&String> = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let last = *way.last().expect("a way has an end");
            if last == name {
                return Some(way.into_iter().cloned().collect());
            }
            if seen.insert(last) {
                ways.extend(self.uses.get(last).into_iter().flatten().map(|next| [way.as_slice(), &[next]].concat()));
            }
        }
        None
    }

    /// Pins the rules of each family that stands on each other, unless all have just the same key, and the measures that
    /// compare keys.
    fn pin(&mut self, by_name: &BTreeMap<&str, &Rule>, risks: &[&Risk], measures: &[&Measure]) {
        let comparing = measures.iter().filter(|measure| measure.top.is_some());
        let comparing: BTreeSet<&String> = comparing.map(|measure| &measure.name.node).collect();
        let rules = by_name.values().map(|rule| (&rule.name.node, &rule.keys));
        let risks = risks.iter().map(|risk| (&risk.name.node, &risk.keys));
        let measures = measures.iter().map(|measure| (&measure.name.node, &measure.keys));
        let mut keys: BTreeMap<&String, &Vec<ast::KeyPart>> = BTreeMap::new();
        for (name, parts) in rules.chain(risks).chain(measures) {
            keys.entry(name).or_insert(parts);
        }
        let related = related(&self.uses);
        let mut left: BTreeSet<&String> = self.uses.keys().collect();
        while let Some(first) = left.pop_first() {
            let mut family = vec![first];
            let mut at = 0;
            while let Some(member) = family.get(at) {
                let found = related.get(member).into_iter().flatten().filter(|other| left.remove(**other));
                let found: Vec<&String> = found.copied().collect();
                family.extend(found);
                at += 1;
            }
            let text = |name: &String| keys.get(name).map(|keys| fmt::format_keys(keys));
            let renamed = |name: &String| keys.get(name).is_some_and(|keys| keys.iter().any(|k| !k.renamed.is_empty()));
            let alike = || family.iter().all(|member| text(member) == text(first) && !renamed(member));
            if family.len() > 1 && !alike() || family.iter().any(|name| comparing.contains(name)) {
                self.pinned.extend(family.into_iter().cloned());
            }
        }
    }

    /// Declares the types of the alerts that rules use, those of rules that stand lowest first.
    fn declare_alerts(&mut self, checker: &mut Checker, order: &[String], by_name: &BTreeMap<&str, &Rule>) {
        let used: BTreeSet<&String> = order.iter().flat_map(|name| &self.uses[name]).collect();
        for name in order.iter().filter(|name| used.contains(name)) {
            let Some(rule) = by_name.get(name.as_str()) else { continue };
            let fields = common_fields(&checker.schema, rule);
            let type_id = checker.declare(EventType { name: name.clone(), fields });
            self.derived.entry(name.clone()).or_default().push(type_id);
        }
    }

    /// Declares the types of the scores that risks add up.
    fn declare_risks(&mut self, checker: &mut Checker, risks: &[&Risk], by_name: &BTreeMap<&str, &Rule>) {
        for risk in risks {
            let sources = self.uses[&risk.name.node].clone();
            let first = sources.iter().find_map(|name| by_name.get(name.as_str()));
            let Some(fields) = first.and_then(|rule| key_fields(&checker.schema, rule)) else { continue };
            let field = |name: &str, kind| Field { path: vec![name.to_owned()], kind };
            let fields = fields.into_iter().chain([field(RULE_FIELD, Kind::Text), field(SCORE_FIELD, Kind::Number)]);
            let type_id = checker.declare(EventType { name: risk.name.node.clone(), fields: fields.collect() });
            self.risks.insert(type_id);
            for source in sources {
                self.derived.entry(source).or_default().push(type_id);
            }
        }
    }
}

impl Checker {
    fn declare(&mut self, event_type: EventType) -> TypeId {
        self.schema.types.push(event_type);
        self.slots.declare();
        TypeId(u32::try_from(self.schema.types.len() - 1).expect("rule files are limited"))
    }
}

impl Builder<'_> {
    /// The events that the rule's alerts become. What only they need is captured and not shown.
    pub(super) fn derived(&mut self) -> Vec<Derived> {
        let types = self.checker.relations.derived.get(&self.rule.name.node).cloned().unwrap_or_default();
        if !types.is_empty() {
            self.steps.0.iter_mut().for_each(super::steps::StepNames::hide_further);
        }
        types.into_iter().map(|type_id| self.derived_of(type_id)).collect()
    }

    fn derived_of(&mut self, type_id: TypeId) -> Derived {
        let is_risk = self.checker.relations.is_risk(type_id);
        let fields: Vec<String> = self.checker.schema.get(type_id).fields.iter().map(Field::dotted).collect();
        let read = self.checker.slots.fields(type_id).to_vec();
        let completing = completing_steps(self.rule);
        let value = |field: usize| match (is_risk, fields[field].as_str()) {
            (true, RULE_FIELD) if field + 2 == fields.len() => DerivedValue::Rule,
            (true, SCORE_FIELD) => DerivedValue::Score,
            (true, _) => DerivedValue::Key(u16::try_from(field).expect("keys have few parts")),
            (false, path) => {
                let steps = self.steps.0.iter_mut().enumerate();
                let capture = |(at, step): (usize, &mut super::steps::StepNames)| {
                    if completing.contains(&at) { step.capture(path) } else { CaptureId(0) }
                };
                DerivedValue::Captured(steps.map(capture).collect())
            }
        };
        Derived { type_id, values: read.into_iter().map(value).collect() }
    }
}

/// For each that uses or is used, those that it uses and those that use it.
fn related(uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<&String, Vec<&String>> {
    let mut related: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (user, used) in uses.iter().flat_map(|(user, all)| all.iter().map(move |used| (user, used))) {
        related.entry(user).or_default().push(used);
        related.entry(used).or_default().push(user);
    }
    related
}

fn same_parts(a: &[ast::KeyPart], b: &[ast::KeyPart]) -> bool {
    a.iter().map(|part| part.path.dotted()).eq(b.iter().map(|part| part.path.dotted()))
}

/// The steps whose event can be the one that completes the rule.
fn completing_steps(rule: &Rule) -> Vec<usize> {
    let steps = as_sequence(&rule.pattern).steps.len();
    match &rule.pattern {
        Pattern::Sequence(_) | Pattern::Session(_) => vec![steps - 1],
        Pattern::AllOf(_) | Pattern::EachPair(_) => (0..steps).collect(),
    }
}

/// The fields that all types of a rule's completing event have, with one kind.
fn common_fields(schema: &Schema, rule: &Rule) -> Vec<Field> {
    let sequence = as_sequence(&rule.pattern);
    let steps = completing_steps(rule).into_iter().map(|at| &sequence.steps[at]);
    let mut types = steps.flat_map(|step| &step.types).filter_map(|name| schema.type_id(&name.node));
    let Some(first) = types.next() else { return Vec::new() };
    let others: Vec<TypeId> = types.collect();
    let shared = |field: &&Field| others.iter().all(|other| schema.get(*other).fields.contains(field));
    schema.get(first).fields.iter().filter(shared).cloned().collect()
}

/// The fields of a rule's key, as its first type has them.
fn key_fields(schema: &Schema, rule: &Rule) -> Option<Vec<Field>> {
    let sequence = as_sequence(&rule.pattern);
    let event = &sequence.steps.first()?.types.first()?.node;
    let event_type = schema.get(schema.type_id(event)?);
    let field = |part: &ast::KeyPart| {
        let renamed = part.renamed.iter().find(|path| path.segments[0].node == *event && path.segments.len() > 1);
        let path: Vec<&str> = match renamed {
            Some(renamed) => renamed.segments[1..].iter().map(|name| name.node.as_str()).collect(),
            None => part.path.segments.iter().map(|name| name.node.as_str()).collect(),
        };
        let kind = event_type.fields[event_type.field(&path)?].kind.clone();
        Some(Field { path: part.path.segments.iter().map(|name| name.node.clone()).collect(), kind })
    };
    rule.keys.iter().map(field).collect()
}

fn report_cycle(checker: &mut Checker, name: &str, cycle: &[String], by_name: &BTreeMap<&str, &Rule>) {
    let span = by_name.get(name).map_or_else(Span::default, |rule| rule.name.span);
    let way: Vec<String> = cycle.iter().map(|name| format!("`{name}`")).collect();
    checker.report(Diagnostic::new(Code::RuleCycle, span, format!("the rule `{name}` waits for its own alerts")).help(
        format!("it uses the alerts of {}; let one of them use events only", way.join(", which uses those of ")),
    ));
}

/// The names of types in a rule: of its steps, and of the windows in its conditions.
fn used_names(rule: &Rule) -> Vec<&Name> {
    let mut names = Vec::new();
    let mut conditions: Vec<&Expr> = Vec::new();
    match &rule.pattern {
        Pattern::Sequence(sequence) => {
            names.extend(sequence.steps.iter().flat_map(|step| &step.types));
            names.extend(sequence.absence.iter().flat_map(|absence| &absence.types));
            conditions.extend(sequence.steps.iter().filter_map(|step| step.condition.as_ref()));
            conditions.extend(sequence.absence.iter().filter_map(|absence| absence.condition.as_ref()));
        }
        Pattern::AllOf(all) => {
            names.extend(all.slots.iter().flat_map(|slot| &slot.types));
            conditions.extend(all.slots.iter().filter_map(|slot| slot.condition.as_ref()));
        }
        Pattern::EachPair(pair) => {
            names.extend(pair.left.0.iter().chain(&pair.right.0));
            conditions.extend(&pair.condition);
        }
        Pattern::Session(session) => {
            names.extend(&session.types);
            conditions.extend(&session.condition);
        }
    }
    names.extend(rule.unless.iter().flat_map(|unless| &unless.types));
    conditions.extend(rule.unless.iter().filter_map(|unless| unless.condition.as_ref()));
    let message = rule.alert.message.iter().flat_map(|message| &message.parts);
    conditions.extend(message.filter_map(|part| match part {
        TemplatePart::Expr(expr) => Some(expr),
        TemplatePart::Text(_) => None,
    }));
    names.extend(conditions.into_iter().flat_map(windowed_names));
    names
}

/// The names of types in a measure.
fn measured_names(measure: &Measure) -> Vec<&Name> {
    measure.types.iter().chain(measure.condition.iter().flat_map(windowed_names)).collect()
}

/// The first names of all dotted names inside windows.
fn windowed_names(expr: &Expr) -> Vec<&Name> {
    match &*expr.node {
        ExprKind::Call(call) if call.window.is_some() => walk::first_names(expr),
        _ => walk::children(expr).into_iter().flat_map(windowed_names).collect(),
    }
}
