//! What the functions of time share: the clock and calendar of a time zone. No function of the language itself.
//!
//! The zones are those that the program carries, not those of the machine: the same stream gives the same alerts
//! everywhere.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::{Accepts, BadArgument, Call, Occurs, Param, text};
use crate::diagnostic::closest;
use crate::event::Value;

/// An instant, and the zone whose clock is read.
pub(super) const PARAMS: &[Param] = &[
    Param { name: "time", accepts: Accepts::Time, occurs: Occurs::Once },
    Param { name: "zone", accepts: Accepts::TextConstant, occurs: Occurs::Optional },
];

/// A call that reads something off the clock or calendar of the zone in the second argument, UTC where there is none.
pub(super) fn reading(constants: &[Option<&Value>], read: fn(DateTime) -> i8) -> Result<Call, BadArgument> {
    let zone = if constants.len() > 1 { zone(text::constant(constants, 1)?)? } else { TimeZone::UTC };
    Ok(Arc::new(move |args| match args {
        [Value::Time(time_ms), ..] => {
            local(*time_ms, &zone).map_or(Value::Missing, |date_time| Value::Integer(i64::from(read(date_time))))
        }
        _ => Value::Missing,
    }))
}

/// None outside of the years -9999 to 9999.
fn local(time_ms: i64, zone: &TimeZone) -> Option<DateTime> {
    Timestamp::from_millisecond(time_ms).ok().map(|timestamp| zone.to_datetime(timestamp))
}

fn zone(name: &str) -> Result<TimeZone, BadArgument> {
    let database = TimeZoneDatabase::bundled();
    database.get(name).map_err(|_| BadArgument { index: 1, reason: unknown(name, &database) })
}

fn unknown(name: &str, database: &TimeZoneDatabase) -> String {
    let known: Vec<String> = database.available().map(|zone| zone.to_string()).collect();
    let known = || known.iter().map(String::as_str);
    // Who writes the city alone means its zone, though `ROK` is nearer to `Rome` by letters.
    let of_city = known().find(|zone| zone.rsplit('/').next().is_some_and(|city| city.eq_ignore_ascii_case(name)));
    match of_city.or_else(|| closest(name, known())) {
        Some(nearest) => format!("there is no time zone `{name}`; did you mean `{nearest}`?"),
        None => format!("there is no time zone `{name}`; they are called as in `Europe/Berlin`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(name: &str) -> String {
        zone(name).expect_err("there is no such zone").reason
    }

    #[test]
    fn an_unknown_zone_is_told_with_the_nearest() {
        assert_eq!(refusal("Europe/Berln"), "there is no time zone `Europe/Berln`; did you mean `Europe/Berlin`?");
        assert_eq!(refusal("rome"), "there is no time zone `rome`; did you mean `Europe/Rome`?");
        assert_eq!(
            refusal("at my place"),
            "there is no time zone `at my place`; they are called as in `Europe/Berlin`"
        );
    }

    #[test]
    fn zones_are_found_in_any_case_of_letters() {
        assert!(zone("europe/berlin").is_ok());
        assert!(zone("UTC").is_ok());
    }

    #[test]
    fn a_time_beyond_the_calendar_has_no_reading() {
        assert!(local(i64::MAX, &TimeZone::UTC).is_none());
        assert!(local(i64::MIN, &TimeZone::UTC).is_none());
    }
}
