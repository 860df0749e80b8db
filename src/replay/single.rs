//! A replay on the calling thread: an event is decoded into the same memory again and again and judged where it lies.

use std::path::PathBuf;
use std::sync::Arc;

use crate::engine::{AlertOrder, Stream};
use crate::event::Event;
use crate::program::Program;
use crate::replay::events::Events;
use crate::replay::{BATCH, Observer, Settings, Summary, source_names};

pub(super) fn replay(
    program: &Arc<Program>,
    files: &[PathBuf],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    let mut events = Events::open(program, files, settings)?;
    let mut stream = Stream::new(Arc::clone(program), &[settings.input]);
    stream.name_sources(source_names(files));
    let mut order = AlertOrder::default();
    let mut summary = Summary::default();
    let mut alerts = Vec::new();
    let mut event = Event::default();
    let mut more = true;
    while more {
        for _ in 0..BATCH {
            more = events.next(&mut event)?;
            if !more {
                break;
            }
            summary.events += 1;
            summary.count(stream.push(0, &mut event, &mut alerts));
        }
        for refused in events.take_refused() {
            summary.refused += 1;
            observer.refused(&refused)?;
        }
        stream.release(&mut alerts);
        order.extend(alerts.drain(..));
        if let Some(watermark_ms) = stream.watermark() {
            summary.hand_on(&order.release(watermark_ms), observer)?;
        }
        observer.progress(events.progress(), summary.events)?;
    }
    summary.last_ms = stream.highest();
    summary.forgotten_ids = stream.forgotten_ids(0);
    stream.finish(settings.end, &mut alerts);
    order.extend(alerts);
    summary.hand_on(&order.finish(), observer)?;
    summary.stats = stream.stats();
    summary.open_runs = stream.open_runs();
    Ok(summary)
}
