//! Parses arguments, runs, exits.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tripline::cli::run::{self, RunArgs};

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(RunArgs),
}

fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => run::run(args),
    }
}
