//! The runs of one rule: how they start, move on, complete and end.
//!
//! The meaning is the manual's "Sequences". In short: an event is offered to the open runs of its key, oldest first,
//! and then may start a run. A run takes the first event that fits its step and skips what does not (skip till next
//! match). Without `every`, a completion drops all open runs of the key (skip past last event).

use std::sync::Arc;

use smallvec::SmallVec;

use crate::engine::eval::{self, Context};
use crate::engine::history::Ended;
use crate::engine::runs::{KeyTable, NONE, Row, Run, RunList, Runs, Span, Taken, Trail};
use crate::event::{Event, Value};
use crate::program::{Rule, Step, StepGuard, StepId};

/// A completed run, handed out before it is forgotten.
pub(super) struct Completed<'a> {
    pub(super) rule: &'a Rule,
    pub(super) trail: Trail<'a>,
    pub(super) time_ms: i64,
}

/// What an event does to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// Nothing.
    Skip,
    /// The run's step takes it.
    Take,
    /// The next step takes it: the run's step, an `N or more`, has enough.
    TakeNext,
    /// It ends the run.
    End(Ended),
}

/// Where a run stands after it has taken an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Moving,
    Waiting,
    Complete,
}

/// One event before the runs of one rule.
pub(super) struct Offer<'a> {
    rule: &'a Rule,
    event: &'a Event,
    /// What was kept of the event for a step, shared by all runs that take it there.
    made: SmallVec<[(StepId, Arc<Taken>); 1]>,
}

impl<'a> Offer<'a> {
    pub(super) fn new(rule: &'a Rule, event: &'a Event) -> Offer<'a> {
        Offer { rule, event, made: SmallVec::new() }
    }

    /// Whether the event fits the first step.
    #[inline]
    pub(super) fn starts(&self) -> bool {
        fits(&self.rule.steps[0].guards, self.event, None).is_some()
    }

    /// A rule that one event decides: the event is the whole match.
    pub(super) fn complete_at_once(&mut self, completed: impl FnOnce(Completed<'_>)) {
        let mut run = Run::new(NONE, self.event.time_ms, i64::MAX);
        let taken = self.taken(StepId(0));
        run.events.push((StepId(0), taken));
        completed(Completed { rule: self.rule, trail: Trail { run: &run, shared: &[] }, time_ms: self.event.time_ms });
    }

    /// Offers the event to the open runs of the key. Returns whether a rule without `every` completed, so that the
    /// event may start nothing.
    pub(super) fn offer_to_open_runs(
        &mut self,
        runs: &mut Runs,
        list: &mut RunList,
        mut completed: impl FnMut(Completed<'_>),
    ) -> bool {
        let mut row = list.first;
        while row != NONE {
            let after = runs.after_in_key(row);
            match self.judge(runs.get(row), list) {
                Move::Skip => {}
                Move::End(ended) => runs.close(row, list, ended),
                judged => {
                    if self.advance(runs, row, list, judged) == Progress::Complete {
                        completed(self.completion(runs.get(row), list));
                        if !self.rule.every {
                            close_all(runs, list, row);
                            return true;
                        }
                        runs.close(row, list, Ended::Completed);
                    }
                }
            }
            row = after;
        }
        false
    }

    /// Starts a run with the event, which fits the first step and does not complete the rule alone.
    pub(super) fn start(&mut self, runs: &mut Runs, key: Row, list: &mut RunList) {
        let start_ms = self.event.time_ms;
        let ends_ms = self.rule.within.map_or(i64::MAX, |within| start_ms.saturating_add(within.ms));
        let row = runs.open(Run::new(key, start_ms, ends_ms), list);
        let progress = self.advance(runs, row, list, Move::Take);
        debug_assert_ne!(progress, Progress::Complete, "rules that one event decides keep no runs");
    }

    /// What the event does to a run. A run's steps are tried before `unless`.
    fn judge(&self, run: &Run, list: &RunList) -> Move {
        if self.event.time_ms > run.ends_ms {
            return Move::End(Ended::Expired);
        }
        let trail = Trail { run, shared: &list.shared };
        let judged = match self.rule.steps.get(run.step.index()) {
            Some(step) => self.judge_step(step, run, trail),
            None => self.judge_wait(trail),
        };
        if judged == Move::Skip && self.rule.unless.iter().any(|unless| self.fits(&unless.guards, trail)) {
            return Move::End(Ended::Unless(self.event.position));
        }
        judged
    }

    fn judge_step(&self, step: &Step, run: &Run, trail: Trail<'_>) -> Move {
        let enough = step.or_more && run.taken >= step.count;
        let next = if enough { self.rule.steps.get(run.step.index() + 1) } else { None };
        if next.is_some_and(|next| self.fits(&next.guards, trail)) {
            return Move::TakeNext;
        }
        if self.fits(&step.guards, trail) {
            return Move::Take;
        }
        // `then next`: the very next event of its types had to fit.
        let missed = |due: &Step| due.next && self.is_named(&due.guards);
        if missed(step) || next.is_some_and(missed) {
            Move::End(Ended::MissedNext(self.event.position))
        } else {
            Move::Skip
        }
    }

    fn judge_wait(&self, trail: Trail<'_>) -> Move {
        let absence = self.rule.absence.as_ref().expect("only rules with a final absence wait");
        if self.fits(&absence.guards, trail) { Move::End(Ended::Cancelled(self.event.position)) } else { Move::Skip }
    }

    fn fits(&self, guards: &[StepGuard], trail: Trail<'_>) -> bool {
        fits(guards, self.event, Some(trail)).is_some()
    }

    fn is_named(&self, guards: &[StepGuard]) -> bool {
        guards.iter().any(|guard| Some(guard.type_id) == self.event.type_id)
    }

    /// Lets a run take the event, in its step or in the next one.
    fn advance(&mut self, runs: &mut Runs, row: Row, list: &mut RunList, judged: Move) -> Progress {
        let rule = self.rule;
        if judged == Move::TakeNext {
            leave_step(runs.get_mut(row));
        }
        let step_id = runs.get(row).step;
        self.keep(runs.get_mut(row), step_id, list);
        let step = &rule.steps[step_id.index()];
        let run = runs.get_mut(row);
        run.taken += 1;
        if step.or_more || run.taken < step.count {
            return Progress::Moving;
        }
        leave_step(run);
        if run.step.index() < rule.steps.len() {
            return Progress::Moving;
        }
        match &rule.absence {
            Some(absence) => {
                runs.wait(row, self.event.time_ms.saturating_add(absence.within_ms));
                Progress::Waiting
            }
            None => Progress::Complete,
        }
    }

    /// Keeps what the run needs of the event.
    fn keep(&mut self, run: &mut Run, step_id: StepId, list: &mut RunList) {
        let taken = self.taken(step_id);
        let step = &self.rule.steps[step_id.index()];
        if !(step.or_more && step.independent) {
            run.events.push((step_id, taken));
        } else if run.taken == 0 {
            let from = list.shared_of(step_id).begin(&taken);
            run.spans.push(Span { step: step_id, from, to: from + 1 });
        } else {
            list.shared_of(step_id).push(&taken);
            let span = run.spans.last_mut().expect("the step's first event began a span");
            span.to += 1;
        }
    }

    fn taken(&mut self, step_id: StepId) -> Arc<Taken> {
        if let Some((_, made)) = self.made.iter().find(|(step, _)| *step == step_id) {
            return Arc::clone(made);
        }
        let guards = &self.rule.steps[step_id.index()].guards;
        let type_id = self.event.type_id.expect("an event that fits has a type");
        let guard = guards.iter().find(|guard| guard.type_id == type_id).expect("the event fits the step");
        let value =
            |slot: &Option<u16>| slot.map_or(Value::Missing, |slot| self.event.values[usize::from(slot)].clone());
        let made = Arc::new(Taken {
            type_id,
            time_ms: self.event.time_ms,
            position: self.event.position,
            id: self.event.id.clone(),
            values: guard.captures.iter().map(value).collect(),
        });
        self.made.push((step_id, Arc::clone(&made)));
        made
    }

    fn completion<'r>(&self, run: &'r Run, list: &'r RunList) -> Completed<'r>
    where
        'a: 'r,
    {
        Completed { rule: self.rule, trail: Trail { run, shared: &list.shared }, time_ms: self.event.time_ms }
    }
}

/// Fires the wait of a run whose time has come: the rule completes. Without `every` all other runs of the key end.
pub(super) fn wait_ended(
    rule: &Rule,
    runs: &mut Runs,
    keys: &mut KeyTable,
    row: Row,
    completed: impl FnOnce(&KeyTable, Row, Completed<'_>),
) {
    let run = runs.get(row);
    let key = run.key;
    let list = keys.list(key, rule.id).expect("an open run is in its key's list");
    let completion = Completed { rule, trail: Trail { run, shared: &list.shared }, time_ms: run.ends_ms };
    completed(keys, key, completion);
    let list = keys.list_mut(key, rule.id);
    if rule.every {
        runs.close(row, list, Ended::Completed);
    } else {
        close_all(runs, list, row);
    }
    keys.tidy(key, rule.id);
}

/// Ends a run whose `within` has passed.
pub(super) fn expire(rule: &Rule, runs: &mut Runs, keys: &mut KeyTable, row: Row) {
    let key = runs.get(row).key;
    runs.close(row, keys.list_mut(key, rule.id), Ended::Expired);
    keys.tidy(key, rule.id);
}

fn leave_step(run: &mut Run) {
    run.step = StepId(run.step.0 + 1);
    run.taken = 0;
}

/// Ends all runs of a key: one of them has completed.
fn close_all(runs: &mut Runs, list: &mut RunList, completed: Row) {
    while list.first != NONE {
        let ended = if list.first == completed { Ended::Completed } else { Ended::UsedUp };
        runs.close(list.first, list, ended);
    }
}

/// The guard of the event's type, if the event fits it.
#[inline]
fn fits<'g>(guards: &'g [StepGuard], event: &Event, trail: Option<Trail<'_>>) -> Option<&'g StepGuard> {
    let guard = guards.iter().find(|guard| Some(guard.type_id) == event.type_id)?;
    let fits = match &guard.condition {
        Some(condition) => eval::holds(condition, Context { event: Some(event), trail, key: &[] }),
        None => true,
    };
    fits.then_some(guard)
}
