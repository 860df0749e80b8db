//! Whether what was said is what had to be: the alerts that readers of committed records see, against those of the
//! reference; and the dead letters, against the messages that are no events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::broker::Broker;
use super::workload::{ALERTS, LETTERS, Writer, is_apart, is_rule};
use crate::ruleset::RuleSet;
use crate::testing::oracle::{self, End, Match, Source, TestEvent};

/// Of each thing that is said, how often.
type Said = BTreeMap<String, usize>;

/// How many alerts there had to be, and how many of them of rules that are judged apart; an error tells what is wrong with those that there are.
pub(super) fn judge(
    broker: &Broker,
    written: &Writer,
    rules: &RuleSet,
    exactly_once: bool,
) -> Result<(usize, usize), String> {
    let expected = oracle::evaluate(&rules.files, &written.events, &oracle::Tables::new(), End::Flush);
    let counts = (expected.len(), expected.iter().filter(|found| is_apart(&found.rule)).count());
    let expected = said(expected.iter().map(|found| expected_line(found, &written.events)));
    let mut lines = Vec::new();
    let mut by_id: BTreeMap<String, String> = BTreeMap::new();
    for body in broker.logs(ALERTS).flat_map(|(_, log)| log.committed()) {
        let alert: Json =
            serde_json::from_slice(&body.payload).map_err(|error| format!("an alert is none: {error}"))?;
        let line = alert_line(&alert);
        if let Some(other) = by_id.insert(alert["alert_id"].to_string(), line.clone()).filter(|other| *other != line) {
            return Err(format!("two alerts have one id: {line} and {other}"));
        }
        lines.push(line);
    }
    compare("alerts", &expected, &said(lines), exactly_once)?;
    let letters = broker.logs(LETTERS).flat_map(|(_, log)| log.committed()).filter_map(|body| body.origin.clone());
    compare("dead letters", &said(written.letters.clone()), &said(letters), exactly_once)?;
    Ok(counts)
}

fn said(lines: impl IntoIterator<Item = String>) -> Said {
    let mut said = Said::new();
    for line in lines {
        *said.entry(line).or_default() += 1;
    }
    said
}

/// At least once, what is said may be said again.
fn compare(what: &str, expected: &Said, found: &Said, exactly_once: bool) -> Result<(), String> {
    let is_missing = |(line, count): (&String, &usize)| {
        let found = found.get(line).copied().unwrap_or(0);
        (found < *count).then(|| format!("missing: {line}"))
    };
    let is_more = |(line, count): (&String, &usize)| match expected.get(line) {
        None => Some(format!("wrong: {line}")),
        Some(expected) if exactly_once && count > expected => Some(format!("{count} times: {line}")),
        Some(_) => None,
    };
    let wrong: Vec<String> = expected.iter().filter_map(is_missing).chain(found.iter().filter_map(is_more)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let (count, total) = (wrong.len(), expected.len());
    let first: Vec<String> = wrong.into_iter().take(12).collect();
    Err(format!("{count} of the {what} are not as they must be, of {total}:\n  {}", first.join("\n  ")))
}

fn expected_line(found: &Match, events: &[TestEvent]) -> String {
    let key: Vec<&str> = found.key.iter().filter_map(|(_, value)| value.as_str()).collect();
    let name = |source: &Source| match source {
        Source::Event(event) => events[*event].id.clone().unwrap_or_default(),
        Source::Alert { rule, time_ms, .. } => alert_name(rule, *time_ms),
    };
    let names: Vec<String> = found.events.iter().map(|(_, source)| name(source)).collect();
    line(&found.rule, &key.join(","), found.time_ms, &names, found.suppressed_before)
}

/// Of an alert that another rule uses.
fn alert_name(rule: &str, time_ms: i64) -> String {
    format!("{rule}@{time_ms}")
}

fn alert_line(alert: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let time = |value: &Json| text(value).parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
    let events = alert["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let name = |event: &Json| match text(&event["type"]) {
        rule if is_rule(&rule) => alert_name(&rule, time(&event["time"])),
        _ => text(&event["id"]),
    };
    let names: Vec<String> = events.iter().map(name).collect();
    let key: Vec<String> = alert["key"].as_object().into_iter().flatten().map(|(_, value)| text(value)).collect();
    let suppressed = alert["suppressed"].as_u64().unwrap_or(0);
    line(&text(&alert["rule"]), &key.join(","), time(&alert["time"]), &names, suppressed)
}

fn line(rule: &str, key: &str, time_ms: i64, events: &[String], suppressed: u64) -> String {
    format!("{rule} of {key} at {time_ms} from {} after {suppressed} suppressed", events.join(" "))
}
