//! Where runs are kept. A run is one row of a slab, and stands in two lists at once, linked through the rows:
//!
//! - of its key: oldest start first, the order in which events are offered; a ring, of which the key's cell knows the
//!   first;
//! - of its rule: by the time at which it ends by itself. Runs in positive steps all live for `within` from their
//!   start, and waiting runs all wait for the same time, and time only grows, so each of the two is a queue: the next
//!   to end stands at its head, and nothing is ever searched or scanned.
//!
//! A run that ends leaves both lists at once, in constant time, and a key whose last run ends is forgotten (`keys`): a
//! key with nothing open costs nothing.

mod saved;

use std::collections::VecDeque;

use crate::engine::history::{Ended, PastRun};
use crate::engine::keys::{Cell, KeyTable};
use crate::engine::parted::{self, Parted};
use crate::engine::record::{self, Entry, Record, Records, Span, Taken};
use crate::engine::slab::{NONE, Row, Slab};
use crate::program::{CellId, Rule, StepId};

/// An open run, in bytes; the place of its first event is in it.
pub(super) const RUN_BYTES: usize = size_of::<Option<Run>>();

/// A partial match.
#[derive(Debug)]
pub(super) struct Run {
    /// Its key, as a row of the key table.
    pub(super) key: Row,
    /// How many events the current step has taken.
    pub(super) taken: u16,
    /// The step that it is in; the number of steps when it waits for a final `then no`.
    pub(super) step: StepId,
    waiting: bool,
    /// The last time at which it is still open: its start plus `within`, or the end of its wait.
    pub(super) ends_ms: i64,
    by_key: Links,
    by_end: Links,
    /// The events that it has taken itself, and the parts that it has of what the runs of its key share.
    pub(super) own: Records,
}

#[derive(Clone, Copy, Debug)]
struct Links {
    before: Row,
    after: Row,
}

const UNLINKED: Links = Links { before: NONE, after: NONE };

impl Run {
    /// A run that has taken nothing yet.
    pub(super) fn new(key: Row, ends_ms: i64) -> Run {
        Run {
            key,
            taken: 0,
            step: StepId(0),
            waiting: false,
            ends_ms,
            by_key: UNLINKED,
            by_end: UNLINKED,
            own: Records::default(),
        }
    }

    /// What it has taken.
    #[inline]
    pub(super) fn trail<'a>(&'a self, shared: Option<&'a Shared>) -> Trail<'a> {
        Trail { own: self.own.as_bytes(), shared }
    }
}

/// The two ends of a list.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: Row,
    last: Row,
}

const EMPTY: Ends = Ends { first: NONE, last: NONE };

/// What the runs of a key have together, beside themselves.
#[derive(Debug, Default)]
struct Together {
    /// One list for each repeated step whose condition is the same for every run.
    shared: SharedLists,
    /// The runs by what they wait for, where they are many.
    parted: Option<Box<Parted>>,
}

/// All runs of one rule.
#[derive(Debug)]
pub(super) struct Runs {
    /// Where the rows of keys tell of them: `at` is the oldest run, `more` what the runs have together.
    cell: CellId,
    rows: Slab<Run>,
    together: Slab<Together>,
    /// Runs in positive steps, by the end of their `within`.
    moving: Ends,
    /// Runs that wait for a final `then no`, by the end of their wait.
    waiting: Ends,
    /// How many events the runs of one key share, of all keys.
    shared: usize,
    /// How runs ended, where somebody asked.
    history: Option<Vec<PastRun>>,
}

impl Runs {
    /// No runs yet; this is their cell in the rows of keys.
    pub(super) fn new(cell: CellId) -> Runs {
        Runs {
            cell,
            rows: Slab::default(),
            together: Slab::default(),
            moving: EMPTY,
            waiting: EMPTY,
            shared: 0,
            history: None,
        }
    }

    /// How many runs are open.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// A run.
    pub(super) fn get(&self, row: Row) -> &Run {
        self.rows.get(row)
    }

    /// A run, to be changed.
    pub(super) fn get_mut(&mut self, row: Row) -> &mut Run {
        self.rows.get_mut(row)
    }

    /// What is known of the runs of a key.
    #[inline]
    pub(super) fn of_key(&self, keys: &KeyTable, key: Row) -> Cell {
        keys.cell(key, self.cell)
    }

    /// What a run has taken; `of_key` is of its key.
    #[inline]
    pub(super) fn trail(&self, row: Row, of_key: Cell) -> Trail<'_> {
        self.get(row).trail(self.shared_of(of_key))
    }

    /// The first of the lists that the runs of a key share.
    #[inline]
    fn shared_of(&self, of_key: Cell) -> Option<&Shared> {
        if of_key.more == NONE { None } else { self.together.get(of_key.more).shared.as_deref() }
    }

    /// The groups of the runs of a key.
    #[inline]
    pub(super) fn parted(&self, of_key: Cell) -> Option<&Parted> {
        if of_key.more == NONE { None } else { self.together.get(of_key.more).parted.as_deref() }
    }

    /// Parts the runs of a key by what they wait for, if they are many.
    #[inline]
    pub(super) fn part(&mut self, rule: &Rule, keys: &mut KeyTable, key: Row) {
        let of_key = self.of_key(keys, key);
        if of_key.open() > parted::MANY
            && !rule.waits.is_empty()
            && self.parted(of_key).is_none()
            && self.history.is_none()
        {
            let mut parted = Parted::new(rule);
            let mut row = of_key.at;
            for _ in 0..of_key.open() {
                parted.insert(row, self.get(row));
                row = self.after_in_key(row);
            }
            self.together_mut(keys, key).parted = Some(Box::new(parted));
        }
    }

    /// What the runs of a key have together, made when it is first asked for.
    fn together_mut(&mut self, keys: &mut KeyTable, key: Row) -> &mut Together {
        let cell = keys.cell_mut(key, self.cell);
        if cell.more == NONE {
            cell.more = self.together.insert(Together::default());
        }
        self.together.get_mut(cell.more)
    }

    /// A run of a key moves, or ends.
    #[inline]
    pub(super) fn take_out(&mut self, row: Row, of_key: Cell) {
        if of_key.more != NONE
            && let Some(parted) = &mut self.together.get_mut(of_key.more).parted
        {
            parted.remove(self.rows.get(row));
        }
    }

    /// A run of a key has moved.
    #[inline]
    pub(super) fn take_in(&mut self, row: Row, of_key: Cell) {
        if of_key.more != NONE
            && let Some(parted) = &mut self.together.get_mut(of_key.more).parted
        {
            parted.insert(row, self.rows.get(row));
        }
    }

    /// A run takes an event into the list of a step that the runs of its key share.
    pub(super) fn keep_shared(&mut self, row: Row, keys: &mut KeyTable, step: StepId, made: &[u8]) {
        let key = self.get(row).key;
        self.together_mut(keys, key);
        let shared = &mut self.together.get_mut(keys.cell(key, self.cell).more).shared;
        let shared = Shared::of_step(shared, step);
        let run = self.rows.get_mut(row);
        let is_new = if run.taken == 0 {
            let (from, is_new) = shared.begin(made);
            run.own.insert(&Span { step, from, to: from + 1 }.to_record());
            is_new
        } else {
            run.own.lengthen_span();
            shared.push(made)
        };
        self.shared += usize::from(is_new);
    }

    /// The next younger run of the same key; after the youngest comes the oldest.
    pub(super) fn after_in_key(&self, row: Row) -> Row {
        self.get(row).by_key.after
    }

    /// The run before one of the same key; before the oldest comes the youngest.
    pub(super) fn before_in_key(&self, row: Row) -> Row {
        self.get(row).by_key.before
    }

    /// Opens a run, the youngest of its key.
    pub(super) fn open(&mut self, run: Run, keys: &mut KeyTable) -> Row {
        let row = self.rows.insert(run);
        self.link_youngest(row, keys);
        self.queue(row);
        row
    }

    /// Puts a run behind the youngest of its key.
    fn link_youngest(&mut self, row: Row, keys: &mut KeyTable) {
        let key = self.get(row).key;
        let cell = keys.cell_mut(key, self.cell);
        if cell.at == NONE {
            cell.at = row;
            self.get_mut(row).by_key = Links { before: row, after: row };
        } else {
            let oldest = cell.at;
            let youngest = self.before_in_key(oldest);
            self.get_mut(row).by_key = Links { before: youngest, after: oldest };
            self.get_mut(youngest).by_key.after = row;
            self.get_mut(oldest).by_key.before = row;
        }
        keys.begin(key, self.cell);
    }

    /// Lets a run wait for a final `then no` until the given time.
    pub(super) fn wait(&mut self, row: Row, until_ms: i64) {
        self.unqueue(row);
        let run = self.get_mut(row);
        run.ends_ms = until_ms;
        run.waiting = true;
        self.queue(row);
    }

    /// From now on keeps how runs end.
    pub(super) fn keep_history(&mut self) {
        self.history.get_or_insert_default();
    }

    /// How runs ended, and how far the open ones are, whose keys are in this table.
    pub(super) fn history(&self, keys: &KeyTable) -> Vec<PastRun> {
        let open = |run: &Run| {
            let shared = self.shared_of(self.of_key(keys, run.key));
            PastRun::new(run, run.trail(shared), Ended::StillOpen)
        };
        self.history.iter().flatten().copied().chain(self.rows.iter().map(open)).collect()
    }

    /// Ends a run: it leaves its lists.
    pub(super) fn close(&mut self, row: Row, keys: &mut KeyTable, ended: Ended) {
        let key = self.get(row).key;
        let of_key = self.of_key(keys, key);
        let past = self.history.is_some().then(|| PastRun::new(self.get(row), self.trail(row, of_key), ended));
        if let Some(history) = &mut self.history {
            history.extend(past);
        }
        self.take_out(row, of_key);
        self.unqueue(row);
        let Links { before, after } = self.get(row).by_key;
        self.get_mut(before).by_key.after = after;
        self.get_mut(after).by_key.before = before;
        let run = self.rows.remove(row);
        let is_last = after == row;
        let cell = keys.cell_mut(key, self.cell);
        if is_last {
            (cell.at, cell.more) = (NONE, NONE);
        } else if cell.at == row {
            cell.at = after;
        }
        keys.end(key, self.cell);
        self.release(&run, of_key, is_last);
    }

    /// Lets go of what a run that has ended had of what the runs of its key have together.
    fn release(&mut self, run: &Run, of_key: Cell, is_last: bool) {
        if of_key.more == NONE {
            return;
        }
        let mut shared = &mut self.together.get_mut(of_key.more).shared;
        while let Some(list) = shared {
            self.shared -= list.release(run.own.as_bytes());
            shared = &mut list.next;
        }
        if is_last {
            self.together.remove(of_key.more);
        }
    }

    /// How many events runs share.
    pub(super) fn shared(&self) -> usize {
        self.shared
    }

    /// The run that started first, of those that move on and of those that wait each the one that ends first, and when
    /// it started.
    pub(super) fn oldest(&self, keys: &KeyTable) -> Option<(i64, Row)> {
        let heads = [self.moving.first, self.waiting.first].into_iter().filter(|row| *row != NONE);
        let start_ms = |row: Row| self.trail(row, self.of_key(keys, self.get(row).key)).start_ms();
        heads.map(|row| (start_ms(row), row)).min_by_key(|(start_ms, _)| *start_ms)
    }

    /// The waiting run whose time ends first, if it ends before the watermark.
    pub(super) fn wait_over(&self, watermark_ms: i64) -> Option<Row> {
        self.next_wait_end().filter(|ends_ms| *ends_ms < watermark_ms).map(|_| self.waiting.first)
    }

    /// When the next wait ends.
    pub(super) fn next_wait_end(&self) -> Option<i64> {
        (self.waiting.first != NONE).then(|| self.get(self.waiting.first).ends_ms)
    }

    /// The run in a positive step whose `within` has passed before the watermark.
    pub(super) fn expired(&self, watermark_ms: i64) -> Option<Row> {
        let first = self.moving.first;
        (first != NONE && self.get(first).ends_ms < watermark_ms).then_some(first)
    }

    fn ends_of(&mut self, waiting: bool) -> &mut Ends {
        if waiting { &mut self.waiting } else { &mut self.moving }
    }

    fn queue(&mut self, row: Row) {
        let (waiting, ends_ms) = (self.get(row).waiting, self.get(row).ends_ms);
        let last = self.ends_of(waiting).last;
        debug_assert!(last == NONE || self.get(last).ends_ms <= ends_ms, "time only grows");
        self.get_mut(row).by_end = Links { before: last, after: NONE };
        match last {
            NONE => self.ends_of(waiting).first = row,
            last => self.get_mut(last).by_end.after = row,
        }
        self.ends_of(waiting).last = row;
    }

    fn unqueue(&mut self, row: Row) {
        let run = self.get(row);
        let (waiting, Links { before, after }) = (run.waiting, run.by_end);
        match before {
            NONE => self.ends_of(waiting).first = after,
            before => self.get_mut(before).by_end.after = after,
        }
        match after {
            NONE => self.ends_of(waiting).last = before,
            after => self.get_mut(after).by_end.before = before,
        }
    }
}

/// The shared lists of a rule and key, linked: few rules have any, and hardly one has two.
pub(super) type SharedLists = Option<Box<Shared>>;

/// The events that a step of several runs of a key has taken. Every run in the step takes every event that fits, so
/// each run's part is all from where it began; the runs keep two numbers instead of a list each.
#[derive(Debug)]
pub(super) struct Shared {
    step: StepId,
    /// The number of the first entry that is still kept.
    base: u64,
    /// The events, each with how many open runs begin at it.
    entries: VecDeque<(Record, u32)>,
    next: SharedLists,
}

impl Shared {
    /// The list of a step, made when it is first asked for.
    fn of_step(lists: &mut SharedLists, step: StepId) -> &mut Shared {
        let mut at = lists;
        while at.as_ref().is_some_and(|shared| shared.step != step) {
            at = &mut at.as_mut().expect("just seen").next;
        }
        at.get_or_insert_with(|| Box::new(Shared { step, base: 0, entries: VecDeque::new(), next: None }))
    }

    /// Adds an event, unless it is the last one already: several runs take it. Says whether it did.
    pub(super) fn push(&mut self, made: &[u8]) -> bool {
        let is_there = self.entries.back().is_some_and(|(last, _)| **last == *made);
        if !is_there {
            self.entries.push_back((Record::from(made), 0));
        }
        !is_there
    }

    /// A run begins with this event. Gives the event's number, and whether it was not there yet.
    pub(super) fn begin(&mut self, made: &[u8]) -> (u64, bool) {
        let is_new = self.push(made);
        let (_, begins) = self.entries.back_mut().expect("just pushed");
        *begins += 1;
        (self.base + self.entries.len() as u64 - 1, is_new)
    }

    /// A run with these records ends. Gives how many events nobody needs any more.
    fn release(&mut self, own: &[u8]) -> usize {
        let before = self.entries.len();
        for entry in record::entries_of(own, self.step) {
            if let Entry::Span(span) = entry {
                let at = self.index(span.from);
                self.entries[at].1 -= 1;
            }
        }
        while self.entries.front().is_some_and(|(_, begins)| *begins == 0) {
            self.entries.pop_front();
            self.base += 1;
        }
        before - self.entries.len()
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number - self.base).expect("a list in memory")
    }

    fn part(&self, span: Span) -> impl DoubleEndedIterator<Item = Taken<'_>> + ExactSizeIterator {
        let range = self.index(span.from)..self.index(span.to);
        self.entries.range(range).map(|(made, _)| Taken::of(made))
    }
}

/// What a run has taken, step by step.
#[derive(Clone, Copy)]
pub(super) struct Trail<'a> {
    /// The records of the run, or of what is no run: a pair, a session.
    pub(super) own: &'a [u8],
    pub(super) shared: Option<&'a Shared>,
}

impl<'a> Trail<'a> {
    /// A trail of nothing but its own records.
    pub(super) fn of_records(own: &'a [u8]) -> Trail<'a> {
        Trail { own, shared: None }
    }

    /// All its events: those of the first step first, each step's in order.
    pub(super) fn all(self) -> impl Iterator<Item = Taken<'a>> {
        record::entries(self.own).flat_map(move |entry| self.events(entry))
    }

    /// The events of a step, in order.
    pub(super) fn of(self, step: StepId) -> impl Iterator<Item = Taken<'a>> {
        record::entries_of(self.own, step).flat_map(move |entry| self.events(entry))
    }

    /// How many events a step has taken.
    pub(super) fn count_of(self, step: StepId) -> usize {
        let count = |entry| match entry {
            Entry::Event(_) => 1,
            Entry::Span(span) => self.part(span).map_or(0, |part| part.len()),
        };
        record::entries_of(self.own, step).map(count).sum()
    }

    /// The last event of a step; the only one of a step that is not repeated.
    #[inline]
    pub(super) fn last_of(self, step: StepId) -> Option<Taken<'a>> {
        match record::entries_of(self.own, step).last()? {
            Entry::Event(taken) => Some(taken),
            Entry::Span(span) => self.part(span)?.next_back(),
        }
    }

    /// The number of its first event among those judged.
    pub(super) fn first_arrival(self) -> Option<u64> {
        self.all().map(Taken::arrival).min()
    }

    /// The time of its first event in ms.
    pub(super) fn start_ms(self) -> i64 {
        self.all().map(Taken::time_ms).min().expect("a match has an event")
    }

    fn events(self, entry: Entry<'a>) -> impl Iterator<Item = Taken<'a>> {
        let (own, part) = match entry {
            Entry::Event(taken) => (Some(taken), None),
            Entry::Span(span) => (None, self.part(span)),
        };
        own.into_iter().chain(part.into_iter().flatten())
    }

    fn part(self, span: Span) -> Option<impl DoubleEndedIterator<Item = Taken<'a>> + ExactSizeIterator> {
        let mut lists = std::iter::successors(self.shared, |shared| shared.next.as_deref());
        let shared = lists.find(|shared| shared.step == span.step)?;
        Some(shared.part(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_as_small_as_a_cache_line() {
        assert_eq!(RUN_BYTES, 64);
    }
}
