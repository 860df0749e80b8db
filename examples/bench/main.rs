//! Events per second from a file to alerts and what a rule, a key and an open run cost, over generated events:
//!
//! ```sh
//! cargo run --release --example bench                           # everything
//! cargo run --release --example bench -- --events 200000 rules  # less, and one group of rows
//! ```
//!
//! Each run of a row is a process of its own, so that its memory is its own too; of the runs the shortest counts. The
//! processor time tells what other work on the machine hides. docs/benchmarks/README.md says what each row means.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod suite;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::Context;
use clap::Parser;
use suite::{Against, Group, Measured, Row, Work, grouped};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures tripline on generated account events.
#[derive(Parser)]
struct Arguments {
    /// The groups of rows to measure; all if none is named.
    groups: Vec<String>,
    /// How many events a long row has.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// How often each row is run.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Lists the groups and their rows, and measures nothing.
    #[arg(long)]
    list: bool,
    /// Runs one row, by its group and name, in this process and prints what it took as JSON.
    #[arg(long, hide = true, num_args = 2)]
    measure: Option<Vec<String>>,
    /// Where the files with the events are.
    #[arg(long, hide = true, default_value = ".")]
    folder: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let mut groups = suite::groups(arguments.events);
    if let Some([group, row]) = arguments.measure.as_deref() {
        return measure_here(&groups, group, row, &arguments.folder);
    }
    for name in &arguments.groups {
        let names: Vec<&str> = groups.iter().map(|group| group.name).collect();
        anyhow::ensure!(names.contains(&name.as_str()), "no group is called {name}: there are {}", names.join(", "));
    }
    if !arguments.groups.is_empty() {
        groups.retain(|group| arguments.groups.iter().any(|name| name == group.name));
    }
    if arguments.list {
        list(&groups);
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    print_machine(arguments)?;
    for group in &groups {
        measure_group(group, arguments, folder.path())?;
    }
    Ok(())
}

fn list(groups: &[Group]) {
    for group in groups {
        println!("{}: {}", group.name, group.title);
        for row in &group.rows {
            println!("  {}", row.name);
        }
    }
}

fn measure_here(groups: &[Group], group: &str, row: &str, folder: &Path) -> anyhow::Result<()> {
    let rows = groups.iter().filter(|candidate| candidate.name == group).flat_map(|group| &group.rows);
    let row = rows.into_iter().find(|candidate| candidate.name == row).context("no such row")?;
    println!("{}", serde_json::to_string(&row.task.run(folder)?)?);
    Ok(())
}

fn print_machine(arguments: &Arguments) -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism()?;
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = said("git", &["describe", "--always", "--dirty"]).unwrap_or_else(|| "unknown".to_owned());
    let compiler = said("rustc", &["--version"]).unwrap_or_else(|| "an unknown compiler".to_owned());
    println!("tripline {} at {commit}, {compiler}; {}, {cores} cores", env!("CARGO_PKG_VERSION"), processor());
    println!("{} events, the best of {} runs", grouped(arguments.events), arguments.runs);
    Ok(())
}

fn measure_group(group: &Group, arguments: &Arguments, folder: &Path) -> anyhow::Result<()> {
    println!("\n{}: {}", group.name, group.title);
    let [events, ns, cpu, peak, alerts] = ["M events/s", "ns/event", "CPU ns", "peak MB", "alerts"];
    println!("  {:<36} {events:>10} {ns:>9} {cpu:>9} {peak:>8} {alerts:>8}", "");
    let mut seen: Vec<(&Row, Measured)> = Vec::new();
    for row in &group.rows {
        row.task.input_file(folder)?;
        let best = best_of(group, row, arguments, folder).with_context(|| format!("{}, {}", group.name, row.name))?;
        if let Some(other) = row.same_as {
            let wanted = find(&seen, other)?.answer;
            anyhow::ensure!(best.answer == wanted, "{} finds {:?}, {other} {wanted:?}", row.name, best.answer);
        }
        seen.push((row, best));
        println!("{}", line(row, &best, &seen)?);
    }
    Ok(())
}

/// The shortest times and the least memory of some runs, which must all find the same.
fn best_of(group: &Group, row: &Row, arguments: &Arguments, folder: &Path) -> anyhow::Result<Measured> {
    let mut best = measure_apart(group, row, arguments, folder)?;
    for _ in 1..arguments.runs {
        let next = measure_apart(group, row, arguments, folder)?;
        anyhow::ensure!(next.answer == best.answer, "one run finds {:?}, another {:?}", best.answer, next.answer);
        best.seconds = best.seconds.min(next.seconds);
        best.cpu_seconds = best.cpu_seconds.min(next.cpu_seconds);
        best.peak_bytes = best.peak_bytes.min(next.peak_bytes);
        best.bytes_each = best.bytes_each.zip(next.bytes_each).map(|(a, b)| a.min(b));
    }
    Ok(best)
}

/// One run of a row in a process of its own.
fn measure_apart(group: &Group, row: &Row, arguments: &Arguments, folder: &Path) -> anyhow::Result<Measured> {
    let mut command = Command::new(std::env::current_exe()?);
    if matches!(row.task.work, Work::OpenRuns | Work::OpenRunsByHand) {
        // The allocator gives back at once what is freed, so that the process is as large as what it holds.
        command.env("MIMALLOC_PURGE_DELAY", "0");
    }
    command.args(["--events", &arguments.events.to_string(), "--measure", group.name, &row.name, "--folder"]);
    let output = command.arg(folder).output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn find<'a>(seen: &'a [(&Row, Measured)], name: &str) -> anyhow::Result<&'a Measured> {
    let found = seen.iter().find(|(row, _)| row.name == name);
    found.map(|(_, measured)| measured).with_context(|| format!("{name} has not been measured"))
}

fn line(row: &Row, measured: &Measured, seen: &[(&Row, Measured)]) -> anyhow::Result<String> {
    let Measured { events, seconds, cpu_seconds, peak_bytes, bytes_each, answer } = *measured;
    let count = events as f64;
    let mut notes = Vec::new();
    match row.against {
        Against::Cost(other) if other != row.name => {
            let base = find(seen, other)?;
            let times = cpu_seconds / count / (base.cpu_seconds / base.events as f64);
            notes.push(format!("{times:.2} times {other}"));
        }
        Against::Speed(other) => {
            let base = find(seen, other)?;
            let times = count / seconds / (base.events as f64 / base.seconds);
            notes.push(format!("{times:.2} times as fast as {other}"));
        }
        Against::Cost(_) | Against::Nothing => {}
    }
    notes.extend(bytes_each.map(|bytes| format!("{bytes:.0} bytes each")));
    if [Work::Check, Work::Save, Work::TakeUp].contains(&row.task.work) {
        notes.push(format!("{:.0} ms", seconds * 1e3));
    }
    notes.extend((!row.beside.is_empty()).then(|| format!("[{}]", row.beside)));
    Ok(format!(
        "  {:<36} {:>10.3} {:>9.0} {:>9.0} {:>8.0} {:>8} {}",
        row.name,
        count / seconds / 1e6,
        seconds / count * 1e9,
        cpu_seconds / count * 1e9,
        peak_bytes as f64 / 1e6,
        answer.alerts,
        notes.join("; ")
    ))
}

/// The processor's name, as far as it is known.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned())
}
