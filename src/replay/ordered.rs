//! Files as events in order of time, for those who look at the events themselves. No rule is judged.

use std::path::PathBuf;

use crate::engine::Sequencer;
use crate::event::Event;
use crate::program::Program;
use crate::replay::events::Events;
use crate::replay::{BATCH, Refused, Settings, Summary};

/// Reads files, merged by time, and shows each event in the order in which rules are to see it, and each line that holds
/// none. Events that are too late are counted and left out, or raised, as the settings say.
pub fn in_order(
    program: &Program,
    files: &[PathBuf],
    settings: &Settings,
    mut see: impl FnMut(&Event),
    mut refused: impl FnMut(&Refused),
) -> anyhow::Result<Summary> {
    let mut events = Events::open(program, files, settings)?;
    let mut sequencer = Sequencer::new(&[settings.input]);
    let mut summary = Summary::default();
    let mut event = Event::default();
    let mut more = true;
    while more {
        for _ in 0..BATCH {
            more = events.next(&mut event)?;
            if !more {
                break;
            }
            summary.events += 1;
            summary.count(sequencer.push(0, &mut event, |event| see(event)));
        }
        for one in events.take_refused() {
            summary.refused += 1;
            refused(&one);
        }
    }
    sequencer.finish(|event| see(event));
    summary.last_ms = sequencer.highest();
    Ok(summary)
}
