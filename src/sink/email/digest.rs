//! Many alerts of one rule in one mail: exact totals, the first twenty, and an id made of all their ids.
//!
//! Its size does not grow with the number of alerts, so a storm of any length costs nothing but its totals.

use sha2::{Digest as _, Sha256};

use crate::alert::AlertRecord;
use crate::sink::InboxPosition;
use crate::sink::ledger::Held;

/// How many alerts a digest shows.
pub(super) const SHOWN_MAX: usize = 20;
/// How many severities it tells apart.
const SEVERITIES_MAX: usize = 10;

/// The alerts of one rule that wait to be told together.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    pub(super) rule: String,
    pub(super) shown: Vec<AlertRecord>,
    pub(super) count: u64,
    /// Severities as the alerts name them, with their counts, in order of first appearance.
    pub(super) severities: Vec<(String, u64)>,
    /// Alerts that the rule itself suppressed, as the gathered ones say.
    pub(super) suppressed: u64,
    /// The earliest and the latest alert time. RFC 3339 in one form, so text order is order in time.
    pub(super) earliest: String,
    pub(super) latest: String,
    pub(super) held: Held,
    ids: Sha256,
}

impl Digest {
    /// A digest with nothing in it.
    pub(super) fn new(rule: &str) -> Digest {
        Digest {
            rule: rule.to_owned(),
            shown: Vec::new(),
            count: 0,
            severities: Vec::new(),
            suppressed: 0,
            earliest: String::new(),
            latest: String::new(),
            held: Held::default(),
            ids: Sha256::new(),
        }
    }

    /// Takes an alert in.
    pub(super) fn add(&mut self, record: AlertRecord, position: InboxPosition) {
        self.count += 1;
        self.suppressed += record.suppressed;
        self.ids.update(record.alert_id.as_bytes());
        self.ids.update([0]);
        self.held.add(position);
        self.count_severity(&record.severity);
        if self.earliest.is_empty() || record.time < self.earliest {
            self.earliest.clone_from(&record.time);
        }
        if record.time > self.latest {
            self.latest.clone_from(&record.time);
        }
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(record);
        }
    }

    /// Five severities are known. A topic that names others must not make this list grow for ever, so the last place
    /// counts all further ones.
    fn count_severity(&mut self, severity: &str) {
        let known = self.severities.iter().position(|(name, _)| name == severity);
        match known.or_else(|| self.severities.len().checked_sub(1).filter(|last| *last >= SEVERITIES_MAX)) {
            Some(place) => self.severities[place].1 += 1,
            None if self.severities.len() == SEVERITIES_MAX => self.severities.push(("other".to_owned(), 1)),
            None => self.severities.push((severity.to_owned(), 1)),
        }
    }

    /// One id for these digests: the same alerts in the same order give the same one.
    pub(super) fn id(digests: &[Digest]) -> String {
        let mut all = Sha256::new();
        for digest in digests {
            all.update(digest.ids.clone().finalize());
        }
        all.finalize().iter().take(16).fold("digest-".to_owned(), |id, byte| id + &format!("{byte:02x}"))
    }
}
