//! The functions of the language, one file each: name, types, what it says, examples, and the code.
//!
//! `check` looks them up here by name and checks arguments by their parameters; the compiled program holds what
//! `prepare` gives. The manual's pages are made from the same definitions, and a test runs every example.
//!
//! A function gets its arguments as they are, missing ones too, and gives missing where it has no answer. It reads no
//! clock and keeps no state. What several functions share stands in a module of its own: `text`, `numeric`,
//! `local_time`, `haversine`.

// Text.
mod contains;
mod ends_with;
mod length;
mod lower;
mod matches;
mod starts_with;
mod text;
mod upper;

// Numbers.
mod abs;
mod ceiling;
mod floor;
mod greatest;
mod least;
mod numeric;
mod round;

// Time.
mod hour;
mod local_time;
mod weekday;

// Network.
mod in_network;

// Geo.
mod distance;
mod haversine;
mod speed;

#[cfg(test)]
mod testing;

use crate::event::Value;
use crate::lang::types::Type;
pub(crate) use crate::program::Call;

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
pub static ALL: &[&Definition] = &[
    &lower::DEFINITION,
    &upper::DEFINITION,
    &length::DEFINITION,
    &contains::DEFINITION,
    &starts_with::DEFINITION,
    &ends_with::DEFINITION,
    &matches::DEFINITION,
    &abs::DEFINITION,
    &round::DEFINITION,
    &floor::DEFINITION,
    &ceiling::DEFINITION,
    &least::DEFINITION,
    &greatest::DEFINITION,
    &hour::DEFINITION,
    &weekday::DEFINITION,
    &in_network::DEFINITION,
    &distance::DEFINITION,
    &speed::DEFINITION,
];

/// The function of this name.
pub fn find(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|definition| definition.name == name).copied()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::testing::{BERLIN, called, text};
    use super::*;

    /// Arguments that every function takes: a constant that is a network is a pattern as well.
    fn sample(accepts: Accepts) -> Vec<Value> {
        match accepts {
            Accepts::Text | Accepts::TextOrList | Accepts::ElementOfFirst => vec![text("a")],
            Accepts::TextConstant => vec![text("10.0.0.0/8")],
            Accepts::Numeric | Accepts::LikeFirst => vec![Value::Integer(1)],
            Accepts::Time => vec![Value::Time(0)],
            Accepts::Ip => vec![Value::Ip([10, 0, 0, 1].into())],
            Accepts::Point => vec![BERLIN],
            Accepts::Event => vec![BERLIN, Value::Time(0)],
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        let names: BTreeSet<&str> = ALL.iter().map(|definition| definition.name).collect();
        assert_eq!(names.len(), ALL.len());
        assert!(names.iter().all(|name| find(name).is_some_and(|found| found.name == *name)));
        assert!(find("lowr").is_none());
    }

    #[test]
    fn functions_stand_by_group() {
        assert!(ALL.is_sorted_by_key(|definition| definition.group as u8));
    }

    #[test]
    fn every_function_is_documented() {
        for Definition { name, doc, examples, .. } in ALL {
            assert!(doc.ends_with('.'), "the doc of {name} ends without a full stop");
            assert!(!examples.is_empty(), "{name} has no example");
            for (expression, _) in *examples {
                assert!(expression.contains(&format!("{name}(")), "an example of {name} does not call it");
            }
        }
    }

    #[test]
    fn a_missing_argument_makes_the_result_missing() {
        for definition in ALL {
            let params = definition.params.iter().filter(|param| param.occurs != Occurs::Optional);
            let args: Vec<(Accepts, Value)> = params
                .flat_map(|param| sample(param.accepts).into_iter().map(|value| (param.accepts, value)))
                .collect();
            let values = || args.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>();
            assert!(!called(definition, &values()).is_missing(), "{}", definition.name);
            for (index, _) in args.iter().enumerate().filter(|(_, (accepts, _))| *accepts != Accepts::TextConstant) {
                let mut with_missing = values();
                with_missing[index] = Value::Missing;
                assert!(called(definition, &with_missing).is_missing(), "{} without {index}", definition.name);
            }
        }
    }
}
