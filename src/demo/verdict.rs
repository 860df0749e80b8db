//! What was found against what was planted: every fraud once, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::alert::AlertRecord;
use crate::demo::stories::{STORIES, Story};

/// The alerts so far, repeats left out.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    ids: BTreeSet<String>,
    /// How often each rule alerted, by rule.
    pub by_rule: BTreeMap<String, u64>,
    /// How often each (rule, user) alerted.
    found: BTreeMap<(String, String), u64>,
    delays_ms: Vec<i64>,
    repeats: u64,
}

impl Verdict {
    /// Takes an alert; false for one that came before, as at-least-once delivery allows.
    pub fn take(&mut self, record: &AlertRecord, delay_ms: i64) -> bool {
        if !self.ids.insert(record.alert_id.clone()) {
            self.repeats += 1;
            return false;
        }
        *self.by_rule.entry(record.rule.clone()).or_default() += 1;
        *self.found.entry((record.rule.clone(), user(record).to_owned())).or_default() += 1;
        self.delays_ms.push(delay_ms);
        true
    }

    /// How many different alerts there were.
    pub fn alerts(&self) -> usize {
        self.ids.len()
    }

    /// How many came twice.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Whether a fraud was found; for a harmless story, whether it stayed quiet.
    pub fn is_right(&self, story: &Story) -> bool {
        match story.rule {
            Some(rule) => self.found.get(&(rule.to_owned(), story.user.to_owned())) == Some(&1),
            None => self.found.keys().all(|(_, user)| user != story.user),
        }
    }

    /// Alerts that nobody planted: rule and user.
    pub fn unexpected(&self) -> Vec<(&str, &str)> {
        let planted = |rule: &str, user: &str| STORIES.iter().any(|s| s.rule == Some(rule) && s.user == user);
        let odd = self.found.iter().filter(|((rule, user), count)| **count > 1 || !planted(rule, user));
        odd.map(|((rule, user), _)| (rule.as_str(), user.as_str())).collect()
    }

    /// Whether every planted fraud was found.
    pub fn is_complete(&self) -> bool {
        STORIES.iter().filter(|story| story.rule.is_some()).all(|story| self.is_right(story))
    }

    /// Whether every planted fraud was found, and nothing else.
    pub fn is_good(&self) -> bool {
        self.is_complete() && self.unexpected().is_empty()
    }

    /// The median and the longest delay; nothing before the first alert.
    pub fn delays(&self) -> Option<(i64, i64)> {
        let mut sorted = self.delays_ms.clone();
        sorted.sort_unstable();
        Some((*sorted.get(sorted.len() / 2)?, *sorted.last()?))
    }
}

/// Whom an alert is about.
fn user(record: &AlertRecord) -> &str {
    record.key.get("user_id").and_then(serde_json::Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(id: &str, rule: &str, user: &str) -> AlertRecord {
        let json = serde_json::json!({
            "alert_id": id, "rule": rule, "version": "", "kind": "alert", "severity": "high", "key": {"user_id": user},
            "time": "", "started": "", "message": "", "events": []
        });
        serde_json::from_value(json).expect("it is an alert")
    }

    #[test]
    fn only_all_frauds_and_nothing_else_are_good() {
        let mut verdict = Verdict::default();
        for (at, story) in STORIES.iter().enumerate() {
            assert!(!verdict.is_good());
            if let Some(rule) = story.rule {
                assert!(verdict.take(&alert(&at.to_string(), rule, story.user), 5));
            }
        }
        assert!(verdict.is_good() && STORIES.iter().all(|story| verdict.is_right(story)));
        assert!(!verdict.take(&alert("0", "country_hop", "anna"), 900), "a repeat does not count");
        assert_eq!((verdict.is_good(), verdict.repeats(), verdict.delays()), (true, 1, Some((5, 5))));

        let mut twice = verdict.clone();
        twice.take(&alert("x", "country_hop", "anna"), 5);
        assert_eq!(twice.unexpected(), [("country_hop", "anna")]);
        verdict.take(&alert("y", "country_hop", "u000001"), 5);
        assert_eq!((verdict.is_good(), verdict.unexpected()), (false, vec![("country_hop", "u000001")]));
    }
}
