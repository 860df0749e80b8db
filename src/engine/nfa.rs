//! The runs of one rule: how they start, move on, complete and end.
//!
//! The meaning is the manual's "Sequences". In short: an event is offered to the open runs of its key, oldest first,
//! and then may start a run. A run takes the first event that fits its step and skips what does not (skip till next
//! match). Without `every`, a completion drops all open runs of the key (skip past last event).

use crate::engine::completed::Completed;
use crate::engine::eval::{self, Context};
use crate::engine::history::Ended;
use crate::engine::keys::{Cell, KeyTable};
use crate::engine::limits::{Dropped, Limit, Limits, WhenFull};
use crate::engine::lookups::Tables;
use crate::engine::memo::Memo;
use crate::engine::past::Past;
use crate::engine::record::{self, Made};
use crate::engine::runs::{Run, Runs, Trail};
use crate::engine::slab::{NONE, Row};
use crate::engine::trace::{self, Asked, Judged, Seen, Traced};
use crate::engine::unordered;
use crate::event::Event;
use crate::program::{Rule, Step, StepGuard, StepId, Strategy};

/// What an event does to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing.
    Skip,
    /// The run's step takes it.
    Take,
    /// The next step takes it: the run's step, an `N or more`, has enough.
    TakeNext,
    /// This slot of an `all of` takes it.
    TakeSlot(StepId),
    /// It ends the run.
    End(Ended),
}

/// Where a run stands after it has taken an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Moving,
    Waiting,
    Complete,
}

/// One event before the runs of one rule.
pub(super) struct Offer<'a> {
    pub(super) rule: &'a Rule,
    pub(super) event: &'a Event,
    /// The past of the event's key, where any rule reads it.
    pub(super) past: Option<Past<'a>>,
    /// The rows of the lists and tables.
    pub(super) tables: Tables<'a>,
    /// Where what conditions see is written down, if anybody asked.
    asked: Asked,
    /// What shared conditions have come to for the event; it knows the event's number.
    memo: &'a Memo,
}

impl<'a> Offer<'a> {
    pub(super) fn new(
        rule: &'a Rule,
        event: &'a Event,
        memo: &'a Memo,
        past: Option<Past<'a>>,
        tables: Tables<'a>,
    ) -> Offer<'a> {
        Offer { rule, event, past, tables, asked: None, memo }
    }

    /// The event's number among those judged.
    pub(super) fn arrival(&self) -> u64 {
        self.memo.arrival()
    }

    /// From now on writes down what conditions see.
    pub(super) fn trace(&mut self, asked: Asked) {
        self.asked = asked;
    }

    /// Whether the event fits the first step.
    #[inline]
    pub(super) fn starts(&self) -> Option<Move> {
        if matches!(self.rule.strategy, Strategy::AllOf) {
            return unordered::first_slot(self).map(Move::TakeSlot);
        }
        self.fits(&self.rule.steps[0].guards, None).then_some(Move::Take)
    }

    /// A rule that one event decides: the event is the whole match.
    pub(super) fn complete_at_once(&self, completed: impl FnOnce(Completed<'_>)) {
        completed(self.completion(Trail::of_records(&self.made(StepId(0)))));
    }

    /// Offers the event to the open runs of a key. Returns whether a rule without `every` completed, so that the event
    /// may start nothing.
    pub(super) fn offer_to_open_runs(
        &mut self,
        runs: &mut Runs,
        keys: &mut KeyTable,
        key: Row,
        mut completed: impl FnMut(Completed<'_>),
    ) -> bool {
        if self.asked.is_none() {
            runs.part(self.rule, keys, key);
        }
        let of_key = runs.of_key(keys, key);
        if runs.parted(of_key).is_some() {
            return self.offer_to_parted(runs, keys, key, completed);
        }
        let mut row = of_key.at;
        for _ in 0..of_key.open() {
            let after = runs.after_in_key(row);
            if self.offer_to(runs, keys, row, &mut completed) {
                return true;
            }
            row = after;
        }
        false
    }

    /// Offers the event to those open runs of the key that it may mean something to.
    fn offer_to_parted(
        &mut self,
        runs: &mut Runs,
        keys: &mut KeyTable,
        key: Row,
        mut completed: impl FnMut(Completed<'_>),
    ) -> bool {
        // Those whose time has passed are the oldest ones.
        let oldest = |runs: &Runs, keys: &KeyTable| runs.of_key(keys, key).at;
        let mut first = oldest(runs, keys);
        while first != NONE && self.event.time_ms > runs.get(first).ends_ms {
            runs.close(first, keys, Ended::Expired);
            first = oldest(runs, keys);
        }
        let parted = runs.parted(runs.of_key(keys, key));
        let candidates = parted.map(|parted| parted.candidates(self)).unwrap_or_default();
        candidates.into_iter().any(|row| self.offer_to(runs, keys, row, &mut completed))
    }

    /// Offers the event to a run. Returns whether it has completed a rule without `every`.
    fn offer_to(
        &mut self,
        runs: &mut Runs,
        keys: &mut KeyTable,
        row: Row,
        completed: &mut impl FnMut(Completed<'_>),
    ) -> bool {
        let of_key = runs.of_key(keys, runs.get(row).key);
        match self.judge(runs.get(row), runs.trail(row, of_key)) {
            Move::Skip => {}
            Move::End(ended) => runs.close(row, keys, ended),
            judged => {
                if self.advance(runs, row, keys, judged) == Progress::Complete {
                    completed(self.completion(runs.trail(row, runs.of_key(keys, runs.get(row).key))));
                    if !self.rule.every {
                        close_all(runs, keys, row);
                        return true;
                    }
                    runs.close(row, keys, Ended::Completed);
                }
            }
        }
        false
    }

    /// Starts a run of a key with the event, which fits the first step and does not complete the rule alone.
    pub(super) fn start(&mut self, runs: &mut Runs, keys: &mut KeyTable, key: Row, first: Move) {
        let start_ms = self.event.time_ms;
        let ends_ms = self.rule.within.map_or(i64::MAX, |within| start_ms.saturating_add(within.ms));
        let row = runs.open(Run::new(key, ends_ms), keys);
        let progress = self.advance(runs, row, keys, first);
        debug_assert_ne!(progress, Progress::Complete, "rules that one event decides keep no runs");
    }

    /// What the event does to a run. A run's steps are tried before `unless`.
    fn judge(&self, run: &Run, trail: Trail<'_>) -> Move {
        if self.event.time_ms > run.ends_ms {
            if self.asked.is_some() {
                self.trace_late(run, trail);
            }
            return Move::End(Ended::Expired);
        }
        let judged = match self.rule.steps.get(run.step.index()) {
            Some(_) if matches!(self.rule.strategy, Strategy::AllOf) => {
                unordered::next_slot(self, trail).map_or(Move::Skip, Move::TakeSlot)
            }
            Some(step) => self.judge_step(step, run, trail),
            None => self.judge_wait(trail),
        };
        if judged == Move::Skip && self.rule.unless.iter().any(|unless| self.fits(&unless.guards, Some(trail))) {
            return Move::End(Ended::Unless(self.event.position));
        }
        judged
    }

    fn judge_step(&self, step: &Step, run: &Run, trail: Trail<'_>) -> Move {
        let enough = step.or_more && u32::from(run.taken) >= step.count;
        let next = if enough { self.rule.steps.get(run.step.index() + 1) } else { None };
        if next.is_some_and(|next| self.fits(&next.guards, Some(trail))) {
            return Move::TakeNext;
        }
        if self.fits(&step.guards, Some(trail)) {
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
        if self.fits(&absence.guards, Some(trail)) {
            Move::End(Ended::Cancelled(self.event.position))
        } else {
            Move::Skip
        }
    }

    /// Whether the event is of one of the types and fulfils its condition.
    #[inline]
    pub(super) fn fits(&self, guards: &[StepGuard], trail: Option<Trail<'_>>) -> bool {
        let Some(guard) = guards.iter().find(|guard| Some(guard.type_id) == self.event.type_id) else { return false };
        if self.asked.is_some() {
            self.trace_guard(guards, guard, trail, false);
        }
        guard.condition.as_ref().is_none_or(|condition| eval::holds(condition, self.context(trail)))
    }

    /// Writes down what a condition sees.
    #[cold]
    fn trace_guard(&self, guards: &[StepGuard], guard: &StepGuard, trail: Option<Trail<'_>>, late: bool) {
        let Some(place) = trace::place_of(self.rule, guards) else { return };
        let condition = guard.condition.as_ref().map(|condition| Traced::of(condition, self.context(trail)));
        self.write_down(place, trail, late, condition, Vec::new());
    }

    /// Writes down what the event would have been to a run whose time has passed.
    #[cold]
    fn trace_late(&self, run: &Run, trail: Trail<'_>) {
        let rule = self.rule;
        let slots = matches!(rule.strategy, Strategy::AllOf);
        for (id, step) in (0..).map(StepId).zip(&rule.steps) {
            let due = if slots { trail.last_of(id).is_none() } else { id == run.step };
            let guard = step.guards.iter().find(|guard| Some(guard.type_id) == self.event.type_id);
            if let Some(guard) = guard.filter(|_| due) {
                self.trace_guard(&step.guards, guard, Some(trail), true);
            }
        }
    }

    /// Writes down a judgement.
    #[cold]
    pub(super) fn write_down(
        &self,
        place: trace::Place,
        trail: Option<Trail<'_>>,
        late: bool,
        condition: Option<Traced>,
        links: Vec<(usize, Traced)>,
    ) {
        let Some(asked) = &self.asked else { return };
        let fits = condition.as_ref().is_none_or(|traced| traced.holds) && links.iter().all(|(_, link)| link.holds);
        let run = trail.and_then(Trail::first_arrival);
        let event = Seen::of(self.event, self.memo.arrival());
        asked.add(Judged { place, event, run, late, fits, condition, links });
    }

    /// Whether what conditions see is written down.
    #[inline]
    pub(super) fn is_traced(&self) -> bool {
        self.asked.is_some()
    }

    /// What a condition on the event can see.
    pub(super) fn context<'c>(&'c self, trail: Option<Trail<'c>>) -> Context<'c> {
        Context { trail, past: self.past, ..Context::of_judged(self.event, self.tables, self.memo) }
    }

    fn is_named(&self, guards: &[StepGuard]) -> bool {
        guards.iter().any(|guard| Some(guard.type_id) == self.event.type_id)
    }

    /// Lets a run take the event, in its step or in the next one.
    fn advance(&mut self, runs: &mut Runs, row: Row, keys: &mut KeyTable, judged: Move) -> Progress {
        let key = runs.get(row).key;
        runs.take_out(row, runs.of_key(keys, key));
        let progress = self.take(runs, row, keys, judged);
        if progress != Progress::Complete {
            runs.take_in(row, runs.of_key(keys, key));
        }
        progress
    }

    /// As [`Offer::advance`], without the groups of the key.
    fn take(&mut self, runs: &mut Runs, row: Row, keys: &mut KeyTable, judged: Move) -> Progress {
        let rule = self.rule;
        if let Move::TakeSlot(slot) = judged {
            return unordered::bind(rule, runs.get_mut(row), &self.made(slot));
        }
        if judged == Move::TakeNext {
            leave_step(runs.get_mut(row));
        }
        let step_id = runs.get(row).step;
        self.keep(runs, row, step_id, keys);
        let step = &rule.steps[step_id.index()];
        let run = runs.get_mut(row);
        // A step that takes ever more needs to know only that it has enough.
        run.taken = run.taken.saturating_add(1);
        if step.or_more || u32::from(run.taken) < step.count {
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

    /// Keeps what the run needs of the event: itself, or with the other runs of its key.
    fn keep(&self, runs: &mut Runs, row: Row, step_id: StepId, keys: &mut KeyTable) {
        let made = self.made(step_id);
        let step = &self.rule.steps[step_id.index()];
        if step.is_repeated() && step.independent {
            runs.keep_shared(row, keys, step_id, &made);
        } else {
            runs.get_mut(row).own.insert(&made);
        }
    }

    /// What is kept of the event for a step.
    pub(super) fn made(&self, step_id: StepId) -> Made {
        record::make(self.rule, step_id, self.event, self.arrival())
    }

    /// A match that the event completes.
    pub(super) fn completion<'r>(&self, trail: Trail<'r>) -> Completed<'r>
    where
        'a: 'r,
    {
        Completed {
            rule: self.rule,
            trail,
            time_ms: self.event.time_ms,
            past: self.past,
            aggregates: &[],
            tables: self.tables,
        }
    }
}

/// Fires the wait of a run whose time has come: the rule completes. Without `every` all other runs of the key end.
pub(super) fn wait_ended(
    rule: &Rule,
    runs: &mut Runs,
    keys: &mut KeyTable,
    row: Row,
    tables: Tables<'_>,
    completed: impl FnOnce(&KeyTable, Row, Completed<'_>),
) {
    let run = runs.get(row);
    let key = run.key;
    let trail = runs.trail(row, runs.of_key(keys, key));
    let completion = Completed { rule, trail, time_ms: run.ends_ms, past: None, aggregates: &[], tables };
    completed(keys, key, completion);
    if rule.every {
        runs.close(row, keys, Ended::Completed);
    } else {
        close_all(runs, keys, row);
    }
    keys.tidy(key);
}

/// Ends a run whose `within` has passed.
pub(super) fn expire(runs: &mut Runs, keys: &mut KeyTable, row: Row) {
    end(runs, keys, row, Ended::Expired);
}

/// Drops the oldest run of a key that has as many as it may, for a new one to take its place. Says whether it may.
#[cold]
pub(super) fn make_room(
    runs: &mut Runs,
    keys: &mut KeyTable,
    of_key: Cell,
    limits: &Limits,
    dropped: &mut Dropped,
) -> bool {
    dropped.count(Limit::OpenRunsPerKey, 1);
    match limits.when_full {
        WhenFull::DropNew => false,
        WhenFull::DropOldest => {
            runs.close(of_key.at, keys, Ended::Dropped);
            true
        }
    }
}

/// Drops the run of a rule that started first.
pub(super) fn drop_oldest(runs: &mut Runs, keys: &mut KeyTable) -> bool {
    let Some((_, row)) = runs.oldest(keys) else { return false };
    end(runs, keys, row, Ended::Dropped);
    true
}

/// Ends a run, and forgets its key if nothing is left of it.
fn end(runs: &mut Runs, keys: &mut KeyTable, row: Row, ended: Ended) {
    let key = runs.get(row).key;
    runs.close(row, keys, ended);
    keys.tidy(key);
}

fn leave_step(run: &mut Run) {
    run.step = StepId(run.step.0 + 1);
    run.taken = 0;
}

/// Ends all runs of a key: one of them has completed.
fn close_all(runs: &mut Runs, keys: &mut KeyTable, completed: Row) {
    let key = runs.get(completed).key;
    loop {
        match runs.of_key(keys, key).at {
            NONE => return,
            row if row == completed => runs.close(row, keys, Ended::Completed),
            row => runs.close(row, keys, Ended::UsedUp),
        }
    }
}
