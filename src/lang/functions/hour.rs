//! `hour(time, zone)`.

use jiff::civil::DateTime;

use super::{Definition, Group, ResultType, local_time};
use crate::lang::types::Type;

pub(super) static DEFINITION: Definition = Definition {
    name: "hour",
    group: Group::Time,
    params: local_time::PARAMS,
    result: ResultType::Of(Type::Integer),
    doc: "The hour of the day, 0 to 23, on the clock of a time zone such as `Europe/Berlin`, summer time included; of \
          UTC where no zone is given.",
    examples: &[
        (r#"hour("2026-07-01T22:30:00Z")"#, "22"),
        (r#"hour("2026-07-01T22:30:00Z", "Europe/Berlin")"#, "0"),
        (r#"hour("2026-01-01T22:30:00Z", "Europe/Berlin")"#, "23"),
    ],
    prepare: |constants| local_time::reading(constants, DateTime::hour),
};

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, refuses, text, time};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn the_clock_is_that_of_utc_unless_a_zone_is_given() {
        gives(&DEFINITION, &[time("2026-07-01T23:59:59.999Z")], &Value::Integer(23));
        gives(&DEFINITION, &[time("2026-07-01T18:30:00Z"), text("Asia/Kolkata")], &Value::Integer(0));
        gives(&DEFINITION, &[Value::Time(-1)], &Value::Integer(23));
    }

    #[test]
    fn the_clock_jumps_with_summer_time() {
        let berlin = || text("Europe/Berlin");
        gives(&DEFINITION, &[time("2026-03-29T00:59:59Z"), berlin()], &Value::Integer(1));
        gives(&DEFINITION, &[time("2026-03-29T01:00:00Z"), berlin()], &Value::Integer(3));
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        let reason = "there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?";
        refuses(&DEFINITION, &[Value::Time(0), text("Europe/Berln")], 1, reason);
    }
}
