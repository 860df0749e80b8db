//! The program: rules as state machines, and what is read of each event type.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::program::cells;
use crate::program::two_step::{self, TwoStep, TwoStepId};
use crate::program::waits::{self, Wait};
use crate::program::{
    Aggregate, Condition, Expr, Index, Measure, MeasureId, Novelty, NoveltyId, Table, TableId, Template, Window,
    WindowId,
};
use crate::schema::{Schema, TypeId};

/// A compiled set of rules. Immutable; engines share it behind an [`Arc`].
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The declared event types.
    pub schema: Schema,
    /// Per event type, what is read of it and who listens; [`TypeId`] indexes it.
    pub types: Vec<TypePlan>,
    /// The distinct keys of the rules; [`KeyId`] indexes it.
    pub keys: Vec<KeyPlan>,
    /// The rules, ordered by name; [`RuleId`] indexes it.
    pub rules: Vec<Rule>,
    /// The measures, ordered by name; [`MeasureId`] indexes it.
    pub measures: Vec<Measure>,
    /// The windows that conditions aggregate over; [`WindowId`] indexes it.
    pub windows: Vec<Window>,
    /// The values that `is new` remembers; [`NoveltyId`] indexes it.
    pub novelties: Vec<Novelty>,
    /// The lists and tables; [`TableId`] indexes it.
    pub tables: Vec<Table>,
    /// The event types that are the changes of a table.
    pub changes: Vec<(TypeId, TableId)>,
    /// The two-step sequences that run together; [`TwoStepId`] indexes it.
    pub two_steps: Vec<TwoStep>,
    /// How many conditions are shared; [`PredicateId`](crate::program::PredicateId) numbers them.
    pub predicates: usize,
    /// What is judged elsewhere, by another copy of the program.
    pub elsewhere: Elsewhere,
}

/// Rules and measures that a part of a program leaves to another one: see [`Program::part`].
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// The rules.
    pub rules: BTreeSet<RuleId>,
    /// The measures.
    pub measures: BTreeSet<MeasureId>,
}

impl Program {
    /// The rule of this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.name == name)
    }

    /// Chooses how rules run, once all are there.
    pub fn choose_strategies(&mut self) {
        self.two_steps = two_step::find(self);
        for (two_step, id) in self.two_steps.iter().zip((0..).map(TwoStepId)) {
            for member in &two_step.members {
                self.rules[member.rule.index()].two_step = Some(id);
            }
        }
        for at in 0..self.rules.len() {
            self.rules[at].waits = waits::of(self, &self.rules[at]);
        }
        cells::assign(self);
    }

    /// The same program, with the same numbers, that judges only what listens to these dispatches. Rules and measures of
    /// the others are elsewhere.
    #[must_use]
    pub fn part(&self, is_here: impl Fn(&Dispatch) -> bool) -> Program {
        let mut part = self.clone();
        let (mut rules, mut measures) = (BTreeSet::new(), BTreeSet::new());
        for plan in &mut part.types {
            plan.dispatch.retain(|dispatch| {
                let here = is_here(dispatch);
                if !here {
                    rules.extend(&dispatch.rules);
                    measures.extend(&dispatch.measures);
                }
                here
            });
        }
        part.elsewhere = Elsewhere { rules, measures };
        part
    }

    /// The measure of this name.
    pub fn measure(&self, name: &str) -> Option<&Measure> {
        self.measures.iter().find(|measure| &*measure.name == name)
    }
}

/// The number of a rule in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// The number of a key in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub u32);

/// The number of a positive step in its rule, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepId(pub u8);

/// The number of a cell in the rows of its key, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CellId(pub u32);

impl CellId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Of an index.
    pub fn from_index(index: usize) -> CellId {
        CellId(u32::try_from(index).expect("a program has fewer rules and windows"))
    }
}

/// The number of a captured field in its step, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaptureId(pub u16);

macro_rules! indexes {
    ($($id:ident)*) => {$(
        impl $id {
            /// As an index.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}
indexes!(RuleId KeyId StepId CaptureId);

/// What is read of an event type, and who listens to it.
#[derive(Clone, Debug, Default)]
pub struct TypePlan {
    /// The fields that any rule reads, as indexes into the type's declared fields. A decoded event's values stand in
    /// this order.
    pub fields: Vec<usize>,
    /// Whether behind them stands the text of the whole event: see [`Program::carry`].
    pub whole: bool,
    /// The rules that name this type, by their key.
    pub dispatch: Vec<Dispatch>,
    /// Whether its events are made of alerts; no source gives any.
    pub derived: bool,
}

/// The rules with one key that name an event type.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The key.
    pub key: KeyId,
    /// The event's values that make it, in order: indexes into the event's values.
    pub values: Vec<u16>,
    /// Whether one shard judges all its keys: rules that use each other's alerts under different keys must be in one
    /// place.
    pub pinned: bool,
    /// The rules, in order.
    pub rules: Vec<RuleId>,
    /// Which of them an event can begin something for. All others only look at it where something is open for its key.
    /// Of two-step sequences that run together the first stands for all.
    pub entries: Index<RuleId>,
    /// The measures, in order.
    pub measures: Vec<MeasureId>,
    /// Which of them an event can count for.
    pub measured: Index<MeasureId>,
    /// The windows that the event goes into before it is judged.
    pub windows: Vec<WindowId>,
    /// The windows that the event goes into after it is judged.
    pub windows_after: Vec<WindowId>,
    /// The windows that the rules read at such an event.
    pub reads: Vec<WindowId>,
    /// What is remembered of the event after it is judged.
    pub novelties: Vec<NoveltyId>,
}

impl Dispatch {
    /// A dispatch of a key that nothing listens to yet.
    pub fn new(key: KeyId, values: Vec<u16>, pinned: bool) -> Dispatch {
        Dispatch {
            key,
            values,
            pinned,
            rules: Vec::new(),
            entries: Index::default(),
            measures: Vec::new(),
            measured: Index::default(),
            windows: Vec::new(),
            windows_after: Vec::new(),
            reads: Vec::new(),
            novelties: Vec::new(),
        }
    }

    /// Whether judging such an event looks at the key's past.
    #[inline]
    pub fn reads_past(&self) -> bool {
        !(self.reads.is_empty() && self.novelties.is_empty())
    }
}

/// A distinct `for each`, shared by all rules that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// The names of its parts; none for rules without `for each`.
    pub parts: Vec<String>,
    /// Who is shown the events of keys with runs in each cell of their rows: a rule, or the first of those that run
    /// together; nobody where the cell is for something else.
    pub cells: Vec<Option<RuleId>>,
    /// How many of them are used where no rule is looked at.
    pub usual_cells: usize,
}

impl KeyPlan {
    /// A key of these parts, of which nothing is kept yet.
    pub fn new(parts: Vec<String>) -> KeyPlan {
        KeyPlan { parts, cells: Vec::new(), usual_cells: 0 }
    }
}

/// How the engine runs a rule.
#[derive(Clone, Debug)]
pub enum Strategy {
    /// One event decides: no state of the rule's own.
    Filter,
    /// Runs of a state machine per key.
    SequenceNfa,
    /// Runs whose steps, the slots, are taken in any order.
    AllOf,
    /// The events of the last while, of both sides, by key; each new one is joined with those of the other side.
    EachPair,
    /// One open session a key.
    Session(Session),
    /// One row a key while a condition holds.
    Held(Held),
}

impl Strategy {
    /// As `explain` names it.
    pub fn name(&self) -> &'static str {
        match self {
            Strategy::Filter => "filter",
            Strategy::SequenceNfa => "sequence NFA",
            Strategy::AllOf => "unordered NFA",
            Strategy::EachPair => "interval join",
            Strategy::Session(_) => "session",
            Strategy::Held(_) => "held condition",
        }
    }
}

/// `session s of X, Y after D idle at most M where c`. Its one step has a guard for each type.
#[derive(Clone, Debug)]
pub struct Session {
    /// The silence that closes it, in ms: a later event begins another.
    pub idle_ms: i64,
    /// The longest time from its first event to its last, in ms.
    pub at_most_ms: Option<i64>,
    /// What is computed of its events.
    pub folds: Vec<SessionFold>,
    /// What must hold when it closes.
    pub condition: Option<Condition>,
}

/// An aggregate over the events of a session.
#[derive(Clone, Debug)]
pub struct SessionFold {
    /// What is computed.
    pub aggregate: Aggregate,
    /// Of each type that counts, the value; nothing for a count.
    pub values: Vec<(TypeId, Option<Expr>)>,
}

/// `where c for D gap at most G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How long the condition must hold, in ms.
    pub for_ms: i64,
    /// The longest silence that does not break the streak, in ms.
    pub gap_ms: Option<i64>,
}

/// What an alert becomes for rules over alerts and for risks: an event of a derived type.
#[derive(Clone, Debug)]
pub struct Derived {
    /// The type.
    pub type_id: TypeId,
    /// Its values, in the order of the type's plan.
    pub values: Vec<DerivedValue>,
}

/// A value of a derived event.
#[derive(Clone, Debug)]
pub enum DerivedValue {
    /// What the completing event's step captured, by step.
    Captured(Vec<CaptureId>),
    /// A part of the alert's key.
    Key(u16),
    /// The rule's name.
    Rule,
    /// The rule's score.
    Score,
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number.
    pub id: RuleId,
    /// Its name.
    pub name: Arc<str>,
    /// The hash of the normalised rule: 16 hexadecimal digits.
    pub version: Arc<str>,
    /// The hash of what decides the match; part of every alert's id.
    pub match_hash: [u8; 32],
    /// Its key.
    pub key: KeyId,
    /// Its cell in the rows of its key, where it keeps anything of keys.
    pub cell: CellId,
    /// How it is run.
    pub strategy: Strategy,
    /// Where it runs as a two-step sequence.
    pub two_step: Option<TwoStepId>,
    /// What its open runs wait for, where a key's are parted by it once they are many.
    pub waits: Vec<Wait>,
    /// How many rules over rules it stands on: 0 where it uses no other's alerts.
    pub level: u16,
    /// The events that its alerts become, for the rules and risks that use them.
    pub derived: Vec<Derived>,
    /// Whether every start gives its own alert; otherwise a completion drops all open runs of the key.
    pub every: bool,
    /// The positive steps in order; at least one.
    pub steps: Vec<Step>,
    /// A final `then no`.
    pub absence: Option<Absence>,
    /// What ends a run early.
    pub unless: Vec<Unless>,
    /// The bound on the time from the first event to the last positive one, inclusive.
    pub within: Option<Within>,
    /// What is said when a run completes.
    pub alert: AlertSpec,
}

/// A bound in ms, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Within {
    /// Milliseconds.
    pub ms: i64,
}

/// A positive step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name; its number from 1 where it has none.
    pub label: Arc<str>,
    /// How often it is to be fulfilled; at least 1.
    pub count: u32,
    /// Whether it goes on taking events until the next step fits.
    pub or_more: bool,
    /// Whether the very next event of its types must fit.
    pub next: bool,
    /// Its event types, each with its condition.
    pub guards: Vec<StepGuard>,
    /// The fields that are kept of the event that it takes: for later conditions, the message, and the evidence.
    pub captures: Vec<Capture>,
    /// The fields of its events that are parts of the key, each with the part's place: nothing but the evidence reads
    /// them, so they are not kept.
    pub keyed: Vec<(Arc<str>, u16)>,
    /// Whether its condition is the same for every run of a key, that is: names no step.
    pub independent: bool,
    /// Of a slot in `all of` and a side of `each pair of`: what must hold once other slots are bound too.
    pub links: Vec<Link>,
}

/// A condition on several slots, to be judged when the slot that holds it is bound last.
#[derive(Clone, Debug)]
pub struct Link {
    /// The other slots.
    pub others: Vec<StepId>,
    /// For each type of the slot, in the order of its guards.
    pub conditions: Vec<Condition>,
}

impl Step {
    /// Whether one alert may hold several events of it.
    pub fn is_repeated(&self) -> bool {
        self.count > 1 || self.or_more
    }
}

/// An event type of a step, with what must hold of the event.
#[derive(Clone, Debug, PartialEq)]
pub struct StepGuard {
    /// The type.
    pub type_id: TypeId,
    /// What must hold; nothing where the step has no `where`.
    pub condition: Option<Condition>,
    /// Of each captured field, where it stands in the event's values; none where this type does not have it.
    pub captures: Vec<Option<u16>>,
}

/// A field that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    /// Its dotted path.
    pub path: Arc<str>,
    /// How the alert shows it.
    pub shown: Shown,
}

/// How an alert shows something that was kept of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a field.
    Field,
    /// Not at all: only other rules read it of the alert.
    Nowhere,
    /// As the whole event: see [`Program::carry`].
    Whole,
}

/// A final `then no`.
#[derive(Clone, Debug)]
pub struct Absence {
    /// The event types that cancel, each with its condition. Nothing is captured.
    pub guards: Vec<StepGuard>,
    /// How long after the last positive step, inclusive.
    pub within_ms: i64,
}

/// What ends a run early.
#[derive(Clone, Debug)]
pub struct Unless {
    /// The event types, each with its condition. Nothing is captured.
    pub guards: Vec<StepGuard>,
}

/// What an alert says.
#[derive(Clone, Debug)]
pub struct AlertSpec {
    /// How bad it is.
    pub severity: Severity,
    /// Its weight.
    pub score: Option<f64>,
    /// What happened, for people; the rule's description where it has no message.
    pub message: Template,
    /// The sinks that are to get it; all where there is none.
    pub targets: Arc<[String]>,
    /// Words to filter by.
    pub tags: Arc<[String]>,
    /// The shortest time between two sent alerts of a key, in ms.
    pub at_most_once_ms: Option<i64>,
    /// Aggregates that decided, by name, as of the completing event.
    pub values: Vec<(Arc<str>, Expr)>,
}

/// How bad an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// For the record.
    Info,
    /// To be looked at some day.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at today.
    High,
    /// To be looked at now.
    Critical,
}

impl Severity {
    /// All, from the least to the worst.
    pub const ALL: [Severity; 5] =
        [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// As rules and alerts write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
