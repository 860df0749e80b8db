//! Finite inputs through engines, on one thread or several, with the same alerts in the same order.
//!
//! ```text
//! files -> reader (lines, merged by time)     -> decode -> sequencer -> engines by key -> alerts in order
//! topics -> reader (the slowest partition)    -> decode -+
//! ```
//! - `files`    the files as one stream of decoded events;
//! - `topics`   a range of topics as such a stream;
//! - `tables`   the tables that come from topics;
//! - `feed`     either of them, in the order in which events are to be judged;
//! - `single`   all of it on the calling thread;
//! - `ordered`  the events alone, in the order in which rules are to see them;
//! - `parallel` lines decoded and keys judged by workers, in lockstep of batches.
//!
//! Nothing here prints: alerts, refused lines and progress go to an [`Observer`].

mod feed;
mod files;
mod ordered;
mod parallel;
mod single;
mod tables;
mod topics;

pub use feed::Feed;
pub use ordered::in_order;
pub use tables::read_tables;
pub use topics::TopicRange;

use std::path::PathBuf;
use std::sync::Arc;

use crate::alert::Alert;
use crate::decode::{DecodeLimits, FieldNames, Format};
use crate::engine::{Admission, End, Engine, InputSettings, Limits, Stats};
use crate::event::Position;
use crate::intake::NoEvent;
use crate::program::Program;
use crate::source::Progress;

/// How files are replayed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The form of the lines.
    pub format: Format,
    /// The fields that hold type, time and id.
    pub names: FieldNames,
    /// What a message may be.
    pub limits: DecodeLimits,
    /// What may be open, on all threads together.
    pub open: Limits,
    /// How far events may be out of order, what is done with later ones, and which repeats are left out: all files are
    /// one input.
    pub input: InputSettings,
    /// What fires when the input has ended.
    pub end: End,
    /// How many threads judge; 0 and 1 are one.
    pub threads: usize,
}

/// What a replay has seen.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Events that were decoded.
    pub events: u64,
    /// Lines and messages that were refused.
    pub refused: u64,
    /// Events that were too late and left out.
    pub late: u64,
    /// Events left out because one with their id had come before.
    pub duplicates: u64,
    /// Ids forgotten before their time because there were too many.
    pub forgotten_ids: u64,
    /// Alerts that were sent.
    pub alerts: u64,
    /// What measures emitted: one for each key and window.
    pub emitted: u64,
    /// The highest event time, in ms.
    pub last_ms: Option<i64>,
    /// What the engines counted.
    pub stats: Stats,
    /// Runs that were open at the end.
    pub open_runs: usize,
}

/// A line or a message that holds no event.
#[derive(Debug)]
pub struct Refused {
    /// Where it stands.
    pub position: Position,
    /// Why.
    pub error: NoEvent,
}

/// Who hears of a replay. An error from it ends the replay.
pub trait Observer {
    /// Alerts, and what measures emit, in their one order.
    fn alerts(&mut self, alerts: &[Alert]) -> anyhow::Result<()>;

    /// A line or a message that holds no event.
    fn refused(&mut self, refused: &Refused) -> anyhow::Result<()>;

    /// How far the input has been read, and how many events came of it; now and then.
    fn progress(&mut self, progress: Progress, events: u64) -> anyhow::Result<()>;
}

/// How many events are judged before alerts are put in order and handed on.
const BATCH: usize = 1_024;

/// Replays files, merged by time; at equal times the order of the files, and within a file the order of its lines.
pub fn replay(
    program: &Arc<Program>,
    files: &[PathBuf],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    run(program, Feed::files(program, files, settings)?, settings.end, settings.threads, observer)
}

/// Judges what a feed gives, on so many threads; 0 and 1 are one.
pub fn run(
    program: &Arc<Program>,
    feed: Feed,
    end: End,
    threads: usize,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    if threads > 1 {
        parallel::replay(program, feed, end, threads, observer)
    } else {
        single::replay(program, feed, end, observer)
    }
}

/// Tells one of so many engines what is the same for all of a feed.
fn prepare(engine: &mut Engine, feed: &Feed, engines: usize) {
    engine.set_limits(feed.limits().share(engines));
    engine.name_sources(Arc::clone(feed.sources().names()));
    if feed.has_tables_outside() {
        engine.keep_tables_outside();
    }
}

/// The names of the files as alerts give them: without their folders, so that a file gives the same alerts wherever it
/// lies.
pub fn source_names(files: &[PathBuf]) -> Arc<[String]> {
    let name = |path: &PathBuf| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    files.iter().map(name).collect()
}

impl Summary {
    fn count(&mut self, admission: Admission) {
        self.events += 1;
        self.late += u64::from(matches!(admission, Admission::Late(_)));
        self.duplicates += u64::from(admission == Admission::Duplicate);
    }

    /// Counts alerts and hands them on.
    fn hand_on(&mut self, alerts: &[Alert], observer: &mut dyn Observer) -> anyhow::Result<()> {
        let emitted = alerts.iter().filter(|alert| alert.is_measure()).count();
        self.emitted += emitted as u64;
        self.alerts += (alerts.len() - emitted) as u64;
        if alerts.is_empty() { Ok(()) } else { observer.alerts(alerts) }
    }
}
