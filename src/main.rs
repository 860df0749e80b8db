//! The binary: allocator, arguments, subcommand, exit code.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tripline::cli::run(tripline::cli::Arguments::parse())
}
