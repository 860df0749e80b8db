//! Which names can be seen at a place, and what they mean there.
//!
//! The first part of a dotted name is a step if there is one. Otherwise the name is a field of the event at hand; in a
//! message, of the key or of the completing event. `time` is the event's own time where its type declares no field of
//! that name.

use std::collections::BTreeSet;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::Path;
use crate::lang::check::Checker;
use crate::lang::check::measure::Measured;
use crate::lang::check::past::{PastAllowed, PastUse};
use crate::lang::check::session::SessionNames;
use crate::lang::check::steps::{Found, Steps};
use crate::lang::types::Type;
use crate::program::{Expr, StepId};
use crate::schema::TypeId;

/// The event that a condition judges.
#[derive(Clone, Debug)]
pub(super) struct AtHand {
    /// Its type.
    pub(super) type_id: TypeId,
    /// The positive step that it is offered to; none in `unless` and `then no`.
    pub(super) step: Option<usize>,
    /// The name in `unless` and `then no`.
    pub(super) name: Option<String>,
}

/// A place in a rule.
pub(super) struct Scope<'a> {
    pub(super) checker: &'a mut Checker,
    pub(super) steps: &'a mut Steps,
    /// The event at hand; none in a message.
    pub(super) at_hand: Option<AtHand>,
    /// How many steps have taken their events before this place.
    pub(super) bound: usize,
    /// Whose field a bare name is where it is not that of the event at hand: in conditions on several slots.
    pub(super) bare: Option<Bare>,
    /// The names of the key's parts, in a message; empty elsewhere, where a key part is a field like others.
    pub(super) key: &'a [(String, Type)],
    /// The declarations of the fields that the rule has read so far: `login.country text`.
    pub(super) reads: &'a mut BTreeSet<String>,
    /// The steps that what was checked names.
    pub(super) named: BTreeSet<usize>,
    /// The rule's `for each`, and whether one shard judges it: what tells equal windows from others.
    pub(super) identity: &'a str,
    pub(super) pinned: bool,
    /// Whether windows and `is new` can stand here.
    pub(super) past_allowed: PastAllowed,
    /// The windows and novelties that were used.
    pub(super) uses: &'a mut Vec<PastUse>,
    /// The session whose events aggregates can be over.
    pub(super) session: Option<&'a mut SessionNames>,
    /// What `total` means, in a risk.
    pub(super) total: Option<Expr>,
    /// What names mean in a measure.
    pub(super) measured: Option<Measured<'a>>,
}

/// Whose field a bare name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bare {
    /// Of this step's event.
    Step(usize),
    /// Nobody's: each field is written with a name before it.
    Refused,
}

/// What a dotted name means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// A value.
    Value(Type, Expr),
    /// A step, that is: an event.
    Event,
}

/// Whose field is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// The event at hand.
    AtHand,
    /// The event of a step.
    Step(usize),
}

impl Scope<'_> {
    /// What a dotted name means here; its problem is reported where it means nothing.
    pub(super) fn resolve(&mut self, path: &Path) -> Option<Meaning> {
        if self.measured.is_some() {
            return self.measured_name(path);
        }
        let (first, rest) = path.segments.split_first().expect("a path has a segment");
        match self.step_called(&first.node, first.span)? {
            Some(_) if rest.is_empty() && self.own_field(path).is_none() => return Some(Meaning::Event),
            Some(_) if rest.is_empty() => {}
            Some(who) => {
                let names: Vec<&str> = rest.iter().map(|segment| segment.node.as_str()).collect();
                let span = rest[0].span.to(path.span());
                if let Who::Step(step) = who
                    && self.steps.0[step].repeated
                    && self.type_of(who, &names).is_some()
                {
                    self.repeated_step(step, &names, path.span());
                    return None;
                }
                return self.field(who, &names, span).map(|(ty, expr)| Meaning::Value(ty, expr));
            }
            None => {}
        }
        if let Some(part) = self.key.iter().position(|(name, _)| *name == path.dotted()) {
            let part_index = u16::try_from(part).expect("keys have few parts");
            return Some(Meaning::Value(self.key[part].1.clone(), Expr::Key(part_index)));
        }
        let names: Vec<&str> = path.segments.iter().map(|segment| segment.node.as_str()).collect();
        if let (Some(total), ["total"]) = (&self.total, names.as_slice()) {
            return Some(Meaning::Value(Type::Number, total.clone()));
        }
        let who = match self.bare {
            Some(Bare::Refused) => {
                self.bare_field(path);
                return None;
            }
            Some(Bare::Step(step)) if self.at_hand.as_ref().is_none_or(|at_hand| at_hand.step != Some(step)) => {
                Who::Step(step)
            }
            _ if self.at_hand.is_some() => Who::AtHand,
            _ => Who::Step(self.bound.checked_sub(1)?),
        };
        if self.type_of(who, &names).is_none() && !rest.is_empty() && !self.starts_field(who, &first.node) {
            self.unknown_step(&first.node, first.span);
            return None;
        }
        self.field(who, &names, path.span()).map(|(ty, expr)| Meaning::Value(ty, expr))
    }

    /// A step by its name, for functions and aggregates that take events.
    pub(super) fn event(&mut self, path: &Path) -> Option<Who> {
        let first = path.segments.first().expect("a path has a segment");
        if path.segments.len() > 1 {
            return None;
        }
        self.step_called(&first.node, first.span).flatten()
    }

    /// A field of an event, by its path: its type, and the expression that reads it. Reports what is wrong.
    pub(super) fn field(&mut self, who: Who, path: &[&str], span: Span) -> Option<(Type, Expr)> {
        // Of an event whose type is unknown nothing is known; that is told where the type is named.
        if self.types(who).is_empty() {
            return None;
        }
        let Some(ty) = self.type_of(who, path) else {
            self.unknown_field(who, path, span);
            return None;
        };
        Some((ty, self.read(who, path)))
    }

    /// Reads a field that is there.
    pub(super) fn read(&mut self, who: Who, path: &[&str]) -> Expr {
        let event_time = self.is_event_time(who, path);
        match who {
            Who::AtHand if event_time => Expr::Time,
            Who::AtHand => {
                let at_hand = self.at_hand.clone().expect("there is an event at hand");
                if let Some(step) = at_hand.step {
                    self.steps.0[step].capture(&path.join("."));
                }
                Expr::Field(self.slot(at_hand.type_id, path))
            }
            Who::Step(step) => {
                self.named.insert(step);
                let id = StepId(u8::try_from(step).expect("steps are limited"));
                if event_time {
                    return Expr::CapturedTime(id);
                }
                for type_id in self.steps.0[step].types.clone() {
                    self.slot(type_id, path);
                }
                Expr::Captured(id, self.steps.0[step].capture(&path.join(".")))
            }
        }
    }

    /// The type of a field of an event: all of the step's types must have it, with one kind.
    pub(super) fn type_of(&self, who: Who, path: &[&str]) -> Option<Type> {
        let mut common = None;
        for type_id in self.types(who) {
            let event_type = self.checker.schema.get(type_id);
            let ty = match event_type.field(path) {
                Some(field) => Type::from(&event_type.fields[field].kind),
                None if path == ["time"] => Type::Time,
                None => return None,
            };
            if common.get_or_insert_with(|| ty.clone()) != &ty {
                return None;
            }
        }
        common
    }

    /// The event types that a name can stand for.
    pub(super) fn types(&self, who: Who) -> Vec<TypeId> {
        match who {
            Who::AtHand => self.at_hand.iter().map(|at_hand| at_hand.type_id).collect(),
            Who::Step(step) => self.steps.0[step].types.clone(),
        }
    }

    /// As messages name an event.
    pub(super) fn describe(&self, who: Who) -> String {
        let names: Vec<&str> =
            self.types(who).into_iter().map(|type_id| self.checker.schema.get(type_id).name.as_str()).collect();
        format!("`{}`", names.join("` or `"))
    }

    fn is_event_time(&self, who: Who, path: &[&str]) -> bool {
        path == ["time"] && self.types(who).iter().any(|id| self.checker.schema.get(*id).field(path).is_none())
    }

    fn slot(&mut self, type_id: TypeId, path: &[&str]) -> u16 {
        let event_type = self.checker.schema.get(type_id);
        let Some(field) = event_type.field(path) else { return 0 };
        self.reads.insert(format!("{}.{} {}", event_type.name, path.join("."), event_type.fields[field].kind));
        self.checker.slots.of(type_id, field)
    }

    /// The step that goes by a name, if one does: `Some(None)` where there is none, `None` where the name is wrong.
    #[expect(clippy::option_option, reason = "no step is an answer, a wrong name is none")]
    fn step_called(&mut self, name: &str, span: Span) -> Option<Option<Who>> {
        if self.is_at_hand(name) {
            return Some(Some(Who::AtHand));
        }
        match self.steps.find(name, &self.checker.schema) {
            Found::Nothing => Some(None),
            Found::Step(step) if step < self.bound => Some(Some(Who::Step(step))),
            Found::Step(step) => {
                // A later step without a name may share its type's name with a field at hand.
                if self.steps.0[step].name.is_none() && self.at_hand.is_some() {
                    return Some(None);
                }
                self.checker.report(
                    Diagnostic::new(Code::UnknownStep, span, format!("the step `{name}` comes later"))
                        .help("a condition can name its own event and the steps before it"),
                );
                None
            }
            Found::Ambiguous => {
                self.checker.report(
                    Diagnostic::new(Code::UnknownStep, span, format!("several steps are of the type `{name}`"))
                        .help(format!("give the one that you mean a name: `{name} a`, then write `a.` here")),
                );
                None
            }
        }
    }

    fn is_at_hand(&self, name: &str) -> bool {
        let Some(at_hand) = &self.at_hand else { return false };
        let type_name = &self.checker.schema.get(at_hand.type_id).name;
        match (at_hand.step, &at_hand.name) {
            (Some(step), _) => match &self.steps.0[step].name {
                Some(own) => own.node == name,
                None => type_name == name && self.steps.find(name, &self.checker.schema) != Found::Ambiguous,
            },
            (None, Some(own)) => own == name,
            (None, None) => type_name == name,
        }
    }

    /// A field of the event at hand with just this name.
    fn own_field(&self, path: &Path) -> Option<usize> {
        let at_hand = self.at_hand.as_ref()?;
        self.checker.schema.get(at_hand.type_id).field(&[path.segments.first()?.node.as_str()])
    }

    fn starts_field(&self, who: Who, segment: &str) -> bool {
        let types = self.types(who);
        types.iter().any(|id| self.checker.schema.get(*id).fields.iter().any(|field| field.path[0] == segment))
    }

    fn unknown_step(&mut self, name: &str, span: Span) {
        let steps = self.steps.0[..self.bound].iter();
        let names: Vec<String> = steps.filter_map(|step| Some(step.name.as_ref()?.node.clone())).collect();
        let diagnostic = Diagnostic::new(Code::UnknownStep, span, format!("no step is called `{name}`")).did_you_mean(
            span,
            name,
            names.iter().map(String::as_str),
        );
        let diagnostic = match diagnostic.help {
            Some(_) => diagnostic,
            None if names.is_empty() => {
                diagnostic.help("give the earlier step a name after its type, as in `on login a`, and write `a.` here")
            }
            None => diagnostic.help(format!("the steps before this place are `{}`", names.join("`, `"))),
        };
        self.checker.report(diagnostic);
    }

    fn unknown_field(&mut self, who: Who, path: &[&str], span: Span) {
        let written = path.join(".");
        let types = self.types(who);
        if types.iter().any(|id| self.checker.is_dropped_field(*id, &written)) {
            return;
        }
        let with = |id: &TypeId| {
            let event_type = self.checker.schema.get(*id);
            event_type.field(path).map(|field| event_type.fields[field].kind.to_string())
        };
        let kinds: BTreeSet<Option<String>> = types.iter().map(with).collect();
        let message = if kinds.len() > 1 {
            format!("`{written}` is not the same field in all of {}", self.describe(who))
        } else {
            format!("{} has no field `{written}`", self.describe(who))
        };
        let fields: BTreeSet<String> = types
            .iter()
            .flat_map(|id| self.checker.schema.get(*id).fields.iter().map(crate::schema::Field::dotted))
            .collect();
        let diagnostic = Diagnostic::new(Code::UnknownField, span, message);
        let diagnostic = diagnostic.did_you_mean(span, &written, fields.iter().map(String::as_str));
        let diagnostic = match diagnostic.help {
            Some(_) => diagnostic,
            None if fields.is_empty() => diagnostic.help("it declares no fields"),
            None => diagnostic.help(format!("it has {}", list(&fields))),
        };
        self.checker.report(diagnostic);
    }

    fn bare_field(&mut self, path: &Path) {
        let name = |at: usize| match &self.steps.0[at].name {
            Some(name) => name.node.clone(),
            None => {
                self.steps.0[at].types.first().map_or_else(String::new, |id| self.checker.schema.get(*id).name.clone())
            }
        };
        let (left, right, field) = (name(0), name(1), path.dotted());
        self.checker.report(
            Diagnostic::new(Code::UnknownStep, path.span(), format!("`{field}` does not say of which of the two"))
                .help(format!("write `{left}.{field}` or `{right}.{field}`")),
        );
    }

    fn repeated_step(&mut self, step: usize, path: &[&str], span: Span) {
        let name = match &self.steps.0[step].name {
            Some(name) => name.node.clone(),
            None => self.checker.schema.get(self.steps.0[step].types[0]).name.clone(),
        };
        let field = path.join(".");
        self.checker.report(
            Diagnostic::new(Code::RepeatedStep, span, format!("`{name}` is several events, so `{name}.{field}` is several values"))
                .help(format!("write `first({name}.{field})`, `last({name}.{field})` or an aggregate such as `maximum({name}.{field})`")),
        );
    }
}

/// The first names of a set, for a help.
fn list(names: &BTreeSet<String>) -> String {
    const SHOWN: usize = 12;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let rest = names.len().saturating_sub(SHOWN);
    if rest == 0 { shown.join(", ") } else { format!("{}, and {rest} more", shown.join(", ")) }
}
