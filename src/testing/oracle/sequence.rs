//! The runs of one rule over the events of one key: section 3 of the language's definition.
//!
//! Every open run is kept whole, with all its events, and every event is offered to all of them. Nothing is indexed
//! and nothing is shared.

use super::expression::{Scope, StepEvents};
use super::world::World;
use super::{held, window};
use crate::lang::ast::{self, Expr, Name, Pattern, Rule, Sequence, Step};

/// A completed run, before suppression.
pub(super) struct Found {
    pub(super) time_ms: i64,
    pub(super) events: Vec<(String, usize)>,
}

/// The completed runs over a key's events, in the order in which they complete. `complete_to` is the time up to which
/// the input is complete at its end: "deadlines <= that time fire and later ones do not" (section 5).
pub(super) fn matches(world: &World, rule: &Rule, events: &[usize], complete_to: i64) -> Vec<Found> {
    if let [Step { held: Some(held), .. }] = &sequence(rule).steps[..] {
        return held::matches(world, &sequence(rule).steps[0], held, events);
    }
    let mut key = Key { world, rule, sequence: sequence(rule), seen: &[], runs: Vec::new(), found: Vec::new() };
    for (at, &event) in events.iter().enumerate() {
        key.seen = &events[..=at];
        // A timer fires "after all events with time <= t + D and before later ones".
        let time = world.events[event].time_ms;
        key.fire_timers(|deadline| deadline < time);
        key.drop_expired(time);
        key.offer(event);
    }
    key.fire_timers(|deadline| deadline <= complete_to);
    key.found
}

/// The types that a rule names: those of its steps, of its `then no`, of its `unless` and of its windows.
pub(super) fn named_types<'a>(world: &'a World, rule: &'a Rule) -> Vec<&'a str> {
    let sequence = sequence(rule);
    let steps = sequence.steps.iter().map(|step| (&step.types, &step.condition));
    let absence = sequence.absence.iter().map(|absence| (&absence.types, &absence.condition));
    let unless = rule.unless.iter().map(|unless| (&unless.types, &unless.condition));
    let mut named = Vec::new();
    for (types, condition) in steps.chain(absence).chain(unless) {
        named.extend(types.iter().map(|name| name.node.as_str()));
        named.extend(condition.iter().flat_map(|condition| window::types(world, condition)));
    }
    named
}

fn sequence(rule: &Rule) -> &Sequence {
    match &rule.pattern {
        Pattern::Sequence(sequence) => sequence,
        Pattern::AllOf(_) | Pattern::EachPair(_) | Pattern::Session(_) => {
            panic!("rule {}: the reference evaluator knows sequences only", rule.name.node)
        }
    }
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

/// What an event does to a run.
enum Outcome {
    /// The run goes on, with the event or without it.
    Open,
    /// The run is over, without an alert.
    Ended,
    /// The run has its last event, and there is no `then no`.
    Completed,
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
                    self.complete(&run, self.time(event));
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
        if !self.fits_step(&run, 0, event) {
            return;
        }
        match self.take(&mut run, 0, event) {
            Outcome::Completed => self.complete(&run, self.time(event)),
            Outcome::Open | Outcome::Ended => self.runs.push(run),
        }
    }

    /// "`every`: every start gives its own run and each run at most one alert; runs do not touch each other." Without:
    /// "when a run completes, all open runs of this rule and key are dropped", "waiting ones included".
    fn complete(&mut self, run: &Run, time_ms: i64) {
        self.found.push(Found { time_ms, events: self.labelled(run) });
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
            return if self.fits_absence(run, event) || self.fits_unless(run, event) {
                Outcome::Ended
            } else {
                Outcome::Open
            };
        }
        let steps = self.open_steps(run);
        if let Some(&step) = steps.iter().find(|&&step| self.fits_step(run, step, event)) {
            return self.take(run, step, event);
        }
        // "`then next X where c`: the very next X of that key must fulfil c, else the run ends."
        let missed =
            steps.iter().map(|&step| &self.sequence.steps[step]).any(|s| s.next && self.is_of(&s.types, event));
        if missed || self.fits_unless(run, event) { Outcome::Ended } else { Outcome::Open }
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
                run.waits_until = Some(self.time(event).saturating_add(within.node.ms));
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
            self.complete(&run, deadline);
        }
    }

    /// "`within W`: time(last) - time(first) <= W, inclusive." "With a final `then no`, it bounds the positive steps":
    /// a run that waits has them all.
    fn drop_expired(&mut self, now: i64) {
        let Some(within) = &self.rule.within else { return };
        let (world, limit) = (self.world, within.node.ms);
        self.runs.retain(|run| {
            run.waits_until.is_some() || now.saturating_sub(world.events[run.taken[0][0]].time_ms) <= limit
        });
    }

    fn fits_step(&self, run: &Run, step: usize, event: usize) -> bool {
        let step = &self.sequence.steps[step];
        assert!(step.held.is_none(), "the file is valid: `for D` stands in rules of one step");
        self.fits(run, &step.types, step.name.as_ref(), step.condition.as_ref(), event)
    }

    fn fits_absence(&self, run: &Run, event: usize) -> bool {
        let absence = self.sequence.absence.as_ref().expect("only a run with `then no` waits");
        self.fits(run, &absence.types, absence.name.as_ref(), absence.condition.as_ref(), event)
    }

    /// "`unless X x where c`: such an event after the start ends the run, also while a final `then no` waits."
    fn fits_unless(&self, run: &Run, event: usize) -> bool {
        let mut all = self.rule.unless.iter();
        all.any(|unless| self.fits(run, &unless.types, unless.name.as_ref(), unless.condition.as_ref(), event))
    }

    /// Whether the event is of one of the types and fulfils the condition. "`X or Y` in a step: either type. `where`
    /// follows all the types of a step and holds for each."
    fn fits(&self, run: &Run, types: &[Name], name: Option<&Name>, condition: Option<&Expr>, event: usize) -> bool {
        if !self.is_of(types, event) {
            return false;
        }
        let scope =
            Scope { world: self.world, event, own: called(types, name), steps: self.bound_steps(run), seen: self.seen };
        condition.is_none_or(|condition| scope.value(condition).holds())
    }

    fn is_of(&self, types: &[Name], event: usize) -> bool {
        types.iter().any(|name| name.node == self.world.events[event].event_type)
    }

    /// The steps by their names, with the events that the run has of them. "The fields of a step not bound yet are
    /// missing."
    fn bound_steps<'r>(&'r self, run: &'r Run) -> Vec<StepEvents<'r>> {
        let steps = self.sequence.steps.iter().zip(&run.taken);
        let named = steps.filter_map(|(step, events)| {
            let name = called(&step.types, step.name.as_ref())?;
            Some(StepEvents { name, repeated: step.count.is_some(), events })
        });
        named.collect()
    }

    /// Section 6: "`events` in order, each with its step name (or `1`, `2`, …)".
    fn labelled(&self, run: &Run) -> Vec<(String, usize)> {
        let mut all = Vec::new();
        for (number, (step, events)) in self.sequence.steps.iter().zip(&run.taken).enumerate() {
            all.extend(events.iter().map(|&event| (label(step, number), event)));
        }
        all
    }

    fn time(&self, event: usize) -> i64 {
        self.world.events[event].time_ms
    }
}

/// A step's name, or its number from 1.
pub(super) fn label(step: &Step, index: usize) -> String {
    step.name.as_ref().map_or_else(|| (index + 1).to_string(), |name| name.node.clone())
}

/// What a step is called in expressions: "a step without a name goes by its type" (section 2).
pub(super) fn called<'a>(types: &'a [Name], name: Option<&'a Name>) -> Option<&'a str> {
    match (name, types) {
        (Some(name), _) | (None, [name]) => Some(&name.node),
        (None, _) => None,
    }
}

fn count(step: &Step) -> u64 {
    step.count.as_ref().map_or(1, |count| count.node.n)
}

fn is_or_more(step: &Step) -> bool {
    step.count.as_ref().is_some_and(|ast::Spanned { node, .. }| node.or_more)
}
