//! Measures: events into windows by key, and what is emitted when a window has ended.
//!
//! Windows of time and sessions end with event time, as the watermark moves; a measure over the last N events emits at
//! each event and is never done with a key, so it keeps a row for every key that it has seen. Rules do not see what
//! measures emit, so it does not matter that they are fed after the rules.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::alert::{Alert, Emission, Kind};
use crate::engine::by_key::ByKey;
use crate::engine::codec::{Reader, put_all, put_signed};
use crate::engine::compare;
use crate::engine::emit;
use crate::engine::eval::{self, Context};
use crate::engine::fold::{Fold, save_folds};
use crate::engine::idle::{Closed, Idle, UntilIdle};
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::lookups::Tables;
use crate::engine::panes::{self, Hop, Panes};
use crate::engine::saved::Placing;
use crate::engine::sliding::Sliding;
use crate::engine::stats::MeasureStats;
use crate::event::{Event, Key, Value};
use crate::program::{
    Expr, FoldInput, Measure, MeasureFold, MeasureGuard, MeasureId, MeasureWindow, Program, Severity, Top, WindowRange,
};
use crate::schema::TypeId;

/// The open windows of all measures.
#[derive(Debug)]
pub(super) struct Measures {
    /// By measure.
    open: Vec<Open>,
    /// No window ends before this.
    next_end_ms: i64,
}

#[derive(Debug)]
enum Open {
    Panes(Hop, Panes),
    Sessions(Idle, UntilIdle<Box<[Fold]>>),
    Newest(u32, ByKey<Newest>),
}

/// The newest events of a key.
#[derive(Debug)]
struct Newest {
    times_ms: VecDeque<i64>,
    aggregates: Box<[Sliding]>,
}

/// Where what is emitted goes.
pub(super) struct Outlet<'a> {
    pub(super) program: &'a Program,
    pub(super) sources: &'a [String],
    /// The rows of the lists and tables, as they are now.
    pub(super) tables: Tables<'a>,
    /// By key.
    pub(super) keys: &'a mut [KeyTable],
    /// By measure.
    pub(super) stats: &'a mut [MeasureStats],
    pub(super) alerts: &'a mut Vec<Alert>,
}

impl Measures {
    /// A key's open session, in bytes, without its aggregates.
    pub(super) const SESSION_BYTES: usize = UntilIdle::<Box<[Fold]>>::ROW_BYTES;

    /// A key of a measure over the last events, in bytes, without its aggregates and events.
    pub(super) const NEWEST_BYTES: usize = ByKey::<Newest>::ROW_BYTES;

    pub(super) fn new(program: &Program) -> Measures {
        Measures { open: program.measures.iter().map(Open::new).collect(), next_end_ms: i64::MAX }
    }

    /// How many keys have something open, in each pane.
    pub(super) fn len(&self) -> usize {
        self.open.iter().map(Open::len).sum()
    }

    /// What open windows hold, in bytes. A measure over the last events is counted as if it had them all.
    pub(super) fn bytes(&self, program: &Program) -> usize {
        program.measures.iter().zip(&self.open).map(|(measure, open)| open.len() * open.row_bytes(measure)).sum()
    }

    /// Takes an event of one of a measure's types. `context` is of that event.
    pub(super) fn offer(&mut self, id: MeasureId, key: KeyAt<'_>, context: Context<'_>, outlet: &mut Outlet<'_>) {
        let measure = &outlet.program.measures[id.index()];
        let Some((event, type_id)) = context.event.and_then(|event| Some((event, event.type_id?))) else { return };
        let guard = measure.guards.iter().find(|guard| guard.type_id == type_id);
        let fits =
            |guard: &MeasureGuard| guard.condition.as_ref().is_none_or(|condition| eval::holds(condition, context));
        if !guard.is_some_and(fits) {
            return;
        }
        // An alert that is an event here comes when timers are fired, and then the measure's own may still be due.
        self.close_until(id, event.time_ms, outlet);
        match &mut self.open[id.index()] {
            Open::Panes(hop, panes) => {
                add(panes.touch(*hop, key, event.time_ms, || folds(measure)), measure, type_id, context);
            }
            Open::Sessions(idle, sessions) => {
                let keys = &mut outlet.keys[measure.key.index()];
                let folds = sessions.touch(*idle, (keys, key), event.time_ms, || folds(measure));
                add(folds, measure, type_id, context);
            }
            Open::Newest(count, rows) => {
                let keys = &mut outlet.keys[measure.key.index()];
                let row = rows.touch(keys, key, event.time_ms, || Newest::new(measure, *count));
                let newest = rows.get_mut(row);
                let window = newest.take(measure, *count, type_id, context, event.time_ms);
                let emission = Emission { start_ms: window, end_ms: event.time_ms, rank: None };
                let aggregates: Vec<Value> = newest.aggregates.iter().map(Sliding::value).collect();
                outlet.emit(measure, &Key::from_bytes(key.bytes), &aggregates, emission, event.time_ms, Some(event));
            }
        }
        self.next_end_ms = self.next_end_ms.min(self.open[id.index()].next_end().unwrap_or(i64::MAX));
    }

    /// Whether a window ends before a time.
    #[inline]
    pub(super) fn is_due(&self, before_ms: i64) -> bool {
        self.next_end_ms < before_ms
    }

    /// Emits the windows that end before a time.
    pub(super) fn fire(&mut self, before_ms: i64, outlet: &mut Outlet<'_>) {
        for measure in &outlet.program.measures {
            self.close_until(measure.id, before_ms, outlet);
        }
        self.next_end_ms = self.open.iter_mut().filter_map(Open::next_end).min().unwrap_or(i64::MAX);
    }

    fn close_until(&mut self, id: MeasureId, before_ms: i64, outlet: &mut Outlet<'_>) {
        let measure = &outlet.program.measures[id.index()];
        let open = &mut self.open[id.index()];
        while let Some(end_ms) = open.next_end().filter(|end_ms| *end_ms < before_ms) {
            match open {
                Open::Panes(hop, panes) => {
                    if let Some(window) = panes.close(*hop) {
                        outlet.emit_window(measure, window);
                    }
                }
                Open::Sessions(idle, sessions) => {
                    let keys = &mut outlet.keys[measure.key.index()];
                    let closed = sessions.close(*idle, keys, end_ms);
                    let Some(Closed { key, start_ms, last_ms, value }) = closed else { return };
                    let emission = Emission { start_ms, end_ms: last_ms, rank: None };
                    outlet.emit(measure, &key, &values(&value), emission, end_ms, None);
                }
                Open::Newest(..) => return,
            }
        }
    }
}

impl Measures {
    /// Writes what a measure has open.
    pub(super) fn save(&self, id: MeasureId, out: &mut Vec<u8>) {
        match &self.open[id.index()] {
            Open::Panes(_, panes) => panes.save(out),
            Open::Sessions(_, sessions) => sessions.save(out, |out, folds| save_folds(folds, out)),
            Open::Newest(_, rows) => rows.save(out, |out, Newest { times_ms, aggregates }| {
                put_all(out, times_ms.iter(), |out, time_ms| put_signed(out, *time_ms));
                for sliding in aggregates {
                    sliding.save(out);
                }
            }),
        }
    }

    /// Takes up what a measure had open, where it has nothing yet; `hash` gives the hash of a key.
    pub(super) fn load<'a>(
        &mut self,
        from: &mut Reader<'a>,
        measure: &Measure,
        placing: &mut Placing<'_, 'a>,
        hash: impl Fn(&[u8]) -> u64,
    ) -> Option<()> {
        let folds = |from: &mut Reader<'_>| {
            measure.folds.iter().map(|fold| Fold::load(fold.aggregate, from)).collect::<Option<Box<[Fold]>>>()
        };
        let open = &mut self.open[measure.id.index()];
        match open {
            Open::Panes(hop, panes) => *panes = Panes::load(from, *hop, placing.parts(), hash, folds)?,
            Open::Sessions(idle, sessions) => sessions.load(*idle, from, placing, |from, _| folds(from))?,
            Open::Newest(count, rows) => {
                rows.load(from, placing, |from, _, time_ms| Newest::load(measure, *count, from, time_ms))?;
            }
        }
        self.next_end_ms = self.next_end_ms.min(open.next_end().unwrap_or(i64::MAX));
        Some(())
    }
}

impl Open {
    fn new(measure: &Measure) -> Open {
        match measure.window {
            MeasureWindow::Every { over_ms, every_ms } => Open::Panes(Hop { over_ms, every_ms }, Panes::default()),
            MeasureWindow::Last(count) => Open::Newest(count, ByKey::of_memories(measure.cell)),
            MeasureWindow::Session { idle_ms, at_most_ms } => {
                Open::Sessions(Idle { idle_ms, at_most_ms }, UntilIdle::of_memories(measure.cell))
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Open::Panes(_, panes) => panes.len(),
            Open::Sessions(_, sessions) => sessions.len(),
            Open::Newest(_, rows) => rows.len(),
        }
    }

    /// What one key holds, in bytes.
    fn row_bytes(&self, measure: &Measure) -> usize {
        let folds = measure.folds.iter().map(|fold| Fold::bytes(fold.aggregate)).sum::<usize>();
        match self {
            Open::Panes(..) => Panes::ROW_BYTES + folds,
            Open::Sessions(..) => Measures::SESSION_BYTES + folds,
            Open::Newest(count, _) => {
                let entries = |fold: &MeasureFold| {
                    let (boxed, entry) = Sliding::bytes(fold.aggregate);
                    size_of::<Sliding>() + boxed + *count as usize * entry
                };
                let times = *count as usize * size_of::<i64>();
                Measures::NEWEST_BYTES + times + measure.folds.iter().map(entries).sum::<usize>()
            }
        }
    }

    /// When the next window ends.
    fn next_end(&mut self) -> Option<i64> {
        match self {
            Open::Panes(_, panes) => panes.next_end(),
            Open::Sessions(idle, sessions) => sessions.next_close(*idle),
            Open::Newest(..) => None,
        }
    }
}

impl Newest {
    fn new(measure: &Measure, count: u32) -> Newest {
        let sliding = |fold: &MeasureFold| Sliding::new(fold.aggregate, WindowRange::Last(count));
        Newest { times_ms: VecDeque::new(), aggregates: measure.folds.iter().map(sliding).collect() }
    }

    fn load(measure: &Measure, count: u32, from: &mut Reader<'_>, time_ms: i64) -> Option<Newest> {
        let length = from.count().filter(|length| (1..=count as usize).contains(length))?;
        let times_ms = (0..length).map(|_| from.signed()).collect::<Option<_>>()?;
        let sliding = |fold: &MeasureFold| Sliding::load(fold.aggregate, WindowRange::Last(count), from, time_ms);
        Some(Newest { times_ms, aggregates: measure.folds.iter().map(sliding).collect::<Option<_>>()? })
    }

    /// Takes an event. Gives the time of the oldest that is left.
    fn take(&mut self, measure: &Measure, count: u32, type_id: TypeId, context: Context<'_>, time_ms: i64) -> i64 {
        if self.times_ms.len() == count as usize {
            self.times_ms.pop_front();
        }
        self.times_ms.push_back(time_ms);
        for (sliding, fold) in self.aggregates.iter_mut().zip(&measure.folds) {
            sliding.push(time_ms, input(&fold.inputs, type_id, context).as_ref());
        }
        self.times_ms[0]
    }
}

impl Outlet<'_> {
    /// Emits what the keys of a window have: all of them, or the top ones.
    fn emit_window(&mut self, measure: &Measure, window: panes::Window) {
        let panes::Window { start_ms, end_ms, keys } = window;
        let keys = keys.into_iter().map(|(key, folds)| (key, values(&folds)));
        let Some(top) = measure.top else {
            for (key, aggregates) in keys {
                let emission = Emission { start_ms, end_ms, rank: None };
                self.emit(measure, &key, &aggregates, emission, end_ms, None);
            }
            return;
        };
        for (rank, (key, aggregates)) in (1..).zip(self.top_of(measure, top, keys.collect())) {
            let emission = Emission { start_ms, end_ms, rank: Some(rank) };
            self.emit(measure, &key, &aggregates, emission, end_ms, None);
        }
    }

    /// Emits what a key has in a window; `event` is the one that made it, where one did.
    fn emit(
        &mut self,
        measure: &Measure,
        key: &Key,
        aggregates: &[Value],
        emission: Emission,
        time_ms: i64,
        event: Option<&Event>,
    ) {
        self.stats[measure.id.index()].emitted += 1;
        let parts = key.parts();
        let rank = emission.rank.map(|rank| ("rank".to_owned(), Value::Integer(i64::from(rank))));
        let context = self.context(&parts, aggregates);
        let value = |(name, expr): &(Arc<str>, Expr)| (name.to_string(), eval::value(expr, context).into_owned());
        let values = measure.emitted.iter().map(value).chain(rank).collect();
        let mut hash = Sha256::new();
        hash.update(measure.match_hash);
        emit::put(&mut hash, key.as_bytes());
        hash.update(emission.start_ms.to_be_bytes());
        hash.update(emission.end_ms.to_be_bytes());
        if let Some(event) = event {
            emit::put_event(&mut hash, self.sources, event.id.as_deref(), event.position);
        }
        let names = self.program.keys[measure.key.index()].parts.iter().cloned();
        self.alerts.push(Alert {
            id: emit::first_half(hash),
            kind: Kind::Measure(emission),
            rule_name: Arc::clone(&measure.name),
            version: Arc::clone(&measure.version),
            severity: Severity::Info,
            score: None,
            key: names.zip(parts).collect(),
            time_ms,
            started_ms: emission.start_ms,
            message: measure.message.to_string(),
            tags: Arc::from([]),
            targets: Arc::clone(&measure.targets),
            events: Vec::new(),
            values,
            suppressed: 0,
        });
    }

    /// The keys with the largest values, the largest first; those whose value is missing come last, and ties are in
    /// the order of keys.
    fn top_of(&self, measure: &Measure, top: Top, keys: Vec<(Key, Vec<Value>)>) -> Vec<(Key, Vec<Value>)> {
        let (_, by) = &measure.emitted[top.by];
        let with_value = |(key, aggregates): (Key, Vec<Value>)| {
            let value = eval::value(by, self.context(&key.parts(), &aggregates)).into_owned();
            (value, key, aggregates)
        };
        let mut ranked: Vec<(Value, Key, Vec<Value>)> = keys.into_iter().map(with_value).collect();
        ranked.sort_by(|(a, ..), (b, ..)| {
            let missing = a.is_missing().cmp(&b.is_missing());
            // Stable, and the keys came in their order.
            missing.then_with(|| compare::order(b, a).unwrap_or(Ordering::Equal))
        });
        ranked.truncate(top.n as usize);
        ranked.into_iter().map(|(_, key, aggregates)| (key, aggregates)).collect()
    }

    fn context<'b>(&'b self, key: &'b [Value], aggregates: &'b [Value]) -> Context<'b> {
        Context { key, aggregates, tables: self.tables, ..Context::default() }
    }
}

fn folds(measure: &Measure) -> Box<[Fold]> {
    measure.folds.iter().map(|fold| Fold::new(fold.aggregate)).collect()
}

fn values(folds: &[Fold]) -> Vec<Value> {
    folds.iter().map(Fold::value).collect()
}

fn add(folds: &mut [Fold], measure: &Measure, type_id: TypeId, context: Context<'_>) {
    for (fold, plan) in folds.iter_mut().zip(&measure.folds) {
        if let Some(value) = input(&plan.inputs, type_id, context) {
            fold.add(&value);
        }
    }
}

/// What an event adds to an aggregate, if it counts.
fn input(inputs: &[FoldInput], type_id: TypeId, context: Context<'_>) -> Option<Value> {
    let input = inputs.iter().find(|input| input.type_id == type_id)?;
    let counts = input.condition.as_ref().is_none_or(|condition| eval::holds(condition, context));
    let value = || input.value.as_ref().map_or(Value::Boolean(true), |value| eval::value(value, context).into_owned());
    counts.then(value)
}
