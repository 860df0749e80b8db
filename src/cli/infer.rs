//! `infer`: event declarations from a sample of events.

use std::path::PathBuf;

use anyhow::ensure;
use clap::Args;

use crate::cli::check::plural;
use crate::cli::names::Names;
use crate::cli::{Exit, output};
use crate::decode::{DecodeLimits, FieldNames};
use crate::infer::{Sample, Summary};
use crate::source::FileReader;

/// Write event declarations from a sample of events: a rule file to begin with, on standard output
///
/// Events are JSON objects, one a line, read as `replay` reads them; files ending in .gz or .zst are decompressed; `-`
/// is standard input. Each type gets an `event` with all its fields, nested ones with dots, in the order in which they
/// first came, and a comment that says how often each was there. The output passes `check` and `fmt --check`.
///
/// The kinds are those that all values fit: text, integer, number, boolean, ip (every text is an address), time (RFC
/// 3339 texts; whole numbers that can be ms since 1970, in fields called like created_at), point ({latitude, longitude};
/// pairs of numbers in fields called like location), and lists. Where kinds differ, a field is text and its comment says
/// what was seen. A sample cannot show everything: look it over.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    /// Files of events
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    names: Names,
}

const EXAMPLES: &str = "\
Examples:
  tripline infer events.ndjson > events.rules
  zcat events.ndjson.gz | head -10000 | tripline infer - > events.rules
  tripline infer --event payment --time created_at payments.ndjson

Exit codes: 0 done; 3 no event in the files, or a file cannot be read.";

/// How many refused lines are told in full; the rest is counted.
const REFUSED_SHOWN: u64 = 10;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let limits = DecodeLimits::default();
    let mut sample = Sample::new(arguments.names.field_names(FieldNames::default()), limits);
    for path in &arguments.files {
        let mut reader = FileReader::open(path, limits.bytes_max)?;
        while let Some(line) = reader.next_line()? {
            let Err(error) = sample.add(line.bytes) else { continue };
            let refused = sample.summary().refused;
            if refused <= REFUSED_SHOWN {
                output::complain(format_args!("{}:{}: {error}", path.display(), line.number));
            }
            if refused == REFUSED_SHOWN {
                output::complain(format_args!("further refused lines are only counted"));
            }
        }
    }
    let summary = sample.summary();
    tell(summary);
    ensure!(summary.events > 0, "there is no event in the files: name its fields by --type, --time or --event");
    output::print(&sample.declarations())?;
    Ok(Exit::Fine)
}

fn tell(summary: Summary) {
    let events = plural(usize::try_from(summary.events).unwrap_or(usize::MAX), "event");
    let mut text = format!("{events}, {}", plural(summary.types, "type"));
    let left_out = [
        (summary.refused, "lines refused (no event in them)"),
        (summary.beyond_types, "events of further types left out"),
        (summary.beyond_fields, "values of further fields left out"),
        (summary.beyond_depth, "values nested too deep left out"),
    ];
    for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!(", {count} {what}"));
    }
    output::complain(format_args!("{text}"));
}
