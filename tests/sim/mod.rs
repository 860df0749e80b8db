//! The daemon's loop in simulated worlds: seed by seed nothing is lost and nothing is said twice, whatever breaks; and
//! what would be lost or said twice by a bug is seen.

use tripline::testing::sim::{self, Bug, Report};

/// How many seeds a run judges; more or fewer by `TRIPLINE_CASES`.
const SEEDS: u64 = 700;
/// A planted bug shows within so many seeds.
const SEEDS_OF_A_BUG: u64 = 300;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|n| n.parse().ok())
}

/// `TRIPLINE_SEED` runs one seed alone, as a failure names it.
#[test]
fn seeds() {
    if let Some(seed) = number("TRIPLINE_SEED").filter(|_| number("TRIPLINE_CASES").is_none()) {
        sim::run(seed).unwrap_or_else(|failure| panic!("{failure}"));
        return;
    }
    let (first, count) = (number("TRIPLINE_SEED").unwrap_or(1), number("TRIPLINE_CASES").unwrap_or(SEEDS).max(100));
    let mut total = Report::default();
    for seed in first..first + count {
        total = total.and(sim::run(seed).unwrap_or_else(|failure| panic!("{failure}")));
    }
    // A world in which nothing goes wrong would prove nothing.
    let Report { kills, power_losses, rebuilds, stops, frozen, outages, snapshots, alerts, alerts_apart, .. } = total;
    let happened = [kills, power_losses, rebuilds, stops, frozen, outages, snapshots / 10, alerts / 100];
    assert!(alerts_apart / 50 > count / 10, "{total:?}");
    assert!(happened.iter().all(|times| *times > count / 10), "{total:?}");
}

#[test]
fn a_seed_goes_the_same_way_again() {
    for seed in 1..=10 {
        assert_eq!(sim::run(seed), sim::run(seed), "seed {seed}");
        let failed = || sim::run_with(seed, Some(Bug::LosesRecord));
        assert_eq!(failed(), failed(), "seed {seed}");
    }
}

#[test]
fn planted_bugs_are_found() {
    let is_found = |bug: &Bug| (1..=SEEDS_OF_A_BUG).any(|seed| sim::run_with(seed, Some(*bug)).is_err());
    let missed: Vec<&Bug> = Bug::ALL.iter().filter(|bug| !is_found(bug)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
}
