//! Batches of alerts to the file, on a thread that may block.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use crate::alert::AlertRecord;
use crate::sink::carrier::{Carrier, Taken, Trouble};
use crate::sink::file::log::{Entry, Log};
use crate::sink::file::series::Series;
use crate::sink::file::settings::FileSettings;
use crate::sink::setting_error::SettingError;

/// Writes alerts, a line each.
pub(in crate::sink) struct AlertFile {
    series: Series,
    log: Arc<Mutex<Log>>,
}

impl AlertFile {
    /// Checks the settings; opens nothing yet.
    pub(in crate::sink) fn new(settings: &FileSettings) -> Result<AlertFile, Vec<SettingError>> {
        settings.validate()?;
        Ok(AlertFile::over(settings, Log::new(settings.clone())))
    }

    pub(super) fn over(settings: &FileSettings, log: Log) -> AlertFile {
        AlertFile { series: Series::new(settings.path.clone()), log: Arc::new(Mutex::new(log)) }
    }

    /// Whether the file can be written to, in words. Nothing is made or written.
    pub(in crate::sink) fn probe(&self) -> Result<String, String> {
        let path = self.series.path();
        if path.exists() {
            let opened = File::options().append(true).open(path);
            return match opened {
                Ok(_) => Ok(format!("{} can be written to", path.display())),
                Err(error) => Err(format!("cannot open {}: {error}", path.display())),
            };
        }
        match self.series.folder().ancestors().find(|folder| folder.exists()) {
            Some(folder) if !folder.is_dir() => Err(format!("{} is no folder", folder.display())),
            _ => Ok(format!("{} does not exist yet and will be made", path.display())),
        }
    }
}

impl Carrier for AlertFile {
    /// One sync for so many lines.
    fn batch_max(&self) -> usize {
        1_000
    }

    async fn deliver(&mut self, alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        let entry = |alert: &&AlertRecord| Entry { id: alert.alert_id.clone(), line: alert.to_json() };
        let entries: Vec<Entry> = alerts.iter().map(entry).collect();
        let log = Arc::clone(&self.log);
        let write = move || log.lock().unwrap_or_else(PoisonError::into_inner).write(&entries);
        match tokio::task::spawn_blocking(write).await {
            Ok(Ok(repeats)) => Ok(Taken { refused: Vec::new(), repeats }),
            // A full disk, a missing right, a file of somebody else: all of it takes a person, and no alert is given up.
            Ok(Err(error)) => Err(Trouble::Unusable(error.to_string())),
            Err(error) => Err(Trouble::Unusable(format!("writing failed: {error}"))),
        }
    }
}
