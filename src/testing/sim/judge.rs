//! Whether what was said is what had to be: the alerts that readers of committed records see, against those of the
//! reference; and the dead letters, against the messages that are no events.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value as Json;

use super::broker::Broker;
use super::workload::{ALERTS, LETTERS, Writer, rules};
use crate::testing::oracle::{self, End, Match, TestEvent};

/// Of each thing that is said, how often.
type Said = BTreeMap<String, usize>;

/// How many alerts there had to be; an error tells what is wrong with those that there are.
pub(super) fn judge(broker: &Broker, written: &Writer, exactly_once: bool) -> Result<usize, String> {
    let expected = oracle::evaluate(&rules().files, &written.events, &oracle::Tables::new(), End::Flush);
    let count = expected.len();
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
    Ok(count)
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
    let ids: Vec<&str> = found.events.iter().filter_map(|(_, source)| events[source.event()].id.as_deref()).collect();
    line(&found.rule, &key.join(","), found.time_ms, &ids, found.suppressed_before)
}

fn alert_line(alert: &Json) -> String {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let time = text(&alert["time"]).parse::<Timestamp>().map_or(0, Timestamp::as_millisecond);
    let events = alert["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ids: Vec<&str> = events.iter().filter_map(|event| event["id"].as_str()).collect();
    let suppressed = alert["suppressed"].as_u64().unwrap_or(0);
    line(&text(&alert["rule"]), &text(&alert["key"]["user_id"]), time, &ids, suppressed)
}

fn line(rule: &str, key: &str, time_ms: i64, ids: &[&str], suppressed: u64) -> String {
    format!("{rule} of {key} at {time_ms} from {} after {suppressed} suppressed", ids.join(" "))
}
