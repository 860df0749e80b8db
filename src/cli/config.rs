//! Loading the configuration for the subcommands that read it.

use std::path::Path;

use crate::cli::output;
use crate::config::{self, Settings};
use crate::kafka;

/// The settings of a file. Everything that is wrong with them goes to standard error; none then.
pub(super) fn load(path: &Path) -> Option<Settings> {
    let settings = match config::load(path) {
        Ok(settings) => settings,
        Err(error) => {
            output::complain(format_args!("{:#}", anyhow::Error::new(error)));
            return None;
        }
    };
    let problems = settings.kafka.as_ref().map(kafka::check_properties).unwrap_or_default();
    for problem in &problems {
        output::complain(format_args!("{}: {problem}", path.display()));
    }
    problems.is_empty().then_some(settings)
}
