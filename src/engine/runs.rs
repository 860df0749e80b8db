//! Where runs are kept. A run is one row of a slab, and stands in two lists at once, linked through the rows:
//!
//! - of its key: oldest start first, the order in which events are offered;
//! - of its rule: by the time at which it ends by itself. Runs in positive steps all live for `within` from their
//!   start, and waiting runs all wait for the same time, and time only grows, so each of the two is a queue: the next
//!   to end stands at its head, and nothing is ever searched or scanned.
//!
//! A run that ends leaves both lists at once, in constant time, and a key whose last run ends leaves the key table: a
//! key with nothing open costs nothing.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::engine::history::{Ended, PastRun};
use crate::engine::keys::Keys;
use crate::engine::parted::{self, Parted};
use crate::engine::record::{self, Entry, Record, Records, Span, Taken};
use crate::engine::slab::{NONE, Row, Slab};
use crate::program::{Rule, RuleId, StepId};

/// An open run, in bytes; the place of its first event is in it.
pub(super) const RUN_BYTES: usize = size_of::<Option<Run>>();

/// A key with open runs, in bytes, without their list.
pub(super) const KEY_BYTES: usize = KeyTable::ROW_BYTES - size_of::<RunList>();

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
    pub(super) fn trail<'a>(&'a self, shared: &'a SharedLists) -> Trail<'a> {
        Trail { own: self.own.as_bytes(), shared: shared.as_deref() }
    }
}

/// The two ends of a list.
#[derive(Clone, Copy, Debug)]
struct Ends {
    first: Row,
    last: Row,
}

const EMPTY: Ends = Ends { first: NONE, last: NONE };

/// All runs of one rule.
#[derive(Debug)]
pub(super) struct Runs {
    rows: Slab<Run>,
    /// Runs in positive steps, by the end of their `within`.
    moving: Ends,
    /// Runs that wait for a final `then no`, by the end of their wait.
    waiting: Ends,
    /// How many events the runs of one key share, of all keys.
    shared: usize,
    /// How runs ended, where somebody asked.
    history: Option<Vec<PastRun>>,
}

impl Default for Runs {
    fn default() -> Self {
        Runs { rows: Slab::default(), moving: EMPTY, waiting: EMPTY, shared: 0, history: None }
    }
}

impl Runs {
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

    /// Parts the runs of a key by what they wait for, if they are many.
    #[inline]
    pub(super) fn part(&self, rule: &Rule, list: &mut RunList) {
        if list.parted.is_none() && !rule.waits.is_empty() && list.len() > parted::MANY && self.history.is_none() {
            let mut parted = Parted::new(rule);
            let mut row = list.first;
            while row != NONE {
                parted.insert(row, self.get(row));
                row = self.after_in_key(row);
            }
            list.parted = Some(Box::new(parted));
        }
    }

    /// The next younger run of the same key.
    pub(super) fn after_in_key(&self, row: Row) -> Row {
        self.get(row).by_key.after
    }

    /// Opens a run, the youngest of its key.
    pub(super) fn open(&mut self, run: Run, list: &mut RunList) -> Row {
        let row = self.rows.insert(run);
        self.get_mut(row).by_key = Links { before: list.last, after: NONE };
        if list.last == NONE {
            list.first = row;
        } else {
            self.get_mut(list.last).by_key.after = row;
        }
        list.last = row;
        list.open += 1;
        self.queue(row);
        row
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
    pub(super) fn history(&self, rule: RuleId, keys: &KeyTable) -> Vec<PastRun> {
        let shared = |run: &Run| keys.list(run.key, rule).map_or(&None, |list| &list.shared);
        let open = self.rows.iter().map(|run| PastRun::new(run, shared(run), Ended::StillOpen));
        self.history.iter().flatten().copied().chain(open).collect()
    }

    /// Ends a run: it leaves its lists.
    pub(super) fn close(&mut self, row: Row, list: &mut RunList, ended: Ended) {
        let past = self.history.is_some().then(|| PastRun::new(self.get(row), &list.shared, ended));
        if let Some(history) = &mut self.history {
            history.extend(past);
        }
        self.unqueue(row);
        let Links { before, after } = self.get(row).by_key;
        match before {
            NONE => list.first = after,
            before => self.get_mut(before).by_key.after = after,
        }
        match after {
            NONE => list.last = before,
            after => self.get_mut(after).by_key.before = before,
        }
        list.open -= 1;
        let run = self.rows.remove(row);
        list.take_out(&run);
        let mut shared = &mut list.shared;
        while let Some(list) = shared {
            self.shared -= list.release(run.own.as_bytes());
            shared = &mut list.next;
        }
    }

    /// The runs of a key share one event more.
    #[inline]
    pub(super) fn share(&mut self, is_new: bool) {
        self.shared += usize::from(is_new);
    }

    /// How many events runs share.
    pub(super) fn shared(&self) -> usize {
        self.shared
    }

    /// The run that started first, of those that move on and of those that wait each the one that ends first, and when
    /// it started.
    pub(super) fn oldest(&self, rule: RuleId, keys: &KeyTable) -> Option<(i64, Row)> {
        let heads = [self.moving.first, self.waiting.first].into_iter().filter(|row| *row != NONE);
        let start_ms = |row: Row| {
            let run = self.get(row);
            let list = keys.list(run.key, rule).expect("an open run is in its key's list");
            run.trail(&list.shared).start_ms()
        };
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

/// The open runs of one rule and key, oldest first, and the events that they share.
#[derive(Debug)]
pub(super) struct RunList {
    pub(super) rule: RuleId,
    pub(super) first: Row,
    last: Row,
    /// How many they are.
    open: u32,
    /// One list for each repeated step whose condition is the same for every run.
    pub(super) shared: SharedLists,
    /// The runs by what they wait for, where they are many.
    pub(super) parted: Option<Box<Parted>>,
}

impl RunList {
    pub(super) fn new(rule: RuleId) -> RunList {
        RunList { rule, first: NONE, last: NONE, open: 0, shared: None, parted: None }
    }

    /// How many runs are open.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.open as usize
    }

    /// A run of it moves, or ends.
    #[inline]
    pub(super) fn take_out(&mut self, run: &Run) {
        if let Some(parted) = &mut self.parted {
            parted.remove(run);
        }
    }

    /// A run of it has moved.
    #[inline]
    pub(super) fn take_in(&mut self, row: Row, run: &Run) {
        if let Some(parted) = &mut self.parted {
            parted.insert(row, run);
        }
    }

    /// The shared list of a step, made when it is first asked for.
    pub(super) fn shared_of(&mut self, step: StepId) -> &mut Shared {
        let mut at = &mut self.shared;
        while at.as_ref().is_some_and(|shared| shared.step != step) {
            at = &mut at.as_mut().expect("just seen").next;
        }
        at.get_or_insert_with(|| Box::new(Shared { step, base: 0, entries: VecDeque::new(), next: None }))
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

/// The keys with something open, of all rules with one `for each`, each with its lists by rule.
pub(super) type KeyTable = Keys<SmallVec<[RunList; 1]>>;

impl KeyTable {
    /// The open runs of a rule and key.
    #[inline]
    pub(super) fn list(&self, row: Row, rule: RuleId) -> Option<&RunList> {
        self.get(row).iter().find(|list| list.rule == rule)
    }

    /// The rules that have open runs of a key.
    pub(super) fn open_rules(&self, row: Row) -> impl Iterator<Item = RuleId> {
        self.get(row).iter().map(|list| list.rule)
    }

    /// The open runs of a rule and key, to be changed; made where there are none.
    pub(super) fn list_mut(&mut self, row: Row, rule: RuleId) -> &mut RunList {
        let lists = self.get_mut(row);
        let at = lists.iter().position(|list| list.rule == rule).unwrap_or_else(|| {
            lists.push(RunList::new(rule));
            lists.len() - 1
        });
        &mut lists[at]
    }

    /// The open runs of a rule and key, to be changed; none where there are none.
    #[inline]
    pub(super) fn open_list(&mut self, row: Row, rule: RuleId) -> Option<&mut RunList> {
        self.get_mut(row).iter_mut().find(|list| list.rule == rule)
    }

    /// Forgets a rule's list where it is empty, and the key where nothing of it is left. Says whether it forgot the key.
    pub(super) fn tidy(&mut self, row: Row, rule: RuleId) -> bool {
        let lists = self.get_mut(row);
        lists.retain(|list| list.rule != rule || list.first != NONE);
        let is_empty = lists.is_empty();
        if is_empty {
            self.remove(row);
        }
        is_empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_as_small_as_a_cache_line() {
        assert_eq!((RUN_BYTES, KeyTable::ROW_BYTES, size_of::<RunList>()), (64, 69, 32));
    }
}
