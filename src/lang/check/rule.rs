//! One rule: its key, its steps, its bounds, its alert.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span, closest};
use crate::lang::ast::{self, Name, Number, Pattern, Sequence, Spanned, TemplatePart};
use crate::lang::check::scope::{AtHand, Scope};
use crate::lang::check::steps::{StepNames, Steps};
use crate::lang::check::tests::{Collected, Conditions};
use crate::lang::check::{Checker, identity};
use crate::lang::types::Type;
use crate::program::{
    Absence, AlertSpec, Condition, KeyId, KeyPlan, Part, Rule, RuleId, Severity, Step, StepGuard, Strategy, Template,
    Unless, Within,
};
use crate::schema::TypeId;

/// The most positive steps of a rule.
const STEPS_MAX: usize = 100;
/// The most events that one step counts.
const COUNT_MAX: u64 = 10_000;
/// The longest duration: ten years in ms.
const DURATION_MS_MAX: i64 = 10 * 366 * 86_400_000;

/// A compiled rule and what the program needs to know of it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rule: Rule,
    pub(super) key: KeyPlan,
    /// For each type that it names, where the parts of the key stand in its events.
    pub(super) dispatch: Vec<(TypeId, Vec<u16>)>,
}

/// Compiles a rule; none where it has an error.
pub(super) fn compile(
    checker: &mut Checker,
    rule: &ast::Rule,
    tests: &[Collected<'_>],
    conditions: &mut Conditions,
) -> Option<Compiled> {
    let (errors, excused) = (checker.diagnostics.len(), checker.excused);
    let sequence = supported(checker, rule)?;
    let mut builder = Builder::new(checker, rule, sequence);
    let compiled = builder.build();
    let compiled = compiled.filter(|_| {
        builder.checker.excused == excused && builder.checker.diagnostics[errors..].iter().all(|d| !is_error(d))
    });
    // The conditions of tests see the rule's names. They come last: what they read is no part of the rule.
    builder.compile_tests(tests, conditions);
    compiled.map(|made| builder.finish(made))
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity() == crate::diagnostic::Severity::Error
}

fn supported<'a>(checker: &mut Checker, rule: &'a ast::Rule) -> Option<&'a Sequence> {
    let what = match &rule.pattern {
        Pattern::Sequence(sequence) => return Some(sequence),
        Pattern::AllOf(_) => "`all of` is",
        Pattern::EachPair(_) => "`each pair of` is",
        Pattern::Session(_) => "sessions are",
    };
    checker.not_yet(rule.name.span, what);
    None
}

/// A rule under compilation.
pub(super) struct Builder<'a> {
    pub(super) checker: &'a mut Checker,
    pub(super) rule: &'a ast::Rule,
    sequence: &'a Sequence,
    pub(super) steps: Steps,
    /// The names and types of the key's parts.
    pub(super) key: Vec<(String, Type)>,
    pub(super) reads: BTreeSet<String>,
    /// The types that the rule names, each once.
    pub(super) types: Vec<TypeId>,
    unless_types: Vec<Vec<TypeId>>,
    absence_types: Vec<TypeId>,
}

/// What is known of a rule before its captures are final.
struct Draft {
    steps: Vec<DraftStep>,
    absence: Option<Absence>,
    unless: Vec<Unless>,
    alert: AlertSpec,
    dispatch: Vec<(TypeId, Vec<u16>)>,
    match_hash: [u8; 32],
    version: String,
}

struct DraftStep {
    conditions: Vec<Option<Condition>>,
    independent: bool,
}

impl<'a> Builder<'a> {
    fn new(checker: &'a mut Checker, rule: &'a ast::Rule, sequence: &'a Sequence) -> Builder<'a> {
        Builder {
            checker,
            rule,
            sequence,
            steps: Steps::default(),
            key: Vec::new(),
            reads: BTreeSet::new(),
            types: Vec::new(),
            unless_types: Vec::new(),
            absence_types: Vec::new(),
        }
    }

    fn build(&mut self) -> Option<Draft> {
        self.check_shape();
        self.collect_types();
        self.check_step_names();
        let dispatch = self.compile_key();
        let steps: Vec<DraftStep> = (0..self.sequence.steps.len()).map(|at| self.compile_step(at)).collect();
        let absence = self.compile_absence();
        let unless = (0..self.rule.unless.len()).map(|at| self.compile_unless(at)).collect();
        let alert = self.compile_alert();
        self.capture_keys();
        let declarations: Vec<String> = self.reads.iter().cloned().collect();
        Some(Draft {
            steps,
            absence,
            unless,
            alert: alert?,
            dispatch: dispatch?,
            match_hash: identity::match_hash(self.rule, &declarations),
            version: identity::version(self.rule, &declarations),
        })
    }

    /// Fixes what is captured, when nothing can read more.
    fn finish(mut self, draft: Draft) -> Compiled {
        let (rule, sequence) = (self.rule, self.sequence);
        let within = rule.within.as_ref().map(|within| Within { ms: within.ms });
        let steps: Vec<Step> =
            draft.steps.into_iter().enumerate().map(|(at, step)| self.finish_step(at, step)).collect();
        let alone = steps.len() == 1 && !steps[0].is_repeated() && sequence.absence.is_none();
        Compiled {
            rule: Rule {
                id: RuleId(0),
                name: Arc::from(rule.name.node.as_str()),
                version: Arc::from(draft.version),
                match_hash: draft.match_hash,
                key: KeyId(0),
                strategy: if alone { Strategy::Filter } else { Strategy::SequenceNfa },
                every: sequence.every,
                steps,
                absence: draft.absence,
                unless: draft.unless,
                within,
                alert: draft.alert,
            },
            key: KeyPlan { parts: self.key.iter().map(|(name, _)| name.clone()).collect() },
            dispatch: draft.dispatch,
        }
    }

    fn finish_step(&mut self, at: usize, draft: DraftStep) -> Step {
        let written = &self.sequence.steps[at];
        let names = &self.steps.0[at];
        let guard = |(type_id, condition): (&TypeId, Option<Condition>)| StepGuard {
            type_id: *type_id,
            condition,
            captures: names.capture_slots(*type_id, &self.checker.schema, &mut self.checker.slots),
        };
        let label = written.name.as_ref().map_or_else(|| (at + 1).to_string(), |name| name.node.clone());
        Step {
            label: Arc::from(label),
            count: count_of(written),
            or_more: is_or_more(written),
            next: written.next,
            guards: names.types.iter().zip(draft.conditions).map(guard).collect(),
            captures: names.captures(),
            independent: draft.independent,
        }
    }

    // Shape.

    fn check_shape(&mut self) {
        let sequence = self.sequence;
        for step in &sequence.steps {
            self.check_count(step);
            if let Some(held) = &step.held {
                self.checker.not_yet(held.duration.span, "`for` after a condition is");
            }
        }
        if sequence.steps.len() > STEPS_MAX {
            let span = self.rule.name.span;
            let steps = sequence.steps.len();
            self.checker.report(
                Diagnostic::new(Code::RuleLimit, span, format!("a rule has at most {STEPS_MAX} steps"))
                    .at(format!("{steps} steps"))
                    .help("write repeated steps as a count: `then 20 login`"),
            );
        }
        self.check_last_step();
        self.check_within();
        self.check_absence();
    }

    fn check_count(&mut self, step: &ast::Step) {
        let Some(count) = &step.count else { return };
        if count.n == 0 || count.n > COUNT_MAX {
            let help = match count.n {
                0 => "what must not come is written `then no … within …`, or `unless …`",
                _ => "the events of a step are kept until it is complete; count fewer",
            };
            self.checker.report(
                Diagnostic::new(Code::BadCount, count.span, "a step counts from 1 to 10,000 events").help(help),
            );
        }
    }

    fn check_last_step(&mut self) {
        let last = self.sequence.steps.last().expect("a sequence has a step");
        if let Some(count) = last.count.as_ref().filter(|count| count.or_more) {
            self.checker.report(
                Diagnostic::new(Code::OpenEndedLast, count.span, "`or more` has no end in the last step")
                    .help(format!("the rule completes as soon as there are {}: write `{}`", count.n, count.n))
                    .fix(count.span, count.n.to_string()),
            );
        }
    }

    fn check_within(&mut self) {
        let steps = &self.sequence.steps;
        let several = steps.len() > 1 || steps.iter().any(|step| count_of(step) > 1 || is_or_more(step));
        match &self.rule.within {
            Some(within) => self.check_duration(within),
            None if several => {
                let last = steps.last().expect("a sequence has a step");
                let span = last.types.last().expect("a step has a type").span;
                self.checker.report(
                    Diagnostic::new(Code::MissingWithin, self.rule.name.span, format!("the rule `{}` has no `within`", self.rule.name.node))
                        .label(span, "a sequence of two or more events ends here")
                        .help("add `within 5 minutes` before `alert`: without a bound, what it waits for could never be forgotten"),
                );
            }
            None => {}
        }
    }

    fn check_absence(&mut self) {
        let Some(absence) = &self.sequence.absence else { return };
        match &absence.within {
            Some(within) => self.check_duration(within),
            None => {
                let span = absence.types[0].span;
                self.checker.report(
                    Diagnostic::new(
                        Code::AbsenceWithin,
                        span,
                        format!("`then no {}` does not say how long", absence.types[0].node),
                    )
                    .help(format!(
                        "write `then no {} within 30 minutes`: the alert comes when that time has passed",
                        absence.types[0].node
                    )),
                );
            }
        }
    }

    fn check_duration(&mut self, duration: &Spanned<ast::Duration>) {
        if duration.ms > DURATION_MS_MAX {
            self.checker.report(
                Diagnostic::new(Code::BadDuration, duration.span, "the longest duration is 10 years")
                    .help("a rule keeps what it waits for as long as this; choose a shorter time"),
            );
        }
    }

    // Types and names.

    fn collect_types(&mut self) {
        let sequence = self.sequence;
        for step in &sequence.steps {
            if self.is_misspelt_keyword(step) {
                self.steps.0.push(StepNames::new(None, Vec::new(), false));
                continue;
            }
            let types = self.type_ids(&step.types);
            let repeated = count_of(step) > 1 || is_or_more(step);
            self.steps.0.push(StepNames::new(step.name.clone(), types, repeated));
        }
        self.absence_types = sequence.absence.as_ref().map_or_else(Vec::new, |absence| self.type_ids(&absence.types));
        self.unless_types = self.rule.unless.iter().map(|unless| self.type_ids(&unless.types)).collect();
    }

    /// Reports `on evry login`, which is read as a type `evry` with a step called `login`.
    fn is_misspelt_keyword(&mut self, step: &ast::Step) -> bool {
        let ([word], Some(name)) = (step.types.as_slice(), &step.name) else { return false };
        let schema = &self.checker.schema;
        if schema.type_id(&word.node).is_some() || schema.type_id(&name.node).is_none() {
            return false;
        }
        let types = schema.types.iter().map(|event_type| event_type.name.as_str());
        let Some(meant @ ("every" | "next")) = closest(&word.node, types.chain(["every", "next"])) else {
            return false;
        };
        self.checker.report(
            Diagnostic::new(Code::MisspeltKeyword, word.span, format!("`{}` is no keyword", word.node))
                .at("not a keyword")
                .label(name.span, "the type of the step's event")
                .help(format!("did you mean `{meant}`?"))
                .fix(word.span, meant),
        );
        true
    }

    fn type_ids(&mut self, names: &[Name]) -> Vec<TypeId> {
        let mut ids = Vec::new();
        for name in names {
            match self.checker.type_id(name) {
                Some(id) if ids.contains(&id) => self.checker.report(
                    Diagnostic::new(
                        Code::DuplicateName,
                        name.span,
                        format!("`{}` is named twice in this step", name.node),
                    )
                    .help(format!("leave one out; two events one after the other are `2 {}`", name.node)),
                ),
                Some(id) => ids.push(id),
                None => {}
            }
        }
        self.types.extend(ids.iter().copied());
        self.types.sort_unstable();
        self.types.dedup();
        ids
    }

    fn check_step_names(&mut self) {
        let named = self.sequence.steps.iter().map(|step| &step.name);
        let absence = self.sequence.absence.iter().map(|absence| &absence.name);
        let unless = self.rule.unless.iter().map(|unless| &unless.name);
        let names: Vec<&Name> = named.chain(absence).chain(unless).flatten().collect();
        for (at, name) in names.iter().enumerate() {
            if self.checker.is_misread(name) {
                continue;
            }
            if let Some(first) = names[..at].iter().find(|other| other.node == name.node) {
                self.checker.report(super::duplicate(name, first.span, "step"));
            }
            self.check_step_name(name);
        }
    }

    fn check_step_name(&mut self, name: &Name) {
        let is_type = self.checker.schema.type_id(&name.node).is_some();
        let fields = self.types.iter().flat_map(|id| &self.checker.schema.get(*id).fields);
        let is_field = fields.clone().any(|field| field.path[0] == name.node);
        let is_time = name.node == "time";
        if is_type || is_field || is_time {
            let what = match (is_type, is_field) {
                (true, _) => "an event type",
                (_, true) => "a field",
                _ => "the event's own time",
            };
            self.checker.report(
                Diagnostic::new(Code::StepName, name.span, format!("`{}` is the name of {what}", name.node)).help(
                    format!(
                        "give the step another name, such as `{}1`: `{}.` would mean two things",
                        name.node, name.node
                    ),
                ),
            );
        }
    }

    // Conditions.

    fn scope(&mut self, at_hand: Option<AtHand>, bound: usize) -> Scope<'_> {
        let key: &[(String, Type)] = if at_hand.is_none() { &self.key } else { &[] };
        Scope {
            checker: self.checker,
            steps: &mut self.steps,
            at_hand,
            bound,
            key,
            reads: &mut self.reads,
            names_steps: false,
        }
    }

    fn compile_step(&mut self, at: usize) -> DraftStep {
        let types = self.steps.0[at].types.clone();
        let mut independent = true;
        let mut conditions = Vec::new();
        for type_id in types {
            let written = self.sequence.steps[at].condition.as_ref();
            let mut scope = self.scope(Some(AtHand { type_id, step: Some(at), name: None }), at);
            conditions.push(written.map(|condition| scope.condition(condition)));
            independent &= !scope.names_steps;
        }
        DraftStep { conditions, independent }
    }

    fn guards(&mut self, types: &[TypeId], name: Option<&Name>, condition: Option<&ast::Expr>) -> Vec<StepGuard> {
        let bound = self.steps.0.len();
        let mut guards = Vec::new();
        for type_id in types {
            let at_hand = AtHand { type_id: *type_id, step: None, name: name.map(|name| name.node.clone()) };
            let mut scope = self.scope(Some(at_hand), bound);
            let condition = condition.map(|condition| scope.condition(condition));
            guards.push(StepGuard { type_id: *type_id, condition, captures: Vec::new() });
        }
        guards
    }

    fn compile_absence(&mut self) -> Option<Absence> {
        let written = self.sequence.absence.as_ref()?;
        let types = self.absence_types.clone();
        let guards = self.guards(&types, written.name.as_ref(), written.condition.as_ref());
        Some(Absence { guards, within_ms: written.within.as_ref().map_or(0, |within| within.ms) })
    }

    fn compile_unless(&mut self, at: usize) -> Unless {
        let written = &self.rule.unless[at];
        let types = self.unless_types[at].clone();
        Unless { guards: self.guards(&types, written.name.as_ref(), written.condition.as_ref()) }
    }

    // The alert.

    fn compile_alert(&mut self) -> Option<AlertSpec> {
        let written = &self.rule.alert;
        if let Some(at_most_once) = &written.at_most_once {
            self.check_duration(at_most_once);
            if at_most_once.ms == 0 {
                self.checker.report(
                    Diagnostic::new(
                        Code::BadDuration,
                        at_most_once.span,
                        "`at most once per` nothing holds nothing back",
                    )
                    .help("name a length of time, or remove the clause"),
                );
            }
        }
        let message = self.compile_message();
        let score = written.score.as_ref().and_then(|score| self.compile_score(score));
        Some(AlertSpec {
            severity: self.compile_severity()?,
            score,
            message,
            targets: written.targets.iter().map(|name| name.node.clone()).collect(),
            tags: written.tags.iter().map(|name| name.node.clone()).collect(),
            at_most_once_ms: written.at_most_once.as_ref().map(|duration| duration.ms),
        })
    }

    fn compile_severity(&mut self) -> Option<Severity> {
        let names = Severity::ALL.map(Severity::as_str);
        let Some(written) = &self.rule.alert.severity else {
            self.checker.report(
                Diagnostic::new(
                    Code::MissingAlert,
                    self.rule.name.span,
                    format!("the alert of `{}` has no severity", self.rule.name.node),
                )
                .help(format!("write `alert high`; the severities are {}", names.join(", "))),
            );
            return None;
        };
        let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == written.node);
        if known.is_none() {
            let diagnostic =
                Diagnostic::new(Code::UnknownSeverity, written.span, format!("`{}` is no severity", written.node));
            let diagnostic = diagnostic.did_you_mean(written.span, &written.node, names);
            let help = diagnostic.help.clone().unwrap_or(format!("the severities are {}", names.join(", ")));
            self.checker.report(diagnostic.help(help));
        }
        known
    }

    fn compile_score(&mut self, score: &Spanned<Number>) -> Option<f64> {
        let value = match score.node {
            Number::Integer(n) => n as f64,
            Number::Float(n) => n,
        };
        if !(0.0..=1e9).contains(&value) {
            self.checker.report(
                Diagnostic::new(Code::NumberRange, score.span, "a score is from 0 to 1,000,000,000")
                    .help("a score adds to the risk of its key; leave it out where it should add nothing"),
            );
            return None;
        }
        Some(value)
    }

    /// The message; the description where there is none, and else the rule's name.
    fn compile_message(&mut self) -> Template {
        let Some(written) = &self.rule.alert.message else {
            let text = self.rule.description.as_ref().unwrap_or(&self.rule.name);
            return Template(vec![Part::Text(text.node.clone())]);
        };
        let bound = self.steps.0.len();
        let mut scope = self.scope(None, bound);
        let part = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => Part::Text(text.clone()),
            TemplatePart::Expr(expr) => Part::Value(scope.value(expr).expr),
        };
        Template(written.parts.iter().map(part).collect())
    }

    // Tests.

    fn compile_tests(&mut self, tests: &[Collected<'_>], conditions: &mut Conditions) {
        let bound = self.steps.0.len();
        for (span, condition) in super::tests::conditions_on(tests, &self.rule.name.node) {
            let mut scope = self.scope(None, bound);
            let compiled = scope.condition(condition);
            conditions.insert(span, compiled);
        }
    }
}

impl Checker {
    /// Whether this step's name is the type of an event, after a misspelt keyword that is told of already.
    fn is_misread(&self, name: &Name) -> bool {
        let explained = |diagnostic: &Diagnostic| {
            diagnostic.code == Code::MisspeltKeyword && diagnostic.labels.iter().any(|label| label.span == name.span)
        };
        self.diagnostics.iter().any(explained)
    }

    /// A declared event type by its name. Reports an unknown one.
    pub(super) fn type_id(&mut self, name: &Name) -> Option<TypeId> {
        let id = self.schema.type_id(&name.node);
        if id.is_none() {
            self.unknown_type(&name.node, name.span);
        }
        id
    }

    fn unknown_type(&mut self, name: &str, span: Span) {
        if self.is_dropped(name) {
            return;
        }
        if self.names.rules.contains_key(name) {
            self.not_yet(span, "a rule's alerts as events are");
            return;
        }
        let known: Vec<&str> = self.schema.types.iter().map(|event_type| event_type.name.as_str()).collect();
        let diagnostic = Diagnostic::new(Code::UnknownEvent, span, format!("no event `{name}` is declared"))
            .help(format!("declare it: `event {name} user_id text, …`"))
            .did_you_mean(span, name, known);
        self.report(diagnostic);
    }
}

fn count_of(step: &ast::Step) -> u32 {
    let n = step.count.as_ref().map_or(1, |count| count.n.clamp(1, COUNT_MAX));
    u32::try_from(n).expect("clamped")
}

fn is_or_more(step: &ast::Step) -> bool {
    step.count.as_ref().is_some_and(|count| count.or_more)
}
