//! Events in order of time, for those who look at the events themselves. No rule is judged.

use crate::event::Event;
use crate::replay::{Feed, Refused, Summary};

/// Shows each event in the order in which rules are to see it, and each line or message that holds none. Events that
/// are too late are counted and left out, or raised, as the settings say.
pub fn in_order(
    mut feed: Feed,
    mut see: impl FnMut(&Event),
    mut refused: impl FnMut(&Refused),
) -> anyhow::Result<Summary> {
    let mut summary = Summary::default();
    let mut more = true;
    while more {
        more = feed.read(&mut summary, |event| see(event))?;
        for one in feed.take_refused() {
            summary.refused += 1;
            refused(&one);
        }
    }
    feed.finish(&mut summary, |event| see(event));
    Ok(summary)
}
