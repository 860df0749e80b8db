//! The key of a rule: where its parts stand in each of the rule's event types.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, closest};
use crate::lang::ast;
use crate::lang::check::past::PastUse;
use crate::lang::check::rule::Builder;
use crate::lang::types::Type;
use crate::program::KeyPlan;
use crate::schema::{Kind, TypeId};

impl Builder<'_> {
    /// The key's parts in each type of the rule, as slots.
    pub(super) fn compile_key(&mut self) -> Option<Vec<(TypeId, Vec<u16>)>> {
        let mut dispatch: Vec<(TypeId, Vec<u16>)> = self.types.iter().map(|id| (*id, Vec::new())).collect();
        let mut ok = true;
        for part in &self.rule.keys {
            if self.is_nowhere(part) {
                ok = false;
                self.key.push((part.path.dotted(), Type::Unknown));
                continue;
            }
            let mut common: Option<(Type, TypeId)> = None;
            for (type_id, values) in &mut dispatch {
                match self.key_part(part, *type_id, &mut common) {
                    Some(slot) => values.push(slot),
                    None => ok = false,
                }
            }
            let ty = common.map_or(Type::Unknown, |(ty, _)| ty);
            self.key.push((part.path.dotted(), ty));
        }
        ok.then_some(dispatch)
    }

    /// The key as the program knows it.
    pub(super) fn key_plan(&self) -> KeyPlan {
        KeyPlan::new(self.key.iter().map(|(name, _)| name.clone()).collect())
    }

    /// The key's parts in a type that a window is over, as slots.
    pub(super) fn key_slots(&mut self, type_id: TypeId) -> Option<Vec<u16>> {
        let rule = self.rule;
        let first = self.types.first().copied().unwrap_or(type_id);
        let mut slots = Vec::new();
        for (at, part) in rule.keys.iter().enumerate() {
            let ty = self.key.get(at).map(|(_, ty)| ty.clone()).filter(|ty| *ty != Type::Unknown);
            slots.push(self.key_part(part, type_id, &mut ty.map(|ty| (ty, first)))?);
        }
        Some(slots)
    }

    /// Reports names of the key in types that the rule does not see.
    pub(super) fn check_renamed_keys(&mut self) {
        let rule = self.rule;
        let mut types = self.types.clone();
        types.extend(self.uses.iter().map(|one| match one {
            PastUse::Window(id, _) => self.checker.past.windows[id.index()].type_id,
            PastUse::Novelty(id) => self.checker.past.novelties[id.index()].type_id,
        }));
        rule.keys.iter().for_each(|part| self.check_renamed(part, &types));
    }

    fn check_renamed(&mut self, part: &ast::KeyPart, types: &[TypeId]) {
        for renamed in &part.renamed {
            let event = &renamed.segments[0];
            let known = self.checker.type_id(event);
            let named = known.is_some_and(|id| types.contains(&id));
            if renamed.segments.len() < 2 {
                self.checker.report(
                    Diagnostic::new(Code::BadKey, renamed.span(), "this names no field of an event")
                        .help("write the event type and its field: `for each user_id (transfer.sender_id)`"),
                );
            } else if known.is_some() && !named {
                self.checker.report(
                    Diagnostic::new(Code::BadKey, renamed.span(), format!("`{}` is no event of this rule", event.node))
                        .help("leave it out: only the events in the rule's steps need its key"),
                );
            }
        }
    }

    /// Reports a key that no event of the rule has: one misspelling, told once.
    fn is_nowhere(&mut self, part: &ast::KeyPart) -> bool {
        let names = segments(&part.path);
        let found = self.types.iter().any(|id| self.checker.schema.get(*id).field(&names).is_some());
        if found || !part.renamed.is_empty() || self.types.is_empty() {
            return false;
        }
        let fields: BTreeSet<String> = self
            .types
            .iter()
            .flat_map(|id| self.checker.schema.get(*id).fields.iter().map(crate::schema::Field::dotted))
            .collect();
        let (span, written) = (part.path.span(), part.path.dotted());
        if self.types.iter().any(|id| self.checker.is_dropped_field(*id, &written)) {
            return true;
        }
        self.checker.report(
            Diagnostic::new(Code::UnknownField, span, format!("no event of this rule has a field `{written}`"))
                .help("the key is a field that every event of the rule has")
                .did_you_mean(span, &written, fields.iter().map(String::as_str)),
        );
        true
    }

    fn key_part(&mut self, part: &ast::KeyPart, type_id: TypeId, common: &mut Option<(Type, TypeId)>) -> Option<u16> {
        let names = key_path(part, &self.checker.schema.get(type_id).name);
        let event_type = self.checker.schema.get(type_id);
        let (event, written, span) = (event_type.name.clone(), names.join("."), part.path.span());
        let Some(field) = event_type.field(&names) else {
            let fields: Vec<String> = event_type.fields.iter().map(crate::schema::Field::dotted).collect();
            if self.checker.is_dropped_field(type_id, &written) {
                return None;
            }
            let near = closest(&written, fields.iter().map(String::as_str));
            let first = near.or(fields.first().map(String::as_str)).unwrap_or("field");
            self.checker.report(
                Diagnostic::new(Code::BadKey, span, format!("`{event}` has no field `{written}`")).help(format!(
                    "if it is called otherwise there, say how: `{} ({event}.{first})`; `{event}` has `{}`",
                    part.path.dotted(),
                    fields.join("`, `")
                )),
            );
            return None;
        };
        let kind = event_type.fields[field].kind.clone();
        self.reads.insert(format!("{event}.{written} {kind}"));
        let ty = Type::from(&kind);
        if matches!(ty, Type::Point | Type::List(_)) {
            self.checker.report(
                Diagnostic::new(Code::BadKey, span, format!("{ty} cannot be a key"))
                    .help("a key is text, a number, true or false, a time or an ip address"),
            );
            return None;
        }
        let (first, of) = common.get_or_insert_with(|| (ty.clone(), type_id)).clone();
        if first != ty {
            let other = self.checker.schema.get(of).name.clone();
            self.checker.report(
                Diagnostic::new(Code::BadKey, span, format!("the key is {first} in `{other}` and {ty} in `{event}`"))
                    .help("declare it with one kind in all events of the rule"),
            );
            return None;
        }
        Some(self.checker.slots.of(type_id, field))
    }

    /// The key is part of the evidence. What nothing else reads of an event is shown out of the key of the match, so
    /// that no run keeps it a second time: texts are in a key as they are in the event.
    pub(super) fn show_keys(&mut self) {
        for (at, part) in (0..).zip(&self.rule.keys) {
            for step in &mut self.steps.0 {
                let path = |type_id: &TypeId| key_path(part, &self.checker.schema.get(*type_id).name);
                let paths: Vec<Vec<&str>> = step.types.iter().map(path).collect();
                let is_text = |(type_id, path): (&TypeId, &Vec<&str>)| {
                    let event_type = self.checker.schema.get(*type_id);
                    event_type.field(path).is_some_and(|field| event_type.fields[field].kind == Kind::Text)
                };
                let is_same = paths.windows(2).all(|two| two[0] == two[1]);
                match paths.first() {
                    Some(path) if is_same && step.types.iter().zip(&paths).all(is_text) => {
                        step.show_key(&path.join("."), at);
                    }
                    _ => {
                        for path in paths {
                            step.capture(&path.join("."));
                        }
                    }
                }
            }
        }
    }
}

fn segments(path: &ast::Path) -> Vec<&str> {
    path.segments.iter().map(|segment| segment.node.as_str()).collect()
}

/// What a part of the key is called in an event type.
fn key_path<'p>(part: &'p ast::KeyPart, event: &str) -> Vec<&'p str> {
    let renamed = part.renamed.iter().find(|path| path.segments[0].node == event && path.segments.len() > 1);
    match renamed {
        Some(path) => path.segments[1..].iter().map(|segment| segment.node.as_str()).collect(),
        None => segments(&part.path),
    }
}
