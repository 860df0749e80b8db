//! What an alert's id and a rule's version depend on.
//!
//! The id depends on what decides the match: the rule's name and matching clauses and the declarations of the fields
//! that it reads; not on its description, message, severity, score, tags or targets. The version depends on the whole
//! rule. Both are taken from the normalised text, so that layout and comments change nothing.

use sha2::{Digest, Sha256};

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

/// The version: 16 hexadecimal digits.
pub(super) fn version(rule: &ast::Rule, declarations: &[String]) -> String {
    let mut hash = Sha256::new();
    hash.update(fmt::format_rule(rule).as_bytes());
    for declaration in declarations {
        hash.update([0]);
        hash.update(declaration.as_bytes());
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (first, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*first))
}
