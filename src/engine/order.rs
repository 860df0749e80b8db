//! Alerts in their one order: by alert time, position of the completing event, rule name, position of the first
//! event, id. An alert waits until no other of its time can come.

use crate::alert::Alert;

/// Alerts that wait for the others of their time.
#[derive(Debug, Default)]
pub struct AlertOrder {
    waiting: Vec<Alert>,
}

impl AlertOrder {
    /// Takes alerts in any order.
    pub fn extend(&mut self, alerts: impl IntoIterator<Item = Alert>) {
        self.waiting.extend(alerts);
    }

    /// The alerts with a time before the watermark, in order: no other of their time can come.
    pub fn release(&mut self, watermark_ms: i64) -> Vec<Alert> {
        let (mut ready, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|alert: &Alert| alert.time_ms < watermark_ms);
        self.waiting = waiting;
        sort(&mut ready);
        ready
    }

    /// All that wait, in order: the input has ended.
    pub fn finish(&mut self) -> Vec<Alert> {
        let mut ready = std::mem::take(&mut self.waiting);
        sort(&mut ready);
        ready
    }
}

fn sort(alerts: &mut [Alert]) {
    alerts.sort_by(|a, b| a.order().cmp(&b.order()));
}
