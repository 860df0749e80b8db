//! What a change of rules changes: told before it is made by `tripline plan`, and after it in the log.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::state_identity;
use crate::program::{Program, Table};

/// Rules and measures by what becomes of them, each by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulePlan {
    /// The hash of all rules before.
    pub before: String,
    /// The hash of all rules after.
    pub after: String,
    /// There were none of these names.
    pub added: Vec<String>,
    /// There are none of these names any more.
    pub removed: Vec<String>,
    /// What they match, or keep of events, is another: they start anew.
    pub changed: Vec<String>,
    /// Only what they say is another: what they have open goes on.
    pub reworded: Vec<String>,
    /// How many are the same.
    pub unchanged: usize,
    /// How many open runs go on.
    #[serde(default)]
    pub kept_runs: usize,
    /// Of each rule or measure that is removed or changed how many open runs are dropped.
    #[serde(default)]
    pub dropped_runs: BTreeMap<String, usize>,
}

/// What tells whether a rule or measure is the same.
struct Told {
    version: String,
    state: String,
}

impl RulePlan {
    /// From one program to another.
    pub(super) fn between(before: &Program, after: &Program) -> RulePlan {
        let (old, new) = (told(before), told(after));
        let mut plan = RulePlan { before: set_hash(before), after: set_hash(after), ..RulePlan::default() };
        for (name, told) in &new {
            match old.get(name) {
                None => plan.added.push(name.clone()),
                Some(then) if then.state != told.state => plan.changed.push(name.clone()),
                Some(then) if then.version != told.version => plan.reworded.push(name.clone()),
                Some(_) => plan.unchanged += 1,
            }
        }
        plan.removed = old.keys().filter(|name| !new.contains_key(*name)).cloned().collect();
        plan
    }

    /// As of what is open: runs by the name of their rule or measure.
    pub(super) fn with_open(mut self, open: &BTreeMap<String, usize>) -> RulePlan {
        for (name, runs) in open {
            if self.removed.contains(name) || self.changed.contains(name) {
                self.dropped_runs.insert(name.clone(), *runs);
            } else {
                self.kept_runs += runs;
            }
        }
        self
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.before == self.after
    }
}

fn told(program: &Program) -> BTreeMap<String, Told> {
    let rules = program.rules.iter().map(|rule| {
        let state = state_identity(program, rule);
        (rule.name.to_string(), Told { version: rule.version.to_string(), state })
    });
    let measures = program.measures.iter().map(|measure| {
        let version = measure.version.to_string();
        (measure.name.to_string(), Told { state: format!("{version}{:?}", measure.match_hash), version })
    });
    rules.chain(measures).collect()
}

/// The hash of all rules of a program, and of where their lists and tables come from.
pub(super) fn set_hash(program: &Program) -> String {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    for (name, Told { version, state }) in told(program) {
        for part in [&name, &version, &state] {
            add(part);
        }
    }
    for Table { name, source, key, columns, .. } in &program.tables {
        add(&format!("{name} {source:?} {key:?} {columns:?}"));
    }
    let digest = hash.finalize();
    let (short, _) = digest.split_first_chunk().expect("a digest has 32 bytes");
    format!("{:016x}", u64::from_be_bytes(*short))
}

impl fmt::Display for RulePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(f, "nothing changes: {} rules, {}", self.unchanged, self.after);
        }
        writeln!(f, "rules {} -> {}", self.before, self.after)?;
        let runs = |name: &String| match self.dropped_runs.get(name) {
            Some(1) => ", 1 open run is dropped".to_owned(),
            Some(runs) if *runs > 0 => format!(", {runs} open runs are dropped"),
            _ => String::new(),
        };
        for name in &self.added {
            writeln!(f, "+ {name}: starts with the next event")?;
        }
        for name in &self.removed {
            writeln!(f, "- {name}{}", runs(name))?;
        }
        for name in &self.changed {
            writeln!(f, "~ {name}: matches something else, so it starts anew{}", runs(name))?;
        }
        for name in &self.reworded {
            writeln!(f, "~ {name}: says something else; what it has open goes on")?;
        }
        writeln!(f, "{} rules stay as they are; {} open runs go on", self.unchanged, self.kept_runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::RuleSet;

    fn program(rules: &str) -> Program {
        let text = format!("event login user_id text\nevent purchase user_id text, amount number\n{rules}");
        let set = RuleSet::from_texts([("test.rules".to_owned(), text)]);
        assert!(set.checked.is_ok(), "{:?}", set.checked.diagnostics);
        set.checked.program
    }

    fn rule(name: &str, within: &str, severity: &str) -> String {
        format!("rule {name}\n  for each user_id\n  on login\n  then purchase\n  within {within}\n  alert {severity}\n")
    }

    #[test]
    fn rules_are_told_apart_by_what_they_match_and_what_they_say() {
        let before =
            [rule("a", "1 m", "low"), rule("b", "1 m", "low"), rule("c", "1 m", "low"), rule("d", "1 m", "low")];
        let after =
            [rule("a", "1 m", "low"), rule("b", "2 m", "low"), rule("c", "1 m", "high"), rule("e", "1 m", "low")];
        let plan = RulePlan::between(&program(&before.concat()), &program(&after.concat()));
        let open = [("a", 3), ("b", 5), ("c", 1), ("d", 1)].map(|(name, runs)| (name.to_owned(), runs));
        let plan = plan.with_open(&open.into());
        insta::assert_snapshot!(plan.to_string().replace(&plan.before, "BEFORE").replace(&plan.after, "AFTER"), @r"
        rules BEFORE -> AFTER
        + e: starts with the next event
        - d, 1 open run is dropped
        ~ b: matches something else, so it starts anew, 5 open runs are dropped
        ~ c: says something else; what it has open goes on
        1 rules stay as they are; 4 open runs go on
        ");
    }

    #[test]
    fn a_table_from_elsewhere_is_a_change() {
        let rules = |topic: &str| {
            format!(
                "table m from topic \"{topic}\" key id with id text, risk text\n\
                 rule a\n  for each user_id\n  on purchase where m[user_id].risk is \"high\"\n  alert low\n"
            )
        };
        let plan = |to| RulePlan::between(&program(&rules("one")), &program(&rules(to)));
        assert!(plan("one").is_empty() && !plan("other").is_empty());
    }

    #[test]
    fn layout_changes_nothing() {
        let (before, after) = (rule("a", "1 m", "low"), rule("a", "60 s", "low").replace("  on", "\n  # why\n  on"));
        let plan = RulePlan::between(&program(&before), &program(&after));
        assert!(plan.is_empty() && plan.unchanged == 1, "{plan}");
    }
}
