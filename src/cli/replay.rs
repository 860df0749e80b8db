//! `replay`: files through the rules, alerts as NDJSON on standard output.

use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};

use crate::alert::{Alert, AlertEvent, AlertRecord};
use crate::cli::{Exit, output, rules};
use crate::decode::{DecodeLimits, FieldNames, TypeSource};
use crate::engine::{End, InputSettings, LatePolicy};
use crate::program::Program;
use crate::replay::{self, Observer, Refused, Settings, Summary};
use crate::source::Progress;

/// Run rules over files of events: alerts as NDJSON on standard output, a summary on standard error
///
/// Events are JSON objects, one a line; files ending in .gz or .zst are decompressed; `-` is standard input. Several
/// files are merged by time. The same files give the same alerts in the same order on any number of threads.
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 done, with or without alerts; 2 bad rules; 3 a file cannot be read.")]
pub(super) struct Arguments {
    /// Rule files, and folders of them
    #[arg(long, required = true, num_args = 1, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Files of events
    #[arg(required = true, value_name = "EVENTS")]
    events: Vec<PathBuf>,
    /// Print only RULE<TAB>FIRST_ID<TAB>LAST_ID for each alert; an event without id is FILE:LINE
    #[arg(long)]
    ids: bool,
    /// How far events may be out of order: 2s, 500ms, 5m
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration)]
    lateness: i64,
    /// What is done with later ones
    #[arg(long, value_enum, default_value_t = Late::Drop)]
    late: Late,
    /// What fires at the end of the input
    #[arg(long, value_enum, default_value_t = Ending::LastEvent)]
    end: Ending,
    /// Threads; all cores by default
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// The field that holds the event's type, as a dotted path
    #[arg(long, value_name = "FIELD", default_value = "type")]
    r#type: String,
    /// The one type of all events, in place of a field
    #[arg(long, value_name = "TYPE", conflicts_with = "type")]
    event: Option<String>,
    /// The field that holds the time (ms since the epoch or RFC 3339)
    /// [default: the first present of ts, time, timestamp, event_time, @timestamp]
    #[arg(long, value_name = "FIELD")]
    time: Option<String>,
    /// The field that holds the event's id [default: the first present of event_id, id]
    #[arg(long, value_name = "FIELD")]
    id: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Late {
    /// Left out, and counted
    Drop,
    /// Judged as if it came at the watermark
    Process,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Ending {
    /// Deadlines up to the last event's time
    LastEvent,
    /// All deadlines
    Flush,
}

/// A duration such as `2s`, in ms.
pub(super) fn duration(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let scale = match &text[digits.len()..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err("write a number and a unit: 500ms, 2s, 5m, 1h, 1d".to_owned()),
    };
    let n: i64 = digits.parse().map_err(|_| "write a whole number and a unit: 500ms, 2s, 5m".to_owned())?;
    n.checked_mul(scale).filter(|ms| *ms >= 0).ok_or_else(|| "the duration is out of range".to_owned())
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(set) = rules::load(&arguments.rules)? else { return Ok(Exit::BadRules) };
    let program = Arc::new(set.checked.program);
    let settings = arguments.settings();
    let mut printer = Printer::new(arguments);
    let summary = replay::replay(&program, &arguments.events, &settings, &mut printer)?;
    printer.finish(&program, &summary)?;
    Ok(Exit::Fine)
}

impl Arguments {
    fn settings(&self) -> Settings {
        let defaults = FieldNames::default();
        let one = |field: &Option<String>, default| field.as_ref().map_or(default, |field| vec![field.clone()]);
        Settings {
            names: FieldNames {
                event_type: match &self.event {
                    Some(event) => TypeSource::Fixed(event.clone()),
                    None => TypeSource::Fields(vec![self.r#type.clone()]),
                },
                time: one(&self.time, defaults.time),
                id: one(&self.id, defaults.id),
            },
            limits: DecodeLimits::default(),
            input: InputSettings {
                lateness_ms: self.lateness,
                late: match self.late {
                    Late::Drop => LatePolicy::Drop,
                    Late::Process => LatePolicy::Process,
                },
            },
            end: match self.end {
                Ending::LastEvent => End::LastEvent,
                Ending::Flush => End::Flush,
            },
            threads: self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)),
        }
    }
}

/// How many refused lines are told in full; the rest is counted.
const REFUSED_SHOWN: u64 = 10;
/// How often progress is told.
const TICK: Duration = Duration::from_millis(500);

/// Prints what a replay says.
struct Printer {
    out: BufWriter<io::Stdout>,
    ids: bool,
    sources: Arc<[String]>,
    refused: u64,
    started: Instant,
    told: Option<Instant>,
}

impl Printer {
    fn new(arguments: &Arguments) -> Printer {
        Printer {
            out: BufWriter::with_capacity(1 << 16, io::stdout()),
            ids: arguments.ids,
            sources: replay::source_names(&arguments.events),
            refused: 0,
            started: Instant::now(),
            told: io::stderr().is_terminal().then(Instant::now),
        }
    }

    fn id(&self, event: &AlertEvent) -> String {
        match &event.id {
            Some(id) => id.to_string(),
            None => format!("{}:{}", self.sources[usize::from(event.position.source.0)], event.position.offset),
        }
    }

    fn finish(mut self, program: &Program, summary: &Summary) -> anyhow::Result<()> {
        self.out.flush()?;
        self.clear_progress();
        let seconds = self.started.elapsed().as_secs_f64();
        output::complain(format_args!(
            "{} events in {seconds:.2} s ({:.0} events/s), {} alerts, {} open runs",
            summary.events,
            summary.events as f64 / seconds.max(1e-9),
            summary.alerts,
            summary.open_runs,
        ));
        let left_out = [
            (summary.refused, "lines refused (no event in them)"),
            (summary.late, "events too late and left out (see --lateness)"),
            (summary.stats.undeclared, "events of types that no rule file declares"),
        ];
        for (count, what) in left_out.into_iter().filter(|(count, _)| *count > 0) {
            output::complain(format_args!("{count} {what}"));
        }
        for (rule, stats) in program.rules.iter().zip(&summary.stats.rules) {
            if stats.missing_key > 0 {
                output::complain(format_args!("{}: {} events without its key", rule.name, stats.missing_key));
            }
            if stats.suppressed > 0 {
                output::complain(format_args!(
                    "{}: {} alerts suppressed by `at most once per`",
                    rule.name, stats.suppressed
                ));
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
                writeln!(self.out, "{}\t{}\t{}", alert.rule_name, self.id(alert.first()), self.id(alert.last()))?;
            } else {
                writeln!(self.out, "{}", AlertRecord::new(alert, &self.sources).to_json())?;
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
            output::complain(format_args!("{}:{}: {}", self.sources[refused.file], refused.line, refused.error));
        }
        if self.refused == REFUSED_SHOWN {
            output::complain(format_args!("further refused lines are only counted"));
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
            .bytes_total
            .filter(|total| *total > 0)
            .map_or_else(String::new, |total| format!("{:3.0} %, ", progress.bytes_read as f64 * 100.0 / total as f64));
        drop(write!(io::stderr(), "\r\x1b[K{part}{events} events, {rate:.0} events/s"));
        Ok(())
    }
}
