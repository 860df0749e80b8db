//! Windows and `is new`: what conditions ask of a key's past.
//!
//! A window belongs to a key and an event type and not to a rule, so equal ones of several rules are one. Inside it bare
//! fields are those of the aggregated event; steps and the event at hand cannot be named.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Call, ExprKind, Spanned, Window as Range};
use crate::lang::check::aggregates::aggregate_type;
use crate::lang::check::expr::{Typed, never};
use crate::lang::check::rule::Builder;
use crate::lang::check::scope::{AtHand, Scope};
use crate::lang::check::steps::Steps;
use crate::lang::types::Type;
use crate::lang::{fmt, walk};
use crate::program::{
    Aggregate, CellId, Condition, Expr, KeyId, KeyPlan, Novelty, NoveltyId, Window, WindowId, WindowRange,
};
use crate::schema::TypeId;

/// The most events that a window counts back.
pub(super) const LAST_MAX: u64 = 1_000_000;

/// The windows and novelties of all rules.
#[derive(Debug, Default)]
pub(super) struct PastPlans {
    pub(super) windows: Vec<PastPlan<Window>>,
    pub(super) novelties: Vec<PastPlan<Novelty>>,
    by_text: HashMap<String, u32>,
}

/// A window or novelty, and where its key stands in its events.
#[derive(Debug)]
pub(super) struct PastPlan<T> {
    pub(super) plan: T,
    /// Its type.
    pub(super) type_id: TypeId,
    /// Its key; none while no rule that has it is right.
    pub(super) key: Option<(KeyPlan, Vec<u16>)>,
    pub(super) pinned: bool,
}

/// A use of the past at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PastUse {
    /// A window is read when an event of this type is judged; none in a message.
    Window(WindowId, Option<TypeId>),
    /// What is remembered is asked for.
    Novelty(NoveltyId),
}

/// Whether a place can ask for the past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PastAllowed {
    /// It can.
    Yes,
    /// It cannot, and why.
    No(&'static str),
}

impl PastPlans {
    fn window(&mut self, text: String, make: impl FnOnce() -> PastPlan<Window>) -> WindowId {
        let next = u32::try_from(self.windows.len()).expect("files are limited");
        let id = *self.by_text.entry(text).or_insert(next);
        if id == next {
            self.windows.push(make());
        }
        WindowId(id)
    }

    fn novelty(&mut self, text: String, make: impl FnOnce() -> PastPlan<Novelty>) -> NoveltyId {
        let next = u32::try_from(self.novelties.len()).expect("files are limited");
        let id = *self.by_text.entry(text).or_insert(next);
        if id == next {
            self.novelties.push(make());
        }
        NoveltyId(id)
    }
}

impl PastPlans {
    /// The window of a risk.
    pub(super) fn add_window(&mut self, text: String, window: PastPlan<Window>) -> WindowId {
        self.window(text, || window)
    }
}

impl Builder<'_> {
    /// Finds where the key stands in the events that the rule's windows and `is new` are over. Gives the windows that
    /// are read when an event of a type is judged.
    pub(super) fn place_past(&mut self) -> Vec<(TypeId, WindowId)> {
        let completing: Vec<TypeId> = self.steps.0.last().map_or_else(Vec::new, |step| step.types.clone());
        let mut reads = Vec::new();
        for one in self.uses.clone() {
            let type_id = match one {
                PastUse::Window(id, at) => {
                    let readers = at.map_or_else(|| completing.clone(), |at| vec![at]);
                    reads.extend(readers.into_iter().map(|reader| (reader, id)));
                    self.checker.past.windows[id.index()].type_id
                }
                PastUse::Novelty(id) => self.checker.past.novelties[id.index()].type_id,
            };
            let key = self.key_slots(type_id).map(|slots| (self.key_plan(), slots));
            let past = &mut self.checker.past;
            match one {
                PastUse::Window(id, _) => past.windows[id.index()].key = key,
                PastUse::Novelty(id) => past.novelties[id.index()].key = key,
            }
        }
        reads.sort_unstable();
        reads.dedup();
        reads
    }
}

impl Scope<'_> {
    /// `sum(purchase.amount where c) over 10 minutes`.
    pub(super) fn window(&mut self, call: &Call, window: &Spanned<Range>, span: Span) -> Typed {
        let Some((aggregate, argument)) = self.aggregate_parts(call, span) else { return Typed::unknown(span) };
        if let PastAllowed::No(why) = self.past_allowed {
            self.refuse_past(window.span, "a window", why);
            return Typed::unknown(span);
        }
        let Some(range) = self.window_range(window) else { return Typed::unknown(span) };
        let Some(type_id) = self.aggregated_type(argument, call, span) else { return Typed::unknown(span) };
        let aggregated = (aggregate != Aggregate::Count).then_some(argument);
        let (value, condition) = self.aggregated(type_id, aggregated, call);
        let Some((ty, value)) = self.aggregate_result(aggregate, value, call, argument) else {
            return Typed::unknown(span);
        };
        let (text, pinned) = (fmt::format_call(call), self.pinned);
        let identity = format!("window {} {} {}", self.identity, self.checker.schema.get(type_id).name, text);
        let shown = Arc::from(format!("{identity}: {ty:?}"));
        let plan = || PastPlan {
            plan: Window {
                identity: shown,
                name: Arc::from(text.as_str()),
                key: KeyId(0),
                cell: CellId::default(),
                aggregate,
                range,
                previous: matches!(window.node, Range::Previous(_)),
                value,
                condition,
            },
            type_id,
            key: None,
            pinned,
        };
        let id = self.checker.past.window(identity, plan);
        self.uses.push(PastUse::Window(id, self.at_hand.as_ref().map(|at_hand| at_hand.type_id)));
        Typed { ty, expr: Expr::Window(id), span }
    }

    /// `device.id is new over 90 days`.
    pub(super) fn is_new(&mut self, operand: &ast::Expr, over: &Spanned<ast::Duration>, span: Span) -> Condition {
        let Some(at_hand) = self.at_hand.clone() else {
            self.refuse_past(span, "`is new`", "there is no event at hand here");
            return never();
        };
        if let PastAllowed::No(why) = self.past_allowed {
            self.refuse_past(span, "`is new`", why);
            return never();
        }
        self.check_past_duration(over);
        let named = std::mem::take(&mut self.named);
        let value = self.value(operand);
        if !std::mem::replace(&mut self.named, named).is_empty() {
            self.refuse_past(
                operand.span,
                "`is new`",
                "it names an earlier step, and what is new is new of the event at hand",
            );
            return never();
        }
        if matches!(value.ty, Type::Point | Type::List(_)) {
            self.checker.report(
                Diagnostic::new(
                    Code::TypeMismatch,
                    operand.span,
                    format!("{} is never looked up as a whole", value.ty),
                )
                .help("ask for a text, number, time, ip address or true/false value that is new"),
            );
            return never();
        }
        if value.ty == Type::Unknown {
            return never();
        }
        let identity = format!(
            "novelty {} {} {} {}",
            self.identity,
            self.checker.schema.get(at_hand.type_id).name,
            fmt::format_expr(operand),
            over.ms
        );
        let shown = Arc::from(format!("{identity}: {:?}", value.ty));
        let (pinned, expr) = (self.pinned, value.expr.clone());
        let plan = || PastPlan {
            plan: Novelty { identity: shown, key: KeyId(0), operand: expr, over_ms: over.ms },
            type_id: at_hand.type_id,
            key: None,
            pinned,
        };
        let id = self.checker.past.novelty(identity, plan);
        self.uses.push(PastUse::Novelty(id));
        Condition::IsNew(id, value.expr)
    }

    /// The type over whose events an aggregate is: the first name in its argument.
    fn aggregated_type(&mut self, argument: &ast::Expr, call: &Call, span: Span) -> Option<TypeId> {
        let Some(name) = walk::first_names(argument).first().copied() else {
            self.checker.report(
                Diagnostic::new(
                    Code::BadArguments,
                    span,
                    format!("`{}` does not say over which events it is", call.function.node),
                )
                .help(format!("name the event type: `{}(purchase.amount) over 10 minutes`", call.function.node)),
            );
            return None;
        };
        if let Some(type_id) = self.checker.schema.type_id(&name.node) {
            return Some(type_id);
        }
        let is_field = self.at_hand.as_ref().is_some_and(|at_hand| {
            self.checker.schema.get(at_hand.type_id).fields.iter().any(|field| field.path[0] == name.node)
        });
        let step = self.steps.find(&name.node, &self.checker.schema);
        let types = match (step, is_field) {
            (crate::lang::check::steps::Found::Step(step), _) => self.steps.0[step].types.clone(),
            (_, true) => self.at_hand.iter().map(|at_hand| at_hand.type_id).collect(),
            _ => Vec::new(),
        };
        let Some(type_id) = types.first() else {
            self.checker.type_id(name);
            return None;
        };
        let event = self.checker.schema.get(*type_id).name.clone();
        let what = if is_field { format!("{event}.{}", name.node) } else { event.clone() };
        self.checker.report(
            Diagnostic::new(
                Code::UnknownEvent,
                name.span,
                format!("a window is over the events of a type, and `{}` is none", name.node),
            )
            .help(format!("name the event type: `{event}`"))
            .fix(name.span, what),
        );
        None
    }

    /// What is aggregated of an event, if anything, and which events count, in the scope of the aggregated event.
    pub(super) fn aggregated(
        &mut self,
        type_id: TypeId,
        argument: Option<&ast::Expr>,
        call: &Call,
    ) -> (Option<Typed>, Option<Condition>) {
        let mut steps = Steps::default();
        let mut uses = Vec::new();
        let mut inner = Scope {
            checker: self.checker,
            steps: &mut steps,
            at_hand: Some(AtHand { type_id, step: None, name: None }),
            bound: 0,
            bare: None,
            key: &[],
            reads: self.reads,
            named: BTreeSet::new(),
            identity: self.identity,
            pinned: self.pinned,
            past_allowed: PastAllowed::No("it stands inside a window already"),
            uses: &mut uses,
            session: None,
            total: None,
            measured: None,
        };
        let value = argument.map(|argument| inner.value(argument));
        let condition = call.condition.as_ref().map(|condition| inner.condition(condition));
        (value, condition)
    }

    fn aggregate_result(
        &mut self,
        aggregate: Aggregate,
        value: Option<Typed>,
        call: &Call,
        argument: &ast::Expr,
    ) -> Option<(Type, Option<Expr>)> {
        let Some(value) = value else {
            if matches!(&*argument.node, ExprKind::Path(path) if path.segments.len() == 1) {
                return Some((Type::Integer, None));
            }
            self.checker.report(
                Diagnostic::new(Code::BadArguments, argument.span, "`count` counts events")
                    .help("write `count(purchase)`; different values are counted by `distinct(purchase.amount)`"),
            );
            return None;
        };
        if value.ty == Type::Unknown {
            return None;
        }
        let result = aggregate_type(aggregate, &value.ty);
        if result.is_none() {
            self.no_meaning(call, &value.ty, value.span);
        }
        Some((result?, Some(value.expr)))
    }

    fn window_range(&mut self, window: &Spanned<Range>) -> Option<WindowRange> {
        match window.node {
            Range::Over(duration) | Range::Previous(duration) => {
                self.check_past_duration(&Spanned { node: duration, span: window.span });
                Some(WindowRange::Duration(duration.ms))
            }
            Range::Last(n) if (1..=LAST_MAX).contains(&n) => u32::try_from(n).ok().map(WindowRange::Last),
            Range::Last(_) => {
                self.checker.report(
                    Diagnostic::new(Code::BadCount, window.span, "a window counts from 1 to 1,000,000 events back")
                        .help("all of them are kept, for each key; count fewer, or write a duration"),
                );
                None
            }
        }
    }

    fn check_past_duration(&mut self, duration: &Spanned<ast::Duration>) {
        self.checker.check_duration(duration);
        if duration.ms == 0 {
            self.checker.report(
                Diagnostic::new(Code::BadDuration, duration.span, "a window of no length holds nothing")
                    .help("name how far it reaches back: `over 10 minutes`"),
            );
        }
    }

    fn refuse_past(&mut self, span: Span, what: &str, why: &str) {
        self.checker.report(
            Diagnostic::new(Code::BadWindow, span, format!("{what} cannot stand here: {why}"))
                .help("windows and `is new` stand in the conditions of steps, `then no` and `unless`, where an event is at hand; windows also in the message of a rule that an event completes"),
        );
    }
}

/// The windows that a place reads, as the values of an alert call them.
pub(super) fn windows_of(uses: &[PastUse]) -> BTreeSet<WindowId> {
    let window = |one: &PastUse| match one {
        PastUse::Window(id, _) => Some(*id),
        PastUse::Novelty(_) => None,
    };
    uses.iter().filter_map(window).collect()
}
