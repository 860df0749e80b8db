//! The functions of the language, one file each: name, types, what it says, examples, and the code.
//!
//! `check` looks them up here by name and checks arguments by their parameters; the compiled program holds what
//! `prepare` gives. The manual's pages are made from the same definitions, and a test runs every example.
//!
//! A function gets its arguments as they are, missing ones too, and gives missing where it has no answer. It reads no
//! clock and keeps no state.

mod lower;

use std::sync::Arc;

use crate::event::Value;
use crate::lang::types::Type;

/// A function of the language.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it belongs to in the manual.
    pub group: Group,
    /// Its parameters in order.
    pub params: &'static [Param],
    /// The type of its result.
    pub result: ResultType,
    /// What it gives, in a sentence or two, with units.
    pub doc: &'static str,
    /// Expressions and what they give, both as rules write them; `missing` where there is no answer.
    pub examples: &'static [(&'static str, &'static str)],
    /// Makes the call, given those arguments that are constants. An error says what is wrong with one: its number from
    /// 0, and words.
    pub prepare: fn(&[Option<&Value>]) -> Result<Call, BadArgument>,
}

/// A function ready to be called.
pub type Call = Arc<dyn Fn(&[&Value]) -> Value + Send + Sync>;

/// A constant that a function cannot work with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// Which argument, from 0.
    pub index: usize,
    /// What is wrong with it, in plain words.
    pub reason: String,
}

/// What a function belongs to in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Text.
    Text,
    /// Numbers.
    Number,
    /// Instants.
    Time,
    /// Addresses.
    Network,
    /// Places.
    Geo,
}

/// A parameter.
#[derive(Debug)]
pub struct Param {
    /// Its name in the manual and in messages.
    pub name: &'static str,
    /// What it takes.
    pub accepts: Accepts,
    /// Whether it may be left out, or given again and again.
    pub occurs: Occurs,
}

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// Text.
    Text,
    /// A text constant, checked when the rule is compiled.
    TextConstant,
    /// An integer, a number, or a number with a dimension.
    Numeric,
    /// An instant.
    Time,
    /// An address.
    Ip,
    /// A place.
    Point,
    /// Text or a list.
    TextOrList,
    /// Whatever compares with the elements or parts of the first argument.
    ElementOfFirst,
    /// A number of the first argument's dimension.
    LikeFirst,
    /// The name of a step: an event that has just one point field.
    Event,
}

/// How often a parameter occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occurs {
    /// Once.
    Once,
    /// Once or not at all.
    Optional,
    /// Once or more.
    Repeated,
}

/// The type of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResultType {
    /// Always this.
    Of(Type),
    /// That of the first argument.
    LikeFirst,
}

/// All functions, in the order of the manual.
pub static ALL: &[&Definition] = &[&lower::DEFINITION];

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|definition| definition.name == name).copied()
}
