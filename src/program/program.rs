//! The program: rules as state machines, and what is read of each event type.

use std::fmt;
use std::sync::Arc;

use crate::program::{Condition, Template};
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
}

impl Program {
    /// The rule of this name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.name == name)
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
    /// The rules that name this type, by their key.
    pub dispatch: Vec<Dispatch>,
}

/// The rules with one key that name an event type.
#[derive(Clone, Debug)]
pub struct Dispatch {
    /// The key.
    pub key: KeyId,
    /// The event's values that make it, in order: indexes into the event's values.
    pub values: Vec<u16>,
    /// The rules, in order.
    pub rules: Vec<RuleId>,
}

/// A distinct `for each`, shared by all rules that have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    /// The names of its parts; none for rules without `for each`.
    pub parts: Vec<String>,
}

/// How the engine runs a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// One event decides: no state at all.
    Filter,
    /// Runs of a state machine per key.
    SequenceNfa,
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
    /// How it is run.
    pub strategy: Strategy,
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
    /// Whether its condition is the same for every run of a key, that is: names no step.
    pub independent: bool,
}

impl Step {
    /// Whether one alert may hold several events of it.
    pub fn is_repeated(&self) -> bool {
        self.count > 1 || self.or_more
    }
}

/// An event type of a step, with what must hold of the event.
#[derive(Clone, Debug)]
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
