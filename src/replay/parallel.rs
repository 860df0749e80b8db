//! A replay on several threads. Each worker judges its share of the keys, and decodes its share of the lines where they
//! are of one file; the calling thread reads, puts events in order of time, and puts alerts in order.
//!
//! A batch of ordered events goes to every worker, which judges the keys that are its own, so the alerts of a batch are
//! complete when all workers have answered. Answers are taken in the order of batches: the result is that of one
//! thread, byte for byte.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::alert::Alert;
use crate::decode::Decoder;
use crate::engine::{AlertOrder, End, Engine, Stats};
use crate::event::Event;
use crate::program::Program;
use crate::replay::files::{decode, refused};
use crate::replay::{BATCH, Feed, Observer, Refused, Summary, prepare};
use crate::source::{FileReader, Line, Progress};

/// How many batches may be under way for each worker: enough that none waits, few enough that memory stays small.
const UNDER_WAY: usize = 4;

enum Job {
    /// Lines to be decoded.
    Decode(Lines),
    /// Events in order of time, and the watermark after them.
    Judge(Arc<Vec<Event>>, Option<i64>),
    /// The input has ended.
    Finish(End, Option<i64>),
}

/// Lines of one file, copied one after the other.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// The number of each line, and where it ends in the bytes.
    ends: Vec<(u64, usize)>,
    /// Events of old, to be decoded into.
    spent: Vec<Event>,
}

#[derive(Default)]
struct Decoded {
    events: Vec<Event>,
    refused: Vec<Refused>,
    /// What they were decoded from.
    lines: Lines,
    progress: Progress,
}

struct Answer {
    alerts: Vec<Alert>,
    /// Only from the last job.
    stats: Option<(Stats, usize)>,
}

struct Worker {
    jobs: Sender<Job>,
    decoded: Receiver<Decoded>,
    answers: Receiver<Answer>,
}

pub(super) fn replay(
    program: &Arc<Program>,
    mut feed: Feed,
    end: End,
    threads: usize,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    let (lines, decoder) = feed.take_lines().unzip();
    thread::scope(|scope| {
        let workers: Vec<Worker> = Engine::sharded(program, threads)
            .into_iter()
            .map(|mut engine| {
                prepare(&mut engine, &feed, threads);
                let decoder = decoder.clone();
                let (jobs, inbox) = channel();
                let (decoded_out, decoded) = channel();
                let (answers_out, answers) = channel();
                scope.spawn(move || work(engine, decoder, &inbox, &decoded_out, &answers_out));
                Worker { jobs, decoded, answers }
            })
            .collect();
        let mut conductor = Conductor {
            lines: lines.map(LineBatches::new),
            feed,
            workers,
            order: AlertOrder::default(),
            summary: Summary::default(),
            judging: VecDeque::new(),
            spent: Vec::new(),
            empty: Vec::new(),
        };
        conductor.run(end, observer)
    })
}

/// A worker's loop; it ends when the calling thread hangs up.
fn work(
    mut engine: Engine,
    mut decoder: Option<Decoder>,
    jobs: &Receiver<Job>,
    decoded: &Sender<Decoded>,
    answers: &Sender<Answer>,
) {
    for job in jobs {
        let heard = match job {
            Job::Decode(lines) => {
                let decoder = decoder.as_mut().expect("lines are only given out with the decoder of their file");
                decoded.send(lines.decode(decoder)).is_ok()
            }
            Job::Judge(events, watermark_ms) => {
                let mut alerts = Vec::new();
                for event in events.iter() {
                    engine.on_event(event, &mut alerts);
                }
                // Whoever takes the answers takes the events back.
                drop(events);
                if let Some(watermark_ms) = watermark_ms {
                    engine.advance(watermark_ms, &mut alerts);
                }
                answers.send(Answer { alerts, stats: None }).is_ok()
            }
            Job::Finish(end, last_ms) => {
                let mut alerts = Vec::new();
                engine.finish(end, last_ms, &mut alerts);
                let stats = Some((engine.stats(), engine.open_runs()));
                answers.send(Answer { alerts, stats }).is_ok()
            }
        };
        if !heard {
            return;
        }
    }
}

impl Lines {
    fn push(&mut self, line: Line<'_>) {
        self.bytes.extend_from_slice(line.bytes);
        self.ends.push((line.number, self.bytes.len()));
    }

    fn decode(mut self, decoder: &mut Decoder) -> Decoded {
        let (mut events, mut refused) = (std::mem::take(&mut self.spent), Vec::new());
        let (mut decoded, mut start) = (0, 0);
        for (number, end) in &self.ends {
            if decoded == events.len() {
                events.push(Event::default());
            }
            let bytes = &self.bytes[start..*end];
            let line = Line { number: *number, bytes, length: bytes.len() as u64 };
            match decode(decoder, line, 0, &mut events[decoded]) {
                Ok(()) => decoded += 1,
                Err(error) => refused.push(self::refused(0, *number, error)),
            }
            start = *end;
        }
        events.truncate(decoded);
        Decoded { events, refused, lines: self, progress: Progress::default() }
    }
}

/// The lines of the only file, decoded by the workers. What has to be merged is decoded on the calling thread.
struct LineBatches {
    reader: FileReader,
    asked: VecDeque<(usize, Progress)>,
    next_worker: usize,
    has_ended: bool,
    /// Lines that are decoded, to be read into.
    read: Vec<Lines>,
}

impl LineBatches {
    fn new(reader: FileReader) -> LineBatches {
        LineBatches { reader, asked: VecDeque::new(), next_worker: 0, has_ended: false, read: Vec::new() }
    }

    /// The next batch in order of arrival; none at the end. `spent` gives events of old to decode into.
    fn next(&mut self, workers: &[Worker], spent: &mut Vec<Vec<Event>>) -> anyhow::Result<Option<Decoded>> {
        while !self.has_ended && self.asked.len() < UNDER_WAY * workers.len() {
            let mut lines = self.read.pop().unwrap_or_default();
            read_lines(&mut self.reader, &mut lines)?;
            lines.spent = spent.pop().unwrap_or_default();
            self.has_ended = lines.ends.is_empty();
            if !self.has_ended {
                workers[self.next_worker].jobs.send(Job::Decode(lines))?;
                self.asked.push_back((self.next_worker, self.reader.progress()));
                self.next_worker = (self.next_worker + 1) % workers.len();
            }
        }
        let Some((worker, progress)) = self.asked.pop_front() else { return Ok(None) };
        Ok(Some(Decoded { progress, ..workers[worker].decoded.recv()? }))
    }
}

fn read_lines(reader: &mut FileReader, lines: &mut Lines) -> anyhow::Result<()> {
    lines.bytes.clear();
    lines.ends.clear();
    while lines.ends.len() < BATCH {
        let Some(line) = reader.next_line()? else { break };
        lines.push(line);
    }
    Ok(())
}

/// The calling thread's side.
struct Conductor {
    feed: Feed,
    /// Where they are of one file.
    lines: Option<LineBatches>,
    workers: Vec<Worker>,
    order: AlertOrder,
    summary: Summary,
    /// Each batch that the workers have not answered yet, and the watermark after it.
    judging: VecDeque<(Arc<Vec<Event>>, Option<i64>)>,
    /// Events that are judged.
    spent: Vec<Vec<Event>>,
    /// Memory for events.
    empty: Vec<Vec<Event>>,
}

impl Conductor {
    fn run(&mut self, end: End, observer: &mut dyn Observer) -> anyhow::Result<Summary> {
        while self.sequence(observer)? {
            while self.judging.len() > UNDER_WAY {
                self.collect(observer)?;
            }
        }
        while !self.judging.is_empty() {
            self.collect(observer)?;
        }
        self.finish(end, observer)?;
        Ok(std::mem::take(&mut self.summary))
    }

    /// Puts a batch in order of time and gives what is due to all workers. Returns false at the end.
    fn sequence(&mut self, observer: &mut dyn Observer) -> anyhow::Result<bool> {
        let Conductor { feed, lines, workers, summary, spent, empty, .. } = self;
        let mut ordered = empty.pop().unwrap_or_else(|| Vec::with_capacity(BATCH));
        let (more, refused, progress) = match lines {
            Some(lines) => {
                let Some(mut decoded) = lines.next(workers, spent)? else { return Ok(false) };
                for event in &mut decoded.events {
                    feed.offer(event, summary, |event| ordered.push(std::mem::take(event)));
                }
                decoded.events.clear();
                empty.push(decoded.events);
                lines.read.push(decoded.lines);
                (true, decoded.refused, decoded.progress)
            }
            None => {
                let more = feed.read(summary, |event| ordered.push(std::mem::take(event)))?;
                (more, feed.take_refused(), feed.progress())
            }
        };
        summary.refused += refused.len() as u64;
        for refused in &refused {
            observer.refused(refused)?;
        }
        observer.progress(progress, summary.events)?;
        self.judge(ordered)?;
        Ok(more)
    }

    fn judge(&mut self, ordered: Vec<Event>) -> anyhow::Result<()> {
        let (ordered, watermark_ms) = (Arc::new(ordered), self.feed.watermark());
        for worker in &self.workers {
            worker.jobs.send(Job::Judge(Arc::clone(&ordered), watermark_ms))?;
        }
        self.judging.push_back((ordered, watermark_ms));
        Ok(())
    }

    /// Takes the workers' answers for the oldest batch.
    fn collect(&mut self, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let Some((events, watermark_ms)) = self.judging.pop_front() else { return Ok(()) };
        for worker in &self.workers {
            self.order.extend(worker.answers.recv()?.alerts);
        }
        // Where lines are decoded here, nobody decodes into them.
        if self.lines.is_some() {
            self.spent.extend(Arc::into_inner(events));
        }
        let ready = watermark_ms.map(|watermark_ms| self.order.release(watermark_ms)).unwrap_or_default();
        self.summary.hand_on(&ready, observer)
    }

    fn finish(&mut self, end: End, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let mut rest = Vec::new();
        self.feed.finish(&mut self.summary, |event| rest.push(std::mem::take(event)));
        self.judge(rest)?;
        self.collect(observer)?;
        for worker in &self.workers {
            worker.jobs.send(Job::Finish(end, self.summary.last_ms))?;
        }
        for worker in &self.workers {
            let answer = worker.answers.recv()?;
            self.order.extend(answer.alerts);
            if let Some((stats, open_runs)) = answer.stats {
                self.summary.stats.add(&stats);
                self.summary.open_runs += open_runs;
            }
        }
        let ready = self.order.finish();
        self.summary.hand_on(&ready, observer)
    }
}
