//! Lengths of time as people write them. Rules are formatted and explained with the same words.

/// The units: their length in ms, name and short name.
const UNITS: [(i64, &str, &str); 5] = [
    (86_400_000, "day", "d"),
    (3_600_000, "hour", "h"),
    (60_000, "minute", "m"),
    (1_000, "second", "s"),
    (1, "ms", "ms"),
];

/// How many there are of the largest unit that is whole, its name and its short name; days from two days up.
pub fn whole_unit(ms: i64) -> (i64, &'static str, &'static str) {
    let fits = |unit: i64| ms > 0 && ms % unit == 0 && (unit < 86_400_000 || ms >= 2 * unit);
    UNITS
        .into_iter()
        .find(|(unit, ..)| fits(*unit))
        .map_or((0, "second", "s"), |(unit, long, short)| (ms / unit, long, short))
}

/// `24 hours`, `5 minutes`, `250 ms`.
///
/// ```
/// use tripline::program::duration;
///
/// assert_eq!(duration(86_400_000), "24 hours");
/// assert_eq!(duration(60_000), "1 minute");
/// ```
pub fn duration(ms: i64) -> String {
    let (n, unit, _) = whole_unit(ms);
    let plural = if n == 1 || unit == "ms" { "" } else { "s" };
    format!("{n} {unit}{plural}")
}
