//! `distance(point, point)`.

use std::sync::Arc;

use super::haversine::haversine_km;
use super::{Accepts, Definition, Group, Occurs, Param, ResultType};
use crate::event::Value;
use crate::lang::types::{Dimension, Type};

pub(super) static DEFINITION: Definition = Definition {
    name: "distance",
    group: Group::Geo,
    params: &[
        Param { name: "from", accepts: Accepts::Point, occurs: Occurs::Once },
        Param { name: "to", accepts: Accepts::Point, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Quantity(Dimension::Distance)),
    doc: "How far two places are apart, in km along the great circle of a sphere with the earth's mean radius \
          (6371.0088 km): at most half a percent off.",
    examples: &[("round(distance(berlin, paris))", "877 km"), ("distance(berlin, berlin)", "0 km")],
    prepare: |_| {
        Ok(Arc::new(|args| match args {
            [Value::Point(from), Value::Point(to)] => Value::number(haversine_km(from, to)),
            _ => Value::Missing,
        }))
    },
};

#[cfg(test)]
mod tests {
    use super::super::testing::{BERLIN, PARIS, called, gives};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn it_is_in_km() {
        let Value::Number(km) = called(&DEFINITION, &[BERLIN, PARIS]) else { panic!("two places have a distance") };
        assert!((877.4..877.5).contains(&km), "{km}");
    }

    #[test]
    fn it_is_the_same_there_and_back_and_nothing_to_where_one_is() {
        gives(&DEFINITION, &[BERLIN, PARIS], &called(&DEFINITION, &[PARIS, BERLIN]));
        gives(&DEFINITION, &[PARIS, PARIS], &Value::Number(0.0));
    }
}
