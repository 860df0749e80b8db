//! The steps of a rule as names see them, and what is captured of each.

use std::sync::Arc;

use crate::lang::ast;
use crate::lang::check::slots::Slots;
use crate::program::{Capture, CaptureId, Shown};
use crate::schema::{Schema, TypeId};

/// A positive step.
#[derive(Debug)]
pub(super) struct StepNames {
    /// Its own name.
    pub(super) name: Option<ast::Name>,
    /// Its types, declared ones only.
    pub(super) types: Vec<TypeId>,
    /// Whether it takes several events.
    pub(super) repeated: bool,
    /// The dotted paths that are captured of its events.
    captures: Vec<String>,
    /// The dotted paths that are shown out of the key, each with its part.
    pub(super) keyed: Vec<(Arc<str>, u16)>,
    /// How many of the captures the alert shows; what comes after is for other rules.
    shown: Option<usize>,
}

/// The positive steps of a rule.
#[derive(Debug, Default)]
pub(super) struct Steps(pub(super) Vec<StepNames>);

/// What a name means among steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Step(usize),
    /// Several steps without a name have this type.
    Ambiguous,
    Nothing,
}

impl StepNames {
    pub(super) fn new(name: Option<ast::Name>, types: Vec<TypeId>, repeated: bool) -> StepNames {
        StepNames { name, types, repeated, captures: Vec::new(), keyed: Vec::new(), shown: None }
    }

    /// Whether it goes by this name: its own, or its type's where it has none.
    pub(super) fn is_called(&self, name: &str, schema: &Schema) -> bool {
        match &self.name {
            Some(own) => own.node == name,
            None => self.types.iter().any(|type_id| schema.get(*type_id).name == name),
        }
    }

    /// Keeps a field of its events.
    pub(super) fn capture(&mut self, path: &str) -> CaptureId {
        let at = self.captures.iter().position(|other| other == path).unwrap_or_else(|| {
            self.captures.push(path.to_owned());
            self.captures.len() - 1
        });
        CaptureId(u16::try_from(at).expect("a file of 1 MiB names fewer fields"))
    }

    /// Shows a field of its events out of the key, unless it is captured and so shown already.
    pub(super) fn show_key(&mut self, path: &str, part: u16) {
        if !self.captures.iter().any(|other| other == path) {
            self.keyed.push((Arc::from(path), part));
        }
    }

    /// What is captured, in order.
    pub(super) fn captures(&self) -> Vec<Capture> {
        let shown = self.shown.unwrap_or(self.captures.len());
        let capture = |(at, path): (usize, &String)| Capture {
            path: Arc::from(path.as_str()),
            shown: if at < shown { Shown::Field } else { Shown::Nowhere },
        };
        self.captures.iter().enumerate().map(capture).collect()
    }

    /// From now on what is captured is for other rules, and the alert does not show it.
    pub(super) fn hide_further(&mut self) {
        self.shown.get_or_insert(self.captures.len());
    }

    /// Where each captured field stands in an event of one of its types.
    pub(super) fn capture_slots(&self, type_id: TypeId, schema: &Schema, slots: &mut Slots) -> Vec<Option<u16>> {
        let event_type = schema.get(type_id);
        let field = |path: &String| event_type.field(&path.split('.').collect::<Vec<_>>());
        self.captures.iter().map(|path| field(path).map(|field| slots.of(type_id, field))).collect()
    }
}

impl Steps {
    /// The step that goes by a name. An own name comes before a type's.
    pub(super) fn find(&self, name: &str, schema: &Schema) -> Found {
        let called = |named: bool| {
            let mut called = (0..self.0.len()).filter(move |at| {
                let step = &self.0[*at];
                step.name.is_some() == named && step.is_called(name, schema)
            });
            (called.next(), called.next())
        };
        match (called(true), called(false)) {
            ((Some(step), _), _) | (_, (Some(step), None)) => Found::Step(step),
            (_, (Some(_), Some(_))) => Found::Ambiguous,
            _ => Found::Nothing,
        }
    }
}
