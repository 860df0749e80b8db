//! The events that a question is about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::engine::{Engine, Limits};
use crate::event::{Event, Key, KeyBuilder};
use crate::program::{Program, Rule, RuleId};

/// The events that can matter to one rule and key, in order of time, and what else was seen on the way.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    rule: RuleId,
    pub(super) key: Key,
    /// Whether the rule sees other rules' alerts: then all events can matter.
    all: bool,
    builder: KeyBuilder,
    /// The events.
    pub(super) events: Vec<Event>,
    /// The time of the first event that was read, of any key.
    pub(super) first_ms: Option<i64>,
    /// The time of the last.
    pub(super) last_ms: Option<i64>,
    /// How many events of this key the rule was offered, by the name of their type.
    pub(super) of_key: BTreeMap<String, u64>,
    /// Events of the rule's types that lack a part of its key.
    pub(super) without_key: u64,
    /// Whether events change no table.
    pub(super) tables_outside: bool,
    /// What may be open of the key.
    pub(super) limits: Limits,
    /// Other keys that were seen, up to a limit, to guess what was meant.
    pub(super) other_keys: BTreeSet<Key>,
}

const OTHER_KEYS_MAX: usize = 10_000;

impl Gathered {
    pub(super) fn new(program: &Program, rule: &Rule, key: Key) -> Gathered {
        let uses_alerts = |plan: &crate::program::TypePlan| {
            plan.derived && plan.dispatch.iter().any(|dispatch| dispatch.rules.contains(&rule.id))
        };
        Gathered {
            rule: rule.id,
            key,
            all: rule.level > 0 || program.types.iter().any(uses_alerts),
            builder: KeyBuilder::default(),
            events: Vec::new(),
            first_ms: None,
            last_ms: None,
            of_key: BTreeMap::new(),
            without_key: 0,
            tables_outside: false,
            limits: Limits::NONE,
            other_keys: BTreeSet::new(),
        }
    }

    /// An engine for the events.
    pub(super) fn engine(&self, program: &Arc<Program>) -> Engine {
        let mut engine = Engine::new(Arc::clone(program));
        engine.set_limits(self.limits);
        if self.tables_outside {
            engine.keep_tables_outside();
        }
        engine
    }

    /// Keeps an event if it can matter. Events must come in order of time.
    pub(super) fn see(&mut self, program: &Program, event: &Event) {
        self.first_ms.get_or_insert(event.time_ms);
        self.last_ms = self.last_ms.max(Some(event.time_ms));
        let Some(type_id) = event.type_id else { return };
        let mut matters = self.all || program.changes.iter().any(|(changes, _)| *changes == type_id);
        for dispatch in &program.types[type_id.index()].dispatch {
            if dispatch.key != program.rules[self.rule.index()].key {
                continue;
            }
            self.builder.clear();
            let complete = dispatch.values.iter().all(|slot| self.builder.push(&event.values[usize::from(*slot)]));
            let is_own = complete && self.builder.as_bytes() == self.key.as_bytes();
            matters |= is_own;
            if dispatch.rules.contains(&self.rule) {
                self.count(program, type_id.index(), complete, is_own);
            }
        }
        if matters {
            self.events.push(event.clone());
        }
    }

    /// Whether events of other keys are kept too.
    pub(super) fn all(&self) -> bool {
        self.all
    }

    fn count(&mut self, program: &Program, type_index: usize, complete: bool, is_own: bool) {
        if !complete {
            self.without_key += 1;
        } else if is_own {
            *self.of_key.entry(program.schema.types[type_index].name.clone()).or_default() += 1;
        } else if self.other_keys.len() < OTHER_KEYS_MAX {
            self.other_keys.insert(self.builder.key());
        }
    }
}
