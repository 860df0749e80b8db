//! `session s of X, Y after D idle [at most M]`: one open session a key, judged when it closes.
//!
//! Of its events the first and last are kept, as evidence, and the aggregates that its condition or message reads.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::engine::completed::{self, Completed};
use crate::engine::emit::EVENTS_AT_EACH_END;
use crate::engine::eval::{self, Context};
use crate::engine::fold::Fold;
use crate::engine::idle::{Closed, Idle, UntilIdle};
use crate::engine::lookups::Tables;
use crate::engine::nfa::Offer;
use crate::engine::past::KeyAt;
use crate::engine::runs::{Taken, Trail};
use crate::engine::trace::{self, Judged, Place, Seen, Trace, Traced};
use crate::event::{Key, Value};
use crate::program::{Rule, Session, StepId};

/// The open sessions of a rule.
#[derive(Debug, Default)]
pub(super) struct Sessions(UntilIdle<Open>);

#[derive(Debug)]
struct Open {
    head: Vec<Arc<Taken>>,
    tail: VecDeque<Arc<Taken>>,
    folds: Vec<Fold>,
}

const STEP: StepId = StepId(0);

impl Sessions {
    /// An open session, in bytes, without its aggregates and events.
    pub(super) const ROW_BYTES: usize = UntilIdle::<Open>::ROW_BYTES;

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes an event into its key's session, or begins one. Sessions that end before it are closed already.
    pub(super) fn offer(&mut self, offer: &mut Offer<'_>, session: &Session, key: KeyAt<'_>) {
        if !offer.fits(&offer.rule.steps[0].guards, None) {
            return;
        }
        let open = self.0.touch(idle(session), key, offer.event.time_ms, || Open::new(session));
        let taken = offer.taken(STEP);
        open.take(session, offer.context(None), taken);
    }

    /// When the next session closes.
    pub(super) fn next_close(&mut self, session: &Session) -> Option<i64> {
        self.0.next_close(idle(session))
    }

    /// Closes the session whose time has come, and hands it out if its condition holds.
    pub(super) fn close(
        &mut self,
        rule: &Rule,
        session: &Session,
        close_ms: i64,
        tables: Tables<'_>,
        asked: Option<&Trace>,
        completed: impl FnOnce(&Key, Completed<'_>),
    ) {
        let Some(Closed { key, value: open, .. }) = self.0.close(idle(session), close_ms) else { return };
        let run = completed::run_of(open.head.into_iter().chain(open.tail).map(|taken| (STEP, taken)));
        let trail = Trail { run: &run, shared: &[] };
        let aggregates: Vec<Value> = open.folds.iter().map(Fold::value).collect();
        let completion = Completed { rule, trail, time_ms: close_ms, past: None, aggregates: &aggregates, tables };
        let parts = key.parts();
        if let Some(asked) = asked.filter(|asked| asked.is_of(rule.id, key.as_bytes())) {
            let traced = |condition| Traced::of(condition, completion.context(&parts));
            asked.add(closed(trail, session.condition.as_ref().map(traced)));
        }
        let holds = |condition| eval::holds(condition, completion.context(&parts));
        if session.condition.as_ref().is_none_or(holds) {
            completed(&key, completion);
        }
    }
}

/// What is written down of a session that closes.
#[cold]
fn closed(trail: Trail<'_>, condition: Option<Traced>) -> Judged {
    let last = trail.last_of(STEP).expect("a session has an event");
    let event = Seen {
        type_id: last.type_id,
        time_ms: last.time_ms,
        position: last.position,
        id: last.id.clone(),
        arrival: last.arrival,
    };
    let fits = condition.as_ref().is_none_or(|traced| traced.holds);
    let run = trace::first_arrival(trail);
    Judged { place: Place::Close, event, run, late: false, fits, condition, links: Vec::new() }
}

fn idle(session: &Session) -> Idle {
    Idle { idle_ms: session.idle_ms, at_most_ms: session.at_most_ms }
}

impl Open {
    fn new(session: &Session) -> Open {
        let folds = session.folds.iter().map(|fold| Fold::new(fold.aggregate)).collect();
        Open { head: Vec::new(), tail: VecDeque::new(), folds }
    }

    fn take(&mut self, session: &Session, context: Context<'_>, taken: Arc<Taken>) {
        for (fold, plan) in self.folds.iter_mut().zip(&session.folds) {
            let Some((_, value)) = plan.values.iter().find(|(type_id, _)| *type_id == taken.type_id) else {
                continue;
            };
            match value {
                Some(value) => fold.add(&eval::value(value, context)),
                None => fold.add(&Value::Boolean(true)),
            }
        }
        if self.head.len() < EVENTS_AT_EACH_END {
            self.head.push(taken);
            return;
        }
        if self.tail.len() == EVENTS_AT_EACH_END {
            self.tail.pop_front();
        }
        self.tail.push_back(taken);
    }
}
