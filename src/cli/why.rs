//! `why`: why a rule fired for a key, or why it did not.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use crate::cli::input::{Input, duration};
use crate::cli::{Exit, output, rules};
use crate::replay;
use crate::why::{At, Inquiry, Question};

/// Tell why a rule fired for a key, or why it did not and what would have made it fire
///
/// For an alert: the run that fired, event by event, with the values that each condition saw. For silence: how far the
/// furthest run got, what stopped it, the event that came nearest, and up to three small changes of the rule, the
/// smallest first. Each of these was tried: the rule was changed, checked, and run over the same events, and it fired.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub(super) struct Arguments {
    /// Rule files, and folders of them
    #[arg(long, required = true, num_args = 1, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// The rule or risk
    #[arg(value_name = "RULE")]
    rule: String,
    /// The key: u1; of several parts u1,c7 or user_id=u1,card_id=c7; - for a rule without `for each`
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    /// Files of events
    #[arg(required = true, value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// When: a time such as 2026-01-31T08:00:00Z, or how long after the first event, such as 90s or 5m; an alert is meant
    /// if the time lies between its first event and itself [default: the last alert]
    #[arg(long, value_name = "T", value_parser = at, allow_hyphen_values = true)]
    at: Option<At>,
    #[command(flatten)]
    input: Input,
}

const AFTER: &str = "\
Examples:
  tripline why --rules rules country_hop u1 events.ndjson
  tripline why --rules rules country_hop u1 events.ndjson --at 6m
  tripline why --rules rules card_testing card_id=c7 monday.ndjson.gz tuesday.ndjson.gz

Exit codes: 0 it fired; 1 it did not; 2 bad rules; 3 no such rule, no such key part, or a file cannot be read.";

fn at(text: &str) -> Result<At, String> {
    At::parse(text, duration)
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(set) = rules::load(&arguments.rules)? else { return Ok(Exit::BadRules) };
    let program = Arc::new(set.checked.program);
    let question = Question { rule: arguments.rule.clone(), key: arguments.key.clone(), at: arguments.at };
    let mut inquiry = Inquiry::new(&set.files, &program, &question)?;
    let settings = arguments.input.settings(1);
    let summary = replay::in_order(&program, &arguments.events, &settings, |event| inquiry.see(event), |_| {})?;
    let answer = inquiry.answer(settings.end, &replay::source_names(&arguments.events));
    output::print(&answer.text)?;
    for (count, what) in [
        (summary.refused, "lines refused (no event in them; see `tripline replay`)"),
        (summary.late, "events too late and left out (see --lateness)"),
    ] {
        if count > 0 {
            output::complain(format_args!("{count} {what}"));
        }
    }
    Ok(if answer.fired { Exit::Fine } else { Exit::Findings })
}
