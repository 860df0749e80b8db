//! What an alert's id and a rule's version depend on.
//!
//! The id depends on what decides the match: the rule's name and matching clauses and the declarations of the fields
//! that it reads; not on its description, message, severity, score, tags or targets. The version depends on the whole
//! rule. Both are taken from the normalised text, so that layout and comments change nothing.

use sha2::{Digest, Sha256};

use crate::lang::check::measure;
use crate::lang::check::rule::Compiled;
use crate::lang::{ast, fmt};

/// The hash of what decides the match.
pub(super) fn match_hash(rule: &ast::Rule, declarations: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(rule.name.node.as_bytes());
    hash.update([0]);
    hash.update(fmt::format_rule_matching(rule).as_bytes());
    for declaration in declarations {
        hash.update([0]);
        hash.update(declaration.as_bytes());
    }
    hash.finalize().into()
}

/// Makes the hashes of rules over other rules' alerts depend on those rules. `compiled` is in the order of names.
pub(super) fn include_used(compiled: &mut [Compiled]) {
    let mut order: Vec<usize> = (0..compiled.len()).filter(|at| !compiled[*at].uses.is_empty()).collect();
    order.sort_by_key(|at| compiled[*at].rule.level);
    for at in order {
        let used = used(compiled, &compiled[at].uses);
        let hash = used.fold(compiled[at].rule.match_hash, |hash, used| with_part(hash, &used.rule.match_hash));
        compiled[at].rule.match_hash = hash;
    }
}

/// Makes the hashes of measures over rules' alerts depend on those rules.
pub(super) fn include_in_measures(measures: &mut [measure::Compiled], compiled: &[Compiled]) {
    for measure in measures {
        let used = used(compiled, &measure.uses);
        let hash = used.fold(measure.measure.match_hash, |hash, used| with_part(hash, &used.rule.match_hash));
        measure.measure.match_hash = hash;
    }
}

/// The rules of these names; both are in the order of names.
fn used<'a>(compiled: &'a [Compiled], names: &'a [String]) -> impl Iterator<Item = &'a Compiled> {
    names.iter().filter_map(|name| {
        let at = compiled.binary_search_by(|rule| (*rule.rule.name).cmp(name)).ok()?;
        Some(&compiled[at])
    })
}

/// A hash with one more thing that decides the match.
pub(super) fn with_part(match_hash: [u8; 32], part: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(match_hash);
    hash.update((part.len() as u64).to_be_bytes());
    hash.update(part);
    hash.finalize().into()
}

/// The hash of what decides the windows of a measure and the events in them: not of what is emitted of them.
pub(super) fn measure_match_hash(measure: &ast::Measure, declarations: &[String]) -> [u8; 32] {
    let matching =
        ast::Measure { description: None, emit: Vec::new(), top: None, targets: Vec::new(), ..measure.clone() };
    digest(&fmt::format_measure(&matching), declarations)
}

/// The version of a measure.
pub(super) fn measure_version(measure: &ast::Measure, declarations: &[String]) -> std::sync::Arc<str> {
    std::sync::Arc::from(short(digest(&fmt::format_measure(measure), declarations)))
}

fn digest(text: &str, declarations: &[String]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(text.as_bytes());
    for declaration in declarations {
        hash.update([0]);
        hash.update(declaration.as_bytes());
    }
    hash.finalize().into()
}

/// The version of a risk.
pub(super) fn risk_version(risk: &ast::Risk) -> std::sync::Arc<str> {
    let digest: [u8; 32] = Sha256::digest(fmt::format_risk(risk).as_bytes()).into();
    std::sync::Arc::from(short(digest))
}

/// The version: 16 hexadecimal digits.
pub(super) fn version(rule: &ast::Rule, declarations: &[String]) -> String {
    short(digest(&fmt::format_rule(rule), declarations))
}

fn short(digest: [u8; 32]) -> String {
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}
