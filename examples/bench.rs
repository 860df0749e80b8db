//! Events per second from a file to alerts, over generated events:
//!
//! ```sh
//! cargo run --release --example bench -- [EVENTS]
//! ```
//!
//! Prints the machine, then decode alone, each rule alone, and all rules together, on one thread and on two, each as
//! the best of three runs; the processor time tells what other work on the machine hides. The limit beside them is a program written by hand for exactly these rules.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use tripline::alert::Alert;
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::diagnostic::{Format, SourceMap, render};
use tripline::event::Event;
use tripline::lang::{self, ast};
use tripline::program::Program;
use tripline::replay::{self, Observer, Refused, Settings, Summary};
use tripline::source::{FileReader, Progress};
use tripline::workload::{self, Workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What others reach from a JSON file to alerts on one worker of such a machine, in million events a second.
const RIVALS: &str =
    "rule 1 alone elsewhere: Flink CEP 0.11, Siddhi 0.18, Esper with Jackson 0.37; by hand 5.5-6.2 (M events/s)";
const RUNS: usize = 3;

fn main() -> ExitCode {
    let count = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    match run(count) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(count: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("events.ndjson");
    let bytes = generate(&file, count)?;
    let cores = std::thread::available_parallelism()?;
    println!("{count} events, {:.0} bytes each; {}, {cores} cores", bytes as f64 / count as f64, processor());
    println!("{RIVALS}");
    println!("{:<28} {:>14} {:>10} {:>14} {:>9}", "", "events/s", "ns/event", "CPU ns/event", "alerts");
    let all = rules(None)?;
    report("decode alone, all fields", count, || decode_alone(&all, &file).map(|()| 0))?;
    for name in all.rules.iter().map(|rule| rule.name.to_string()) {
        let program = rules(Some(&name))?;
        report(&name, count, || alerts(&program, &file, 1))?;
    }
    report("all rules", count, || alerts(&all, &file, 1))?;
    report("all rules, 2 threads", count, || alerts(&all, &file, 2))
}

/// The best of some runs.
fn report(what: &str, count: u64, mut work: impl FnMut() -> anyhow::Result<u64>) -> anyhow::Result<()> {
    let (mut best, mut cpu, mut alerts) = (f64::INFINITY, f64::INFINITY, 0);
    for _ in 0..RUNS {
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        alerts = work()?;
        best = best.min(start.elapsed().as_secs_f64());
        cpu = cpu.min(cpu_seconds() - cpu_start);
    }
    let (count, ns) = (count as f64, 1e9 / count as f64);
    println!("{what:<28} {:>14.0} {:>10.0} {:>14.0} {alerts:>9}", count / best, best * ns, cpu * ns);
    Ok(())
}

/// The processor time of this process so far, of all its threads; 0 where `/proc` does not tell.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
}

fn generate(path: &Path, count: u64) -> anyhow::Result<u64> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut workload = Workload::new(workload::Settings::default());
    let (mut line, mut bytes) = (Vec::new(), 0);
    for _ in 0..count {
        line.clear();
        workload.write_line(&mut line);
        bytes += line.len() as u64;
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(bytes)
}

/// The workload's rules, or one of them.
fn rules(only: Option<&str>) -> anyhow::Result<Arc<Program>> {
    let mut sources = SourceMap::default();
    let id = sources.add("workload.rules", workload::RULES);
    let (mut file, mut diagnostics) = lang::parse(id, workload::RULES);
    file.items.retain(|item| match &item.node {
        ast::Item::Rule(rule) => only.is_none_or(|only| rule.name.node == only),
        _ => true,
    });
    let checked = lang::check(&[file]);
    diagnostics.extend(checked.diagnostics);
    anyhow::ensure!(diagnostics.is_empty(), "{}", render(&diagnostics, &sources, Format::Full { color: false }));
    Ok(Arc::new(checked.program))
}

fn decode_alone(program: &Program, file: &Path) -> anyhow::Result<()> {
    let limits = DecodeLimits::default();
    let mut reader = FileReader::open(file, limits.bytes_max)?;
    let mut decoder = JsonDecoder::new(program, &FieldNames::default(), limits);
    let mut event = Event::default();
    while let Some(line) = reader.next_line()? {
        decoder.decode(line.bytes, &mut event)?;
    }
    Ok(())
}

fn alerts(program: &Arc<Program>, file: &Path, threads: usize) -> anyhow::Result<u64> {
    let settings = Settings { threads, ..Settings::default() };
    let summary: Summary = replay::replay(program, &[PathBuf::from(file)], &settings, &mut Quiet)?;
    Ok(summary.alerts)
}

struct Quiet;

impl Observer for Quiet {
    fn alerts(&mut self, _: &[Alert]) -> anyhow::Result<()> {
        Ok(())
    }

    fn refused(&mut self, refused: &Refused) -> anyhow::Result<()> {
        anyhow::bail!("line {} holds no event: {}", refused.position.offset, refused.error)
    }

    fn progress(&mut self, _: Progress, _: u64) -> anyhow::Result<()> {
        Ok(())
    }
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}
