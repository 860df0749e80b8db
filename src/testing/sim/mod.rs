//! The daemon over topics in a simulated world: the same loop, shards, commits, snapshots and recovery, unchanged, over a
//! broker, a disk and a clock that are made up. One thread and one seed: what happens once happens again.
//!
//! - `stage`     a simulation from its seed to its judgement;
//! - `world`     what all copies share, and how often things go wrong; `chance` where that comes from;
//! - `broker`    topics and transactions; `group` who reads which partitions;
//! - `consumer`, `producer`, `disk` the outside as a copy has it; `outside` all of it;
//! - `pulse`     the life of a copy, which ends before or after any effect;
//! - `workload`  rules and events; `judge` what they must come to, by the reference evaluator;
//! - `bug`       bugs that are planted, to see that they are found.
//!
//! In every other world some rules are judged behind the repartition topic, which is there from the beginning.
//!
//! What it does not do: several threads, rules that change, tables from topics.

mod broker;
mod bug;
mod chance;
mod consumer;
mod disk;
mod group;
mod judge;
mod outside;
mod producer;
mod pulse;
mod stage;
mod workload;
mod world;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use bug::Bug;

/// What a simulation was like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that were written.
    pub events: u64,
    /// Alerts that there had to be.
    pub alerts: u64,
    /// Of these, those of rules that are judged behind the repartition topic.
    pub alerts_apart: u64,
    /// Turns of the loop.
    pub turns: u64,
    /// Lives that were begun.
    pub lives: u64,
    /// Lives that were killed.
    pub kills: u64,
    /// Of these, those that lost the power.
    pub power_losses: u64,
    /// Lives that began anew by themselves.
    pub rebuilds: u64,
    /// Lives that were asked to stop.
    pub stops: u64,
    /// How often a copy stood still.
    pub frozen: u64,
    /// How often the broker was away.
    pub outages: u64,
    /// Snapshots that were written.
    pub snapshots: u64,
    /// How long it took in the simulation, in ms.
    pub simulated_ms: u64,
}

impl Report {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Report) -> Report {
        Report {
            events: self.events + other.events,
            alerts: self.alerts + other.alerts,
            alerts_apart: self.alerts_apart + other.alerts_apart,
            turns: self.turns + other.turns,
            lives: self.lives + other.lives,
            kills: self.kills + other.kills,
            power_losses: self.power_losses + other.power_losses,
            rebuilds: self.rebuilds + other.rebuilds,
            stops: self.stops + other.stops,
            frozen: self.frozen + other.frozen,
            outages: self.outages + other.outages,
            snapshots: self.snapshots + other.snapshots,
            simulated_ms: self.simulated_ms + other.simulated_ms,
        }
    }
}

/// What went wrong in a simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// The bug that was planted.
    pub bug: Option<Bug>,
    /// What is wrong.
    pub what: String,
    /// The last effects.
    pub trace: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { seed, bug, what, trace } = self;
        writeln!(f, "seed {seed}: {what}")?;
        if let Some(bug) = bug {
            writeln!(f, "with {bug:?}")?;
        }
        write!(f, "the last effects:\n{trace}")
    }
}

/// Runs the simulation of a seed.
///
/// # Errors
///
/// [`Failure`] where something was said that was not to be, or not said that was.
pub fn run(seed: u64) -> Result<Report, Failure> {
    run_with(seed, None)
}

/// As [`run`], with a bug. A panic is a failure too.
///
/// # Errors
///
/// As [`run`].
pub fn run_with(seed: u64, bug: Option<Bug>) -> Result<Report, Failure> {
    catch_unwind(AssertUnwindSafe(|| stage::run(seed, bug))).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
        let what = format!("it panicked: {}", said.unwrap_or_default());
        Err(Failure { seed, bug, what, trace: String::new() })
    })
}
