//! Exit codes, and errors at the edge.

use std::io;
use std::process::ExitCode;

use crate::cli::output;

/// How a subcommand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Fine.
    Fine,
    /// Findings, or failed tests.
    Findings,
    /// Bad rules.
    BadRules,
    /// Bad configuration or input.
    BadInput,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Findings => 1,
            Exit::BadRules => 2,
            Exit::BadInput => 3,
        })
    }
}

/// Prints help, the version, or what is wrong with the arguments. Wrong arguments are bad input: clap's own 2 would read
/// as bad rules.
pub(super) fn of_usage(message: &clap::Error) -> Exit {
    // That the terminal is closed is nobody's concern.
    drop(message.print());
    if message.use_stderr() { Exit::BadInput } else { Exit::Fine }
}

/// Prints an error with its causes; a closed pipe, as of `tripline replay … | head`, is no error.
pub(super) fn of_error(error: &anyhow::Error) -> Exit {
    let closed = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    if closed.into_iter().any(|cause| cause.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Fine;
    }
    output::complain(format_args!("error: {error:#}"));
    Exit::BadInput
}
