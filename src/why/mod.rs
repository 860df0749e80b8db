//! Why a rule fired for a key, or why it did not, and what little change would have made it fire.
//!
//! ```text
//! question -> gathered (the key's events) -> engine with a trace -> fired: the run, event by event
//!                                                                -> silence: the furthest run, what stopped it,
//!                                                                   and changes that were tried and fire
//! ```
//! - `asked`    the question: a rule, a key, a time;
//! - `gathered` the events that it is about;
//! - `target`   the rule as a tree that can be changed; `edit` one change of it;
//! - `trial`    the same events with a changed rule;
//! - `search`   the smallest changes that fire;
//! - `shown`    conditions as written beside what they saw;
//! - `names`    events, times and tables of text;
//! - `fired`    the answer where there is an alert, `silence` where there is none.
//!
//! Nothing here prints or reads files: whoever asks shows the events, and gets text.

mod asked;
mod edit;
mod fired;
mod gathered;
mod names;
mod search;
mod shown;
mod silence;
mod target;
mod trial;

use std::sync::Arc;

use crate::alert::Alert;
use crate::engine::{End, Judged, Limits, PastRun};
use crate::event::{Event, Sources};
use crate::lang::ast::File;
use crate::program::{Program, Rule};
use gathered::Gathered;
use target::Target;
use trial::Trial;

pub use asked::{At, BadQuestion, Question};
pub use search::Suggestion;

/// A question over a stream of events: show it all of them, in order of time, then ask.
#[derive(Debug)]
pub struct Inquiry<'a> {
    files: &'a [File],
    program: &'a Arc<Program>,
    rule: &'a Rule,
    target: Target,
    at: Option<At>,
    gathered: Gathered,
}

/// The answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Whether there was an alert, at the time that was asked for.
    pub fired: bool,
    /// The changes that would have fired, the smallest first; none where it fired.
    pub suggestions: Vec<Suggestion>,
    /// All of it for people, lines with an end.
    pub text: String,
}

/// What a run of the rule as it is gave.
struct Outcome {
    /// The alerts of the rule for the key, in order.
    alerts: Vec<Alert>,
    judged: Vec<Judged>,
    /// How the runs of the key ended, without those that completed.
    unfinished: Vec<PastRun>,
    /// Alerts of the rule that `at most once per` held back.
    suppressed: u64,
}

impl<'a> Inquiry<'a> {
    /// Begins to answer a question about the rules of these files, whose program this is.
    pub fn new(files: &'a [File], program: &'a Arc<Program>, question: &Question) -> Result<Inquiry<'a>, BadQuestion> {
        let rule = asked::rule_of(program, &question.rule)?;
        let key = asked::key_of(program, rule, &question.key)?;
        let items = files.iter().flat_map(|file| &file.items).map(|item| &item.node);
        let target = Target::find(items, &rule.name).expect("a rule of the program stands in its files");
        let gathered = Gathered::new(program, rule, key);
        Ok(Inquiry { files, program, rule, target, at: question.at, gathered })
    }

    /// Shows an event, decoded for the program. They come in order of time.
    pub fn see(&mut self, event: &Event) {
        self.gathered.see(self.program, event);
    }

    /// The rows of tables are those of the program, whatever the events change.
    pub fn keep_tables_outside(&mut self) {
        self.gathered.tables_outside = true;
    }

    /// From now on no more is open of the key than this. What all keys together may have open is not looked at: the other
    /// keys' events are not kept.
    pub fn set_limits(&mut self, limits: Limits) {
        let Limits { open_runs_per_key, when_full, .. } = limits;
        self.gathered.limits = Limits { open_runs_per_key, when_full, ..Limits::NONE };
    }

    /// Answers, after all events. `sources` names the sources by their number.
    pub fn answer(&self, end: End, sources: &Sources) -> Answer {
        let outcome = self.run(end);
        let at_ms = self.at.map(|at| at.ms(self.gathered.first_ms));
        let trial = Trial::new(self.files, self.program, &self.gathered, &self.rule.name, end, at_ms);
        let names =
            names::Names { program: self.program, sources, first_ms: self.gathered.first_ms.unwrap_or_default() };
        // Without a time it is the last alert that is asked for.
        if let Some(alert) = outcome.alerts.iter().rev().find(|alert| trial.answers(alert)) {
            let text = fired::tell(&names, self.rule, &self.target, &outcome, alert);
            return Answer { fired: true, suggestions: Vec::new(), text };
        }
        let suggestions = search::smallest(&trial, &self.target, &outcome.judged);
        let silence = silence::Silence {
            names,
            rule: self.rule,
            target: &self.target,
            gathered: &self.gathered,
            outcome: &outcome,
            at_ms,
        };
        Answer { fired: false, text: silence.tell(&suggestions), suggestions }
    }

    /// Runs the rules as they are.
    fn run(&self, end: End) -> Outcome {
        let mut engine = self.gathered.engine(self.program);
        engine.keep_history();
        engine.trace(self.rule.id, self.gathered.key.clone());
        let mut alerts = Vec::new();
        for event in &self.gathered.events {
            engine.on_event(event, &mut alerts);
        }
        engine.finish(end, self.gathered.last_ms, &mut alerts);
        let judged = engine.traced();
        let is_own = |run: &PastRun| judged.iter().any(|one| one.event.arrival == run.first);
        let unfinished = engine.history(self.rule.id).into_iter();
        let unfinished = unfinished.filter(|run| run.ended != crate::engine::Ended::Completed && is_own(run)).collect();
        let suppressed = engine.stats().rules[self.rule.id.index()].suppressed;
        Outcome {
            alerts: trial::own_alerts(alerts, &self.rule.name, &self.gathered.key),
            judged,
            unfinished,
            suppressed,
        }
    }
}
