//! What a file sink is told, and the one check that says all that is wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use crate::program::Severity;
use crate::sink::setting_error::SettingError;

/// The smallest file that is set aside for its size, and the shortest time after which one is.
const ROTATE_MIN: u64 = 1 << 10;
const EVERY_MIN: Duration = Duration::from_mins(1);
/// The most files that can be kept: they are listed each time that one is set aside.
const KEEP_MAX: usize = 10_000;

/// A file sink as the configuration resolved it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSettings {
    /// The file that is written to. Those that were set aside have a number behind its name.
    pub path: PathBuf,
    /// The size in bytes above which no line is added; no limit where there is none.
    pub rotate: Option<u64>,
    /// The file is set aside with the first alert of a new such period, counted from 1970 in UTC.
    pub every: Option<Duration>,
    /// How many of the files that were set aside are kept; all where there is none.
    pub keep: Option<usize>,
    /// Alerts below it are left to other sinks.
    pub min_severity: Option<Severity>,
}

impl FileSettings {
    /// One file that only grows.
    pub fn new(path: impl Into<PathBuf>) -> FileSettings {
        FileSettings { path: path.into(), rotate: None, every: None, keep: None, min_severity: None }
    }

    /// Everything that is wrong, each with its field and the fix.
    pub fn validate(&self) -> Result<(), Vec<SettingError>> {
        let mut errors = Vec::new();
        if self.path.file_name().is_none() {
            errors.push(SettingError::new("path", "names no file", "write alerts.ndjson"));
        }
        if self.rotate.is_some_and(|bytes| bytes < ROTATE_MIN) {
            errors.push(SettingError::new("rotate", "is less than 1KiB", "use 100MiB or so"));
        }
        if self.every.is_some_and(|every| every < EVERY_MIN) {
            errors.push(SettingError::new("every", "is less than a minute", "use 1h or 1d"));
        }
        if self.keep.is_some_and(|keep| keep == 0 || keep > KEEP_MAX) {
            errors.push(SettingError::new("keep", "is out of range", format!("use 1 to {KEEP_MAX}")));
        }
        if self.keep.is_some() && self.rotate.is_none() && self.every.is_none() {
            let fix = "say when with rotate or every, or remove it";
            errors.push(SettingError::new("keep", "has no meaning for a file that is never set aside", fix));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_errors_come_at_once() {
        assert_eq!(FileSettings::new("alerts.ndjson").validate(), Ok(()));
        let wrong = FileSettings {
            rotate: Some(1),
            every: Some(Duration::from_secs(1)),
            keep: Some(0),
            ..FileSettings::new("/")
        };
        let fields: Vec<_> = wrong.validate().expect_err("it is wrong").iter().map(|error| error.field).collect();
        assert_eq!(fields, ["path", "rotate", "every", "keep"]);
        let senseless = FileSettings { keep: Some(3), ..FileSettings::new("alerts.ndjson") };
        assert!(senseless.validate().is_err());
    }
}
