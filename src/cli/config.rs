//! Loading the configuration for the subcommands that read it.

use std::path::Path;

use crate::cli::output;
use crate::config::{self, Settings, SinkKind};
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
    let of_sinks = settings.sinks.iter().filter_map(|sink| match &sink.kind {
        SinkKind::Topic(topic) => Some(&topic.kafka),
        SinkKind::Email(_) | SinkKind::Webhook(_) | SinkKind::File(_) | SinkKind::Postgres(_) => None,
    });
    let mut problems = Vec::new();
    for problem in settings.kafka.iter().chain(of_sinks).flat_map(kafka::check_properties) {
        // A sink of the same broker has the same properties.
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    for problem in &problems {
        output::complain(format_args!("{}: {problem}", path.display()));
    }
    problems.is_empty().then_some(settings)
}
