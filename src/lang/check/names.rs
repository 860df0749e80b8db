//! The types and names of a rule's steps.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span, closest};
use crate::lang::aggregates;
use crate::lang::ast::{self, Name};
use crate::lang::check::rule::{Builder, count_of, is_or_more};
use crate::lang::check::steps::StepNames;
use crate::lang::check::{Checker, duplicate};
use crate::lang::functions;
use crate::schema::TypeId;

impl Builder<'_> {
    pub(super) fn collect_types(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        for step in &sequence.steps {
            if self.is_misspelt_keyword(step) {
                self.steps.0.push(StepNames::new(None, Vec::new(), false));
                continue;
            }
            let types = self.type_ids(&step.types);
            let repeated = count_of(step) > 1 || is_or_more(step);
            self.steps.0.push(StepNames::new(step.name.clone(), types, repeated));
        }
        self.absence_types = sequence.absence.as_ref().map_or_else(Vec::new, |absence| self.type_ids(&absence.types));
        self.unless_types = self.rule.unless.iter().map(|unless| self.type_ids(&unless.types)).collect();
    }

    /// Reports `on evry login`, which is read as a type `evry` with a step called `login`.
    fn is_misspelt_keyword(&mut self, step: &ast::Step) -> bool {
        let ([word], Some(name)) = (step.types.as_slice(), &step.name) else { return false };
        let schema = &self.checker.schema;
        if schema.type_id(&word.node).is_some() || schema.type_id(&name.node).is_none() {
            return false;
        }
        let types = schema.types.iter().map(|event_type| event_type.name.as_str());
        let Some(meant @ ("every" | "next")) = closest(&word.node, types.chain(["every", "next"])) else {
            return false;
        };
        self.checker.report(
            Diagnostic::new(Code::MisspeltKeyword, word.span, format!("`{}` is no keyword", word.node))
                .at("not a keyword")
                .label(name.span, "the type of the step's event")
                .help(format!("did you mean `{meant}`?"))
                .fix(word.span, meant),
        );
        true
    }

    fn type_ids(&mut self, names: &[Name]) -> Vec<TypeId> {
        let mut ids = Vec::new();
        for name in names {
            match self.checker.type_id(name) {
                Some(id) if ids.contains(&id) => self.checker.report(
                    Diagnostic::new(
                        Code::DuplicateName,
                        name.span,
                        format!("`{}` is named twice in this step", name.node),
                    )
                    .help(format!("leave one out; two events one after the other are `2 {}`", name.node)),
                ),
                Some(id) => ids.push(id),
                None => {}
            }
        }
        self.types.extend(ids.iter().copied());
        self.types.sort_unstable();
        self.types.dedup();
        ids
    }

    pub(super) fn check_step_names(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        let named = sequence.steps.iter().map(|step| &step.name);
        let absence = sequence.absence.iter().map(|absence| &absence.name);
        let unless = self.rule.unless.iter().map(|unless| &unless.name);
        let names: Vec<&Name> = named.chain(absence).chain(unless).flatten().collect();
        for (at, name) in names.iter().enumerate() {
            if self.checker.is_misread(name) {
                continue;
            }
            if let Some(first) = names[..at].iter().find(|other| other.node == name.node) {
                self.checker.report(duplicate(name, first.span, "step"));
            }
            self.check_step_name(name);
        }
    }

    fn check_step_name(&mut self, name: &Name) {
        self.check_shadowing(name);
        let is_type = self.checker.schema.type_id(&name.node).is_some();
        let fields = self.types.iter().flat_map(|id| &self.checker.schema.get(*id).fields);
        let is_field = fields.clone().any(|field| field.path[0] == name.node);
        let is_time = name.node == "time";
        if is_type || is_field || is_time {
            let what = match (is_type, is_field) {
                (true, _) => "an event type",
                (_, true) => "a field",
                _ => "the event's own time",
            };
            self.checker.report(
                Diagnostic::new(Code::StepName, name.span, format!("`{}` is the name of {what}", name.node)).help(
                    format!(
                        "give the step another name, such as `{}1`: `{}.` would mean two things",
                        name.node, name.node
                    ),
                ),
            );
        }
    }
}

impl Builder<'_> {
    /// Reports a step that is called like something else that stands in conditions.
    fn check_shadowing(&mut self, name: &Name) {
        let written = name.node.as_str();
        let names = &self.checker.names;
        let what = if names.rules.contains_key(written) {
            "a rule"
        } else if names.lookups.contains_key(written) {
            "a list or table"
        } else if aggregates::is_one(written) || functions::find(written).is_some() {
            "a function"
        } else {
            return;
        };
        self.checker.report(
            Diagnostic::new(Code::ShadowedName, name.span, format!("the step `{written}` has the name of {what}"))
                .help("both are understood, and readers will mix them up: give the step another name"),
        );
    }
}

impl Checker {
    /// Whether this step's name is the type of an event, after a misspelt keyword that is told of already.
    fn is_misread(&self, name: &Name) -> bool {
        let explained = |diagnostic: &Diagnostic| {
            diagnostic.code == Code::MisspeltKeyword && diagnostic.labels.iter().any(|label| label.span == name.span)
        };
        self.diagnostics.iter().any(explained)
    }

    /// A declared event type by its name. Reports an unknown one.
    pub(super) fn type_id(&mut self, name: &Name) -> Option<TypeId> {
        let id = self.schema.type_id(&name.node);
        if id.is_none() {
            self.unknown_type(&name.node, name.span);
        }
        id
    }

    fn unknown_type(&mut self, name: &str, span: Span) {
        if self.is_dropped(name) {
            return;
        }
        if self.names.rules.contains_key(name) {
            self.report(
                Diagnostic::new(Code::UnknownEvent, span, format!("`{name}` gives no events for rules"))
                    .help("alerts of rules are events for other rules; risks and measures are not"),
            );
            return;
        }
        let known: Vec<&str> = self.schema.types.iter().map(|event_type| event_type.name.as_str()).collect();
        let diagnostic = Diagnostic::new(Code::UnknownEvent, span, format!("no event `{name}` is declared"))
            .help(format!("declare it: `event {name} user_id text, …`"))
            .did_you_mean(span, name, known);
        self.report(diagnostic);
    }
}
