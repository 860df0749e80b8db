//! The runs of one rule over the events of one key: section 3 of the language's definition.
//!
//! Every open run is kept whole, with all its events, and every event is offered to all of them. Nothing is indexed
//! and nothing is shared.

use serde_json::Value as Json;

use super::expression::StepEvents;
use super::held;
use super::step::{Found, Outcome, Tried, label, step_called};
use super::stream::Trigger;
use super::world::World;
use crate::lang::ast::{self, Rule, Sequence, Step};

/// The completed runs over a key's events, in the order in which they complete. `complete_to` is the time up to which
/// the input is complete at its end: "deadlines <= that time fire and later ones do not" (section 5).
pub(super) fn matches(
    world: &World,
    rule: &Rule,
    sequence: &Sequence,
    events: &[usize],
    complete_to: i64,
) -> Vec<Found> {
    if let [step @ Step { held: Some(held), .. }] = &sequence.steps[..] {
        return held::matches(world, step, held, events);
    }
    let mut key = Key { world, rule, sequence, seen: &[], runs: Vec::new(), found: Vec::new() };
    for (at, &event) in events.iter().enumerate() {
        key.seen = &events[..=at];
        // A timer fires "after all events with time <= t + D and before later ones".
        let time = world.time(event);
        key.fire_timers(|deadline| deadline < time);
        key.drop_expired(time);
        key.offer(event);
    }
    key.fire_timers(|deadline| deadline <= complete_to);
    key.found
}

/// "A *run* is a partial match."
struct Run {
    /// The events taken by each step.
    taken: Vec<Vec<usize>>,
    /// The step that takes events now.
    at: usize,
    /// All steps are taken, and the final `then no` waits until then.
    waits_until: Option<i64>,
}

/// The state of one rule and key.
struct Key<'a> {
    world: &'a World<'a>,
    rule: &'a Rule,
    sequence: &'a Sequence,
    /// The key's events up to the one at hand.
    seen: &'a [usize],
    /// The open runs, the one that started first at the front.
    runs: Vec<Run>,
    found: Vec<Found>,
}

impl Key<'_> {
    /// "An event is offered to the open runs, oldest first, and then may start a run: also one that has just completed
    /// or ended another run, except where a rule without `every` just completed."
    fn offer(&mut self, event: usize) {
        let mut at = 0;
        while at < self.runs.len() {
            let mut run = self.runs.remove(at);
            match self.offer_to(&mut run, event) {
                Outcome::Open => {
                    self.runs.insert(at, run);
                    at += 1;
                }
                Outcome::Ended => {}
                Outcome::Completed => {
                    self.complete(&run, Trigger::Occurrence(event));
                    if !self.sequence.every {
                        return;
                    }
                }
            }
        }
        self.start(event);
    }

    /// "An event that fits the first step starts a run." A rule of one step completes at once.
    fn start(&mut self, event: usize) {
        let mut run = Run { taken: vec![Vec::new(); self.sequence.steps.len()], at: 0, waits_until: None };
        if !self.fits_step(&run, 0) {
            return;
        }
        match self.take(&mut run, 0, event) {
            Outcome::Completed => self.complete(&run, Trigger::Occurrence(event)),
            Outcome::Open | Outcome::Ended => {
                if self.world.make_room(&mut self.runs) {
                    self.runs.push(run);
                }
            }
        }
    }

    /// "`every`: every start gives its own run and each run at most one alert; runs do not touch each other." Without:
    /// "when a run completes, all open runs of this rule and key are dropped", "waiting ones included".
    fn complete(&mut self, run: &Run, trigger: Trigger) {
        self.found.push(Found { trigger, events: self.labelled(run), values: self.counts(run) });
        if !self.sequence.every {
            self.runs.clear();
        }
    }

    /// "Each run takes the **first** later event that fits its next step and skips what does not fit"; "never two steps
    /// of one run": the event is taken at most once. "A run's steps are tried before `unless`."
    fn offer_to(&self, run: &mut Run, event: usize) -> Outcome {
        if run.waits_until.is_some() {
            // "Alert at t + D if no fitting X comes after the last positive step with time <= t + D." Had the deadline
            // passed, the timer would have fired already.
            return if self.fits_absence(run) || self.fits_unless(run) { Outcome::Ended } else { Outcome::Open };
        }
        let steps = self.open_steps(run);
        if let Some(&step) = steps.iter().find(|&&step| self.fits_step(run, step)) {
            return self.take(run, step, event);
        }
        // "`then next X where c`: the very next X of that key must fulfil c, else the run ends."
        let missed =
            steps.iter().map(|&step| &self.sequence.steps[step]).any(|s| s.next && self.world.is_of(&s.types, event));
        if missed || self.fits_unless(run) { Outcome::Ended } else { Outcome::Open }
    }

    /// The steps that can take an event, in the order in which they are asked: "`N or more X` takes every fitting event
    /// until the next step fits; once N are there, an event that fits both goes to the next step".
    fn open_steps(&self, run: &Run) -> Vec<usize> {
        let enough = run.taken[run.at].len() as u64 >= count(&self.sequence.steps[run.at]);
        if enough { vec![run.at + 1, run.at] } else { vec![run.at] }
    }

    /// Gives the event to the step. "`N X` is N times X, one step."
    fn take(&self, run: &mut Run, step: usize, event: usize) -> Outcome {
        run.at = step;
        run.taken[step].push(event);
        let enough = run.taken[step].len() as u64 >= count(&self.sequence.steps[step]);
        let last = step + 1 == self.sequence.steps.len();
        match (enough, last, &self.sequence.absence) {
            (false, _, _) => Outcome::Open,
            (true, false, _) => {
                // A step with `or more` stays the one that takes events until the next step has its first.
                if !is_or_more(&self.sequence.steps[step]) {
                    run.at = step + 1;
                }
                Outcome::Open
            }
            (true, true, None) => Outcome::Completed,
            (true, true, Some(absence)) => {
                let within = absence.within.as_ref().expect("the file is valid: `then no` has its own `within`");
                run.waits_until = Some(self.world.time(event).saturating_add(within.node.ms));
                Outcome::Open
            }
        }
    }

    /// "Without `every` the run completes at t + D, after all events with time <= t + D and before later ones, and
    /// then drops all other runs of the rule and key, waiting ones included." The earliest deadline fires first, then
    /// the run that started first.
    fn fire_timers(&mut self, due: impl Fn(i64) -> bool) {
        loop {
            let waiting = self.runs.iter().enumerate().filter_map(|(at, run)| Some((run.waits_until?, at)));
            let Some((deadline, at)) = waiting.filter(|&(deadline, _)| due(deadline)).min() else { return };
            let run = self.runs.remove(at);
            let began = *run.taken.iter().flatten().last().expect("a run that waits has its events");
            self.complete(&run, Trigger::Timer { deadline_ms: deadline, began });
        }
    }

    /// "`within W`: time(last) - time(first) <= W, inclusive." "With a final `then no`, it bounds the positive steps":
    /// a run that waits has them all.
    fn drop_expired(&mut self, now: i64) {
        let Some(within) = &self.rule.within else { return };
        let (world, limit) = (self.world, within.node.ms);
        self.runs.retain(|run| run.waits_until.is_some() || now.saturating_sub(world.time(run.taken[0][0])) <= limit);
    }

    fn fits_step(&self, run: &Run, step: usize) -> bool {
        let step = &self.sequence.steps[step];
        assert!(step.held.is_none(), "the file is valid: `for D` stands in rules of one step");
        self.tried().fits(&step.types, step.name.as_ref(), step.condition.as_ref(), self.bound_steps(run))
    }

    fn fits_absence(&self, run: &Run) -> bool {
        let absence = self.sequence.absence.as_ref().expect("only a run with `then no` waits");
        self.tried().fits(&absence.types, absence.name.as_ref(), absence.condition.as_ref(), self.bound_steps(run))
    }

    fn fits_unless(&self, run: &Run) -> bool {
        self.tried().fits_unless(&self.rule.unless, &self.bound_steps(run))
    }

    fn tried(&self) -> Tried<'_> {
        Tried { world: self.world, seen: self.seen }
    }

    /// The steps by their names, with the events that the run has of them. "The fields of a step not bound yet are
    /// missing."
    fn bound_steps<'r>(&'r self, run: &'r Run) -> Vec<StepEvents<'r>> {
        let steps = self.sequence.steps.iter().zip(&run.taken);
        let named = steps.filter_map(|(step, events)| {
            Some(StepEvents { name: step_called(step)?, repeated: step.count.is_some(), events, types: &[] })
        });
        named.collect()
    }

    /// Section 6: "`events` in order, each with its step name (or `1`, `2`, …)".
    fn labelled(&self, run: &Run) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        for (number, (step, events)) in self.sequence.steps.iter().zip(&run.taken).enumerate() {
            all.extend(events.iter().map(|&event| (label(step.name.as_ref(), number), event)));
        }
        all
    }

    /// "The alert carries the first and last 20 events and the count" of an `N or more` step.
    fn counts(&self, run: &Run) -> Vec<(String, Json)> {
        let steps = self.sequence.steps.iter().zip(&run.taken).enumerate().filter(|(_, (step, _))| is_or_more(step));
        let counted = steps.map(|(number, (step, events))| {
            (format!("count({})", label(step.name.as_ref(), number)), events.len().into())
        });
        counted.collect()
    }
}

fn count(step: &Step) -> u64 {
    step.count.as_ref().map_or(1, |count| count.node.n)
}

fn is_or_more(step: &Step) -> bool {
    step.count.as_ref().is_some_and(|ast::Spanned { node, .. }| node.or_more)
}
