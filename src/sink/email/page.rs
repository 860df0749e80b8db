//! What a mail says, before it is text or HTML: an alert or digests laid out as headings, facts and lists.
//!
//! Texts are taken as they are; [`text`](super::text) and [`html`](super::html) clean and escape every one of them.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::alert::{AlertRecord, EventRecord};
use crate::sink::email::digest::Digest;
use crate::sink::filter::parse_severity;

/// Parts of a mail that are shown at most; what is left out is counted.
const EVENTS_MAX: usize = 50;
const FIELDS_MAX: usize = 60;
const RULES_MAX: usize = 50;

/// A mail's content.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) subject: String,
    /// The rule, or `several`.
    pub(super) rule: String,
    /// The worst severity that it tells of, as the alert names it.
    pub(super) severity: String,
    pub(super) lead: String,
    /// Something about the mail itself rather than about the alert.
    pub(super) notice: Option<String>,
    pub(super) facts: Vec<(String, String)>,
    pub(super) sections: Vec<Section>,
    pub(super) footer: String,
}

/// A heading and what stands under it.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    pub(super) items: Vec<Item>,
}

/// One point with its details.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) head: String,
    pub(super) details: Vec<(String, String)>,
}

/// One alert.
pub(super) fn alert(record: &AlertRecord) -> Page {
    Page {
        subject: format!("[{}] {}: {}", record.severity, record.rule, record.message),
        rule: record.rule.clone(),
        severity: record.severity.clone(),
        lead: record.message.clone(),
        notice: None,
        facts: alert_facts(record),
        sections: alert_sections(record),
        footer: if record.is_measure() {
            format!("Measurement {} by version {} of the measure.", record.alert_id, record.version)
        } else {
            format!("Alert {} by version {} of the rule.", record.alert_id, record.version)
        },
    }
}

fn alert_facts(record: &AlertRecord) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> =
        record.key.iter().take(FIELDS_MAX).map(|(name, value)| (name.clone(), shown(value))).collect();
    facts.push(fact("when", &record.time));
    if let Some(window) = &record.window {
        facts.push(fact("window", &format!("{} to {}", window.start, window.end)));
    } else if record.started != record.time {
        facts.push(fact("first event", &record.started));
    }
    if let Some(score) = record.score {
        facts.push(fact("score", &score.to_string()));
    }
    if !record.tags.is_empty() {
        facts.push(fact("tags", &record.tags.join(", ")));
    }
    if record.suppressed > 0 {
        let before = format!("{} earlier alerts of this rule and key", record.suppressed);
        facts.push(fact("suppressed", &before));
    }
    facts
}

fn alert_sections(record: &AlertRecord) -> Vec<Section> {
    let mut events: Vec<Item> = record.events.iter().take(EVENTS_MAX).map(event).collect();
    if record.events.len() > EVENTS_MAX {
        events.push(left_out(record.events.len() - EVENTS_MAX, "events"));
    }
    let mut sections = Vec::new();
    if !record.is_measure() {
        sections.push(Section { title: "Why: the events that matched".to_owned(), items: events });
    }
    if !record.values.is_empty() {
        let head = if record.is_measure() { "of the window" } else { "at the time of the alert" };
        let values = Item { head: head.to_owned(), details: details(&record.values) };
        sections.push(Section { title: "Figures".to_owned(), items: vec![values] });
    }
    sections
}

fn event(event: &EventRecord) -> Item {
    let mut head = if event.step == event.event_type {
        format!("{} at {}", event.event_type, event.time)
    } else {
        format!("{}: {} at {}", event.step, event.event_type, event.time)
    };
    if let Some(id) = &event.id {
        head.push_str(", id ");
        head.push_str(id);
    }
    Item { head, details: details(&event.fields) }
}

fn details(fields: &Map<String, Json>) -> Vec<(String, String)> {
    let mut details: Vec<(String, String)> =
        fields.iter().take(FIELDS_MAX).map(|(name, value)| (name.clone(), shown(value))).collect();
    if fields.len() > FIELDS_MAX {
        details.push(fact("and", &format!("{} more fields", fields.len() - FIELDS_MAX)));
    }
    details
}

/// Digests of one or several rules. `notice` says why there is a digest.
pub(super) fn digests(digests: &[Digest], notice: &str) -> Page {
    let count: u64 = digests.iter().map(|digest| digest.count).sum();
    let severity = worst(digests);
    let rule = match digests {
        [one] => one.rule.clone(),
        several => format!("{} rules", several.len()),
    };
    let mut sections: Vec<Section> = digests.iter().take(RULES_MAX).map(digest).collect();
    if digests.len() > RULES_MAX {
        sections.push(further_rules(&digests[RULES_MAX..]));
    }
    Page {
        subject: format!("[{severity}] {rule}: {}", alerts(count)),
        rule: if digests.len() == 1 { rule.clone() } else { "several".to_owned() },
        lead: format!("{} of {rule} in one mail.", alerts(count)),
        notice: Some(notice.to_owned()),
        facts: totals(digests, count),
        sections,
        footer: "A digest counts every alert; those that it does not show are on the alerts topic.".to_owned(),
        severity,
    }
}

fn totals(digests: &[Digest], count: u64) -> Vec<(String, String)> {
    let earliest = digests.iter().map(|digest| digest.earliest.as_str()).min().unwrap_or_default();
    let latest = digests.iter().map(|digest| digest.latest.as_str()).max().unwrap_or_default();
    let suppressed: u64 = digests.iter().map(|digest| digest.suppressed).sum();
    let mut facts = vec![fact("alerts", &count.to_string()), fact("earliest", earliest), fact("latest", latest)];
    if suppressed > 0 {
        facts.push(fact("suppressed", &format!("{suppressed} further alerts by the rules themselves")));
    }
    facts
}

fn digest(digest: &Digest) -> Section {
    let by_severity =
        digest.severities.iter().map(|(severity, count)| format!("{count} {severity}")).collect::<Vec<_>>().join(", ");
    let mut items: Vec<Item> = digest.shown.iter().map(digest_line).collect();
    let hidden = digest.count.saturating_sub(items.len() as u64);
    if hidden > 0 {
        items.push(Item { head: format!("and {hidden} more"), details: Vec::new() });
    }
    Section { title: format!("{}: {} ({by_severity})", digest.rule, alerts(digest.count)), items }
}

fn digest_line(record: &AlertRecord) -> Item {
    let mut key = String::new();
    for (name, value) in record.key.iter().take(FIELDS_MAX) {
        let separator = if key.is_empty() { "" } else { ", " };
        write!(key, "{separator}{name} {}", shown(value)).expect("writing to a string cannot fail");
    }
    let mut details = vec![fact("alert", &record.alert_id)];
    if !key.is_empty() {
        details.insert(0, fact("key", &key));
    }
    Item { head: format!("{} [{}] {}", record.time, record.severity, record.message), details }
}

fn further_rules(digests: &[Digest]) -> Section {
    let items = digests
        .iter()
        .map(|digest| Item { head: format!("{}: {}", digest.rule, alerts(digest.count)), details: Vec::new() })
        .collect();
    Section { title: "Further rules".to_owned(), items }
}

fn worst(digests: &[Digest]) -> String {
    let named = digests.iter().flat_map(|digest| digest.severities.iter().map(|(severity, _)| severity));
    named.max_by_key(|severity| parse_severity(severity)).cloned().unwrap_or_default()
}

fn alerts(count: u64) -> String {
    if count == 1 { "1 alert".to_owned() } else { format!("{count} alerts") }
}

fn left_out(count: usize, what: &str) -> Item {
    Item { head: format!("and {count} more {what}"), details: Vec::new() }
}

fn fact(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// A JSON value for people: text without quotes.
fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}
