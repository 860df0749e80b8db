//! What was asked: a rule, a key, and perhaps a time; each with what to do where it is not there.

use jiff::Timestamp;

use crate::diagnostic::closest;
use crate::event::{Key, KeyBuilder, Value};
use crate::lang::ast::Duration;
use crate::program::{Program, Rule};
use crate::schema::Kind;

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// The name of a rule or risk.
    pub rule: String,
    /// The key as typed: its parts with commas between them, each as `value` or `name=value`; `-` of a rule without one.
    pub key: String,
    /// When, if it matters.
    pub at: Option<At>,
}

/// A point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// In ms since the epoch.
    Time(i64),
    /// In ms since the first event that was read.
    SinceFirst(i64),
}

/// Why a question cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum BadQuestion {
    /// No rule has this name.
    #[error("no rule is called `{name}`{}", did_you_mean(nearest.as_deref()))]
    NoRule {
        /// The name.
        name: String,
        /// The nearest that there is.
        nearest: Option<String>,
    },
    /// The key has other parts.
    #[error("{problem}; the key of `{rule}` is {}", if parts.is_empty() { "nothing: write `-`".to_owned() } else { format!("`{}`", parts.join(",")) })]
    Key {
        /// What is wrong.
        problem: String,
        /// The rule.
        rule: String,
        /// The names of its key's parts.
        parts: Vec<String>,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `{nearest}`?"))
}

impl At {
    /// Reads an RFC 3339 time, or a length of time since the first event by `duration`.
    pub fn parse(text: &str, duration: impl Fn(&str) -> Result<i64, String>) -> Result<At, String> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Ok(At::Time(instant.as_millisecond()));
        }
        let plain = text.trim_start_matches('+');
        duration(plain).map(At::SinceFirst).map_err(|_| {
            "write a time, 2026-01-31T08:00:00Z, or how long after the first event: 90s, 5m, 2h".to_owned()
        })
    }

    /// In ms since the epoch.
    pub(super) fn ms(self, first_ms: Option<i64>) -> i64 {
        match self {
            At::Time(ms) => ms,
            At::SinceFirst(since) => first_ms.unwrap_or_default().saturating_add(since),
        }
    }
}

/// The rule that a question is about.
pub(super) fn rule_of<'p>(program: &'p Program, name: &str) -> Result<&'p Rule, BadQuestion> {
    program.rule(name).ok_or_else(|| BadQuestion::NoRule {
        name: name.to_owned(),
        nearest: closest(name, program.rules.iter().map(|rule| &*rule.name)).map(str::to_owned),
    })
}

/// The key that a question is about.
pub(super) fn key_of(program: &Program, rule: &Rule, text: &str) -> Result<Key, BadQuestion> {
    let names = &program.keys[rule.key.index()].parts;
    let bad = |problem: String| BadQuestion::Key { problem, rule: rule.name.to_string(), parts: names.clone() };
    if names.is_empty() {
        return if text == "-" { Ok(Key::default()) } else { Err(bad(format!("`{text}` is no key here"))) };
    }
    let kinds = kinds_of(program, rule);
    let mut values: Vec<Option<Value>> = vec![None; names.len()];
    let parts = split(text, names);
    for (nth, part) in parts.iter().enumerate() {
        let named = part
            .split_once('=')
            .and_then(|(name, value)| Some((names.iter().position(|known| known == name.trim())?, value.trim())));
        let (at, value) = named.unwrap_or((nth, part.trim()));
        let kind = kinds.get(at).ok_or_else(|| bad(format!("`{text}` has {} parts", parts.len())))?;
        let read = read(kind, value).ok_or_else(|| bad(format!("`{value}` is not {kind}")))?;
        values[at] = Some(read);
    }
    let mut builder = KeyBuilder::default();
    for (value, name) in values.iter().zip(names) {
        let value = value.as_ref().ok_or_else(|| bad(format!("`{text}` does not say `{name}`")))?;
        builder.push(value);
    }
    Ok(builder.key())
}

/// The parts of a typed key. A key of one part may hold commas.
fn split<'t>(text: &'t str, names: &[String]) -> Vec<&'t str> {
    if names.len() == 1 { vec![text] } else { text.split(',').collect() }
}

/// The kinds of the key's parts.
fn kinds_of(program: &Program, rule: &Rule) -> Vec<Kind> {
    let types = program.types.iter().zip(&program.schema.types);
    let dispatch = types.flat_map(|(plan, of)| plan.dispatch.iter().map(move |dispatch| (plan, of, dispatch)));
    let mut own = dispatch.filter(|(_, _, dispatch)| dispatch.rules.contains(&rule.id));
    let Some((plan, of, dispatch)) = own.next() else { return Vec::new() };
    dispatch.values.iter().map(|slot| of.fields[plan.fields[usize::from(*slot)]].kind.clone()).collect()
}

fn read(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::Text(text.into())),
        Kind::Integer => text.parse().ok().map(Value::Integer),
        Kind::Number => text.parse().ok().map(Value::Number),
        Kind::Boolean => text.parse().ok().map(Value::Boolean),
        Kind::Time => {
            let instant = text.parse().ok().map(Timestamp::as_millisecond);
            instant.or_else(|| text.parse().ok()).map(Value::Time)
        }
        Kind::Ip => text.parse::<std::net::IpAddr>().ok().map(|ip| Value::Ip(ip.to_canonical())),
        Kind::Point | Kind::List(_) => None,
    }
}

/// How a length of time is told: `6 min 10 s`.
pub(super) fn words(ms: i64) -> String {
    const UNITS: [(u64, &str); 5] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"), (1, "ms")];
    let mut rest = ms.unsigned_abs();
    let mut parts = Vec::new();
    for (size, unit) in UNITS {
        if rest >= size {
            parts.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    let sign = if ms < 0 { "-" } else { "" };
    if parts.is_empty() { "0 s".to_owned() } else { format!("{sign}{}", parts.join(" ")) }
}

/// A length of time as rules write it.
pub(super) fn written(ms: i64) -> String {
    crate::lang::fmt::format_duration(Duration { ms })
}
