//! The subcommands, one a file. Only they print.

pub mod run;
