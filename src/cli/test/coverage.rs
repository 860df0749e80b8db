//! `test --coverage`: what the tests would not notice.

use crate::cli::check::plural;
use crate::cli::{Exit, output};
use crate::ruleset::RuleSet;
use crate::ruletest::{Coverage, Fixture, Report};

/// Tries all changes and prints what no test notices.
pub(super) fn run(set: &RuleSet, fixtures: &[Fixture], selects: &dyn Fn(&str) -> bool) -> anyhow::Result<Exit> {
    let mut progress = |name: &str| output::complain(format_args!("coverage: {name}"));
    let coverage = Coverage::measure(set, fixtures, selects, &mut progress)?;
    for report in &coverage.reports {
        output::print(&text(set, report))?;
    }
    for stale in &coverage.stale {
        let place = format!("{}:{}", set.sources.name(stale.file), stale.line);
        output::print(&format!("{place}: stale: {}\n  nothing is left for it to explain: remove it\n", stale.text))?;
    }
    Ok(if coverage.is_complete() { Exit::Fine } else { Exit::Findings })
}

/// One line that sums up, and below it what is to be done.
fn text(set: &RuleSet, report: &Report) -> String {
    let mut parts = Vec::new();
    if report.steps.1 > 0 {
        parts.push(format!("{}/{} steps", report.steps.0, report.steps.1));
    }
    if report.conditions.1 > 0 {
        parts.push(format!("{}/{} conditions both ways", report.conditions.0, report.conditions.1));
    }
    parts.push(plural(report.mutants, "mutant"));
    parts.push(format!("{} noticed", report.noticed));
    if report.explained > 0 {
        parts.push(format!("{} explained", report.explained));
    }
    let mut text = format!("{}: {}\n", report.name, parts.join(", "));
    for finding in &report.findings {
        let place = format!("{}:{}", set.sources.name(finding.file), finding.line);
        match &finding.change {
            Some(change) => text.push_str(&format!("  {place}: {change}\n    {}\n", finding.wanted)),
            None => text.push_str(&format!("  {place}: {}\n", finding.wanted)),
        }
    }
    text
}
