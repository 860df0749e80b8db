//! By what it is told whether something that was saved is what the program has now: what decides which runs there are.
//! What is only said in alerts may change; a field that is said for the first time is missing of events that were taken
//! before.

use sha2::{Digest, Sha256};

use crate::program::{Measure, Program, Rule, Strategy};

/// Half of a cryptographic hash.
pub(in crate::engine) type Identity = [u8; 16];

/// Of the state of a rule.
pub(in crate::engine) fn of_rule(program: &Program, rule: &Rule) -> Identity {
    let mut hash = Sha256::new();
    hash.update(rule.match_hash);
    for step in &rule.steps {
        let types = step.guards.iter().map(|guard| &program.schema.get(guard.type_id).name);
        hash.update(format!("{:?};", types.collect::<Vec<_>>()));
    }
    if let Strategy::Session(_) = rule.strategy {
        // What is computed of a session may be for its message alone.
        hash.update(rule.version.as_bytes());
    }
    half(hash)
}

/// By what it is told whether a rule that was open goes on: equal where it matches and keeps the same.
pub fn state_identity(program: &Program, rule: &Rule) -> String {
    format!("{:032x}", u128::from_be_bytes(of_rule(program, rule)))
}

/// Of the windows of a measure.
pub(in crate::engine) fn of_measure(measure: &Measure) -> Identity {
    half(Sha256::new().chain_update(measure.match_hash).chain_update(measure.version.as_bytes()))
}

/// Of what a text tells.
pub(in crate::engine) fn of_text(text: &str) -> Identity {
    half(Sha256::new().chain_update(text))
}

fn half(hash: Sha256) -> Identity {
    let digest = hash.finalize();
    let (half, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    *half
}
