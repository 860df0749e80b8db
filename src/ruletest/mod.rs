//! Tests of rules: `test` blocks in rule files, and folders of fixtures.
//!
//! - `block`   one `test` block through the engine;
//! - `reason`  how far the nearest run got, and why it stopped;
//! - `fixture` a folder with `events.ndjson` and the alerts that it must give;
//! - `coverage` what the tests of a rule would not notice.
//!
//! All rules are run together, as they will be, with all deadlines fired at the end. Nothing here prints.

mod block;
mod coverage;
mod fixture;
mod reason;

pub use block::{EPOCH_MS, run_block};
pub use coverage::{Coverage, Finding, Report, StaleNote};
pub use fixture::{Fixture, FixtureError, find_fixtures};

/// How a test went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is wrong, one entry for each expectation that does not hold; none where the test passes.
    pub failures: Vec<String>,
}

impl Outcome {
    /// Whether all that was expected holds.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}
