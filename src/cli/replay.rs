//! `replay`: files through the rules, alerts as NDJSON on standard output.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;

use crate::alert::{Alert, AlertEvent, AlertRecord};
use crate::cli::evidence::Evidence;
use crate::cli::feed::{ABOUT_TOPICS, Asked, Opened, Topics};
use crate::cli::input::Input;
use crate::cli::{Exit, output};
use crate::engine::Limit;
use crate::event::Sources;
use crate::program::Program;
use crate::replay::{self, Observer, Refused, Summary};
use crate::source::Progress;

/// Run rules over files of events, or over topics: alerts as NDJSON on standard output, a summary on standard error
///
/// Events are JSON objects, one a line; files ending in .gz or .zst are decompressed; `-` is standard input. Several
/// files are merged by time. The same events give the same alerts in the same order on any number of threads.
#[derive(Debug, Args)]
#[command(override_usage = USAGE, after_help = format!("{EXAMPLES}\n\n{ABOUT_TOPICS}\n\n{EXIT_CODES}"))]
pub(super) struct Arguments {
    /// Rule files, and folders of them; with --config in place of its rules
    #[arg(long, required_unless_present = "config", num_args = 1, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Files of events
    #[arg(required_unless_present = "config", value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// Print only RULE<TAB>FIRST_ID<TAB>LAST_ID for each alert; an event without id is FILE:LINE or
    /// TOPIC:PARTITION:OFFSET
    #[arg(long)]
    ids: bool,
    /// What an alert carries of each event that it matched [default: fields; with --config as it says]
    #[arg(long, value_enum, value_name = "WHAT", conflicts_with = "ids")]
    evidence: Option<Evidence>,
    #[command(flatten)]
    input: Input,
    /// Threads; all cores by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    #[command(flatten)]
    topics: Topics,
}

const USAGE: &str = "tripline replay [OPTIONS] --rules <PATH> <EVENTS>...
       tripline replay [OPTIONS] --config <FILE>";

const EXAMPLES: &str = "\
Examples:
  tripline replay --rules rules monday.ndjson.gz tuesday.ndjson.gz
  tripline replay -c tripline.toml --from 2h
  tripline replay -c tripline.toml --from 2026-01-31T00:00:00Z --to 2026-02-01T00:00:00Z
  tripline replay -c tripline.toml --rules new.rules --from 7d --ids";

const EXIT_CODES: &str = "Exit codes: 0 done, with or without alerts; 2 bad rules; 3 a file or topic cannot be read, \
                          or wrong configuration.";

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Arguments { rules, events, input, topics, .. } = arguments;
    let evidence = arguments.evidence.map(Into::into);
    let Opened { program, feed, .. } = match (Asked { rules, events, input, topics, evidence }).open()? {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let threads = arguments.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let mut printer = Printer::new(arguments.ids, feed.sources().clone());
    let summary = replay::run(&program, feed, input.end(), threads, &mut printer)?;
    printer.finish(&program, &summary)?;
    Ok(Exit::Fine)
}

/// How many refused lines or messages are told in full; the rest is counted.
const REFUSED_SHOWN: u64 = 10;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(500);

/// Prints what a replay says.
struct Printer {
    out: BufWriter<io::Stdout>,
    ids: bool,
    sources: Sources,
    refused: u64,
    started: Instant,
    told: Option<Instant>,
}

impl Printer {
    fn new(ids: bool, sources: Sources) -> Printer {
        Printer {
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            ids,
            sources,
            refused: 0,
            started: Instant::now(),
            told: io::stderr().is_terminal().then(Instant::now),
        }
    }

    fn id(&self, event: &AlertEvent) -> String {
        match &event.id {
            Some(id) => id.to_string(),
            None => self.sources.place(event.position),
        }
    }

    fn finish(mut self, program: &Program, summary: &Summary) -> anyhow::Result<()> {
        self.out.flush()?;
        self.clear_progress();
        let seconds = self.started.elapsed().as_secs_f64();
        output::complain(format_args!(
            "{} events in {seconds:.2} s ({:.0} events/s), {} alerts, {}{} open runs",
            summary.events,
            summary.events as f64 / seconds.max(1e-9),
            summary.alerts,
            if program.measures.is_empty() { String::new() } else { format!("{} measurements, ", summary.emitted) },
            summary.open_runs,
        ));
        let [refused, late, repeated] = if self.sources.are_topics() {
            ["messages refused (no event in them)", "(see lateness)", "(drop_duplicates)"]
        } else {
            ["lines refused (no event in them)", "(see --lateness)", "(--drop-duplicates)"]
        };
        let left_out = [
            (summary.refused, refused.to_owned()),
            (summary.late, format!("events too late and left out {late}")),
            (summary.duplicates, format!("events left out: one with their id came before {repeated}")),
            (
                summary.forgotten_ids,
                "ids forgotten early, because there were too many: repeats of them were judged".to_owned(),
            ),
            (summary.stats.undeclared, "events of types that no rule file declares".to_owned()),
        ];
        for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            output::complain(format_args!("{count} {what}"));
        }
        for (rule, stats) in program.rules.iter().zip(&summary.stats.rules) {
            if stats.missing_key > 0 {
                output::complain(format_args!("{}: {} events without its key", rule.name, stats.missing_key));
            }
            for limit in Limit::ALL.into_iter().filter(|limit| stats.dropped.by(*limit) > 0) {
                output::complain(format_args!(
                    "{}: {} open runs dropped, or not begun: {} was reached, so alerts may be missing",
                    rule.name,
                    stats.dropped.by(limit),
                    limit.setting(),
                ));
            }
            if stats.suppressed > 0 {
                output::complain(format_args!(
                    "{}: {} alerts suppressed by `at most once per`",
                    rule.name, stats.suppressed
                ));
            }
        }
        for (measure, stats) in program.measures.iter().zip(&summary.stats.measures) {
            if stats.missing_key > 0 {
                output::complain(format_args!("{}: {} events without its key", measure.name, stats.missing_key));
            }
        }
        Ok(())
    }

    fn clear_progress(&self) {
        if self.told.is_some() {
            drop(write!(io::stderr(), "\r\x1b[K"));
        }
    }
}

impl Observer for Printer {
    fn alerts(&mut self, alerts: &[Alert]) -> anyhow::Result<()> {
        for alert in alerts {
            if self.ids {
                // What measures emit has no events.
                if let (Some(first), Some(last)) = (alert.first(), alert.last()) {
                    writeln!(self.out, "{}\t{}\t{}", alert.rule_name, self.id(first), self.id(last))?;
                }
            } else {
                writeln!(self.out, "{}", AlertRecord::new(alert, self.sources.names()).to_json())?;
            }
        }
        // Whoever watches a pipe or a terminal sees alerts as they come.
        self.out.flush()?;
        Ok(())
    }

    fn refused(&mut self, refused: &Refused) -> anyhow::Result<()> {
        self.refused += 1;
        if self.refused <= REFUSED_SHOWN {
            self.clear_progress();
            output::complain(format_args!("{}: {}", self.sources.place(refused.position), refused.error));
        }
        if self.refused == REFUSED_SHOWN {
            output::complain(format_args!("what else is refused is only counted"));
        }
        Ok(())
    }

    fn progress(&mut self, progress: Progress, events: u64) -> anyhow::Result<()> {
        if self.told.is_none_or(|told| told.elapsed() < TICK) {
            return Ok(());
        }
        self.told = Some(Instant::now());
        let rate = events as f64 / self.started.elapsed().as_secs_f64();
        let part = progress
            .total
            .filter(|total| *total > 0)
            .map_or_else(String::new, |total| format!("{:3.0} %, ", progress.read as f64 * 100.0 / total as f64));
        drop(write!(io::stderr(), "\r\x1b[K{part}{events} events, {rate:.0} events/s"));
        Ok(())
    }
}
