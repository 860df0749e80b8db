//! The rule in question as a tree that can be changed: its conditions by their place, and its text before and after.

use crate::engine::Place;
use crate::lang::ast::{Expr, ExprKind, Item, Path, Pattern, Risk, Rule, Step};
use crate::lang::fmt;
use crate::lang::walk::{children, conjuncts};
use crate::program::StepId;

/// A rule or a risk.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Rule(Box<Rule>),
    Risk(Box<Risk>),
}

/// A clause with a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Clause {
    /// Of a step or slot.
    Step(usize),
    /// Of a final `then no`.
    Absence,
    /// Of an `unless`.
    Unless(usize),
    /// Of a pair, a session or a risk.
    Whole,
}

/// A part of a condition between its top-level `and`s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartAt {
    pub(super) clause: Clause,
    pub(super) part: usize,
}

impl Target {
    /// A rule or risk of this name among items.
    pub(super) fn find<'i>(mut items: impl Iterator<Item = &'i Item>, name: &str) -> Option<Target> {
        items.find_map(|item| match item {
            Item::Rule(rule) if rule.name.node == name => Some(Target::Rule(Box::new(rule.clone()))),
            Item::Risk(risk) if risk.name.node == name => Some(Target::Risk(Box::new(risk.clone()))),
            _ => None,
        })
    }

    /// As an item of a file.
    pub(super) fn item(&self) -> Item {
        match self {
            Target::Rule(rule) => Item::Rule((**rule).clone()),
            Target::Risk(risk) => Item::Risk((**risk).clone()),
        }
    }

    /// In the one form.
    pub(super) fn text(&self) -> String {
        match self {
            Target::Rule(rule) => fmt::format_rule(rule),
            Target::Risk(risk) => fmt::format_risk(risk),
        }
    }

    pub(super) fn rule(&self) -> Option<&Rule> {
        match self {
            Target::Rule(rule) => Some(rule),
            Target::Risk(_) => None,
        }
    }

    /// The clauses that have a condition, in the order of writing.
    pub(super) fn clauses(&self) -> Vec<Clause> {
        let steps = (0..self.steps().len()).map(Clause::Step);
        let unless = (0..self.rule().map_or(0, |rule| rule.unless.len())).map(Clause::Unless);
        let all = steps.chain([Clause::Absence, Clause::Whole]).chain(unless);
        all.filter(|clause| self.condition(*clause).is_some()).collect()
    }

    /// The steps of a sequence, the slots of `all of`.
    pub(super) fn steps(&self) -> &[Step] {
        match self.rule().map(|rule| &rule.pattern) {
            Some(Pattern::Sequence(sequence)) => &sequence.steps,
            Some(Pattern::AllOf(all)) => &all.slots,
            _ => &[],
        }
    }

    pub(super) fn condition(&self, clause: Clause) -> Option<&Expr> {
        match self {
            Target::Risk(risk) => (clause == Clause::Whole).then_some(&risk.condition),
            Target::Rule(rule) => match (clause, &rule.pattern) {
                (Clause::Step(at), _) => self.steps().get(at)?.condition.as_ref(),
                (Clause::Unless(at), _) => rule.unless.get(at)?.condition.as_ref(),
                (Clause::Absence, Pattern::Sequence(sequence)) => sequence.absence.as_ref()?.condition.as_ref(),
                (Clause::Whole, Pattern::EachPair(pair)) => pair.condition.as_ref(),
                (Clause::Whole, Pattern::Session(session)) => session.condition.as_ref(),
                _ => None,
            },
        }
    }

    /// The condition of a clause, to be changed or taken away; none where there can be none. A risk's cannot be taken
    /// away: see [`Target::condition_mut`].
    pub(super) fn slot_mut(&mut self, clause: Clause) -> Option<&mut Option<Expr>> {
        let Target::Rule(rule) = self else { return None };
        let Rule { pattern, unless, .. } = &mut **rule;
        match (clause, pattern) {
            (Clause::Unless(at), _) => unless.get_mut(at).map(|unless| &mut unless.condition),
            (Clause::Step(at), Pattern::Sequence(sequence)) => {
                sequence.steps.get_mut(at).map(|step| &mut step.condition)
            }
            (Clause::Step(at), Pattern::AllOf(all)) => all.slots.get_mut(at).map(|slot| &mut slot.condition),
            (Clause::Absence, Pattern::Sequence(sequence)) => {
                sequence.absence.as_mut().map(|absence| &mut absence.condition)
            }
            (Clause::Whole, Pattern::EachPair(pair)) => Some(&mut pair.condition),
            (Clause::Whole, Pattern::Session(session)) => Some(&mut session.condition),
            _ => None,
        }
    }

    pub(super) fn condition_mut(&mut self, clause: Clause) -> Option<&mut Expr> {
        if let Target::Risk(risk) = self {
            return (clause == Clause::Whole).then_some(&mut risk.condition);
        }
        self.slot_mut(clause)?.as_mut()
    }

    /// The parts of a condition between its top-level `and`s.
    pub(super) fn parts(&self, clause: Clause) -> Vec<&Expr> {
        self.condition(clause).map_or_else(Vec::new, conjuncts)
    }

    pub(super) fn part(&self, at: PartAt) -> Option<&Expr> {
        self.parts(at.clause).get(at.part).copied()
    }

    /// The parts that are judged at a place by its own condition, and those by its links, in the order of both.
    pub(super) fn judged_at(&self, place: Place) -> (Vec<PartAt>, Vec<PartAt>) {
        let all = |clause| (0..self.parts(clause).len()).map(move |part| PartAt { clause, part }).collect();
        match (place, self.rule().map(|rule| &rule.pattern)) {
            (Place::Absence, _) => (all(Clause::Absence), Vec::new()),
            (Place::Unless(at), _) => (all(Clause::Unless(at)), Vec::new()),
            (Place::Close, _) | (_, None) => (all(Clause::Whole), Vec::new()),
            (Place::Step(step), Some(Pattern::Sequence(_))) => (all(Clause::Step(step.index())), Vec::new()),
            (Place::Step(slot), Some(Pattern::AllOf(_))) => self.judged_at_slot(slot),
            (Place::Step(side), Some(Pattern::EachPair(_))) => self.judged_at_side(side),
            (Place::Step(_), Some(Pattern::Session(_))) => (Vec::new(), Vec::new()),
        }
    }

    /// As the checker splits the conditions of slots.
    fn judged_at_slot(&self, slot: StepId) -> (Vec<PartAt>, Vec<PartAt>) {
        let slots = self.steps();
        let names: Vec<Vec<&str>> = slots.iter().map(names_of).collect();
        let (mut own, mut links) = (Vec::new(), Vec::new());
        for at in 0..slots.len() {
            let clause = Clause::Step(at);
            for (part, expr) in self.parts(clause).into_iter().enumerate() {
                let others = (0..slots.len()).filter(|other| *other != at && names_one_of(expr, &names[*other]));
                let others: Vec<usize> = others.collect();
                let here = PartAt { clause, part };
                if others.is_empty() && at == slot.index() {
                    own.push(here);
                } else if !others.is_empty() && (at == slot.index() || others.contains(&slot.index())) {
                    links.push(here);
                }
            }
        }
        (own, links)
    }

    /// As the checker splits the condition of a pair.
    fn judged_at_side(&self, side: StepId) -> (Vec<PartAt>, Vec<PartAt>) {
        let Some(Pattern::EachPair(pair)) = self.rule().map(|rule| &rule.pattern) else { return Default::default() };
        let name = |(types, own): &(Vec<crate::lang::ast::Name>, Option<crate::lang::ast::Name>)| {
            own.as_ref().unwrap_or(&types[0]).node.clone()
        };
        let (left, right) = (name(&pair.left), name(&pair.right));
        let (mut own, mut links) = (Vec::new(), Vec::new());
        for (part, expr) in self.parts(Clause::Whole).into_iter().enumerate() {
            let here = PartAt { clause: Clause::Whole, part };
            let of = match (names_one_of(expr, &[&left]), names_one_of(expr, &[&right])) {
                (true, true) => None,
                (false, true) => Some(1),
                _ => Some(0),
            };
            match of {
                None => links.push(here),
                Some(of) if of == side.index() => own.push(here),
                Some(_) => {}
            }
        }
        (own, links)
    }

    /// What differs in the text of a changed target: the old lines and the new ones.
    pub(super) fn difference(&self, changed: &Target) -> (Vec<String>, Vec<String>) {
        let (old, new) = (self.text(), changed.text());
        let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
        let same_start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let rest = old.len().min(new.len()) - same_start;
        let same_end = old.iter().rev().zip(new.iter().rev()).take(rest).take_while(|(a, b)| a == b).count();
        let middle = |lines: &[&str]| -> Vec<String> {
            lines[same_start..lines.len() - same_end].iter().map(|line| line.trim().to_owned()).collect()
        };
        (middle(&old), middle(&new))
    }
}

/// The names by which conditions know a step: its own, or those of its types.
fn names_of(step: &Step) -> Vec<&str> {
    match &step.name {
        Some(own) => vec![&own.node],
        None => step.types.iter().map(|name| name.node.as_str()).collect(),
    }
}

/// Whether an expression names a slot. What stands inside a window belongs to the window's events.
fn names_one_of(expr: &Expr, names: &[&str]) -> bool {
    let begins = |path: &Path| names.contains(&path.segments[0].node.as_str());
    match &*expr.node {
        ExprKind::Path(path) => begins(path),
        ExprKind::Call(call) if call.window.is_some() => false,
        _ => children(expr).into_iter().any(|child| names_one_of(child, names)),
    }
}
