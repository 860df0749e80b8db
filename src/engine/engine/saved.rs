//! The state of an engine as bytes, and back: its clock, its keys, and a section for each that keeps anything.
//!
//! Timers are not saved: they follow from what is open. Counts are not either: who runs the engine keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Engine, Live, RuleState, State};
use crate::engine::codec::{Reader, put, put_all, put_bytes, put_count, put_option, put_signed, put_value};
use crate::engine::held;
use crate::engine::keys::KeyTable;
use crate::engine::limits::Limit;
use crate::engine::record::KeptValues;
use crate::engine::saved::{
    Carried, Identity, Kind, Names, Placing, SavedKeys, Section, load_captures, of_measure, of_rule, of_text,
    save_captures, save_keys, save_section,
};
use crate::engine::suppress::Suppressor;
use crate::engine::two_step::Loaded;
use crate::event::Key;
use crate::program::{
    KeyId, Measure, Member, Novelty, NoveltyId, Program, Rows, Rule, Strategy, Table, TableId, TwoStep, TwoStepId,
    Window, WindowId,
};

impl Engine {
    /// The names of the sources.
    pub(in crate::engine) fn sources(&self) -> &Arc<[String]> {
        &self.state.live.sources
    }

    /// The program.
    pub(in crate::engine) fn program(&self) -> &Program {
        &self.program
    }

    /// Writes the state, between two events.
    pub(in crate::engine) fn save(&self, out: &mut Vec<u8>) {
        let Engine { program, state } = self;
        debug_assert!(state.live.pending.is_empty(), "between two events");
        state.save_clock(out);
        put_count(out, state.live.keys.len());
        for (table, plan) in state.live.keys.iter().zip(&program.keys) {
            save_keys(table, &plan.parts, out);
        }
        let sections = out.len();
        out.extend_from_slice(&[0; COUNT]);
        let count = state.save_sections(program, out);
        out[sections..sections + COUNT].copy_from_slice(&count.to_le_bytes());
    }

    /// Takes a state up, before the first event and with the limits set. Where that fails the engine is of no use.
    pub(in crate::engine) fn load(
        &mut self,
        from: &mut Reader<'_>,
        names: &Names,
        watermark_ms: Option<i64>,
    ) -> Result<Carried, &'static str> {
        let Engine { program, state } = self;
        state.load_clock(from).ok_or("clock")?;
        // Nothing is judged, and nothing ends, beyond the watermark.
        let now_ms = watermark_ms.unwrap_or(i64::MIN);
        if state.now_ms > now_ms {
            return Err("clock");
        }
        let tables = from.count().ok_or("count of keys")?;
        let mut keys = (0..tables).map(|_| SavedKeys::load(from)).collect::<Option<Vec<_>>>().ok_or("keys")?;
        let count = u32::from_le_bytes(from.fixed().ok_or("count of sections")?);
        let (mut carried, mut two_steps) = (Carried::default(), BTreeMap::new());
        for _ in 0..count {
            let section = Section::load(from).ok_or("sections")?;
            let keys = keys.get_mut(section.keys).ok_or("sections")?;
            let mut loading =
                Loading { program, names, saved: keys, now_ms, carried: &mut carried, two_steps: &mut two_steps };
            state.load_section(&section, &mut loading)?;
        }
        for (id, loaded) in two_steps {
            let two_step = &program.two_steps[id.index()];
            let key = program.rules[two_step.members[0].rule.index()].key;
            state.live.two_steps[id.index()].take_up(two_step, &mut state.live.keys[key.index()], loaded);
            carried.kept += state.live.two_steps[id.index()].len();
        }
        state.live.keys.iter_mut().for_each(KeyTable::tidy_all);
        for rule in &program.rules {
            state.live.set_timer(rule);
            state.live.set_sweep(rule);
        }
        Ok(carried)
    }
}

/// Of what its name tells wholly.
const NO_IDENTITY: Identity = [0; 16];

/// The bytes of the number of sections.
const COUNT: usize = size_of::<u32>();

impl State {
    fn save_clock(&self, out: &mut Vec<u8>) {
        put(out, self.memo.arrival());
        put_signed(out, self.now_ms);
        put_signed(out, self.swept_ms);
        put_signed(out, self.counted_ms);
        put(out, self.counted_arrival);
        let full = self.live.room.full.map(|limit| limit as i64);
        put_option(out, full);
    }

    fn load_clock(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.memo.set_arrival(from.counter()?);
        (self.now_ms, self.swept_ms) = (from.signed()?, from.signed()?);
        let (counted_ms, counted_arrival) = (from.signed()?, from.counter()?);
        let full = from.option()?.and_then(|at| Limit::ALL.into_iter().find(|limit| *limit as i64 == at));
        // Budgets that there were not, or are not any more, are as they were set.
        if self.live.room.limits.has_budget() && counted_ms < i64::MAX {
            (self.counted_ms, self.counted_arrival) = (counted_ms, counted_arrival);
            self.live.room.full = full;
        }
        Some(())
    }

    /// Writes a section for each that keeps anything. Gives how many there are.
    fn save_sections(&self, program: &Program, out: &mut Vec<u8>) -> u32 {
        let State { memory, live, measures, lookups, .. } = self;
        let mut count = 0;
        let mut section = |head: (Kind, &str, Identity), keys: KeyId, open: usize, body: &dyn Fn(&mut Vec<u8>)| {
            save_section(head, keys, open, out, |out| body(out));
            count += 1;
        };
        for (rule, state) in program.rules.iter().zip(&live.rules) {
            let identity = of_rule(program, rule);
            let open = state.open();
            if open > 0 {
                section((Kind::Rule, &rule.name, identity), rule.key, open, &|out| {
                    save_captures(rule, out);
                    state.save(rule, &live.keys[rule.key.index()], out);
                });
            }
            if state.suppressor.len() > 0 {
                section((Kind::Sent, &rule.name, identity), rule.key, 0, &|out| state.suppressor.save(out));
            }
        }
        for (two_step, runs) in program.two_steps.iter().zip(&live.two_steps).filter(|(_, runs)| runs.len() > 0) {
            let first = &program.rules[two_step.members[0].rule.index()];
            section((Kind::TwoStep, &first.name, of_rule(program, first)), first.key, runs.len(), &|out| {
                save_members(program, two_step, out);
                save_captures(first, out);
                runs.save(out);
            });
        }
        for (id, window) in (0..).map(WindowId).zip(&program.windows) {
            let head = (Kind::Window, &*window.identity, NO_IDENTITY);
            section(head, window.key, 0, &|out| memory.save_window(id, out));
        }
        for (id, novelty) in (0..).map(NoveltyId).zip(&program.novelties) {
            let head = (Kind::Novelty, &*novelty.identity, NO_IDENTITY);
            section(head, novelty.key, 0, &|out| memory.save_novelty(id, out));
        }
        for measure in &program.measures {
            let head = (Kind::Measure, &*measure.name, of_measure(measure));
            section(head, measure.key, 0, &|out| measures.save(measure.id, out));
        }
        if self.applies_changes {
            for (table, rows) in program.tables.iter().zip(lookups) {
                section((Kind::Table, &*table.name, of_table(table)), KeyId(0), 0, &|out| save_rows(rows, out));
            }
        }
        count
    }

    /// Takes one section up, if its owner is there.
    fn load_section<'a>(&mut self, section: &Section<'a>, loading: &mut Loading<'_, 'a>) -> Result<(), &'static str> {
        let Section { kind, name, identity, open, body: mut from, .. } = *section;
        let program = loading.program;
        let taken = match kind {
            Kind::Rule => loading.rule(name, identity).map(|rule| self.load_rule(&mut from, rule, loading)),
            Kind::Sent => loading.rule(name, identity).map(|rule| self.load_sent(&mut from, rule, loading)),
            Kind::TwoStep => Some(self.load_two_steps(&mut from, open, loading)),
            Kind::Window => window(program, name).filter(|(_, window)| loading.is_same_key(window.key)).map(|owner| {
                let mut placing = loading.placing(&mut self.live.keys[owner.1.key.index()], Vec::new());
                self.memory.load_window(&mut from, owner, &mut placing)
            }),
            Kind::Novelty => novelty(program, name)
                .filter(|(_, novelty)| loading.is_same_key(novelty.key))
                .map(|(id, _)| self.memory.load_novelty(&mut from, id, loading.saved.parts.len(), loading.now_ms)),
            Kind::Measure => {
                measure(program, name, identity).filter(|measure| loading.is_same_key(measure.key)).map(|measure| {
                    let Live { keys, hasher, .. } = &mut self.live;
                    let mut placing = loading.placing(&mut keys[measure.key.index()], Vec::new());
                    self.measures.load(&mut from, measure, &mut placing, |key| Key::hash_of(key, hasher))
                })
            }
            Kind::Table => table(program, name, identity).filter(|_| self.applies_changes).map(|id| {
                self.lookups[id.index()] = Arc::new(load_rows(&mut from)?);
                Some(())
            }),
        };
        match (taken, kind) {
            (Some(taken), _) => {
                taken.filter(|()| from.is_at_end()).ok_or(kind.what())?;
                loading.carried.kept += if kind == Kind::Rule { open } else { 0 };
            }
            (None, Kind::Sent) => {}
            (None, _) => loading.carried.left_out.push((name.to_owned(), open)),
        }
        Ok(())
    }

    fn load_rule<'a>(&mut self, from: &mut Reader<'a>, rule: &Rule, loading: &mut Loading<'_, 'a>) -> Option<()> {
        let Live { rules, keys, .. } = &mut self.live;
        let values = load_captures(from, rule)?;
        let mut placing = loading.placing(&mut keys[rule.key.index()], values);
        rules[rule.id.index()].load(rule, from, &mut placing)
    }

    fn load_sent(&mut self, from: &mut Reader<'_>, rule: &Rule, loading: &Loading<'_, '_>) -> Option<()> {
        let sent = Suppressor::load(from, loading.saved.parts.len())?;
        // A rule that says everything by now forgets what it said.
        if rule.alert.at_most_once_ms.is_some() {
            self.live.rules[rule.id.index()].suppressor = sent;
        }
        Some(())
    }

    /// Reads the runs of those two-step sequences that are the same as then, for each group of them that runs together
    /// now.
    fn load_two_steps<'a>(&mut self, from: &mut Reader<'a>, open: usize, loading: &mut Loading<'_, 'a>) -> Option<()> {
        let program = loading.program;
        let mut members = Vec::new();
        for _ in 0..from.count()? {
            let name = from.name()?;
            let found = loading.rule(name, from.fixed()?).filter(|rule| rule.two_step.is_some());
            if found.is_none() {
                loading.carried.left_out.push((name.to_owned(), open));
            }
            members.push(found);
        }
        let ids: BTreeSet<TwoStepId> = members.iter().flatten().filter_map(|rule| rule.two_step).collect();
        let runs = std::mem::replace(from, Reader::new(&[]));
        for id in ids {
            let two_step = &program.two_steps[id.index()];
            let place =
                |member: &Member| members.iter().position(|then| then.is_some_and(|then| then.id == member.rule));
            let places: Vec<Option<usize>> = two_step.members.iter().map(place).collect();
            let first = &program.rules[two_step.members[0].rule.index()];
            let mut runs = runs;
            let values = load_captures(&mut runs, first)?;
            let mut loaded = loading.two_steps.remove(&id).unwrap_or_default();
            let mut placing = loading.placing(&mut self.live.keys[first.key.index()], values);
            loaded.load(&mut runs, &places, &mut placing)?;
            loading.two_steps.insert(id, loaded);
            runs.is_at_end().then_some(())?;
        }
        Some(())
    }
}

/// Where sections are taken up.
struct Loading<'p, 'a> {
    program: &'p Program,
    names: &'p Names,
    /// The keys of the section.
    saved: &'p mut SavedKeys<'a>,
    now_ms: i64,
    carried: &'p mut Carried,
    /// The runs of two-step sequences, which are taken up when all are read.
    two_steps: &'p mut BTreeMap<TwoStepId, Loaded>,
}

impl<'p, 'a> Loading<'p, 'a> {
    /// Whether the keys of the section are of the parts of this key.
    fn is_same_key(&self, key: KeyId) -> bool {
        self.program.keys[key.index()].parts.iter().eq(&self.saved.parts)
    }

    /// The rule of a section, if it is there and the same.
    fn rule(&self, name: &str, identity: Identity) -> Option<&'p Rule> {
        let program = self.program;
        let is_here = |rule: &&Rule| !program.elsewhere.rules.contains(&rule.id);
        program
            .rule(name)
            .filter(is_here)
            .filter(|rule| of_rule(program, rule) == identity && self.is_same_key(rule.key))
    }

    fn placing<'s>(&'s mut self, keys: &'s mut KeyTable, values: Vec<KeptValues>) -> Placing<'s, 'a> {
        Placing { names: self.names, saved: self.saved, keys, values, now_ms: self.now_ms }
    }
}

impl RuleState {
    /// How many runs, sessions, streaks and sides of a join are open.
    pub(super) fn open(&self) -> usize {
        self.runs.len() + self.pairs.len() + self.streaks.len() + self.sessions.len()
    }

    fn save(&self, rule: &Rule, keys: &KeyTable, out: &mut Vec<u8>) {
        match &rule.strategy {
            Strategy::Filter => {}
            Strategy::SequenceNfa | Strategy::AllOf => self.runs.save(keys, out),
            Strategy::EachPair => self.pairs.save(out),
            Strategy::Held(_) => held::save(&self.streaks, out),
            Strategy::Session(_) => self.sessions.save(out),
        }
    }

    fn load<'a>(&mut self, rule: &Rule, from: &mut Reader<'a>, placing: &mut Placing<'_, 'a>) -> Option<()> {
        match &rule.strategy {
            Strategy::Filter => Some(()),
            Strategy::SequenceNfa | Strategy::AllOf => self.runs.load(from, rule, placing),
            Strategy::EachPair => self.pairs.load(from, placing),
            Strategy::Held(_) => held::load(&mut self.streaks, from, placing),
            Strategy::Session(session) => self.sessions.load(from, session, placing),
        }
    }
}

/// Writes which rules run together.
fn save_members(program: &Program, two_step: &TwoStep, out: &mut Vec<u8>) {
    put_count(out, two_step.members.len());
    for member in &two_step.members {
        let rule = &program.rules[member.rule.index()];
        put_bytes(out, rule.name.as_bytes());
        out.extend_from_slice(&of_rule(program, rule));
    }
}

fn measure<'p>(program: &'p Program, name: &str, identity: Identity) -> Option<&'p Measure> {
    let is_here = |measure: &&Measure| !program.elsewhere.measures.contains(&measure.id);
    program.measure(name).filter(is_here).filter(|measure| of_measure(measure) == identity)
}

fn window<'p>(program: &'p Program, identity: &str) -> Option<(WindowId, &'p Window)> {
    (0..).map(WindowId).zip(&program.windows).find(|(_, window)| *window.identity == *identity)
}

fn novelty<'p>(program: &'p Program, identity: &str) -> Option<(NoveltyId, &'p Novelty)> {
    (0..).map(NoveltyId).zip(&program.novelties).find(|(_, novelty)| *novelty.identity == *identity)
}

fn table(program: &Program, name: &str, identity: Identity) -> Option<TableId> {
    let mut tables = (0..).map(TableId).zip(&program.tables);
    tables.find(|(_, table)| &*table.name == name && of_table(table) == identity).map(|(id, _)| id)
}

/// Of the rows of a list or table.
fn of_table(table: &Table) -> Identity {
    of_text(&format!("{:?} {:?}", table.key, table.columns))
}

fn save_rows(rows: &Rows, out: &mut Vec<u8>) {
    put_count(out, rows.len());
    // In whatever order: a table has none.
    rows.iter().for_each(|(key, row)| {
        put_bytes(out, key.as_bytes());
        put_all(out, row, put_value);
    });
}

fn load_rows(from: &mut Reader<'_>) -> Option<Rows> {
    let mut rows = Rows::default();
    for _ in 0..from.count()? {
        let key = Key::from_bytes(Key::checked(from.bytes()?, 1)?);
        let row = (0..from.count()?).map(|_| from.value()).collect::<Option<_>>()?;
        rows.put(key, row);
    }
    Some(rows)
}
