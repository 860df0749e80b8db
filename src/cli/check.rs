//! `check`: all problems of all rule files at once.

use std::io;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Exit, output};
use crate::diagnostic::{Format, render};
use crate::ruleset::RuleSet;

/// Check rule files: all problems at once, each with its place, its cause and its fix
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 no errors; 1 only warnings, with --strict; 2 errors in the rules; 3 a file cannot be read."
)]
pub(super) struct Arguments {
    /// Rule files, and folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How problems are written
    #[arg(long, value_enum, default_value_t = Style::Full)]
    format: Style,
    /// Treat warnings as findings (exit code 1)
    #[arg(long)]
    strict: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Style {
    /// For people: the source line, the place, the fix
    Full,
    /// One JSON object a line
    Json,
    /// Annotations of a GitHub workflow
    Github,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let set = RuleSet::load(&arguments.paths)?;
    let format = match arguments.format {
        Style::Full => Format::Full { color: output::color(&io::stdout()) },
        Style::Json => Format::Json,
        Style::Github => Format::Github,
    };
    output::print(&render(&set.checked.diagnostics, &set.sources, format))?;
    let (errors, warnings) = set.counts();
    output::complain(format_args!("{}", summary(&set, errors, warnings)));
    Ok(match (errors, warnings) {
        (0, 1..) if arguments.strict => Exit::Findings,
        (0, _) => Exit::Fine,
        _ => Exit::BadRules,
    })
}

fn summary(set: &RuleSet, errors: usize, warnings: usize) -> String {
    let files = plural(set.files.len(), "file");
    let problems = match (errors, warnings) {
        (0, 0) => {
            let program = &set.checked.program;
            let measures = match program.measures.len() {
                0 => String::new(),
                n => format!(", {}", plural(n, "measure")),
            };
            let (rules, tests) = (plural(program.rules.len(), "rule"), plural(set.checked.tests.len(), "test"));
            format!("{rules}{measures}, {tests}, no problems")
        }
        (errors, warnings) => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
    };
    format!("{files}: {problems}")
}

/// `1 file`, `2 files`.
pub(super) fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
