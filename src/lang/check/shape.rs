//! The shape of a rule: counts, bounds, and what stands where.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Count, Duration, Pattern, Sequence, Spanned};
use crate::lang::check::Checker;
use crate::lang::check::rule::{Builder, count_of, is_or_more};

/// The most positive steps of a rule.
const STEPS_MAX: usize = 100;
/// The most events that one step counts.
pub(super) const COUNT_MAX: u64 = 10_000;
/// The longest duration: ten years in ms.
const DURATION_MS_MAX: i64 = 10 * 366 * 86_400_000;

impl Builder<'_> {
    /// Reports what cannot be in this form.
    pub(super) fn check_shape(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        for step in &sequence.steps {
            self.check_count(step);
            self.check_held(step);
        }
        if sequence.steps.len() > STEPS_MAX {
            let span = self.rule.name.span;
            let steps = sequence.steps.len();
            self.checker.report(
                Diagnostic::new(Code::RuleLimit, span, format!("a rule has at most {STEPS_MAX} steps"))
                    .at(format!("{steps} steps"))
                    .help("write repeated steps as a count: `then 20 login`"),
            );
        }
        match &self.rule.pattern {
            Pattern::Session(session) => self.check_session(session),
            _ => {
                self.check_last_step();
                self.check_within();
                self.check_absence();
            }
        }
        if let (Pattern::EachPair(_), Some(unless)) = (&self.rule.pattern, self.rule.unless.first()) {
            self.meaningless(
                unless.types[0].span,
                "`unless`",
                "a pair is complete when its second event comes; put the condition into `where`",
            );
        }
    }

    fn check_held(&mut self, step: &ast::Step) {
        let Some(held) = &step.held else { return };
        self.checker.check_duration(&held.duration);
        if held.duration.ms == 0 {
            self.checker.report(
                Diagnostic::new(Code::BadDuration, held.duration.span, "a condition holds for no time at once")
                    .help("name how long it must hold, or remove the clause"),
            );
        }
        if let Some(gap) = &held.gap {
            self.checker.check_duration(gap);
        }
        if !self.is_one_event() || !self.rule.unless.is_empty() || self.rule.within.is_some() {
            self.meaningless(
                held.duration.span,
                "`for`",
                "it is for rules of one step without a count, `unless` and `within`; a rule over this rule's alerts can say the rest",
            );
        }
    }

    fn check_session(&mut self, session: &ast::Session) {
        for duration in std::iter::once(&session.idle).chain(&session.at_most) {
            self.checker.check_duration(duration);
            if duration.ms == 0 {
                self.checker.report(
                    Diagnostic::new(Code::BadDuration, duration.span, "a session of no length holds one event")
                        .help("name the silence that ends it: `after 30 minutes idle`"),
                );
            }
        }
        if let Some(within) = &self.rule.within {
            self.meaningless(within.span, "`within`", "a session is bounded by `after … idle at most …`");
        }
        if let Some(unless) = self.rule.unless.first() {
            self.meaningless(
                unless.types[0].span,
                "`unless`",
                "name the type in the session and ask for `count(s.TYPE) is 0`",
            );
        }
    }

    fn meaningless(&mut self, span: Span, what: &str, help: &str) {
        self.checker
            .report(Diagnostic::new(Code::Meaningless, span, format!("{what} has no meaning in this rule")).help(help));
    }

    fn check_count(&mut self, step: &ast::Step) {
        let Some(count) = &step.count else { return };
        if count.n == 0 || count.n > COUNT_MAX {
            let help = match count.n {
                0 => "what must not come is written `then no … within …`, or `unless …`",
                _ => "the events of a step are kept until it is complete; count fewer",
            };
            self.checker.report(
                Diagnostic::new(Code::BadCount, count.span, "a step counts from 1 to 10,000 events").help(help),
            );
        }
    }

    fn check_last_step(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        let last = sequence.steps.last().expect("a sequence has a step");
        if let Some(count) = last.count.as_ref().filter(|count| count.or_more) {
            self.checker.report(
                Diagnostic::new(Code::OpenEndedLast, count.span, "`or more` has no end in the last step")
                    .help(format!("the rule completes as soon as there are {}: write `{}`", count.n, count.n))
                    .fix(count.span, count.n.to_string()),
            );
        }
    }

    fn check_within(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        let steps = &sequence.steps;
        let several = steps.len() > 1 || steps.iter().any(|step| count_of(step) > 1 || is_or_more(step));
        match &self.rule.within {
            Some(within) => self.checker.check_duration(within),
            None if several => {
                let last = steps.last().expect("a sequence has a step");
                let span = last.types.last().expect("a step has a type").span;
                self.checker.report(
                    Diagnostic::new(Code::MissingWithin, self.rule.name.span, format!("the rule `{}` has no `within`", self.rule.name.node))
                        .label(span, "a sequence of two or more events ends here")
                        .help("add `within 5 minutes` before `alert`: without a bound, what it waits for could never be forgotten"),
                );
            }
            None => {}
        }
    }

    fn check_absence(&mut self) {
        let sequence = Arc::clone(&self.sequence);
        let Some(absence) = &sequence.absence else { return };
        match &absence.within {
            Some(within) => self.checker.check_duration(within),
            None => {
                let span = absence.types[0].span;
                self.checker.report(
                    Diagnostic::new(
                        Code::AbsenceWithin,
                        span,
                        format!("`then no {}` does not say how long", absence.types[0].node),
                    )
                    .help(format!(
                        "write `then no {} within 30 minutes`: the alert comes when that time has passed",
                        absence.types[0].node
                    )),
                );
            }
        }
    }
}

impl Checker {
    /// Reports a duration beyond the limit.
    pub(super) fn check_duration(&mut self, duration: &Spanned<Duration>) {
        if duration.ms > DURATION_MS_MAX {
            self.report(
                Diagnostic::new(Code::BadDuration, duration.span, "the longest duration is 10 years")
                    .help("a rule keeps what it waits for as long as this; choose a shorter time"),
            );
        }
    }
}

/// Any pattern in the form of a sequence: slots, sides, and the events of a session are steps.
pub(super) fn as_sequence(pattern: &Pattern) -> Sequence {
    let (every, steps) = match pattern {
        Pattern::Sequence(sequence) => return sequence.clone(),
        Pattern::AllOf(all) => (all.every, all.slots.clone()),
        Pattern::EachPair(pair) => {
            let side = |(types, name): &(Vec<ast::Name>, Option<ast::Name>)| step(types.clone(), name.clone());
            (true, vec![side(&pair.left), side(&pair.right)])
        }
        Pattern::Session(session) => {
            let mut events = step(session.types.clone(), Some(session.name.clone()));
            let span = session.name.span;
            events.count = Some(Spanned { node: Count { n: 1, or_more: true }, span });
            (true, vec![events])
        }
    };
    Sequence { every, steps, absence: None }
}

fn step(types: Vec<ast::Name>, name: Option<ast::Name>) -> ast::Step {
    ast::Step { next: false, count: None, types, name, condition: None, held: None }
}
