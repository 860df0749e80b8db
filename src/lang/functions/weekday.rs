//! `weekday(time, zone)`.

use super::{Definition, Group, ResultType, local_time};
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "weekday",
    group: Group::Time,
    params: local_time::PARAMS,
    result: ResultType::Of(Type::Integer),
    doc: "The day of the week, 1 for Monday to 7 for Sunday, in the calendar of a time zone such as `Europe/Berlin`; \
          of UTC where no zone is given.",
    examples: &[
        (r#"weekday("2026-07-05T22:30:00Z")"#, "7"),
        (r#"weekday("2026-07-05T22:30:00Z", "Europe/Berlin")"#, "1"),
    ],
    prepare: |constants| local_time::reading(constants, |date_time| date_time.weekday().to_monday_one_offset()),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, text, time};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn the_week_begins_on_monday_with_1() {
        gives(&DEFINITION, &[time("2026-07-06T00:00:00Z")], &Value::Integer(1));
        gives(&DEFINITION, &[time("2026-07-05T23:59:59.999Z")], &Value::Integer(7));
        gives(&DEFINITION, &[Value::Time(0)], &Value::Integer(4));
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        gives(&DEFINITION, &[time("2026-07-06T03:00:00Z"), text("America/New_York")], &Value::Integer(7));
    }
}
