//! Conditions and values, with every name resolved to a slot. `engine` evaluates them.
//!
//! There are two worlds: a [`Condition`] is true or false, an [`Expr`] has a value or is missing. A comparison with a
//! missing value is false, so the second never leaks into the first.

use std::fmt;
use std::sync::Arc;

use crate::event::Value;
use crate::program::{CaptureId, NoveltyId, StepId, TableId, WindowId};

/// True or false.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of these, tried in order.
    All(Vec<Condition>),
    /// Any of these, tried in order.
    Any(Vec<Condition>),
    /// Not this.
    Not(Box<Condition>),
    /// Compares two values; false where either is missing.
    Compare(Comparison, Expr, Expr),
    /// Whether a value is one of some constants; false where it is missing, negated or not.
    In {
        /// What is looked for.
        operand: Expr,
        /// Whether it must not be there.
        negated: bool,
        /// The constants.
        values: Vec<Value>,
    },
    /// Whether a value is in a list; false where it is missing, negated or not.
    InList {
        /// What is looked for.
        operand: Expr,
        /// Whether it must not be there.
        negated: bool,
        /// The list.
        list: TableId,
    },
    /// Whether a value is missing.
    IsMissing(Expr),
    /// A boolean value; missing is false.
    IsTrue(Expr),
    /// Whether no earlier event of the key and type had this value, as far back as is remembered; false where it is
    /// missing.
    IsNew(NoveltyId, Expr),
    /// A condition on the event alone that is asked at several places: it is judged once an event.
    Shared(PredicateId, Arc<Condition>),
}

/// The number of a shared condition in its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateId(pub u32);

impl PredicateId {
    /// As an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Condition {
    /// Whether it depends on the event at hand alone, and on the lists and tables: not on a run, a window, or what was
    /// seen before.
    pub fn is_of_event(&self) -> bool {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().all(Condition::is_of_event),
            Condition::Not(part) => part.is_of_event(),
            Condition::Compare(_, left, right) => left.is_of_event() && right.is_of_event(),
            Condition::In { operand, .. }
            | Condition::InList { operand, .. }
            | Condition::IsMissing(operand)
            | Condition::IsTrue(operand) => operand.is_of_event(),
            Condition::IsNew(..) => false,
            Condition::Shared(..) => true,
        }
    }
}

impl Expr {
    /// Whether it depends on the event at hand alone, and on the lists and tables.
    pub fn is_of_event(&self) -> bool {
        match self {
            Expr::Constant(_) | Expr::Field(_) | Expr::Time => true,
            Expr::Captured(..)
            | Expr::CapturedTime(_)
            | Expr::StepAggregate(..)
            | Expr::Window(_)
            | Expr::Aggregate(_)
            | Expr::Key(_) => false,
            Expr::Arithmetic(_, sides) => sides.0.is_of_event() && sides.1.is_of_event(),
            Expr::Negate(inner) | Expr::Lookup(_, _, inner) => inner.is_of_event(),
            Expr::Call(_, arguments) => arguments.iter().all(Expr::is_of_event),
            Expr::Condition(condition) => condition.is_of_event(),
        }
    }
}

/// A value, or missing.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Constant(Value),
    /// A field of the event at hand: an index into its values.
    Field(u16),
    /// The time of the event at hand.
    Time,
    /// A captured field of the event that an earlier step took.
    Captured(StepId, CaptureId),
    /// The time of the event that an earlier step took.
    CapturedTime(StepId),
    /// An aggregate over the events that a repeated step took.
    StepAggregate(Aggregate, StepId, Option<CaptureId>),
    /// An aggregate over a window, as of the event at hand.
    Window(WindowId),
    /// An aggregate over the events of a session or of a measure's window, by its place in
    /// [`Session::folds`](crate::program::Session) or [`Measure::folds`](crate::program::Measure).
    Aggregate(u16),
    /// A part of the rule's key.
    Key(u16),
    /// Arithmetic; missing on overflow, division by zero and where an operand is missing.
    Arithmetic(Arithmetic, Box<(Expr, Expr)>),
    /// A number with its sign changed.
    Negate(Box<Expr>),
    /// A function's result.
    Call(Function, Vec<Expr>),
    /// A column of a table's row: an index into its columns. Missing where the key is, and where there is no row.
    Lookup(TableId, u16, Box<Expr>),
    /// A condition as a boolean value.
    Condition(Box<Condition>),
}

impl Condition {
    /// Whether it depends on what a run has taken: on anything beside the event at hand and its key's past.
    pub fn reads_steps(&self) -> bool {
        match self {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().any(Condition::reads_steps),
            Condition::Not(part) => part.reads_steps(),
            Condition::Compare(_, left, right) => left.reads_steps() || right.reads_steps(),
            Condition::In { operand, .. }
            | Condition::InList { operand, .. }
            | Condition::IsMissing(operand)
            | Condition::IsTrue(operand)
            | Condition::IsNew(_, operand) => operand.reads_steps(),
            Condition::Shared(..) => false,
        }
    }
}

impl Expr {
    /// As [`Condition::reads_steps`].
    pub fn reads_steps(&self) -> bool {
        match self {
            Expr::Captured(..) | Expr::CapturedTime(_) | Expr::StepAggregate(..) => true,
            Expr::Constant(_) | Expr::Field(_) | Expr::Time | Expr::Window(_) | Expr::Aggregate(_) | Expr::Key(_) => {
                false
            }
            Expr::Arithmetic(_, sides) => sides.0.reads_steps() || sides.1.reads_steps(),
            Expr::Negate(inner) | Expr::Lookup(_, _, inner) => inner.reads_steps(),
            Expr::Call(_, arguments) => arguments.iter().any(Expr::reads_steps),
            Expr::Condition(condition) => condition.reads_steps(),
        }
    }
}

/// Comparisons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Equal.
    Is,
    /// Not equal.
    IsNot,
    /// Less.
    Less,
    /// Less or equal.
    LessOrEqual,
    /// Greater.
    Greater,
    /// Greater or equal.
    GreaterOrEqual,
}

impl Comparison {
    /// As rules write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Is => "is",
            Comparison::IsNot => "is not",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        }
    }

    /// What says the same with the sides exchanged.
    #[must_use]
    pub fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessOrEqual => Comparison::GreaterOrEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterOrEqual => Comparison::LessOrEqual,
            Comparison::Is | Comparison::IsNot => self,
        }
    }
}

/// The four operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// Sum.
    Add,
    /// Difference.
    Subtract,
    /// Product.
    Multiply,
    /// Quotient: always a number, never an integer.
    Divide,
}

/// Aggregates over the events of a step, of a window, of a session, or of a measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Aggregate {
    /// How many events; no field.
    Count,
    /// The sum.
    Sum,
    /// The mean.
    Average,
    /// The smallest.
    Minimum,
    /// The largest.
    Maximum,
    /// How many different values.
    Distinct,
    /// The value at this percentile, 0 to 100, by nearest rank.
    Percentile(f64),
    /// The standard deviation of the population.
    Deviation,
    /// The field of the first event.
    First,
    /// The field of the last event.
    Last,
}

/// A function of the language, ready to be called: patterns, networks and time zones among its arguments are
/// compiled already.
#[derive(Clone)]
pub struct Function {
    /// Its name in the language.
    pub name: &'static str,
    /// From arguments to a result; missing arguments are given as they are.
    pub call: Call,
}

/// Equal where they are the same: what was compiled into one cannot be seen.
impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        self.name == other.name && Arc::ptr_eq(&self.call, &other.call)
    }
}

/// The code of a function.
pub type Call = Arc<dyn Fn(&[&Value]) -> Value + Send + Sync>;

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A message with values in it.
#[derive(Clone, Debug, Default)]
pub struct Template(pub Vec<Part>);

/// A part of a message.
#[derive(Clone, Debug)]
pub enum Part {
    /// Text as it is.
    Text(String),
    /// A value, printed for people.
    Value(Expr),
}
