//! How large the engine's rows are, for those who ask what a rule costs. Nothing here runs.

use std::mem::size_of;

use crate::engine::emit::EVENTS_AT_EACH_END;
use crate::engine::fold::Fold;
use crate::engine::held::Streaks;
use crate::engine::keys::{self, Cell};
use crate::engine::measures::Measures;
use crate::engine::pairs::Pairs;
use crate::engine::panes::Panes;
use crate::engine::past::Memory;
use crate::engine::record::{self, Record, Records};
use crate::engine::runs;
use crate::engine::seen::SeenKeys;
use crate::engine::sessions::Sessions;
use crate::engine::sliding::Sliding;
use crate::engine::suppress::Suppressor;
use crate::engine::two_step;
use crate::event::{Key, Text, Value};
use crate::program::{Aggregate, Sizes, WindowSizes};

/// The sizes, in bytes.
///
/// ```
/// let sizes = tripline::engine::sizes();
/// assert!(sizes.run > 0 && sizes.run >= sizes.run_inline);
/// ```
pub fn sizes() -> Sizes {
    Sizes {
        value: size_of::<Value>(),
        text_inline: size_of::<Text>(),
        key_inline: Key::INLINE,
        key_row: keys::KEY_BYTES,
        key_cell: Cell::BYTES,
        run: runs::RUN_BYTES,
        two_step_run: two_step::RUN_BYTES,
        run_inline: Records::INLINE,
        taken: record::USUAL_BYTES,
        captured: record::USUAL_VALUE_BYTES,
        shared_event: size_of::<(Record, u32)>(),
        pair_row: Pairs::ROW_BYTES,
        pair_event: size_of::<Record>(),
        streak_row: Streaks::ROW_BYTES,
        session_row: Sessions::ROW_BYTES,
        fold: Fold::bytes,
        session_events: EVENTS_AT_EACH_END,
        sent: Suppressor::ROW_BYTES,
        novelty_row: SeenKeys::ROW_BYTES,
        pane_row: Panes::ROW_BYTES,
        measure_session_row: Measures::SESSION_BYTES,
        newest_row: Measures::NEWEST_BYTES,
        table_row: size_of::<(Key, Box<[Value]>)>() + 1,
        key_entry: size_of::<Key>() + 1,
        window_head: Memory::WINDOW_BYTES - size_of::<Sliding>(),
        window,
    }
}

fn window(aggregate: Aggregate) -> WindowSizes {
    let (boxed, entry) = Sliding::bytes(aggregate);
    WindowSizes { row: Memory::WINDOW_BYTES + boxed, entry }
}
