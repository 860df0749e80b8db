//! What alerts carry of the events that they matched.
//!
//! By default the fields that the rule read. On demand the whole events: then a decoder puts the text of an event behind
//! its values, and every step keeps it like a field that it captures. So each way of running a rule carries it along
//! without knowing, a program that was not asked for it pays nothing, and what a step does not take is freed as ever.

use std::sync::Arc;

use crate::program::{Capture, Program, Shown};

/// What alerts carry of the events that they matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Evidence {
    /// The fields that the rule read.
    #[default]
    Fields,
    /// These, and the whole event as it came.
    Full,
}

impl Evidence {
    /// By the word that a configuration says: `fields` or `full`.
    pub fn named(word: &str) -> Option<Evidence> {
        match word {
            "fields" => Some(Evidence::Fields),
            "full" => Some(Evidence::Full),
            _ => None,
        }
    }
}

impl Program {
    /// Makes every alert carry this much of its events. To be said once, of a program that is all there, and before
    /// decoders and engines are made of it. Nothing that decides a match or its id changes.
    ///
    /// The alert of another rule, as an event that a rule over it matched, is in no source: it is never whole.
    pub fn carry(&mut self, evidence: Evidence) {
        if evidence == Evidence::Fields {
            return;
        }
        debug_assert!(!self.types.iter().any(|plan| plan.whole), "it is said once");
        for step in self.rules.iter_mut().flat_map(|rule| &mut rule.steps) {
            for guard in &mut step.guards {
                let plan = &mut self.types[guard.type_id.index()];
                plan.whole = !plan.derived;
                let behind = u16::try_from(plan.fields.len()).expect("a file of 1 MiB declares fewer fields");
                guard.captures.push(plan.whole.then_some(behind));
            }
            step.captures.push(Capture { path: Arc::from("event"), shown: Shown::Whole });
        }
    }
}
