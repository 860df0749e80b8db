//! `speed(event, event)`.

use std::sync::Arc;

use super::haversine::haversine_km;
use super::{Accepts, Definition, Group, Occurs, Param, ResultType};
use crate::event::Value;
use crate::lang::types::{Dimension, Type};

/// The compiler passes each event as two arguments: its point and its time.
pub(super) static DEFINITION: Definition = Definition {
    name: "speed",
    group: Group::Geo,
    params: &[
        Param { name: "from", accepts: Accepts::Event, occurs: Occurs::Once },
        Param { name: "to", accepts: Accepts::Event, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Quantity(Dimension::Speed)),
    doc: "How fast one must have been to be at both events, in km/h: the `distance` of their points by the time \
          between them, whichever came first. At equal times it exceeds every number, or is 0 where \
          the place is the same.",
    examples: &[
        ("round(speed(berlin_at_noon, paris_at_one))", "877 km/h"),
        ("speed(berlin_at_noon, paris_at_noon) > 1000000000 km/h", "true"),
        ("speed(berlin_at_noon, berlin_at_noon)", "0 km/h"),
    ],
    prepare: |_| {
        Ok(Arc::new(|args| match args {
            [Value::Point(from), Value::Time(from_ms), Value::Point(to), Value::Time(to_ms)] => {
                Value::number(km_per_hour(haversine_km(from, to), from_ms.abs_diff(*to_ms)))
            }
            _ => Value::Missing,
        }))
    },
};

const MS_PER_HOUR: f64 = 3_600_000.0;

/// No more than the largest number, which stands for a speed beyond every number.
fn km_per_hour(km: f64, ms: u64) -> f64 {
    match ms {
        0 if km > 0.0 => f64::MAX,
        0 => 0.0,
        ms => km / (ms as f64 / MS_PER_HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::super::distance;
    use super::super::testing::{BERLIN, PARIS, called, gives};
    use super::DEFINITION;
    use crate::event::Value;

    const NOON: Value = Value::Time(43_200_000);
    const ONE: Value = Value::Time(46_800_000);

    #[test]
    fn in_an_hour_it_is_the_distance() {
        let distance = called(&distance::DEFINITION, &[BERLIN, PARIS]);
        gives(&DEFINITION, &[BERLIN, NOON, PARIS, ONE], &distance);
        gives(&DEFINITION, &[BERLIN, ONE, PARIS, NOON], &distance);
    }

    #[test]
    fn nobody_is_at_two_places_at_once() {
        gives(&DEFINITION, &[BERLIN, NOON, PARIS, NOON], &Value::Number(f64::MAX));
        gives(&DEFINITION, &[BERLIN, NOON, BERLIN, NOON], &Value::Number(0.0));
        gives(&DEFINITION, &[BERLIN, NOON, BERLIN, ONE], &Value::Number(0.0));
    }

    #[test]
    fn the_longest_time_does_not_overflow() {
        let Value::Number(km_per_hour) =
            called(&DEFINITION, &[BERLIN, Value::Time(i64::MIN), PARIS, Value::Time(i64::MAX)])
        else {
            panic!("both events have a place and a time")
        };
        assert!(km_per_hour > 0.0 && km_per_hour < 1e-6, "{km_per_hour}");
    }
}
