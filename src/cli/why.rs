//! `why`: why a rule fired for a key, or why it did not.

use std::path::PathBuf;

use clap::Args;

use crate::cli::feed::{ABOUT_TOPICS, Asked, Opened, Topics};
use crate::cli::input::{Input, duration};
use crate::cli::{Exit, output};
use crate::program::Evidence;
use crate::replay;
use crate::why::{At, Inquiry, Question};

/// Tell why a rule fired for a key, or why it did not and what would have made it fire
///
/// For an alert: the run that fired, event by event, with the values that each condition saw. For silence: how far the
/// furthest run got, what stopped it, the event that came nearest, and up to three small changes of the rule, the
/// smallest first. Each of these was tried: the rule was changed, checked, and run over the same events, and it fired.
#[derive(Debug, Args)]
#[command(override_usage = USAGE, after_help = format!("{EXAMPLES}\n\n{ABOUT_TOPICS}\n\n{EXIT_CODES}"))]
pub(super) struct Arguments {
    /// Rule files, and folders of them; with --config in place of its rules
    #[arg(long, required_unless_present = "config", num_args = 1, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// The rule or risk
    #[arg(value_name = "RULE")]
    rule: String,
    /// The key: u1; of several parts u1,c7 or user_id=u1,card_id=c7; - for a rule without `for each`
    #[arg(value_name = "KEY", allow_hyphen_values = true)]
    key: String,
    /// Files of events
    #[arg(required_unless_present = "config", value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// When: a time such as 2026-01-31T08:00:00Z, or how long after the first event, such as 90s or 5m; an alert is meant
    /// if the time lies between its first event and itself [default: the last alert]
    #[arg(long, value_name = "T", value_parser = at, allow_hyphen_values = true)]
    at: Option<At>,
    #[command(flatten)]
    input: Input,
    #[command(flatten)]
    topics: Topics,
}

const USAGE: &str = "tripline why [OPTIONS] --rules <PATH> <RULE> <KEY> <EVENTS>...
       tripline why [OPTIONS] --config <FILE> <RULE> <KEY>";

const EXAMPLES: &str = "\
Examples:
  tripline why --rules rules country_hop u1 events.ndjson
  tripline why --rules rules country_hop u1 events.ndjson --at 6m
  tripline why --rules rules card_testing card_id=c7 monday.ndjson.gz tuesday.ndjson.gz
  tripline why -c tripline.toml country_hop u1 --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z";

const EXIT_CODES: &str = "\
Exit codes: 0 it fired; 1 it did not; 2 bad rules; 3 no such rule, no such key part, a file or topic cannot be \
                          read, or wrong configuration.";

fn at(text: &str) -> Result<At, String> {
    At::parse(text, duration)
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { rules, events, input, topics, .. } = arguments;
    // The answer quotes fields; that alerts carry more would only cost.
    let evidence = Some(Evidence::Fields);
    let Opened { files, program, feed } = match (Asked { rules, events, input, topics, evidence }).open()? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let question = Question { rule: arguments.rule.clone(), key: arguments.key.clone(), at: arguments.at };
    let mut inquiry = Inquiry::new(&files, &program, &question)?;
    let sources = feed.sources().clone();
    inquiry.set_limits(feed.limits());
    if sources.are_topics() {
        inquiry.keep_tables_outside();
    }
    let summary = replay::in_order(feed, |event| inquiry.see(event), |_| {})?;
    let answer = inquiry.answer(input.end(), &sources);
    output::print(&answer.text)?;
    for (count, what) in [
        (summary.refused, "lines or messages refused (no event in them; see `tripline replay`)"),
        (summary.late, "events too late and left out (see lateness)"),
    ] {
        if count > 0 {
            output::complain(format_args!("{count} {what}"));
        }
    }
    Ok(if answer.fired { Exit::Fine } else { Exit::Findings })
}
