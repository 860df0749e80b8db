//! Which alerts a sink takes: the same for every kind of sink.

use crate::alert::AlertRecord;
use crate::program::Severity;

/// Addressed to this sink or to all, and bad enough.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    /// The sink's name.
    pub(super) sink: String,
    /// Alerts below it are left to other sinks.
    pub(super) min_severity: Option<Severity>,
}

impl Filter {
    /// A severity that is none of ours is never too low, and measures need not be bad at all.
    pub(super) fn takes(&self, record: &AlertRecord) -> bool {
        let too_low = self.min_severity.zip(parse_severity(&record.severity)).is_some_and(|(least, is)| is < least);
        record.is_for(&self.sink) && (record.is_measure() || !too_low)
    }
}

/// The severity of a record, where it is one of ours.
pub(super) fn parse_severity(name: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == name)
}
