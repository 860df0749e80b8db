//! What the functions of numbers share. No function of the language itself.

use std::cmp::Ordering;
use std::sync::Arc;

use super::{Accepts, Call, Occurs, Param};
use crate::event::{Value, order};

/// The one parameter of a function of a number.
pub(super) const ONE: &[Param] = &[Param { name: "number", accepts: Accepts::Numeric, occurs: Occurs::Once }];

/// The parameters of a function that chooses: two numbers or more.
pub(super) const TWO_OR_MORE: &[Param] = &[
    Param { name: "number", accepts: Accepts::Numeric, occurs: Occurs::Once },
    Param { name: "other", accepts: Accepts::LikeFirst, occurs: Occurs::Repeated },
];

/// A call with one number: an integer gives an integer, or missing where there is none.
pub(super) fn of_one(of_integer: fn(i64) -> Option<i64>, of_number: fn(f64) -> f64) -> Call {
    Arc::new(move |args| match args {
        [Value::Integer(integer)] => of_integer(*integer).map_or(Value::Missing, Value::Integer),
        // Adding zero makes a negative zero, which would be printed with its sign, a plain one.
        [Value::Number(number)] => Value::number(of_number(*number) + 0.0),
        _ => Value::Missing,
    })
}

/// A call that gives the argument which stands so to all others, the first of equals, as it is; missing where any is.
pub(super) fn choice(wanted: Ordering) -> Call {
    Arc::new(move |args| choose(wanted, args).cloned().unwrap_or_default())
}

fn choose<'a>(wanted: Ordering, args: &[&'a Value]) -> Option<&'a Value> {
    let (first, others) = args.split_first()?;
    others.iter().try_fold(*first, |best, arg| Some(if order(arg, best)? == wanted { *arg } else { best }))
}
