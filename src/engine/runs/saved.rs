//! The runs of a rule as they are saved, and how they are taken up again: in the order in which they end, with what
//! they share. What only makes finding them quick is made anew.

use super::{Run, Runs, Shared, SharedLists};
use crate::engine::codec::{Reader, put, put_all, put_bytes, put_signed};
use crate::engine::keys::KeyTable;
use crate::engine::record::{self, Entry, Record, Span};
use crate::engine::saved::{Placing, put_key};
use crate::engine::slab::{NONE, Row};
use crate::program::{Rule, StepId, Strategy};

impl Runs {
    /// Writes all runs; their keys are in this table.
    pub(in crate::engine) fn save(&self, keys: &KeyTable, out: &mut Vec<u8>) {
        for first in [self.moving.first, self.waiting.first] {
            for row in self.by_end(first) {
                out.push(1);
                let run = self.get(row);
                put_key(out, run.key);
                put(out, u64::from(run.taken));
                out.push(run.step.0);
                put_signed(out, run.ends_ms);
                let opened = self.trail(row, self.of_key(keys, run.key)).first_arrival();
                put(out, opened.expect("an open run has taken an event"));
                put_bytes(out, run.own.as_bytes());
            }
            out.push(0);
        }
        if self.shared > 0 {
            let heads = self.rows.numbered().map(|(row, run)| (row, run.key, self.of_key(keys, run.key)));
            for (_, key, of_key) in heads.filter(|(row, _, of_key)| of_key.at == *row) {
                let mut list = self.shared_of(of_key);
                while let Some(shared) = list {
                    out.push(1);
                    put_key(out, key);
                    shared.save(out);
                    list = shared.next.as_deref();
                }
            }
        }
        out.push(0);
    }

    /// Takes up runs where there is none yet.
    pub(in crate::engine) fn load(
        &mut self,
        from: &mut Reader<'_>,
        rule: &Rule,
        placing: &mut Placing<'_, '_>,
    ) -> Option<()> {
        let mut opened = Vec::new();
        for waiting in [false, true] {
            while from.flag()? {
                let (run, arrival) = read(from, rule, placing, waiting)?;
                let last = self.ends_of(waiting).last;
                (last == NONE || self.get(last).ends_ms <= run.ends_ms).then_some(())?;
                let row = self.rows.insert(run);
                self.queue(row);
                opened.push((arrival, row));
            }
        }
        // Of a key the order in which they began; mostly that is the one in which they end.
        opened.sort_unstable();
        for (_, row) in opened {
            self.link_youngest(row, placing.keys);
        }
        while from.flag()? {
            let key = placing.row(from)?;
            (self.of_key(placing.keys, key).at != NONE).then_some(())?;
            let shared = Shared::load(from, rule, placing)?;
            self.shared += shared.entries.len();
            Shared::append(&mut self.together_mut(placing.keys, key).shared, shared)?;
        }
        self.count_begins(rule, placing)
    }

    /// The runs of one of the two queues.
    fn by_end(&self, first: Row) -> impl Iterator<Item = Row> {
        let there = |row: Row| (row != NONE).then_some(row);
        std::iter::successors(there(first), move |row| there(self.get(*row).by_end.after))
    }

    /// Counts how many runs begin at each event of what they share, and refuses runs that have what is not there.
    fn count_begins(&mut self, rule: &Rule, placing: &Placing<'_, '_>) -> Option<()> {
        let Runs { rows, together, cell, .. } = self;
        for run in rows.iter() {
            let (mut events, mut last) = (0, None);
            for entry in record::entries(run.own.as_bytes()) {
                last = Some(entry);
                let Entry::Span(span) = entry else {
                    events += 1;
                    continue;
                };
                is_shared(rule, span.step).then_some(())?;
                let more = placing.keys.cell(run.key, *cell).more;
                let lists = if more == NONE { None } else { together.get_mut(more).shared.as_deref_mut() };
                Shared::begin_at(lists, span)?;
            }
            // What is parted by what it waits for has taken an event of its own; a part that grows stands last.
            let grows = run.taken > 0 && is_shared(rule, run.step);
            let is_last = matches!(last, Some(Entry::Span(span)) if span.step == run.step);
            (last.is_some() && (events > 0 || rule.waits.is_empty()) && (!grows || is_last)).then_some(())?;
        }
        Some(())
    }
}

fn read(from: &mut Reader<'_>, rule: &Rule, placing: &mut Placing<'_, '_>, waiting: bool) -> Option<(Run, u64)> {
    let key = placing.row(from)?;
    let (taken, step) = (from.narrow()?, StepId(from.byte()?));
    let (ends_ms, arrival) = (from.signed()?, from.counter()?);
    let own = placing.records(from)?;
    let (is_place, longest_ms) = match (waiting, &rule.absence) {
        (true, Some(absence)) => (step.index() == rule.steps.len(), Some(absence.within_ms)),
        (true, None) => return None,
        (false, _) if matches!(rule.strategy, Strategy::AllOf) => {
            (step.index() == 0, rule.within.map(|within| within.ms))
        }
        (false, _) => (step.index() < rule.steps.len(), rule.within.map(|within| within.ms)),
    };
    let is_soon = longest_ms.is_none_or(|longest_ms| ends_ms <= placing.now_ms.saturating_add(longest_ms));
    let run = Run { taken, step, waiting, own, ..Run::new(key, ends_ms) };
    (is_place && is_soon).then_some((run, arrival))
}

/// Whether the runs of a key share the events of a step.
fn is_shared(rule: &Rule, step: StepId) -> bool {
    rule.steps.get(step.index()).is_some_and(|step| step.is_repeated() && step.independent)
}

impl Shared {
    fn save(&self, out: &mut Vec<u8>) {
        out.push(self.step.0);
        put(out, self.base);
        put_all(out, self.entries.iter(), |out, (made, _)| put_bytes(out, made));
    }

    fn load(from: &mut Reader<'_>, rule: &Rule, placing: &Placing<'_, '_>) -> Option<Shared> {
        let (step, base) = (StepId(from.byte()?), from.counter()?);
        is_shared(rule, step).then_some(())?;
        let length = from.count()?;
        base.checked_add(length as u64)?;
        let entry = |_| Some((Record::from(placing.record(from, step)?.as_bytes()), 0));
        Some(Shared { step, base, entries: (0..length).map(entry).collect::<Option<_>>()?, next: None })
    }

    /// Adds a list to others, if there is none of its step yet.
    fn append(mut lists: &mut SharedLists, shared: Shared) -> Option<()> {
        while let Some(list) = lists {
            (list.step != shared.step).then_some(())?;
            lists = &mut list.next;
        }
        *lists = Some(Box::new(shared));
        Some(())
    }

    /// A run has a part of the list of its step.
    fn begin_at(mut list: Option<&mut Shared>, span: Span) -> Option<()> {
        while let Some(shared) = list {
            if shared.step == span.step {
                let end = shared.base + shared.entries.len() as u64;
                (shared.base <= span.from && span.from < span.to && span.to <= end).then_some(())?;
                let at = shared.index(span.from);
                shared.entries[at].1 += 1;
                return Some(());
            }
            list = shared.next.as_deref_mut();
        }
        None
    }
}
