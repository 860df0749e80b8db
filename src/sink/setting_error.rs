//! What is wrong with a setting of a sink, in the words of whoever wrote it. The configuration adds file and line.

/// Something wrong with a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}: {fix}")]
pub struct SettingError {
    /// The field as the configuration writes it.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: String,
    /// What to write instead.
    pub fix: String,
}

impl SettingError {
    pub(super) fn new(field: &'static str, problem: impl Into<String>, fix: impl Into<String>) -> SettingError {
        SettingError { field, problem: problem.into(), fix: fix.into() }
    }
}

/// All of them on one line.
pub(super) fn joined(errors: &[SettingError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
