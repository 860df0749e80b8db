//! The command line: one file a subcommand. Only this folder prints.
//!
//! Exit codes: 0 fine; 1 findings or failed tests; 2 bad rules; 3 bad configuration or input. A closed pipe is quiet.

#![expect(clippy::doc_markdown, reason = "the doc comments of arguments are help texts, shown as they are")]

mod check;
mod config;
mod demo;
mod evidence;
mod exit;
mod explain;
mod feed;
mod fmt;
mod infer;
mod input;
mod names;
mod output;
mod plan;
mod replay;
mod rules;
mod run;
mod test;
mod topics;
mod why;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;

/// Complex event processing and fraud detection: rules that read like English, over Kafka, files and tests.
#[derive(Debug, Parser)]
#[command(name = "tripline", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 fine; 1 findings or failed tests; 2 bad rules; 3 bad configuration or input.
`-` as a file is standard input.";

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Arguments),
    Check(check::Arguments),
    Fmt(fmt::Arguments),
    Test(test::Arguments),
    Explain(explain::Arguments),
    Infer(infer::Arguments),
    Replay(replay::Arguments),
    Why(why::Arguments),
    Run(run::Arguments),
    Plan(plan::Arguments),
    Topics(topics::Arguments),
}

/// Runs the subcommand that the process's arguments name, and says how it went.
pub fn main() -> ExitCode {
    let command = match Arguments::try_parse() {
        Ok(arguments) => arguments.command,
        Err(message) => return exit::of_usage(&message).into(),
    };
    let result = match command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Fmt(arguments) => fmt::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Infer(arguments) => infer::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Why(arguments) => why::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Plan(arguments) => plan::run(&arguments),
        Command::Topics(arguments) => topics::run(&arguments),
    };
    result.unwrap_or_else(|error| exit::of_error(&error)).into()
}
