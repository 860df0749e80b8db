//! A replay on the calling thread: an event is decoded into the same memory again and again and judged where it lies.

use std::sync::Arc;

use crate::engine::{AlertOrder, End, Engine};
use crate::program::Program;
use crate::replay::{Feed, Observer, Summary};

pub(super) fn replay(
    program: &Arc<Program>,
    mut feed: Feed,
    end: End,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    let mut engine = Engine::new(Arc::clone(program));
    super::prepare(&mut engine, &feed, 1);
    let mut order = AlertOrder::default();
    let mut summary = Summary::default();
    let mut alerts = Vec::new();
    let mut more = true;
    while more {
        more = feed.read(&mut summary, |event| engine.on_event(event, &mut alerts))?;
        for refused in feed.take_refused() {
            summary.refused += 1;
            observer.refused(&refused)?;
        }
        let watermark_ms = feed.watermark();
        if let Some(watermark_ms) = watermark_ms {
            engine.advance(watermark_ms, &mut alerts);
        }
        order.extend(alerts.drain(..));
        if let Some(watermark_ms) = watermark_ms {
            summary.hand_on(&order.release(watermark_ms), observer)?;
        }
        observer.progress(feed.progress(), summary.events)?;
    }
    feed.finish(&mut summary, |event| engine.on_event(event, &mut alerts));
    engine.finish(end, summary.last_ms, &mut alerts);
    order.extend(alerts);
    summary.hand_on(&order.finish(), observer)?;
    summary.stats = engine.stats();
    summary.open_runs = engine.open_runs();
    Ok(summary)
}
