//! `run`: the daemon.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::{Exit, config, output, rules};
use crate::config::Settings;
use crate::daemon::{self, FilesSummary, Finished, Refused, Report};
use crate::program::Program;
use crate::telemetry;

/// Watch topics or files and send alerts
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 stopped or all files read; 2 bad rules, or rules that cannot run over these \
                        topics; 3 bad configuration, or what a person has to mend.")]
pub(super) struct Arguments {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tripline.toml")]
    config: PathBuf,
    /// Say whether the daemon could start, without reading an event
    #[arg(long)]
    check: bool,
}

/// Runs until it is told to stop, or until its files are read.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(settings) = config::load(&arguments.config) else { return Ok(Exit::BadInput) };
    telemetry::init(&settings.log);
    let Some(set) = rules::load(&settings.rules)? else { return Ok(Exit::BadRules) };
    let mut program = set.checked.program;
    program.carry(settings.evidence);
    let program = Arc::new(program);
    if arguments.check {
        return check(&daemon::check(&settings, &program));
    }
    watch(&settings, &program)
}

fn watch(settings: &Settings, program: &Arc<Program>) -> anyhow::Result<Exit> {
    match daemon::run(settings, program) {
        Ok(Finished::Stopped) => tracing::info!("stopped"),
        Ok(Finished::Files(summary)) => {
            let FilesSummary { events, dead_letters, late, duplicates, alerts, emitted } = summary;
            tracing::info!(
                events,
                dead_letters,
                late,
                duplicates,
                alerts,
                measurements = emitted,
                "all files are read"
            );
        }
        Err(error) if error.is::<Refused>() => {
            output::complain(format_args!("error: {error:#}"));
            return Ok(Exit::BadRules);
        }
        Err(error) => return Err(error),
    }
    Ok(Exit::Fine)
}

fn check(report: &Report) -> anyhow::Result<Exit> {
    let mut text = String::new();
    for line in &report.lines {
        writeln!(text, "{} {}", if line.good { "ok    " } else { "failed" }, line.text)?;
    }
    output::print(&text)?;
    let broken = |line: &daemon::Line| !line.good && !line.about_rules;
    Ok(match () {
        () if report.is_good() => Exit::Fine,
        () if report.lines.iter().any(broken) => Exit::BadInput,
        () => Exit::BadRules,
    })
}
