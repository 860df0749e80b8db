//! `session s of X, Y after D idle [at most M]`: one open session a key, judged when it closes.
//!
//! Of its events the first and last are kept, as evidence, and the aggregates that its condition or message reads.

use std::collections::VecDeque;

use crate::engine::codec::Reader;
use crate::engine::completed::Completed;
use crate::engine::emit::EVENTS_AT_EACH_END;
use crate::engine::eval::{self, Context};
use crate::engine::fold::{Fold, save_folds};
use crate::engine::idle::{Closed, Idle, UntilIdle};
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::limits::{Dropped, Footprint, Room};
use crate::engine::lookups::Tables;
use crate::engine::nfa::Offer;
use crate::engine::record::{self, Record};
use crate::engine::runs::Trail;
use crate::engine::saved::{Placing, put_records};
use crate::engine::trace::{Judged, Place, Seen, Trace, Traced};
use crate::event::{Event, EventId, Key, Value};
use crate::program::{CellId, Rule, Session, StepId, Strategy};

/// The open sessions of a rule.
#[derive(Debug)]
pub(super) struct Sessions {
    open: UntilIdle<Open>,
    /// How many events they keep.
    kept: usize,
}

#[derive(Debug)]
struct Open {
    head: Vec<Record>,
    tail: VecDeque<Record>,
    folds: Vec<Fold>,
}

const STEP: StepId = StepId(0);

impl Sessions {
    /// An open session, in bytes, without its aggregates and events.
    pub(super) const ROW_BYTES: usize = UntilIdle::<Open>::ROW_BYTES;

    /// None open yet; this is their cell in the rows of keys.
    pub(super) fn new(cell: CellId) -> Sessions {
        Sessions { open: UntilIdle::of_runs(cell), kept: 0 }
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Takes an event into its key's session, or begins one. Sessions that end before it are closed already.
    /// Gives what was dropped for it, or instead of which.
    pub(super) fn offer(
        &mut self,
        offer: &mut Offer<'_>,
        session: &Session,
        (keys, key): (&mut KeyTable, KeyAt<'_>),
        room: &Room,
    ) -> Dropped {
        let mut dropped = Dropped::default();
        if !offer.fits(&offer.rule.steps[0].guards, None) {
            return dropped;
        }
        if room.is_tight(self.len()) && !self.open.has(keys) {
            let (is_new_key, open) = (!keys.is_open_here(), self.len());
            if !room.admit(is_new_key, open, &mut dropped, || usize::from(self.drop_oldest(keys))) {
                return dropped;
            }
        }
        let open = self.open.touch(idle(session), (keys, key), offer.event.time_ms, || Open::new(session));
        open.fold(session, offer.event, offer.context(None));
        self.kept += open.keep(Record::from(&*offer.made(STEP)));
        dropped
    }

    /// Writes all sessions.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.open.save(out, |out, Open { head, tail, folds }| {
            put_records(out, head);
            put_records(out, tail);
            save_folds(folds, out);
        });
    }

    /// Takes sessions up.
    pub(super) fn load<'a>(
        &mut self,
        from: &mut Reader<'a>,
        session: &Session,
        placing: &mut Placing<'_, 'a>,
    ) -> Option<()> {
        let Sessions { open, kept } = self;
        open.load(idle(session), from, placing, |from, placing| {
            let (head, tail) = (placing.record_list(from, STEP)?, placing.record_list(from, STEP)?);
            let folds = session.folds.iter().map(|plan| Fold::load(plan.aggregate, from)).collect::<Option<_>>()?;
            let open = Open { head, tail, folds };
            *kept += open.kept();
            (!open.head.is_empty()).then_some(open)
        })
    }

    /// The time of the last event of the session that was longest without one.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        self.open.oldest_ms()
    }

    /// Drops the session that was longest without an event.
    pub(super) fn drop_oldest(&mut self, keys: &mut KeyTable) -> bool {
        let oldest = self.open.take_oldest(keys);
        self.kept -= oldest.as_ref().map_or(0, Open::kept);
        oldest.is_some()
    }

    /// What sessions hold.
    pub(super) fn footprint(&self, rule: &Rule, session: &Session) -> Footprint {
        let folds: usize = session.folds.iter().map(|fold| Fold::bytes(fold.aggregate)).sum();
        let events = Footprint::of_rows(self.kept, record::usual_bytes(&rule.steps[0]));
        Footprint::of_rows(self.len(), Self::ROW_BYTES + folds).plus(events)
    }

    /// When the next session closes.
    pub(super) fn next_close(&mut self, session: &Session) -> Option<i64> {
        self.open.next_close(idle(session))
    }

    /// Closes the session whose time has come, and hands it out if its condition holds.
    pub(super) fn close(
        &mut self,
        rule: &Rule,
        keys: &mut KeyTable,
        close_ms: i64,
        tables: Tables<'_>,
        asked: Option<&Trace>,
        completed: impl FnOnce(&Key, Completed<'_>),
    ) {
        let Strategy::Session(session) = &rule.strategy else { return };
        let Some(Closed { key, value: open, .. }) = self.open.close(idle(session), keys, close_ms) else { return };
        self.kept -= open.kept();
        let events: Vec<u8> = open.head.iter().chain(&open.tail).flatten().copied().collect();
        let trail = Trail::of_records(&events);
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
        type_id: last.type_id(),
        time_ms: last.time_ms(),
        position: last.position(),
        id: last.id().map(EventId::from),
        arrival: last.arrival(),
    };
    let fits = condition.as_ref().is_none_or(|traced| traced.holds);
    let run = trail.first_arrival();
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

    /// Takes an event into the aggregates.
    fn fold(&mut self, session: &Session, event: &Event, context: Context<'_>) {
        for (fold, plan) in self.folds.iter_mut().zip(&session.folds) {
            let Some((_, value)) = plan.values.iter().find(|(type_id, _)| Some(*type_id) == event.type_id) else {
                continue;
            };
            match value {
                Some(value) => fold.add(&eval::value(value, context)),
                None => fold.add(&Value::Boolean(true)),
            }
        }
    }

    /// Keeps an event as evidence, if it is among the first or last. Gives how many more are kept then.
    fn keep(&mut self, taken: Record) -> usize {
        let before = self.kept();
        if self.head.len() < EVENTS_AT_EACH_END {
            self.head.push(taken);
        } else {
            if self.tail.len() == EVENTS_AT_EACH_END {
                self.tail.pop_front();
            }
            self.tail.push_back(taken);
        }
        self.kept() - before
    }

    /// How many events are kept.
    fn kept(&self) -> usize {
        self.head.len() + self.tail.len()
    }
}
