//! Fuzz targets: what must hold whatever bytes come in. Each is a plain function that panics where it does not hold.
//!
//! - `rules`    the text of a rule file: checked, told of, written anew;
//! - `event`    a message: decoded as another parser reads it;
//! - `config`   a configuration file;
//! - `alert`    values of an event in every place where an alert shows them; `mail` the same as a mail;
//! - `http`     a request to the daemon;
//! - `engine`   rules and a stream against the reference evaluator;
//! - `seeds`    the inputs to begin with: the rules, fixtures and documents of this repository;
//! - `mutate`   inputs made of them.
//!
//! The tests here run every target over mutated seeds, `TRIPLINE_CASES` of them. `tests/fuzz` is a crate of its own that
//! gives the same functions to libFuzzer. For tests, never in a shipped binary.

mod alert;
mod config;
mod engine;
mod event;
mod http;
mod mail;
mod mutate;
mod rules;
mod seeds;

pub use mutate::Mutator;

/// A target with its name and what its inputs begin with.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// The inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 7] = [
    Target { name: "rules", run: rules::target, seeds: seeds::rules },
    Target { name: "event", run: event::target, seeds: seeds::events },
    Target { name: "config", run: config::target, seeds: seeds::configs },
    Target { name: "alert", run: alert::target, seeds: seeds::values },
    Target { name: "mail", run: mail::target, seeds: seeds::values },
    Target { name: "http", run: http::target, seeds: seeds::requests },
    Target { name: "engine", run: engine::target, seeds: seeds::tapes },
];

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// How many inputs a run makes for each target; more by `TRIPLINE_CASES`.
    const CASES: usize = 1_500;

    fn holds(name: &str) {
        let number = |variable: &str| std::env::var(variable).ok().and_then(|n| n.parse().ok());
        let (cases, seed) = (number("TRIPLINE_CASES").unwrap_or(CASES), number("TRIPLINE_SEED").unwrap_or(1));
        let target = target(name).expect("there is such a target");
        let seeds = (target.seeds)();
        assert!(!seeds.is_empty(), "{name} begins with something");
        let mut mutator = Mutator::new(&seeds, seed as u64);
        let mutated = std::iter::repeat_with(|| mutator.next()).take(cases);
        for (at, input) in seeds.iter().cloned().chain(mutated).enumerate() {
            let held = catch_unwind(|| (target.run)(&input)).is_ok();
            assert!(held, "{name}, input {at} of seed {seed}:\n{}", input.escape_ascii());
        }
    }

    #[test]
    fn whatever_a_rule_file_says_is_answered() {
        holds("rules");
    }

    #[test]
    fn whatever_a_message_says_is_read_as_another_parser_reads_it() {
        holds("event");
    }

    #[test]
    fn whatever_a_configuration_says_is_answered() {
        holds("config");
    }

    #[test]
    fn whatever_an_event_says_stays_in_its_place_in_an_alert() {
        holds("alert");
    }

    #[test]
    fn whatever_an_alert_says_is_a_mail() {
        holds("mail");
    }

    #[test]
    fn whatever_a_client_says_ends() {
        holds("http");
    }

    #[test]
    fn whatever_the_rules_and_events_are_the_engine_says_what_the_reference_says() {
        holds("engine");
    }

    /// For libFuzzer, which begins with files: `TRIPLINE_SEEDS` names the folder.
    #[test]
    #[ignore = "writes files: .ci/long runs it"]
    fn the_seeds_are_written() {
        let folder = std::path::PathBuf::from(std::env::var_os("TRIPLINE_SEEDS").expect("a folder is named"));
        for target in TARGETS {
            let folder = folder.join(target.name);
            std::fs::create_dir_all(&folder).expect("it can be made");
            for (number, seed) in (target.seeds)().into_iter().enumerate() {
                std::fs::write(folder.join(format!("seed-{number:04}")), seed).expect("it can be written");
            }
            assert!(folder.join("seed-0000").exists(), "{} begins with something", target.name);
        }
    }

    #[test]
    fn a_target_that_does_not_hold_is_found() {
        let seeds = vec![b"{\"a\":1}".to_vec()];
        let mut mutator = Mutator::new(&seeds, 1);
        let refuses = |input: &[u8]| input.len() > 3 && serde_json::from_slice::<serde_json::Value>(input).is_err();
        assert!((0..100).any(|_| refuses(&mutator.next())), "mutations change the input");
        assert!((0..1_000).any(|_| !refuses(&mutator.next())), "and some leave it in form");
    }
}
