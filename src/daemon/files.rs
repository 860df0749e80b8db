//! The loop over files and standard input: merged by time, read to their end, no commits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;

use crate::alert::Alert;
use crate::config::{FileSource, Late, Settings};
use crate::daemon::dropped::DroppedRuns;
use crate::daemon::health::Health;
use crate::daemon::output::{DeadLetter, Outputs};
use crate::daemon::outside::{Kafka, Outside};
use crate::daemon::shutdown::Shutdown;
use crate::daemon::table_files::{FileTables, Seen};
use crate::decode::Decoder;
use crate::engine::{Admission, AlertOrder, End, InputSettings, LatePolicy, RuleStats, Stream};
use crate::event::{Event, Position, SourceId};
use crate::intake::{decoder, input_settings};
use crate::program::Program;
use crate::sink::Delivery;
use crate::source::FileReader;
use crate::telemetry::{IdsForgotten, Metrics, Reason, TopicReason};

const SAY: Duration = Duration::from_secs(5);
const SAY_EVENTS: u64 = 4_096;

/// What was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilesSummary {
    /// Events judged.
    pub events: u64,
    /// Lines that are no events.
    pub dead_letters: u64,
    /// Events that came after their time was past.
    pub late: u64,
    /// Events left out because one with their id had come before.
    pub duplicates: u64,
    /// Alerts.
    pub alerts: u64,
    /// What measures emitted.
    pub emitted: u64,
}

/// Reads all files to their end, or until it is asked to stop.
pub(super) fn run(
    settings: &Settings,
    files: &[FileSource],
    program: &Arc<Program>,
    metrics: &Metrics,
    health: &Health,
    shutdown: &Shutdown,
    sinks: &[mpsc::Sender<Delivery>],
) -> anyhow::Result<FilesSummary> {
    let names: Arc<[String]> = files.iter().map(name).collect();
    let producer = |kafka: &_| Kafka { settings: kafka, name: &settings.name, metrics: metrics.clone() }.producer(None);
    let mut outputs = Outputs::open(settings, Arc::clone(&names), metrics.clone(), shutdown.flag(), producer)?;
    for sink in sinks {
        outputs.connect(sink.clone());
    }
    health.beat(Vec::new());
    let inputs = files.iter().zip(&*names).enumerate();
    let inputs: anyhow::Result<Vec<Input>> =
        inputs.map(|(at, (file, name))| Input::open(at, file, name, settings, program, metrics)).collect();
    let dropped = Drops { runs: DroppedRuns::new(program, metrics), counted: Vec::new() };
    let mut merge = Merge { inputs: inputs?, dropped, summary: FilesSummary::default() };
    let stream_inputs: Vec<InputSettings> =
        files.iter().map(|file| input_settings(file.time, settings.limits)).collect();
    let mut stream = Stream::new(Arc::clone(program), &stream_inputs);
    stream.name_sources(names);
    stream.set_limits(settings.limits.open);
    let tables = FileTables::watch(program, metrics, shutdown)?;
    let mut seen = Seen::default();
    let mut order = AlertOrder::default();
    let mut alerts = Vec::new();
    let mut said = Instant::now();
    // What comes through a pipe may come slowly: its alerts are not kept back.
    let live = files.iter().any(|file| file.path.is_none());
    merge.fill_all(&mut outputs)?;
    while let Some(at) = merge.next(&mut stream, &mut alerts) {
        for (id, rows) in tables.changed(&mut seen) {
            stream.replace_table(id, rows);
        }
        merge.push(at, &mut stream, &mut alerts, metrics, &mut outputs)?;
        merge.fill(at, &mut outputs)?;
        if send(&mut order, &mut alerts, stream.watermark(), &mut outputs)? && live {
            outputs.flush()?;
        }
        if merge.summary.events.is_multiple_of(SAY_EVENTS) {
            if shutdown.is_asked() {
                break;
            }
            health.beat(Vec::new());
            merge.count(&stream, metrics);
            outputs.poll()?;
            if said.elapsed() > SAY {
                said = Instant::now();
                outputs.say_dead_letters();
                tracing::info!(events = merge.summary.events, alerts = outputs.sent(), "reading");
            }
        }
    }
    if !shutdown.is_asked() {
        stream.finish(End::LastEvent, &mut alerts);
        order.extend(alerts.drain(..));
        for alert in order.finish() {
            outputs.alert(&alert)?;
        }
    }
    outputs.say_dead_letters();
    outputs.drain(|| shutdown.is_asked())?;
    merge.count(&stream, metrics);
    let emitted = outputs.emitted();
    Ok(FilesSummary { alerts: outputs.sent() - emitted, emitted, ..merge.summary })
}

/// Sends what no earlier alert can come before any more; says whether there was any.
fn send(
    order: &mut AlertOrder,
    alerts: &mut Vec<Alert>,
    watermark_ms: Option<i64>,
    outputs: &mut Outputs,
) -> anyhow::Result<bool> {
    order.extend(alerts.drain(..));
    let ready = watermark_ms.map_or_else(Vec::new, |watermark| order.release(watermark));
    for alert in &ready {
        outputs.alert(alert)?;
    }
    Ok(!ready.is_empty())
}

fn name(file: &FileSource) -> String {
    file.path.as_ref().map_or_else(|| "stdin".to_owned(), |path| path.display().to_string())
}

/// A file with its next event.
struct Input {
    name: String,
    at: usize,
    reader: FileReader,
    decoder: Decoder,
    next: Event,
    /// Of `next`, for a late one that goes to the dead letters.
    bytes: Vec<u8>,
    keeps_bytes: bool,
    state: State,
    events: Counter,
    read: Counter,
    duplicates: Counter,
    /// Ids forgotten before their time, as far as it was said.
    forgotten_ids: u64,
    counts: (u64, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `next` waits to be pushed.
    Ready,
    /// There is no further event; the stream was not told yet.
    Ended,
    /// The stream was told.
    Gone,
}

impl Input {
    fn open(
        at: usize,
        file: &FileSource,
        name: &str,
        settings: &Settings,
        program: &Program,
        metrics: &Metrics,
    ) -> anyhow::Result<Input> {
        let path = file.path.as_deref().unwrap_or(Path::new("-"));
        Ok(Input {
            name: name.to_owned(),
            at,
            reader: FileReader::open(path, settings.limits.event_bytes_max)?,
            decoder: decoder(program, &file.fields, settings.limits),
            next: Event::default(),
            bytes: Vec::new(),
            keeps_bytes: file.time.late == Late::DeadLetter,
            state: State::Ready,
            events: Metrics::by_topic(&metrics.events, name),
            read: Metrics::by_topic(&metrics.bytes, name),
            duplicates: Metrics::by_topic(&metrics.duplicates, name),
            forgotten_ids: 0,
            counts: (0, 0),
        })
    }

    /// Reads up to the next event; lines that are none go to the dead letters.
    fn fill(&mut self, summary: &mut FilesSummary, outputs: &mut Outputs) -> anyhow::Result<()> {
        while let Some(line) = self.reader.next_line()? {
            self.counts.1 += line.length;
            let position = Position {
                source: SourceId(u16::try_from(self.at).unwrap_or(u16::MAX)),
                partition: 0,
                offset: line.number,
            };
            match self.decoder.decode(line.bytes, &mut self.next) {
                Ok(()) => {
                    self.next.position = position;
                    if self.keeps_bytes {
                        self.bytes.clear();
                        self.bytes.extend_from_slice(line.bytes);
                    }
                    self.state = State::Ready;
                    return Ok(());
                }
                Err(error) => {
                    summary.dead_letters += 1;
                    let detail = error.to_string();
                    outputs.dead_letter(&letter(&self.name, line.number, line.bytes, error.reason(), &detail))?;
                }
            }
        }
        self.state = State::Ended;
        Ok(())
    }
}

fn letter<'a>(source: &'a str, line: u64, bytes: &'a [u8], reason: &'static str, detail: &'a str) -> DeadLetter<'a> {
    let offset = i64::try_from(line).unwrap_or(i64::MAX);
    DeadLetter { source, partition: 0, offset, timestamp_ms: None, key: None, payload: Some(bytes), reason, detail }
}

/// What limits have dropped, as far as it was counted.
struct Drops {
    runs: DroppedRuns,
    counted: Vec<RuleStats>,
}

impl Drops {
    fn count(&mut self, now: Vec<RuleStats>) {
        let mut since = now.clone();
        for (stats, counted) in since.iter_mut().zip(&self.counted) {
            stats.dropped.subtract(counted.dropped);
        }
        self.counted = now;
        self.runs.count(&since, Instant::now());
    }
}

/// Files by time, ties in the order in which they are given.
struct Merge {
    inputs: Vec<Input>,
    dropped: Drops,
    summary: FilesSummary,
}

impl Merge {
    fn fill_all(&mut self, outputs: &mut Outputs) -> anyhow::Result<()> {
        self.inputs.iter_mut().try_for_each(|input| input.fill(&mut self.summary, outputs))
    }

    /// The file with the earliest event. The stream is told of files that have ended.
    fn next(&mut self, stream: &mut Stream, alerts: &mut Vec<Alert>) -> Option<usize> {
        for (at, input) in self.inputs.iter_mut().enumerate().filter(|(_, input)| input.state == State::Ended) {
            input.state = State::Gone;
            stream.set_idle(at, true, alerts);
        }
        let ready = self.inputs.iter().enumerate().filter(|(_, input)| input.state == State::Ready);
        ready.min_by_key(|(at, input)| (input.next.time_ms, *at)).map(|(at, _)| at)
    }

    fn push(
        &mut self,
        at: usize,
        stream: &mut Stream,
        alerts: &mut Vec<Alert>,
        metrics: &Metrics,
        outputs: &mut Outputs,
    ) -> anyhow::Result<()> {
        let input = &mut self.inputs[at];
        self.summary.events += 1;
        input.counts.0 += 1;
        let line = input.next.position.offset;
        let policy = match stream.push(at, &mut input.next, alerts) {
            Admission::Accepted => return Ok(()),
            Admission::Duplicate => {
                self.summary.duplicates += 1;
                input.duplicates.inc();
                return Ok(());
            }
            Admission::Raised | Admission::Late(LatePolicy::Process) => "process",
            Admission::Late(LatePolicy::Drop) => "drop",
            Admission::Late(LatePolicy::DeadLetter) => {
                let detail = "the event's time is before the watermark: see lateness and late";
                outputs.dead_letter(&letter(&input.name, line, &input.bytes, "late", detail))?;
                "dead-letter"
            }
        };
        self.summary.late += 1;
        let label = TopicReason { topic: input.name.clone(), reason: Reason(policy) };
        metrics.late.get_or_create(&label).inc();
        Ok(())
    }

    fn fill(&mut self, at: usize, outputs: &mut Outputs) -> anyhow::Result<()> {
        self.inputs[at].fill(&mut self.summary, outputs)
    }

    fn count(&mut self, stream: &Stream, metrics: &Metrics) {
        self.dropped.count(stream.stats().rules);
        for input in &mut self.inputs {
            let total = stream.forgotten_ids(input.at);
            let forgotten = total - std::mem::replace(&mut input.forgotten_ids, total);
            if forgotten > 0 {
                IdsForgotten { source: &input.name, forgotten }.emit(metrics);
            }
            let (events, bytes) = std::mem::take(&mut input.counts);
            input.events.inc_by(events);
            input.read.inc_by(bytes);
        }
    }
}
