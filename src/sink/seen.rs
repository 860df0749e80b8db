//! The alerts that were taken lately: an alert that is read again is not delivered again in the life of this process.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest as _, Sha256};

/// How many ids are remembered: some 10 MB at most. An alert that is read again later than that is delivered again.
const IDS_MAX: usize = 200_000;

/// A bounded set of alert ids; the oldest goes first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    order: VecDeque<u128>,
    ids: HashSet<u128>,
}

impl Seen {
    /// Whether an id is known.
    pub(super) fn contains(&self, alert_id: &str) -> bool {
        self.ids.contains(&fingerprint(alert_id))
    }

    /// Remembers an id; false where it is known.
    pub(super) fn insert(&mut self, alert_id: &str) -> bool {
        let id = fingerprint(alert_id);
        if !self.ids.insert(id) {
            return false;
        }
        if self.order.len() == IDS_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id);
        true
    }
}

/// Ids come from a topic that others can write to, so their length is not relied on.
pub(super) fn fingerprint(alert_id: &str) -> u128 {
    let hash = Sha256::digest(alert_id.as_bytes());
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_known_until_it_is_too_long_ago() {
        let mut seen = Seen::default();
        assert!(seen.insert("first"));
        assert!(!seen.insert("first"));
        for n in 0..IDS_MAX {
            assert!(seen.insert(&n.to_string()));
        }
        assert_eq!(seen.ids.len(), IDS_MAX);
        assert!(seen.insert("first"));
    }
}
