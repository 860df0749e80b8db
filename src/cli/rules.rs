//! Loading rules for the subcommands that run them.

use std::io;
use std::path::PathBuf;

use crate::cli::output;
use crate::diagnostic::{Format, render};
use crate::ruleset::{LoadError, RuleSet};

/// The rule set at these paths. Its problems go to standard error; none where they stand in the way.
pub(super) fn load(paths: &[PathBuf]) -> Result<Option<RuleSet>, LoadError> {
    let set = RuleSet::load(paths)?;
    if !set.checked.diagnostics.is_empty() {
        let format = Format::Full { color: output::color(&io::stderr()) };
        output::complain(format_args!("{}", render(&set.checked.diagnostics, &set.sources, format)));
    }
    Ok(set.checked.is_ok().then_some(set))
}
