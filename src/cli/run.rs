//! `run`: the daemon.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::cli::{Exit, output};
use crate::config::{self, Settings};
use crate::daemon::{self, Finished, Refused};
use crate::diagnostic::{Format, render};
use crate::program::Program;
use crate::ruleset::RuleSet;
use crate::{kafka, telemetry};

/// Watch topics or files and send alerts.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tripline.toml")]
    config: PathBuf,
    /// Say whether the daemon could start, without reading an event
    #[arg(long)]
    check: bool,
}

/// Runs until it is told to stop, or until its files are read.
pub(super) fn run(args: &Arguments) -> anyhow::Result<Exit> {
    let settings = match load(&args.config) {
        Ok(settings) => settings,
        Err(problem) => return Ok(say(&problem, Exit::BadInput)),
    };
    telemetry::init(&settings.log);
    let program = match rules(&settings) {
        Ok(program) => program,
        Err(problems) => return Ok(say(&problems, Exit::BadRules)),
    };
    if args.check {
        return check(&settings, &program);
    }
    match daemon::run(&settings, &program) {
        Ok(Finished::Stopped) => tracing::info!("stopped"),
        Ok(Finished::Files(summary)) => {
            let daemon::FilesSummary { events, dead_letters, late, alerts } = summary;
            tracing::info!(events, dead_letters, late, alerts, "all files are read");
        }
        Err(error) if error.is::<Refused>() => return Ok(say(&format!("{error:#}"), Exit::BadRules)),
        Err(error) => return Err(error),
    }
    Ok(Exit::Fine)
}

/// The settings, or everything that is wrong with them.
fn load(path: &Path) -> Result<Settings, String> {
    let settings = config::load(path).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    let problems = settings.kafka.as_ref().map(kafka::check_properties).unwrap_or_default();
    if problems.is_empty() {
        return Ok(settings);
    }
    let lines = problems.iter().map(|problem| format!("{}: {problem}", path.display()));
    Err(lines.collect::<Vec<_>>().join("\n"))
}

/// The rules, or all diagnostics.
fn rules(settings: &Settings) -> Result<Arc<Program>, String> {
    let set = RuleSet::load(&settings.rules).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    set.program().ok_or_else(|| render(&set.checked.diagnostics, &set.sources, Format::Full { color: false }))
}

fn check(settings: &Settings, program: &Program) -> anyhow::Result<Exit> {
    let report = daemon::check(settings, program);
    let mut out = std::io::stdout().lock();
    for line in &report.lines {
        writeln!(out, "{} {}", if line.good { "ok    " } else { "failed" }, line.text)?;
    }
    Ok(match () {
        () if report.is_good() => Exit::Fine,
        () if report.lines.iter().any(|line| !line.good && !line.about_rules) => Exit::BadInput,
        () => Exit::BadRules,
    })
}

fn say(problem: &str, exit: Exit) -> Exit {
    output::complain(format_args!("{problem}"));
    exit
}
