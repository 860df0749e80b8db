//! The daemon against a real broker: events per second from a topic to the alerts topic, beside a bare consumer of the
//! same client in the same run, how long after an event was produced its alert can be read, and how long that takes after
//! a crash.
//!
//! ```sh
//! scripts/broker start; eval "$(scripts/broker env)"
//! cargo build --release && cargo run --release --example kafka
//! scripts/broker stop
//! ```
//!
//! docs/benchmarks/README.md says what each row means.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod daemon;
mod latency;
mod restart;
mod throughput;
mod topics;

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Measures the daemon on generated account events that lie in a topic.
#[derive(Parser)]
struct Arguments {
    /// The broker; by default that of the tests, as `scripts/broker env` says.
    #[arg(long, default_value_t = std::env::var("TRIPLINE_TEST_BROKER").unwrap_or_default())]
    broker: String,
    /// How many events the topic holds for the throughput.
    #[arg(long, default_value_t = 2_000_000)]
    events: u64,
    /// How many events a second are produced for the latency.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    rate: u64,
    /// For how many seconds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// How many keys have an open run where the daemon is killed and started again.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// How often that daemon takes a snapshot of each partition.
    #[arg(long, default_value = "30s")]
    snapshot_every: String,
    /// Reads the topic with a bare consumer in this process, and prints what it took.
    #[arg(long, hide = true)]
    bare: Option<String>,
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
    if let Some(topic) = &arguments.bare {
        return throughput::bare_here(&arguments.broker, topic, arguments.events);
    }
    anyhow::ensure!(
        !arguments.broker.is_empty(),
        "which broker? eval \"$(scripts/broker env)\", or --broker HOST:PORT"
    );
    throughput::measure(&arguments.broker, arguments.events).context("throughput")?;
    for (rules, delivery) in [(1, "at-least-once"), (1, "exactly-once"), (1_000, "at-least-once")] {
        latency::measure(&arguments.broker, arguments.rate, arguments.seconds, rules, delivery).context("latency")?;
    }
    restart::measure(&arguments.broker, arguments).context("restart")
}
