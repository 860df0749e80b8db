//! Log lines on standard error, or in a file.

use std::fs::File;
use std::io::IsTerminal;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogSettings};

/// The variable that outranks the configuration's level.
const FILTER_VARIABLE: &str = "TRIPLINE_LOG";
const FILTER_DEFAULT: &str = "info";

/// Starts logging. Called once, at the edge; a second call changes nothing.
pub fn init(settings: &LogSettings) {
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings));
    let builder = builder.with_writer(std::io::stderr).with_target(false);
    let started = match settings.format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json }) {
        LogFormat::Text => builder.with_ansi(terminal).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    if started.is_err() {
        tracing::debug!("logging was already started");
    }
}

/// As [`init`], with the lines in a file, for people: the screen belongs to something else.
pub fn init_file(settings: &LogSettings, file: File) {
    let builder = tracing_subscriber::fmt().with_env_filter(filter(settings)).with_writer(Mutex::new(file));
    if builder.with_target(false).with_ansi(false).try_init().is_err() {
        tracing::debug!("logging was already started");
    }
}

fn filter(settings: &LogSettings) -> EnvFilter {
    let variable = std::env::var(FILTER_VARIABLE).ok();
    let filter = variable.as_deref().or(settings.level.as_deref()).unwrap_or(FILTER_DEFAULT);
    EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new(FILTER_DEFAULT))
}

/// Whether a text is a filter that [`init`] understands.
pub fn check_filter(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(|_| ()).map_err(|error| error.to_string())
}
