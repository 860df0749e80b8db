//! Measures: their windows, the aggregates that they emit, and what a test can say of them.
//!
//! The types, the key and the `where` are checked as those of a rule of one step.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Call, Duration, Expr as SyntaxExpr, ExprKind, Name, Path, Pattern, Sequence, Spanned};
use crate::lang::check::aggregates::aggregate_type;
use crate::lang::check::expr::Typed;
use crate::lang::check::past::{LAST_MAX, PastAllowed};
use crate::lang::check::rule::{Builder, is_error};
use crate::lang::check::scope::{Meaning, Scope};
use crate::lang::check::tests::{Collected, Conditions};
use crate::lang::check::{Checker, duplicate, identity};
use crate::lang::types::Type;
use crate::lang::{fmt, walk};
use crate::program::{
    Aggregate, CellId, Expr, FoldInput, KeyId, KeyPlan, Measure, MeasureFold, MeasureGuard, MeasureId, MeasureWindow,
    Top, WindowId,
};
use crate::schema::TypeId;

/// The most panes of a window: each key has its aggregates in each of them.
const PANES_MAX: i64 = 10_000;
/// The most keys that `top` emits.
const TOP_MAX: u64 = 1_000_000;

/// A compiled measure and what the program needs to know of it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) measure: Measure,
    pub(super) key: KeyPlan,
    /// For each type that it names, where the parts of the key stand in its events.
    pub(super) dispatch: Vec<(TypeId, Vec<u16>)>,
    /// Whether one shard measures all its keys.
    pub(super) pinned: bool,
    /// The windows that are read when an event of a type is judged.
    pub(super) reads: Vec<(TypeId, WindowId)>,
    /// The rules whose alerts it measures.
    pub(super) uses: Vec<String>,
}

/// What names mean in a measure.
#[derive(Debug)]
pub(super) enum Measured<'a> {
    /// In `emit`: fields stand in aggregates.
    Emitting(&'a mut Emitting),
    /// In a test: the values that are emitted, and the rank after them.
    Emitted(&'a str, &'a [(String, Type)]),
}

/// The aggregates of a measure.
#[derive(Debug)]
pub(super) struct Emitting {
    types: Vec<TypeId>,
    /// Each with its text and type.
    folds: Vec<(String, Type, MeasureFold)>,
}

/// Compiles a measure; none where it has an error.
pub(super) fn compile(
    checker: &mut Checker,
    measure: &ast::Measure,
    tests: &Collected<'_>,
    conditions: &mut Conditions,
) -> Option<Compiled> {
    let (errors, excused) = (checker.diagnostics.len(), checker.excused);
    let window = checker.measure_window(&measure.window);
    let rule = as_rule(measure);
    let mut builder = Builder::new(checker, &rule, None);
    builder.collect_types();
    let dispatch = builder.compile_key();
    let guards = guards(&mut builder);
    let reads = builder.place_past();
    builder.check_renamed_keys();
    let (folds, values) = emitted(&mut builder, measure);
    let top = top(builder.checker, measure, &values);
    let names: Vec<(String, Type)> = values.iter().map(|(name, value)| (name.clone(), value.ty.clone())).collect();
    let declarations: Vec<String> = builder.reads.iter().cloned().collect();
    let is_right = builder.checker.excused == excused && !builder.checker.diagnostics[errors..].iter().any(is_error);
    compile_tests(&mut builder, measure, names, tests, conditions);
    let made = Compiled {
        measure: Measure {
            id: MeasureId(0),
            name: Arc::from(measure.name.node.as_str()),
            version: identity::measure_version(measure, &declarations),
            match_hash: identity::measure_match_hash(measure, &declarations),
            key: KeyId(0),
            cell: CellId::default(),
            guards,
            window: window?,
            folds,
            emitted: values.into_iter().map(|(name, value)| (Arc::from(name), value.expr)).collect(),
            top,
            targets: measure.targets.iter().map(|name| name.node.clone()).collect(),
            message: Arc::from(measure.description.as_ref().unwrap_or(&measure.name).node.as_str()),
        },
        key: builder.key_plan(),
        dispatch: dispatch?,
        pinned: builder.pinned,
        reads,
        uses: builder.checker.relations.uses(&measure.name.node),
    };
    is_right.then_some(made)
}

/// The measure as a rule whose one step takes its events.
fn as_rule(measure: &ast::Measure) -> ast::Rule {
    let step = ast::Step {
        next: false,
        count: None,
        types: measure.types.clone(),
        name: None,
        condition: measure.condition.clone(),
        held: None,
    };
    ast::Rule {
        name: measure.name.clone(),
        description: None,
        keys: measure.keys.clone(),
        pattern: Pattern::Sequence(Sequence { every: true, steps: vec![step], absence: None }),
        unless: Vec::new(),
        within: None,
        alert: ast::Alert::default(),
    }
}

fn guards(builder: &mut Builder<'_>) -> Vec<MeasureGuard> {
    let conditions = builder.compile_step(0).conditions;
    let types = &builder.steps.0[0].types;
    let guard = |(type_id, condition): (&TypeId, _)| MeasureGuard { type_id: *type_id, condition };
    types.iter().zip(conditions).map(guard).collect()
}

/// The aggregates, and the values that are made of them.
fn emitted(builder: &mut Builder<'_>, measure: &ast::Measure) -> (Vec<MeasureFold>, Vec<(String, Typed)>) {
    let mut emitting = Emitting { types: builder.steps.0[0].types.clone(), folds: Vec::new() };
    let mut values: Vec<(String, Typed)> = Vec::new();
    for (at, emit) in measure.emit.iter().enumerate() {
        if let Some(first) = measure.emit[..at].iter().find(|other| other.name == emit.name) {
            builder.checker.report(duplicate(&emit.name, first.name.span, "value"));
        }
        let mut scope = builder.scope(None, 0);
        scope.past_allowed = PastAllowed::No("a measure has windows of its own");
        scope.measured = Some(Measured::Emitting(&mut emitting));
        let value = scope.value(&emit.value);
        values.push((emit.name.node.clone(), value));
    }
    (emitting.folds.into_iter().map(|(_, _, fold)| fold).collect(), values)
}

fn top(checker: &mut Checker, measure: &ast::Measure, values: &[(String, Typed)]) -> Option<Top> {
    let top = measure.top.as_ref()?;
    if let Some(rank) = measure.emit.iter().find(|emit| emit.name.node == RANK) {
        checker.report(
            Diagnostic::new(Code::DuplicateName, rank.name.span, "`top` emits a `rank` already")
                .help("give the value another name"),
        );
    }
    let why = if measure.keys.is_empty() {
        Some("without `for each` there is one key, and nothing to compare")
    } else if matches!(measure.window.node, ast::MeasureWindow::Every { .. }) {
        None
    } else {
        Some("it compares the keys of one window, and here each key has windows of its own")
    };
    if let Some(why) = why {
        checker.report(
            Diagnostic::new(Code::Meaningless, top.by.span, format!("`top` has no meaning in this measure: {why}"))
                .help("leave it out, or write `for each …` and `over 1 hour every 5 minutes`"),
        );
    }
    if !(1..=TOP_MAX).contains(&top.n) {
        checker.report(
            Diagnostic::new(Code::BadCount, top.by.span, "`top` emits from 1 to 1,000,000 keys")
                .help("leave it out to emit all keys"),
        );
    }
    let Some(by) = values.iter().position(|(name, _)| *name == top.by.node) else {
        let names = values.iter().map(|(name, _)| name.as_str());
        checker.report(
            Diagnostic::new(Code::UnknownField, top.by.span, format!("the measure emits no `{}`", top.by.node))
                .help(format!("it emits {}", quoted(names.clone())))
                .did_you_mean(top.by.span, &top.by.node, names),
        );
        return None;
    };
    let ty = &values[by].1.ty;
    if !(ty.is_numeric() || matches!(ty, Type::Text | Type::Time | Type::Ip | Type::Unknown)) {
        checker.report(
            Diagnostic::new(Code::TypeMismatch, top.by.span, format!("`{}` is {ty}, which has no order", top.by.node))
                .help("order the keys by a number, a text or a time"),
        );
    }
    Some(Top { n: u32::try_from(top.n).unwrap_or(u32::MAX), by })
}

/// The conditions of tests see what is emitted. They come last: what they read is no part of the measure.
fn compile_tests(
    builder: &mut Builder<'_>,
    measure: &ast::Measure,
    mut names: Vec<(String, Type)>,
    tests: &Collected<'_>,
    conditions: &mut Conditions,
) {
    if measure.top.is_some() {
        names.push((RANK.to_owned(), Type::Integer));
    }
    for (span, condition) in tests.conditions_on(&measure.name.node) {
        let mut scope = builder.scope(None, 0);
        scope.past_allowed = PastAllowed::No("a test sees what the measure emits");
        scope.measured = Some(Measured::Emitted(&measure.name.node, &names));
        let compiled = scope.condition(condition);
        conditions.insert(span, compiled);
    }
}

/// What `top` adds to the emitted values.
const RANK: &str = "rank";

impl Checker {
    fn measure_window(&mut self, window: &Spanned<ast::MeasureWindow>) -> Option<MeasureWindow> {
        let span = window.span;
        match window.node {
            ast::MeasureWindow::Every { over, every } => self.hopping(over, every, span),
            ast::MeasureWindow::Last(n) if (1..=LAST_MAX).contains(&n) => {
                u32::try_from(n).ok().map(MeasureWindow::Last)
            }
            ast::MeasureWindow::Last(_) => {
                self.report(
                    Diagnostic::new(Code::BadCount, span, "a window counts from 1 to 1,000,000 events back")
                        .help("all of them are kept, for each key; count fewer, or write a duration"),
                );
                None
            }
            ast::MeasureWindow::Session { idle, at_most } => {
                for duration in std::iter::once(idle).chain(at_most) {
                    self.length(duration, span, "a session of no length holds one event", "`after 30 minutes idle`");
                }
                Some(MeasureWindow::Session { idle_ms: idle.ms, at_most_ms: at_most.map(|most| most.ms) })
            }
        }
    }

    fn hopping(&mut self, over: Duration, every: Duration, span: Span) -> Option<MeasureWindow> {
        for duration in [over, every] {
            self.length(duration, span, "a window of no length holds nothing", "`over 1 hour every 5 minutes`");
        }
        if over.ms == 0 || every.ms == 0 {
            return None;
        }
        let problem = if over.ms % every.ms != 0 {
            let help = "the windows begin at whole multiples of `every` and end at one: make the first length 1, 2, 3, … times the second";
            Some((format!("{} is no multiple of {}", fmt::format_duration(over), fmt::format_duration(every)), help))
        } else if over.ms / every.ms > PANES_MAX {
            let help = "each key has its aggregates in each part of a window; let windows begin less often";
            Some((format!("a window has at most 10,000 parts, and this one has {}", over.ms / every.ms), help))
        } else {
            None
        };
        match problem {
            Some((problem, help)) => {
                self.report(Diagnostic::new(Code::BadDuration, span, problem).help(help));
                None
            }
            None => Some(MeasureWindow::Every { over_ms: over.ms, every_ms: every.ms }),
        }
    }

    fn length(&mut self, duration: Duration, span: Span, problem: &str, example: &str) {
        self.check_duration(&Spanned { node: duration, span });
        if duration.ms == 0 {
            self.report(Diagnostic::new(Code::BadDuration, span, problem).help(format!("write {example}")));
        }
    }
}

impl Scope<'_> {
    /// What a name means outside the aggregates of a measure, or in a test of one.
    pub(super) fn measured_name(&mut self, path: &Path) -> Option<Meaning> {
        let (written, span) = (path.dotted(), path.span());
        let key = |part: usize| Expr::Key(u16::try_from(part).expect("keys have few parts"));
        let part = self.key.iter().position(|(name, _)| *name == written);
        if let Some(Measured::Emitted(measure, values)) = &self.measured {
            let value = values.iter().position(|(name, _)| *name == written);
            if let Some(at) = value {
                return Some(Meaning::Value(values[at].1.clone(), aggregate(at)));
            }
            if let Some(part) = part {
                return Some(Meaning::Value(self.key[part].1.clone(), key(part)));
            }
            let names = || values.iter().chain(self.key).map(|(name, _)| name.as_str());
            let diagnostic = Diagnostic::new(Code::UnknownField, span, format!("`{measure}` emits no `{written}`"))
                .help(format!("a test sees what the measure emits, and its key: {}", quoted(names())))
                .did_you_mean(span, &written, names());
            self.checker.report(diagnostic);
            return None;
        }
        if let Some(part) = part {
            return Some(Meaning::Value(self.key[part].1.clone(), key(part)));
        }
        self.checker.report(
            Diagnostic::new(Code::BadArguments, span, format!("`{written}` has a value at each event, and a window holds many"))
                .help(format!("write an aggregate, such as `sum({written})`, `average({written})`, `last({written})` or `distinct({written})`")),
        );
        None
    }

    /// An aggregate over the events of a window.
    pub(super) fn measured_aggregate(&mut self, call: &Call, span: Span) -> Typed {
        let Some(Measured::Emitting(emitting)) = &self.measured else {
            self.checker.report(
                Diagnostic::new(Code::BadArguments, span, "a test sees the values that are emitted, not the events")
                    .help("write the name of a value: `expect revenue once with orders is 2`"),
            );
            return Typed::unknown(span);
        };
        let text = fmt::format_call(call);
        if let Some(at) = emitting.folds.iter().position(|(other, ..)| *other == text) {
            return Typed { ty: emitting.folds[at].1.clone(), expr: aggregate(at), span };
        }
        if let Some(window) = &call.window {
            self.checker.report(
                Diagnostic::new(Code::BadWindow, window.span, "a measure has windows of its own")
                    .help("leave `over …` out: the aggregate is over the events of the measure's window"),
            );
            return Typed::unknown(span);
        }
        let Some((ty, fold)) = self.fold(call, span) else { return Typed::unknown(span) };
        let Some(Measured::Emitting(emitting)) = &mut self.measured else { return Typed::unknown(span) };
        emitting.folds.push((text, ty.clone(), fold));
        Typed { ty, expr: aggregate(emitting.folds.len() - 1), span }
    }

    fn fold(&mut self, call: &Call, span: Span) -> Option<(Type, MeasureFold)> {
        let wanted = if call.function.node == "percentile" { 2 } else { 1 };
        let counts_all = call.function.node == "count" && call.args.is_empty();
        if !counts_all && call.args.len() != wanted {
            self.fold_form(call, span);
            return None;
        }
        let (aggregate, argument) = if counts_all {
            (Aggregate::Count, None)
        } else {
            let (aggregate, argument) = self.aggregate_parts(call, span)?;
            (aggregate, Some(argument))
        };
        if aggregate == Aggregate::Count && argument.is_some_and(|argument| event_name(argument).is_none()) {
            self.fold_form(call, span);
            return None;
        }
        let types = self.fold_types(argument, call.condition.as_ref())?;
        let value = argument.filter(|_| aggregate != Aggregate::Count);
        let mut common: Option<Type> = None;
        let mut inputs = Vec::new();
        for type_id in types {
            let (value, condition) = self.aggregated(type_id, value, call);
            let ty = value.as_ref().map_or(Type::Integer, |value| value.ty.clone());
            if ty == Type::Unknown {
                return None;
            }
            if *common.get_or_insert_with(|| ty.clone()) != ty {
                self.checker.report(
                    Diagnostic::new(Code::TypeMismatch, span, "this is not of one kind in all events of the measure")
                        .help("name the type of the event too: `sum(purchase.amount)`"),
                );
                return None;
            }
            inputs.push(FoldInput { type_id, value: value.map(|value| value.expr), condition });
        }
        let ty = common?;
        let result = aggregate_type(aggregate, &ty);
        if result.is_none() {
            self.no_meaning(call, &ty, span);
        }
        Some((result?, MeasureFold { aggregate, inputs }))
    }

    /// The types whose events an aggregate is over: the one that it names, or all of the measure.
    fn fold_types(&mut self, argument: Option<&SyntaxExpr>, condition: Option<&SyntaxExpr>) -> Option<Vec<TypeId>> {
        let Some(Measured::Emitting(emitting)) = &self.measured else { return None };
        let types = emitting.types.clone();
        let alone = argument.and_then(event_name);
        let names = alone.into_iter().chain(argument.into_iter().chain(condition).flat_map(first_names));
        let has_field = |name: &str| {
            let fields = types.iter().flat_map(|id| &self.checker.schema.get(*id).fields);
            fields.into_iter().any(|field| field.path[0] == name)
        };
        let mut named: Option<TypeId> = None;
        for name in names {
            let Some(type_id) = self.checker.schema.type_id(&name.node) else { continue };
            let problem = if types.contains(&type_id) && named.is_none_or(|first| first == type_id) {
                named = Some(type_id);
                continue;
            } else if types.contains(&type_id) {
                (
                    "an aggregate is over the events of one type, or of all",
                    "write an aggregate for each: `sum(purchase.amount) - sum(refund.amount)`".to_owned(),
                )
            } else if has_field(&name.node) {
                continue;
            } else {
                (
                    "this is no event of the measure",
                    format!("name it after `on`: `on {} or {}`", self.describe_types(&types), name.node),
                )
            };
            self.checker.report(Diagnostic::new(Code::UnknownEvent, name.span, problem.0).help(problem.1));
            return None;
        }
        Some(named.map_or(types, |named| vec![named]))
    }

    fn describe_types(&self, types: &[TypeId]) -> String {
        let names: Vec<&str> = types.iter().map(|id| self.checker.schema.get(*id).name.as_str()).collect();
        names.join(" or ")
    }

    fn fold_form(&mut self, call: &Call, span: Span) {
        let name = call.function.node.as_str();
        let form = match name {
            "count" => "count()` or `count(TYPE)".to_owned(),
            "percentile" => "percentile(95, field)".to_owned(),
            _ => format!("{name}(field)` or `{name}(TYPE.field)"),
        };
        self.checker.report(
            Diagnostic::new(Code::BadArguments, span, format!("in a measure `{name}` is written `{form}`"))
                .help("TYPE is one of the measure's event types; different values are counted by `distinct(field)`"),
        );
    }
}

fn aggregate(at: usize) -> Expr {
    Expr::Aggregate(u16::try_from(at).expect("a file of 1 MiB holds fewer aggregates"))
}

/// The name that stands alone.
fn event_name(expr: &SyntaxExpr) -> Option<&Name> {
    match &*expr.node {
        ExprKind::Path(path) if path.segments.len() == 1 => path.segments.first(),
        _ => None,
    }
}

/// The first names of the dotted names in an expression: those that can be of event types.
fn first_names(expr: &SyntaxExpr) -> Vec<&Name> {
    match &*expr.node {
        ExprKind::Path(path) if path.segments.len() > 1 => path.segments.first().into_iter().collect(),
        _ => walk::children(expr).into_iter().flat_map(first_names).collect(),
    }
}

fn quoted<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
