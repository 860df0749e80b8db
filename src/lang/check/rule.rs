//! One rule: its steps, its conditions, its bounds, and what of it the program keeps.
//!
//! Every pattern is brought into the form of a sequence first: the slots of `all of`, the sides of `each pair of` and
//! the events of a session are steps too.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::lang::ast::{self, Name, Sequence};
use crate::lang::check::past::{PastAllowed, PastUse, windows_of};
use crate::lang::check::scope::{AtHand, Scope};
use crate::lang::check::session::SessionNames;
use crate::lang::check::shape::COUNT_MAX;
use crate::lang::check::steps::Steps;
use crate::lang::check::tests::{Collected, Conditions};
use crate::lang::check::{Checker, identity};
use crate::lang::fmt;
use crate::lang::types::Type;
use crate::program::{
    Absence, AlertSpec, CellId, Condition, Expr, Held, KeyId, KeyPlan, Link, Rule, RuleId, Session, Step, StepGuard,
    Strategy, Unless, WindowId, Within,
};
use crate::schema::TypeId;

/// A compiled rule and what the program needs to know of it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) rule: Rule,
    pub(super) key: KeyPlan,
    /// For each type that it names, where the parts of the key stand in its events.
    pub(super) dispatch: Vec<(TypeId, Vec<u16>)>,
    /// Whether one shard judges all its keys.
    pub(super) pinned: bool,
    /// The windows that are read when an event of a type is judged.
    pub(super) reads: Vec<(TypeId, WindowId)>,
    /// The rules whose alerts it uses.
    pub(super) uses: Vec<String>,
}

/// Compiles a rule; none where it has an error.
pub(super) fn compile(
    checker: &mut Checker,
    rule: &ast::Rule,
    tests: &Collected<'_>,
    conditions: &mut Conditions,
) -> Option<Compiled> {
    compile_with(checker, rule, None, tests, conditions)
}

/// As [`compile`]; `total` is the window that the word means in a risk.
pub(super) fn compile_with(
    checker: &mut Checker,
    rule: &ast::Rule,
    total: Option<WindowId>,
    tests: &Collected<'_>,
    conditions: &mut Conditions,
) -> Option<Compiled> {
    let (errors, excused) = (checker.diagnostics.len(), checker.excused);
    let mut builder = Builder::new(checker, rule, total);
    let compiled = builder.build();
    let compiled = compiled.filter(|_| {
        builder.checker.excused == excused && builder.checker.diagnostics[errors..].iter().all(|d| !is_error(d))
    });
    // The conditions of tests see the rule's names. They come last: what they read is no part of the rule.
    builder.compile_tests(tests, conditions);
    compiled.map(|made| builder.finish(made))
}

pub(super) fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity() == Severity::Error
}

/// A rule under compilation.
pub(super) struct Builder<'a> {
    pub(super) checker: &'a mut Checker,
    pub(super) rule: &'a ast::Rule,
    pub(super) sequence: Arc<Sequence>,
    pub(super) steps: Steps,
    /// The names and types of the key's parts.
    pub(super) key: Vec<(String, Type)>,
    pub(super) reads: BTreeSet<String>,
    /// The types that the rule names, each once.
    pub(super) types: Vec<TypeId>,
    pub(super) unless_types: Vec<Vec<TypeId>>,
    pub(super) absence_types: Vec<TypeId>,
    /// What its conditions ask of the past.
    pub(super) uses: Vec<PastUse>,
    session: Option<SessionNames>,
    /// The key as text, and where it is judged: what tells equal windows from others.
    identity: String,
    pub(super) pinned: bool,
    total: Option<WindowId>,
    /// How many aggregates its alerts carry.
    alert_values: usize,
}

/// What is known of a rule before its captures are final.
struct Draft {
    steps: Vec<DraftStep>,
    session: Option<Condition>,
    absence: Option<Absence>,
    unless: Vec<Unless>,
    alert: AlertSpec,
    dispatch: Vec<(TypeId, Vec<u16>)>,
    reads: Vec<(TypeId, WindowId)>,
    match_hash: [u8; 32],
    version: String,
}

/// What is known of a step.
#[derive(Default)]
pub(super) struct DraftStep {
    /// For each of its types.
    pub(super) conditions: Vec<Option<Condition>>,
    pub(super) independent: bool,
    pub(super) links: Vec<Link>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(checker: &'a mut Checker, rule: &'a ast::Rule, total: Option<WindowId>) -> Builder<'a> {
        let pinned = checker.relations.is_pinned(&rule.name.node);
        let place = if pinned { "pinned " } else { "" };
        Builder {
            identity: format!("{place}{}", fmt::format_keys(&rule.keys)),
            pinned,
            checker,
            rule,
            sequence: Arc::new(super::shape::as_sequence(&rule.pattern)),
            steps: Steps::default(),
            key: Vec::new(),
            reads: BTreeSet::new(),
            types: Vec::new(),
            unless_types: Vec::new(),
            absence_types: Vec::new(),
            uses: Vec::new(),
            session: None,
            total,
            alert_values: 0,
        }
    }

    fn build(&mut self) -> Option<Draft> {
        self.check_shape();
        self.collect_types();
        self.check_step_names();
        self.lint();
        let dispatch = self.compile_key();
        if let ast::Pattern::Session(session) = &self.rule.pattern {
            self.session = Some(SessionNames::new(session.name.node.clone(), self.types.clone()));
        }
        let (steps, decided) = self.compile_steps();
        let session = self.compile_session();
        let absence = self.compile_absence();
        let unless = (0..self.rule.unless.len()).map(|at| self.compile_unless(at)).collect();
        let mut alert = self.compile_alert()?;
        alert.values = self.alert_values(&decided);
        self.alert_values = alert.values.len();
        self.show_keys();
        if let Some(total) = self.total {
            for path in super::risk::EVIDENCE {
                self.steps.0[0].capture(path);
            }
            self.uses.push(PastUse::Window(total, self.types.first().copied()));
        }
        let reads = self.place_past();
        self.check_renamed_keys();
        let declarations: Vec<String> = self.reads.iter().cloned().collect();
        Some(Draft {
            steps,
            session,
            absence,
            unless,
            alert,
            dispatch: dispatch?,
            reads,
            match_hash: identity::match_hash(self.rule, &declarations),
            version: identity::version(self.rule, &declarations),
        })
    }

    /// Fixes what is captured, when nothing can read more.
    fn finish(mut self, draft: Draft) -> Compiled {
        let rule = self.rule;
        let derived = self.derived();
        let strategy = self.strategy(draft.session);
        let steps: Vec<Step> =
            draft.steps.into_iter().enumerate().map(|(at, step)| self.finish_step(at, step)).collect();
        Compiled {
            rule: Rule {
                id: RuleId(0),
                name: Arc::from(rule.name.node.as_str()),
                version: Arc::from(draft.version),
                match_hash: draft.match_hash,
                key: KeyId(0),
                strategy,
                cell: CellId::default(),
                two_step: None,
                waits: Vec::new(),
                level: self.checker.relations.level(&rule.name.node),
                derived,
                every: self.sequence.every,
                steps,
                absence: draft.absence,
                unless: draft.unless,
                within: rule.within.as_ref().map(|within| Within { ms: within.ms }),
                alert: draft.alert,
            },
            key: self.key_plan(),
            dispatch: draft.dispatch,
            pinned: self.pinned,
            reads: draft.reads,
            uses: self.checker.relations.uses(&rule.name.node),
        }
    }

    fn strategy(&mut self, condition: Option<Condition>) -> Strategy {
        match &self.rule.pattern {
            ast::Pattern::AllOf(_) => Strategy::AllOf,
            ast::Pattern::EachPair(_) => Strategy::EachPair,
            ast::Pattern::Session(session) => {
                let names = self.session.take().expect("made when the conditions were compiled");
                Strategy::Session(Session {
                    idle_ms: session.idle.ms,
                    at_most_ms: session.at_most.as_ref().map(|most| most.ms),
                    folds: names.folds.into_iter().map(|(_, _, fold)| fold).collect(),
                    condition,
                })
            }
            ast::Pattern::Sequence(sequence) => match &sequence.steps[0].held {
                Some(held) => {
                    Strategy::Held(Held { for_ms: held.duration.ms, gap_ms: held.gap.as_ref().map(|gap| gap.ms) })
                }
                None if self.is_one_event() => Strategy::Filter,
                None => Strategy::SequenceNfa,
            },
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
            // Of a session it is the engine that keeps just the first and last events.
            or_more: is_or_more(written) && !matches!(self.rule.pattern, ast::Pattern::Session(_)),
            next: written.next,
            guards: names.types.iter().zip(draft.conditions).map(guard).collect(),
            captures: names.captures(),
            keyed: names.keyed.clone(),
            independent: draft.independent,
            links: draft.links,
        }
    }

    /// Whether one event decides.
    pub(super) fn is_one_event(&self) -> bool {
        let [step] = self.sequence.steps.as_slice() else { return false };
        count_of(step) == 1 && !is_or_more(step) && self.sequence.absence.is_none()
    }

    /// Why there is no event at hand when the rule completes, if a timer completes it.
    pub(super) fn completes_later(&self) -> Option<&'static str> {
        if self.session.is_some() {
            return Some("a session is judged when it is over, and no event is at hand then");
        }
        self.sequence.absence.is_some().then_some("the alert comes when nothing came, and no event is at hand then")
    }

    // Conditions.

    pub(super) fn scope(&mut self, at_hand: Option<AtHand>, bound: usize) -> Scope<'_> {
        let key: &[(String, Type)] = if at_hand.is_none() { &self.key } else { &[] };
        Scope {
            checker: self.checker,
            steps: &mut self.steps,
            at_hand,
            bound,
            bare: None,
            key,
            reads: &mut self.reads,
            named: BTreeSet::new(),
            identity: &self.identity,
            pinned: self.pinned,
            past_allowed: PastAllowed::Yes,
            uses: &mut self.uses,
            session: self.session.as_mut(),
            total: self.total.map(Expr::Window),
            measured: None,
        }
    }

    /// The steps, and what decided at the last of them.
    fn compile_steps(&mut self) -> (Vec<DraftStep>, Vec<PastUse>) {
        match &self.rule.pattern {
            ast::Pattern::AllOf(_) => (self.compile_slots(), Vec::new()),
            ast::Pattern::EachPair(pair) => (self.compile_pair(pair), Vec::new()),
            ast::Pattern::Sequence(_) | ast::Pattern::Session(_) => {
                let mut before = 0;
                let mut steps = Vec::new();
                for at in 0..self.sequence.steps.len() {
                    before = self.uses.len();
                    steps.push(self.compile_step(at));
                }
                (steps, self.uses[before..].to_vec())
            }
        }
    }

    pub(super) fn compile_step(&mut self, at: usize) -> DraftStep {
        let sequence = Arc::clone(&self.sequence);
        let mut draft = DraftStep { independent: true, ..DraftStep::default() };
        for type_id in self.steps.0[at].types.clone() {
            let written = sequence.steps[at].condition.as_ref();
            let mut scope = self.scope(Some(AtHand { type_id, step: Some(at), name: None }), at);
            draft.conditions.push(written.map(|condition| scope.condition(condition)));
            draft.independent &= scope.named.is_empty();
        }
        draft
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

    fn compile_session(&mut self) -> Option<Condition> {
        let ast::Pattern::Session(session) = &self.rule.pattern else { return None };
        let written = session.condition.as_ref()?;
        let bound = self.steps.0.len();
        let why = self.completes_later();
        let mut scope = self.scope(None, bound);
        scope.past_allowed = why.map_or(PastAllowed::Yes, PastAllowed::No);
        Some(scope.condition(written))
    }

    fn compile_absence(&mut self) -> Option<Absence> {
        let sequence = Arc::clone(&self.sequence);
        let written = sequence.absence.as_ref()?;
        let types = self.absence_types.clone();
        let guards = self.guards(&types, written.name.as_ref(), written.condition.as_ref());
        Some(Absence { guards, within_ms: written.within.as_ref().map_or(0, |within| within.ms) })
    }

    fn compile_unless(&mut self, at: usize) -> Unless {
        let written = &self.rule.unless[at];
        let types = self.unless_types[at].clone();
        Unless { guards: self.guards(&types, written.name.as_ref(), written.condition.as_ref()) }
    }

    /// What an alert says of the past and of the session, beside its events.
    fn alert_values(&mut self, decided: &[PastUse]) -> Vec<(Arc<str>, Expr)> {
        if let Some(session) = &self.session {
            let value = |(at, (text, ..)): (usize, &(String, Type, _))| {
                let at = u16::try_from(at).expect("a file of 1 MiB holds fewer aggregates");
                (Arc::from(text.as_str()), Expr::Aggregate(at))
            };
            return session.folds.iter().enumerate().map(value).collect();
        }
        if self.completes_later().is_some() {
            return Vec::new();
        }
        let windows = &self.checker.past.windows;
        let value = |id: WindowId| (Arc::clone(&windows[id.index()].plan.name), Expr::Window(id));
        windows_of(decided).into_iter().chain(self.total).map(value).collect()
    }

    // Tests.

    fn compile_tests(&mut self, tests: &Collected<'_>, conditions: &mut Conditions) {
        let bound = self.steps.0.len();
        // The total of a risk is the last of its alert's values.
        let total = self.alert_values.checked_sub(1).and_then(|last| u16::try_from(last).ok()).map(Expr::Aggregate);
        let carried = self.session.as_ref().map_or(0, |session| session.folds.len());
        for (span, condition) in tests.conditions_on(&self.rule.name.node) {
            let mut scope = self.scope(None, bound);
            scope.past_allowed = PastAllowed::No("a test sees what the alert carries");
            scope.total = scope.total.and(total.clone());
            let compiled = scope.condition(condition);
            conditions.insert(span, compiled);
            self.refuse_uncarried(span, carried);
        }
    }
}

impl Builder<'_> {
    /// Refuses an aggregate of a session that a test asks for and its alert does not carry.
    fn refuse_uncarried(&mut self, span: Span, carried: usize) {
        let Some(session) = &mut self.session else { return };
        let Some((text, ..)) = session.folds.get(carried) else { return };
        let diagnostic = Diagnostic::new(Code::BadArguments, span, format!("the alert does not carry `{text}`"))
            .help("an alert carries the aggregates that its rule reads: let the rule's `where` or message name it too");
        session.folds.truncate(carried);
        self.checker.report(diagnostic);
    }
}

/// How often a step is to be fulfilled.
pub(super) fn count_of(step: &ast::Step) -> u32 {
    let n = step.count.as_ref().map_or(1, |count| count.n.clamp(1, COUNT_MAX));
    u32::try_from(n).expect("clamped")
}

/// Whether it goes on taking events.
pub(super) fn is_or_more(step: &ast::Step) -> bool {
    step.count.as_ref().is_some_and(|count| count.or_more)
}
