//! What is remembered of the past events of keys: windows, and the values that `is new` asks for.
//!
//! An event goes into the windows of its type before the rules judge it, or after where a window leaves out the event
//! at hand; what `is new` remembers comes last. So judging reads and never changes anything here. Rows of keys that are
//! silent for longer than their window are forgotten.

use std::hash::{BuildHasher, Hasher};

use hashbrown::DefaultHashBuilder;

use crate::engine::by_key::ByKey;
use crate::engine::codec::Reader;
use crate::engine::eval::{self, Context};
use crate::engine::fold::Fold;
use crate::engine::keys::{KeyAt, KeyTable};
use crate::engine::lookups::Tables;
use crate::engine::saved::Placing;
use crate::engine::seen::SeenKeys;
use crate::engine::slab::Row;
use crate::engine::sliding::Sliding;
use crate::event::{Event, KeyBuilder, Value};
use crate::program::{CellId, Dispatch, Novelty, NoveltyId, Program, Window, WindowId, WindowRange};

/// All that is remembered, by window and by novelty.
#[derive(Debug, Default)]
pub(super) struct Memory {
    hasher: DefaultHashBuilder,
    windows: Vec<Rows>,
    /// By the key and the value together.
    novelties: Vec<SeenKeys>,
    pair: KeyBuilder,
}

/// What a window has of each key.
#[derive(Debug)]
struct Rows {
    by_key: ByKey<Sliding>,
    /// How many entries they have.
    entries: usize,
    /// The row of the key of the event at hand, as it is read.
    here: Option<Row>,
}

/// The past of one key, as conditions read it.
#[derive(Clone, Copy)]
pub(super) struct Past<'a> {
    pub(super) program: &'a Program,
    pub(super) memory: &'a Memory,
    pub(super) key: KeyAt<'a>,
}

/// An event that is being judged, and where it goes.
#[derive(Clone, Copy)]
pub(super) struct Arriving<'a> {
    pub(super) program: &'a Program,
    pub(super) dispatch: &'a Dispatch,
    pub(super) key: KeyAt<'a>,
    pub(super) event: &'a Event,
    pub(super) tables: Tables<'a>,
}

/// Rows are forgotten as fast as they come.
const FORGOTTEN_PER_EVENT: usize = 2;

impl Memory {
    pub(super) fn new(program: &Program) -> Memory {
        Memory {
            windows: program.windows.iter().map(|window| Rows::new(window.cell)).collect(),
            novelties: program.novelties.iter().map(|_| SeenKeys::default()).collect(),
            ..Memory::default()
        }
    }

    /// A window's row of a key, in bytes, without what its aggregate keeps.
    pub(super) const WINDOW_BYTES: usize = ByKey::<Sliding>::ROW_BYTES;

    /// Before an event is judged: the windows that hold it take it, and those that are read let go of what is too old.
    pub(super) fn before(&mut self, arriving: Arriving<'_>, keys: &mut KeyTable) {
        let Arriving { dispatch, event, .. } = arriving;
        self.feed(&dispatch.windows, arriving, keys);
        for id in &dispatch.reads {
            self.windows[id.index()].read(keys, event.time_ms);
        }
    }

    /// After an event is judged: what leaves out the event at hand takes it too.
    pub(super) fn after(&mut self, arriving: Arriving<'_>, keys: &mut KeyTable) {
        let Arriving { program, dispatch, key, event, tables } = arriving;
        self.feed(&dispatch.windows_after, arriving, keys);
        for id in &dispatch.novelties {
            let novelty = &program.novelties[id.index()];
            let operand = eval::value(&novelty.operand, Context::of_event(event, tables));
            let Some(hash) = self.pair_with(key, &operand) else { continue };
            let seen = &mut self.novelties[id.index()];
            seen.see(hash, self.pair.as_bytes(), event.time_ms);
            seen.forget_before(oldest_kept(event.time_ms, novelty.over_ms), FORGOTTEN_PER_EVENT);
        }
    }

    /// Forgets the rows of keys that have been silent for too long.
    pub(super) fn sweep(&mut self, program: &Program, watermark_ms: i64, keys: &mut [KeyTable]) {
        for (window, rows) in program.windows.iter().zip(&mut self.windows) {
            if let WindowRange::Duration(ms) = window.range {
                rows.forget_before(&mut keys[window.key.index()], oldest_kept(watermark_ms, ms), usize::MAX);
            }
        }
        for (novelty, rows) in program.novelties.iter().zip(&mut self.novelties) {
            rows.forget_before(oldest_kept(watermark_ms, novelty.over_ms), usize::MAX);
        }
    }

    /// Writes what a window has.
    pub(super) fn save_window(&self, id: WindowId, out: &mut Vec<u8>) {
        self.windows[id.index()].by_key.save(out, |out, sliding| sliding.save(out));
    }

    /// Takes up what a window had, where it has nothing yet.
    pub(super) fn load_window<'a>(
        &mut self,
        from: &mut Reader<'a>,
        (id, window): (WindowId, &Window),
        placing: &mut Placing<'_, 'a>,
    ) -> Option<()> {
        let Rows { by_key, entries, .. } = &mut self.windows[id.index()];
        by_key.load(from, placing, |from, _, time_ms| {
            let sliding = Sliding::load(window.aggregate, window.range, from, time_ms)?;
            *entries += sliding.len();
            Some(sliding)
        })
    }

    /// Writes the values that were seen.
    pub(super) fn save_novelty(&self, id: NoveltyId, out: &mut Vec<u8>) {
        self.novelties[id.index()].save(out);
    }

    /// Takes up the values that were seen for keys of so many parts, where there is none yet.
    pub(super) fn load_novelty(
        &mut self,
        from: &mut Reader<'_>,
        id: NoveltyId,
        parts: usize,
        now_ms: i64,
    ) -> Option<()> {
        let hasher = &self.hasher;
        self.novelties[id.index()].load(from, parts + 1, now_ms, |pair| hash_of(hasher, pair))
    }

    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.windows.iter().map(|window| window.by_key.len()).sum::<usize>()
            + self.novelties.iter().map(SeenKeys::len).sum::<usize>()
    }

    /// What is remembered, in bytes.
    pub(super) fn bytes(&self, program: &Program) -> usize {
        let window = |(window, rows): (&Window, &Rows)| {
            let (boxed, entry) = Sliding::bytes(window.aggregate);
            rows.by_key.len() * (Self::WINDOW_BYTES + boxed) + rows.entries * entry
        };
        let windows: usize = program.windows.iter().zip(&self.windows).map(window).sum();
        windows + self.novelties.iter().map(|rows| rows.len() * SeenKeys::ROW_BYTES).sum::<usize>()
    }

    fn feed(&mut self, windows: &[WindowId], arriving: Arriving<'_>, keys: &mut KeyTable) {
        let Arriving { program, key, event, tables, .. } = arriving;
        for id in windows {
            let window = &program.windows[id.index()];
            let context = Context::of_event(event, tables);
            let counts = window.condition.as_ref().is_none_or(|condition| eval::holds(condition, context));
            let rows = &mut self.windows[id.index()];
            if let WindowRange::Duration(ms) = window.range {
                rows.forget_before(keys, oldest_kept(event.time_ms, ms), FORGOTTEN_PER_EVENT);
                // Of what does not count a window of time keeps nothing.
                if !counts {
                    continue;
                }
            }
            let value = window.value.as_ref().map(|expr| eval::value(expr, context));
            let value = value.as_deref().unwrap_or(&Value::Boolean(true));
            let make = || Sliding::new(window.aggregate, window.range);
            let row = rows.by_key.touch(keys, key, event.time_ms, make);
            rows.change(row, |sliding| {
                sliding.push(event.time_ms, counts.then_some(value));
                sliding.evict(event.time_ms);
            });
        }
    }

    /// Puts a value behind a key. Returns the hash of both; none where the value is missing.
    fn pair_with(&mut self, key: KeyAt<'_>, value: &Value) -> Option<u64> {
        put_pair(&mut self.pair, key, value).then(|| hash_of(&self.hasher, self.pair.as_bytes()))
    }
}

impl Rows {
    /// No rows yet; this is their cell in the rows of keys.
    fn new(cell: CellId) -> Rows {
        Rows { by_key: ByKey::of_memories(cell), entries: 0, here: None }
    }

    /// The row of the key at hand, if it has one, is read: it lets go of what is too old.
    fn read(&mut self, keys: &KeyTable, now_ms: i64) {
        self.here = self.by_key.here(keys);
        if let Some(row) = self.here {
            self.change(row, |sliding| sliding.evict(now_ms));
        }
    }

    /// Changes a row.
    fn change(&mut self, row: Row, change: impl FnOnce(&mut Sliding)) {
        let sliding = self.by_key.get_mut(row);
        let before = sliding.len();
        change(sliding);
        self.entries = self.entries + sliding.len() - before;
    }

    /// Forgets up to `most` rows that were last touched before a time.
    fn forget_before(&mut self, keys: &mut KeyTable, time_ms: i64, most: usize) {
        for _ in 0..most {
            let Some(sliding) = self.by_key.take_before(keys, time_ms) else { return };
            self.entries -= sliding.len();
        }
    }
}

impl Past<'_> {
    /// The value of a window that is read at the event.
    pub(super) fn window(&self, id: WindowId) -> Value {
        let Window { aggregate, .. } = self.program.windows[id.index()];
        let Rows { by_key, here, .. } = &self.memory.windows[id.index()];
        here.map_or_else(|| Fold::new(aggregate).value(), |row| by_key.get(row).value())
    }

    /// Whether a value is new at a time.
    pub(super) fn is_new(&self, id: NoveltyId, value: &Value, time_ms: i64) -> bool {
        let mut pair = KeyBuilder::default();
        if !put_pair(&mut pair, self.key, value) {
            return false;
        }
        let Novelty { over_ms, .. } = self.program.novelties[id.index()];
        let hash = hash_of(&self.memory.hasher, pair.as_bytes());
        let seen_ms = self.memory.novelties[id.index()].seen_ms(hash, pair.as_bytes());
        seen_ms.is_none_or(|seen_ms| seen_ms < oldest_kept(time_ms, over_ms))
    }
}

/// The oldest time that still lies in (now - over, now].
fn oldest_kept(now_ms: i64, over_ms: i64) -> i64 {
    now_ms.saturating_sub(over_ms).saturating_add(1)
}

fn put_pair(pair: &mut KeyBuilder, key: KeyAt<'_>, value: &Value) -> bool {
    pair.clear();
    pair.push_encoded(key.bytes);
    pair.push(value)
}

fn hash_of(hasher: &DefaultHashBuilder, bytes: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(bytes);
    hasher.finish()
}
