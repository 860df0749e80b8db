//! From pairs to the small parts: names, paths, numbers, durations, texts.

use super::build::{Builder, Pair, only};
use super::grammar::Rule;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{Duration, KindName, Literal, Name, Number, Path, Spanned, Unit};

/// The units of time in every form that is read.
const TIME_UNITS: &[(&str, Unit)] = &[
    ("ms", Unit::Milliseconds),
    ("millisecond", Unit::Milliseconds),
    ("milliseconds", Unit::Milliseconds),
    ("s", Unit::Seconds),
    ("sec", Unit::Seconds),
    ("secs", Unit::Seconds),
    ("second", Unit::Seconds),
    ("seconds", Unit::Seconds),
    ("m", Unit::Minutes),
    ("min", Unit::Minutes),
    ("mins", Unit::Minutes),
    ("minute", Unit::Minutes),
    ("minutes", Unit::Minutes),
    ("h", Unit::Hours),
    ("hr", Unit::Hours),
    ("hrs", Unit::Hours),
    ("hour", Unit::Hours),
    ("hours", Unit::Hours),
    ("d", Unit::Days),
    ("day", Unit::Days),
    ("days", Unit::Days),
];

/// The units that are not of time.
const OTHER_UNITS: &[(&str, Unit)] =
    &[("km", Unit::Kilometres), ("km/h", Unit::KilometresPerHour), ("percent", Unit::Percent)];

/// The forms that are offered when a unit is unknown.
const OFFERED: &[&str] =
    &["ms", "milliseconds", "s", "seconds", "min", "minutes", "minute", "hours", "hour", "days", "day", "second"];

/// What is said where a unit of time is missing or unknown.
pub(super) const TIME_UNITS_HELP: &str = "the units of time are ms, s (seconds), m (minutes), h (hours) and d (days)";

/// How many `list of` may stand in a row.
const LIST_DEPTH_MAX: usize = 8;

impl Builder<'_> {
    /// Any rule that is one bare or quoted name.
    pub(super) fn name(&mut self, pair: &Pair<'_>) -> Name {
        let quoted = pair.as_str().strip_prefix('`').and_then(|rest| rest.split('`').next());
        let span = self.span(pair);
        Spanned::new(quoted.unwrap_or_else(|| pair.as_str().trim_ascii_end()).to_string(), span)
    }

    pub(super) fn path(&mut self, pair: Pair<'_>) -> Path {
        Path { segments: pair.into_inner().map(|segment| self.name(&segment)).collect() }
    }

    pub(super) fn kind(&mut self, pair: Pair<'_>) -> Spanned<KindName> {
        let span = self.span(&pair);
        let mut lists = 0;
        let mut name = String::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::list_of => lists += 1,
                _ => name = part.as_str().to_string(),
            }
        }
        if lists > LIST_DEPTH_MAX {
            self.refuse(
                Diagnostic::new(Code::TooDeep, span, format!("lists nest more than {LIST_DEPTH_MAX} deep"))
                    .at("too many `list of`"),
            );
            lists = LIST_DEPTH_MAX;
        }
        let kind = (0..lists).fold(KindName::Named(name), |kind, _| KindName::ListOf(Box::new(kind)));
        Spanned::new(kind, span)
    }

    /// `text`, or a rule that holds just that.
    pub(super) fn text(&mut self, pair: Pair<'_>) -> Spanned<String> {
        if pair.as_rule() != Rule::text {
            return self.text(only(pair));
        }
        let span = self.span(&pair);
        let text = pair.into_inner().map(|part| self.characters(&part)).collect();
        Spanned::new(text, span)
    }

    /// A part of a text or template, unescaped.
    pub(super) fn characters(&mut self, part: &Pair<'_>) -> String {
        let written = part.as_str();
        match part.as_rule() {
            Rule::escape => self.escape(part),
            Rule::bad_escape => {
                let doubled = format!("\\{written}");
                let span = self.span(part);
                self.refuse(
                    Diagnostic::new(Code::Syntax, span, format!("`{written}` is no escape"))
                        .at("a backslash escapes what follows it")
                        .help("write `\\\\` for a backslash; the escapes are `\\\"`, `\\\\`, `\\n`, `\\t`, `\\u{…}`")
                        .fix(span, doubled),
                );
                written.to_string()
            }
            Rule::brace => written[1..].to_string(),
            _ => written.to_string(),
        }
    }

    fn escape(&mut self, part: &Pair<'_>) -> String {
        let written = part.as_str();
        match &written[1..] {
            "n" => "\n".to_string(),
            "t" => "\t".to_string(),
            same @ ("\"" | "\\") => same.to_string(),
            hex => {
                let digits = hex.trim_start_matches("u{").trim_end_matches('}');
                let character = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
                if character.is_none() {
                    let problem =
                        Diagnostic::new(Code::NumberRange, self.span(part), format!("`{written}` is no character"));
                    self.refuse(problem.at("no character has this number"));
                }
                character.map(String::from).unwrap_or_default()
            }
        }
    }

    /// `number` or `signed`.
    pub(super) fn number(&mut self, pair: &Pair<'_>) -> Spanned<Number> {
        let span = self.span(pair);
        let written = pair.as_str().trim_ascii_end();
        let number = if written.contains(['.', 'e', 'E']) {
            written.parse().ok().filter(|x: &f64| x.is_finite()).map(Number::Float)
        } else {
            written.parse().ok().map(Number::Integer)
        };
        let number = number.unwrap_or_else(|| {
            let help = if written.contains(['e', 'E', '.']) {
                "numbers reach up to about 1.8e308"
            } else {
                "whole numbers reach up to 9223372036854775807; write larger ones with a point: `1e19`"
            };
            self.out_of_range(span, help);
            Number::Integer(0)
        });
        Spanned::new(number, span)
    }

    pub(super) fn integer(&mut self, pair: &Pair<'_>) -> Spanned<u64> {
        let span = self.span(pair);
        let n = pair.as_str().trim_ascii_end().parse().unwrap_or_else(|_| {
            self.out_of_range(span, "counts reach up to 18446744073709551615");
            1
        });
        Spanned::new(n, span)
    }

    fn out_of_range(&mut self, span: Span, help: &str) {
        self.refuse(Diagnostic::new(Code::NumberRange, span, "the number is out of range").at("too large").help(help));
    }

    pub(super) fn duration(&mut self, pair: Pair<'_>) -> Spanned<Duration> {
        let span = self.span(&pair);
        let mut total = Some(0_i64);
        for part in pair.into_inner() {
            total = total.zip(self.duration_part(part)).and_then(|(sum, ms)| {
                let sum = sum.checked_add(ms);
                if sum.is_none() {
                    self.out_of_range(span, "durations reach up to 106751991167 days");
                }
                sum
            });
        }
        Spanned::new(Duration { ms: total.unwrap_or(0) }, span)
    }

    /// A duration that is a number alone.
    pub(super) fn without_unit(&mut self, pair: &Pair<'_>) -> Spanned<Duration> {
        let span = self.span(pair);
        self.refuse(
            Diagnostic::new(Code::UnknownUnit, span, "a unit of time is missing")
                .at("a unit is expected after this")
                .help(TIME_UNITS_HELP),
        );
        Spanned::new(Duration { ms: 0 }, span)
    }

    /// `30 minutes` in ms; none after an error.
    fn duration_part(&mut self, pair: Pair<'_>) -> Option<i64> {
        let span = self.span(&pair);
        let mut parts = pair.into_inner();
        let number = parts.next().expect("the grammar puts a number first");
        let word = parts.next().expect("the grammar puts a unit second");
        let unit = self.time_unit(&word)?;
        match whole_ms(number.as_str().trim_ascii_end(), unit_ms(unit)) {
            Ok(ms) => Some(ms),
            Err(why) => {
                self.refuse(
                    Diagnostic::new(
                        Code::NumberRange,
                        span,
                        "the duration is no whole number of milliseconds in range",
                    )
                    .at(why),
                );
                None
            }
        }
    }

    fn time_unit(&mut self, word: &Pair<'_>) -> Option<Unit> {
        let written = word.as_str().trim_ascii_end();
        let known = |name: &str| TIME_UNITS.iter().find(|(n, _)| *n == name).map(|(_, unit)| *unit);
        known(written).or_else(|| {
            let span = self.span(word);
            let problem = Diagnostic::new(Code::UnknownUnit, span, format!("`{written}` is no unit of time"))
                .at("not a unit of time")
                .help(TIME_UNITS_HELP)
                .did_you_mean(span, written, OFFERED.iter().copied());
            // With the unit that was probably meant, what is wrong beside it comes to light too.
            let meant = problem.fix.as_ref().and_then(|fix| known(&fix.replacement));
            self.report(problem);
            self.damaged |= meant.is_none();
            meant
        })
    }

    /// The unit of a number in an expression.
    pub(super) fn unit(&mut self, word: &Pair<'_>) -> Option<Spanned<Unit>> {
        let written = word.as_str().trim_ascii_end();
        let span = self.span(word);
        let known = |name: &str| TIME_UNITS.iter().chain(OTHER_UNITS).find(|(n, _)| *n == name).map(|(_, unit)| *unit);
        let unit = known(written).or_else(|| {
            let offered = OFFERED.iter().copied().chain(OTHER_UNITS.iter().map(|(name, _)| *name));
            let problem = Diagnostic::new(Code::UnknownUnit, span, format!("`{written}` is no unit"))
                .at("not a unit")
                .help("the units are ms, s, m, h, d, km, km/h and percent")
                .did_you_mean(span, written, offered);
            let meant = problem.fix.as_ref().and_then(|fix| known(&fix.replacement));
            self.report(problem);
            self.damaged |= meant.is_none();
            meant
        });
        unit.map(|unit| Spanned::new(unit, span))
    }

    pub(super) fn literal(&mut self, pair: Pair<'_>) -> Spanned<Literal> {
        let span = self.span(&pair);
        let value = only(pair);
        let literal = match value.as_rule() {
            Rule::boolean => Literal::Boolean(value.as_str() == "true"),
            Rule::signed => Literal::Number(self.number(&value).node),
            Rule::text => Literal::Text(self.text(value).node),
            Rule::list_literal => Literal::List(value.into_inner().map(|v| self.literal(v).node).collect()),
            Rule::object_literal => Literal::Object(value.into_inner().map(|f| self.object_field(f)).collect()),
            _ => Literal::Null,
        };
        Spanned::new(literal, span)
    }

    fn object_field(&mut self, pair: Pair<'_>) -> (String, Literal) {
        let mut parts = pair.into_inner();
        let key = parts.next().expect("the grammar puts the key first");
        let key = if key.as_rule() == Rule::text { self.text(key) } else { self.name(&key) };
        let value = self.literal(parts.next().expect("the grammar puts the value second"));
        (key.node, value.node)
    }
}

fn unit_ms(unit: Unit) -> i128 {
    match unit {
        Unit::Seconds => 1_000,
        Unit::Minutes => 60_000,
        Unit::Hours => 3_600_000,
        Unit::Days => 86_400_000,
        _ => 1,
    }
}

/// `1.5` units of so many ms, where that is a whole number of ms in 64 bits; else why not.
fn whole_ms(written: &str, unit_ms: i128) -> Result<i64, &'static str> {
    const TOO_LONG: &str = "too long";
    if written.contains(['e', 'E']) {
        return Err("write it without an exponent");
    }
    let (whole, fraction) = written.split_once('.').unwrap_or((written, ""));
    let whole: i64 = whole.parse().map_err(|_| TOO_LONG)?;
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 12 {
        return Err("finer than a millisecond");
    }
    let scale = 10_i128.pow(u32::try_from(fraction.len()).expect("at most 12 digits"));
    let digits = if fraction.is_empty() { 0 } else { fraction.parse::<i128>().expect("at most 12 digits") };
    if digits * unit_ms % scale != 0 {
        return Err("finer than a millisecond");
    }
    i64::try_from(i128::from(whole) * unit_ms + digits * unit_ms / scale).map_err(|_| TOO_LONG)
}
