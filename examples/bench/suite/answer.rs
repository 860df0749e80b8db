//! What a run found, so that two ways of finding it can be compared.

use serde::{Deserialize, Serialize};
use tripline::alert::Alert;

/// The alerts of a run: how many, and a digest that does not depend on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// Alerts, and what measures emitted.
    pub(crate) alerts: u64,
    /// Of each alert its rule and the lines of its first and last event; of what a measure emits its id.
    pub(crate) digest: u64,
}

impl Answer {
    /// Counts a match of a rule, whose number is that of [`number_of`], by the lines of its first and last event.
    #[inline]
    pub(crate) fn add(&mut self, rule: u64, first_line: u64, last_line: u64) {
        self.alerts += 1;
        let match_number = scramble(scramble(scramble(rule) ^ first_line) ^ last_line);
        self.digest = self.digest.wrapping_add(match_number);
    }

    /// Counts what the engine gave.
    pub(crate) fn add_alerts(&mut self, alerts: &[Alert]) {
        for alert in alerts {
            match (alert.first(), alert.last()) {
                (Some(first), Some(last)) => {
                    self.add(number_of(&alert.rule_name), first.position.offset, last.position.offset);
                }
                _ => self.add(number_of(&alert.id.to_string()), 0, 0),
            }
        }
    }
}

/// A number for a name: FNV-1a.
pub(crate) const fn number_of(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}

/// The output function of `SplitMix64`, so that sums of numbers tell which numbers they are of.
const fn scramble(state: u64) -> u64 {
    let z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
