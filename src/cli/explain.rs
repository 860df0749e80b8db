//! `explain`: a rule read back from its compiled form, with its plan, its state bill and its graph.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::cli::evidence::Evidence;
use crate::cli::{Exit, output, rules};
use crate::diagnostic::closest;
use crate::engine;
use crate::program::{self, Graph, Line, Measure, Program, Rule};

/// Read a rule back: one sentence, how it is run, what it keeps in memory, or its states as a graph
///
/// All of it is made from what runs and not from what was written, so it says what the rule really does. Compare the
/// sentence with what you meant. The plan names the data structure of every window and who shares it; the bill counts
/// bytes a key, a match and an event, and says what ends each, so that you can reckon the memory for your own traffic.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Rule files, and folders of them
    #[arg(long, required = true, num_args = 1, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// The name of a rule, risk or measure
    #[arg(value_name = "RULE")]
    rule: String,
    /// Print only the states of the rule and what leads from one to the next
    #[arg(long, value_enum, value_name = "FORM")]
    graph: Option<Form>,
    /// What alerts carry of each event that they matched: the bill says what it costs
    #[arg(long, value_enum, value_name = "WHAT", default_value_t = Evidence::Fields)]
    evidence: Evidence,
}

const EXAMPLES: &str = "\
Examples:
  tripline explain --rules rules takeover
  tripline explain --rules rules takeover --graph svg > takeover.svg
  tripline explain --rules rules takeover --graph dot | dot -Tpng > takeover.png

Exit codes: 0 done; 2 bad rules; 3 no such rule, or a file cannot be read.";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Form {
    /// A drawing that every browser shows
    Svg,
    /// For Graphviz
    Dot,
    /// For Mermaid, as wikis and code hosts draw it
    Mermaid,
}

/// The columns of the text.
const COLUMNS: usize = 100;
const INDENT: usize = 14;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(set) = rules::load(&arguments.rules)? else { return Ok(Exit::BadRules) };
    let mut program = set.checked.program;
    program.carry(arguments.evidence.into());
    let program = &program;
    let name = &arguments.rule;
    let text = match (program.rule(name), program.measure(name), arguments.graph) {
        (Some(rule), _, None) => explanation(program, rule),
        (Some(rule), _, Some(Form::Svg)) => Graph::new(program, rule).to_svg(),
        (Some(rule), _, Some(Form::Dot)) => Graph::new(program, rule).to_dot(),
        (Some(rule), _, Some(Form::Mermaid)) => Graph::new(program, rule).to_mermaid(),
        (None, Some(measure), None) => measure_explanation(program, measure),
        (None, Some(_), Some(_)) => bail!("`{name}` is a measure, which has no states to draw: leave --graph out"),
        (None, None, _) => bail!("{}", unknown(program, name)),
    };
    output::print(&text)?;
    Ok(Exit::Fine)
}

fn unknown(program: &Program, written: &str) -> String {
    let measures = || program.measures.iter().map(|measure| &*measure.name);
    let names = || program.rules.iter().map(|rule| &*rule.name).chain(measures());
    let help = match closest(written, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names().next().is_none() => "the files hold no rule".to_owned(),
        None => format!("the rules are {}", names().collect::<Vec<_>>().join(", ")),
    };
    format!("no rule is called `{written}`: {help}")
}

fn explanation(program: &Program, rule: &Rule) -> String {
    let head = format!("{} (version {})", rule.name, rule.version);
    let bill = program::bill(program, rule, &engine::sizes());
    composed(&head, &program::sentence(program, rule), &program::plan(program, rule), &bill)
}

fn measure_explanation(program: &Program, measure: &Measure) -> String {
    let head = format!("{} (version {})", measure.name, measure.version);
    let bill = program::measure_bill(program, measure, &engine::sizes());
    composed(&head, &program::measure_sentence(program, measure), &program::measure_plan(program, measure), &bill)
}

fn composed(head: &str, sentence: &str, plan: &[Line], bill: &[Line]) -> String {
    let mut text = format!("{head}\n\n");
    wrap(&mut text, "", 0, sentence);
    text.push_str("\nPlan\n");
    lines(&mut text, plan);
    text.push_str("\nMemory\n");
    lines(&mut text, bill);
    text
}

fn lines(out: &mut String, lines: &[Line]) {
    for line in lines {
        wrap(out, &format!("  {}", line.about), INDENT, &line.text);
    }
}

/// Writes a text in lines, the first after `head`, all of them from the column `indent` on.
fn wrap(out: &mut String, head: &str, indent: usize, text: &str) {
    let mut line = format!("{head:indent$}");
    let mut is_empty = true;
    for word in text.split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > COLUMNS {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    out.push_str(line.trim_end());
    out.push('\n');
}
