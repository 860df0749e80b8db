//! Where completed matches become alerts: past `at most once per`, counted, and shown to the rules over them.

use crate::alert::Alert;
use crate::engine::completed::Completed;
use crate::engine::emit;
use crate::engine::pending::Pending;
use crate::engine::stats::RuleStats;
use crate::engine::suppress::Suppressor;
use crate::program::Program;

/// Where completed matches of a rule become alerts.
pub(super) struct Desk<'a> {
    pub(super) program: &'a Program,
    pub(super) sources: &'a [String],
    pub(super) pending: &'a mut Vec<Pending>,
    pub(super) stats: &'a mut RuleStats,
    pub(super) alerts: &'a mut Vec<Alert>,
}

impl Desk<'_> {
    /// Makes an alert of a completed match, unless `at most once per` holds it back.
    pub(super) fn send(&mut self, suppressor: &mut Suppressor, key: &[u8], completed: &Completed<'_>) {
        let rule = completed.rule;
        let suppressed = match rule.alert.at_most_once_ms {
            Some(ms) => suppressor.admit(key, completed.time_ms, ms),
            None => Some(0),
        };
        let Some(suppressed) = suppressed else {
            self.stats.suppressed += 1;
            return;
        };
        self.stats.alerts += 1;
        let mut alert = emit::alert(self.program, self.sources, key, completed);
        alert.suppressed = suppressed;
        if !rule.derived.is_empty() {
            self.pending.push(Pending::new(&alert, key, completed));
        }
        self.alerts.push(alert);
    }
}
