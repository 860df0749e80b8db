//! `--evidence`: what alerts carry of the events that they matched.

use clap::ValueEnum;

use crate::program;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Evidence {
    /// The fields that the rule read
    Fields,
    /// These, and the whole event as it came
    Full,
}

impl From<Evidence> for program::Evidence {
    fn from(asked: Evidence) -> program::Evidence {
        match asked {
            Evidence::Fields => program::Evidence::Fields,
            Evidence::Full => program::Evidence::Full,
        }
    }
}
