//! `test`: the tests in rule files, and folders of fixtures.

mod coverage;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use crate::cli::check::plural;
use crate::cli::{Exit, output, rules};
use crate::program::Program;
use crate::ruleset::{self, RuleSet};
use crate::ruletest::{self, Fixture};
use crate::xml::escaped;

/// Run the tests in rule files, and fixture folders: events.ndjson and the alerts.ndjson that it must give
///
/// All rules named are run together. A line of alerts.ndjson holds the fields that an alert must have; others may be
/// anything. Deadlines fire at the end of a test's events.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all passed; 1 a test failed, or --coverage found something; 2 bad rules; 3 a file cannot be read."
)]
pub(super) struct Arguments {
    /// Rule files, folders of them, and fixture folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Only tests whose name contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Write the results as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write the alerts that come into each alerts.ndjson, whole
    #[arg(long)]
    update: bool,
    /// Say what the tests would not notice: each rule, risk and measure with one change at a time
    ///
    /// Steps that no test takes, conditions that never decide one way, and every small change to a rule (a number that
    /// is one more, a condition left out, half the time) that fails no test. A change that no test can notice is
    /// explained by a comment above its clause, with the change as it is printed:
    /// `# coverage: within 5 minutes -> within 10 minutes: REASON`. With --only: the rules whose name contains TEXT.
    #[arg(long, conflicts_with_all = ["junit", "update"])]
    coverage: bool,
}

/// A test that was run.
struct Report {
    /// The file or folder.
    place: String,
    name: String,
    failures: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let (rule_paths, fixtures) = sort_paths(&arguments.paths)?;
    let Some(set) = rules::load(&rule_paths)? else { return Ok(Exit::BadRules) };
    let program = Arc::new(set.checked.program.clone());
    if arguments.update {
        fixtures.iter().try_for_each(|fixture| fixture.update(&program))?;
    }
    let mut reports = run_blocks(&set, &program, arguments);
    for fixture in fixtures.iter().filter(|fixture| arguments.selects(&fixture.folder.display().to_string())) {
        reports.push(run_fixture(fixture, &program)?);
    }
    for report in reports.iter().filter(|report| !report.failures.is_empty()) {
        output::print(&format!("FAILED {}: {}\n  {}\n", report.place, report.name, indented(&report.failures)))?;
    }
    if let Some(path) = &arguments.junit {
        fs::write(path, junit(&reports)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let failed = reports.iter().filter(|report| !report.failures.is_empty()).count();
    output::print(&format!("{} passed, {failed} failed\n", plural(reports.len() - failed, "test")))?;
    if failed > 0 {
        return Ok(Exit::Findings);
    }
    if arguments.coverage { coverage::run(&set, &fixtures, &|name| arguments.selects(name)) } else { Ok(Exit::Fine) }
}

impl Arguments {
    fn selects(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }
}

/// Which paths hold rules, and which hold fixtures. A folder may hold both.
fn sort_paths(paths: &[PathBuf]) -> anyhow::Result<(Vec<PathBuf>, Vec<Fixture>)> {
    let (mut rule_paths, mut fixtures) = (Vec::new(), Vec::new());
    for path in paths {
        let found = ruletest::find_fixtures(path)?;
        if found.is_empty() || ruleset::find(std::slice::from_ref(path)).is_ok() {
            rule_paths.push(path.clone());
        }
        fixtures.extend(found);
    }
    anyhow::ensure!(!rule_paths.is_empty(), "name the rules too: tripline test rules fixtures");
    Ok((rule_paths, fixtures))
}

fn run_blocks(set: &RuleSet, program: &Arc<Program>, arguments: &Arguments) -> Vec<Report> {
    let mut reports = Vec::new();
    for test in &set.checked.tests {
        let name = format!("{} {:?}", test.rule, test.description);
        if !arguments.selects(&name) {
            continue;
        }
        let (line, _) = set.sources.line_column(test.span);
        let place = format!("{}:{line}", set.sources.name(test.span.file));
        reports.push(Report { place, name, failures: ruletest::run_block(program, test).failures });
    }
    reports
}

fn run_fixture(fixture: &Fixture, program: &Arc<Program>) -> anyhow::Result<Report> {
    let place = fixture.folder.display().to_string();
    let failures = fixture.run(program).with_context(|| format!("fixture {place}"))?.failures;
    Ok(Report { name: name_of(&fixture.folder), place, failures })
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned()
}

fn indented(failures: &[String]) -> String {
    failures.join("\n").replace('\n', "\n  ")
}

/// The results as JUnit XML, in the form that build servers read.
fn junit(reports: &[Report]) -> String {
    let failed = reports.iter().filter(|report| !report.failures.is_empty()).count();
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{0}\" failures=\"{failed}\">\n<testsuite name=\"tripline\" tests=\"{0}\" failures=\"{failed}\">\n",
        reports.len()
    );
    for report in reports {
        xml.push_str(&format!("<testcase classname=\"{}\" name=\"{}\"", escaped(&report.place), escaped(&report.name)));
        if report.failures.is_empty() {
            xml.push_str("/>\n");
            continue;
        }
        let (first, all) = (escaped(&report.failures[0]), escaped(&report.failures.join("\n")));
        let first = first.lines().next().unwrap_or_default();
        xml.push_str(&format!("><failure message=\"{first}\">{all}</failure></testcase>\n"));
    }
    xml.push_str("</testsuite>\n</testsuites>\n");
    xml
}
