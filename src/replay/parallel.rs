//! A replay on several threads. Each worker decodes its share of the lines and judges its share of the keys; the
//! calling thread reads, puts events in order of time, and puts alerts in order.
//!
//! A batch of ordered events goes to every worker, which judges the keys that are its own, so the alerts of a batch are
//! complete when all workers have answered. Answers are taken in the order of batches: the result is that of one
//! thread, byte for byte.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::alert::Alert;
use crate::decode::Decoder;
use crate::engine::{AlertOrder, End, Engine, Sequencer, Stats};
use crate::event::Event;
use crate::program::Program;
use crate::replay::events::{Events, decode};
use crate::replay::{BATCH, Observer, Refused, Settings, Summary, source_names};
use crate::source::{FileReader, Line, Progress};

/// How many batches may be under way for each worker: enough that none waits, few enough that memory stays small.
const UNDER_WAY: usize = 3;

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
}

#[derive(Default)]
struct Decoded {
    events: Vec<Event>,
    refused: Vec<Refused>,
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
    files: &[PathBuf],
    settings: &Settings,
    observer: &mut dyn Observer,
) -> anyhow::Result<Summary> {
    let names = source_names(files);
    thread::scope(|scope| {
        let workers: Vec<Worker> = Engine::sharded(program, settings.threads)
            .into_iter()
            .map(|mut engine| {
                engine.name_sources(Arc::clone(&names));
                let decoder = Decoder::new(program, settings.format, &settings.names, settings.limits);
                let (jobs, inbox) = channel();
                let (decoded_out, decoded) = channel();
                let (answers_out, answers) = channel();
                scope.spawn(move || work(engine, decoder, &inbox, &decoded_out, &answers_out));
                Worker { jobs, decoded, answers }
            })
            .collect();
        let mut conductor = Conductor {
            batches: Batches::open(program, files, settings)?,
            sequencer: Sequencer::new(&[settings.input]),
            workers,
            order: AlertOrder::default(),
            summary: Summary::default(),
            judging: VecDeque::new(),
        };
        conductor.run(settings, observer)
    })
}

/// A worker's loop; it ends when the calling thread hangs up.
fn work(
    mut engine: Engine,
    mut decoder: Decoder,
    jobs: &Receiver<Job>,
    decoded: &Sender<Decoded>,
    answers: &Sender<Answer>,
) {
    for job in jobs {
        let heard = match job {
            Job::Decode(lines) => decoded.send(lines.decode(&mut decoder)).is_ok(),
            Job::Judge(events, watermark_ms) => {
                let mut alerts = Vec::new();
                for event in events.iter() {
                    engine.on_event(event, &mut alerts);
                }
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

    fn decode(&self, decoder: &mut Decoder) -> Decoded {
        let mut decoded = Decoded { events: Vec::with_capacity(self.ends.len()), ..Decoded::default() };
        let mut start = 0;
        for (number, end) in &self.ends {
            let mut event = Event::default();
            let bytes = &self.bytes[start..*end];
            let line = Line { number: *number, bytes, length: bytes.len() as u64 };
            match decode(decoder, line, 0, &mut event) {
                Ok(()) => decoded.events.push(event),
                Err(error) => decoded.refused.push(Refused { file: 0, line: *number, error }),
            }
            start = *end;
        }
        decoded
    }
}

/// Decoded batches in order of arrival: one file's lines are decoded by the workers; several files, which have to be
/// merged by their times, on the calling thread.
enum Batches {
    One { reader: Box<FileReader>, asked: VecDeque<(usize, Progress)>, next_worker: usize, ended: bool },
    Merged(Box<Events>),
}

impl Batches {
    fn open(program: &Program, files: &[PathBuf], settings: &Settings) -> anyhow::Result<Batches> {
        Ok(match files {
            [file] => {
                let reader = Box::new(FileReader::open(file, settings.limits.bytes_max)?);
                Batches::One { reader, asked: VecDeque::new(), next_worker: 0, ended: false }
            }
            files => Batches::Merged(Box::new(Events::open(program, files, settings)?)),
        })
    }

    /// The next batch; none at the end.
    fn next(&mut self, workers: &[Worker]) -> anyhow::Result<Option<Decoded>> {
        match self {
            Batches::Merged(events) => merged(events),
            Batches::One { reader, asked, next_worker, ended } => {
                while !*ended && asked.len() < UNDER_WAY * workers.len() {
                    let lines = read_lines(reader)?;
                    *ended = lines.ends.is_empty();
                    if !*ended {
                        workers[*next_worker].jobs.send(Job::Decode(lines))?;
                        asked.push_back((*next_worker, reader.progress()));
                        *next_worker = (*next_worker + 1) % workers.len();
                    }
                }
                let Some((worker, progress)) = asked.pop_front() else { return Ok(None) };
                Ok(Some(Decoded { progress, ..workers[worker].decoded.recv()? }))
            }
        }
    }
}

fn read_lines(reader: &mut FileReader) -> anyhow::Result<Lines> {
    let mut lines = Lines::default();
    while lines.ends.len() < BATCH {
        let Some(line) = reader.next_line()? else { break };
        lines.push(line);
    }
    Ok(lines)
}

fn merged(events: &mut Events) -> anyhow::Result<Option<Decoded>> {
    let mut decoded = Decoded::default();
    for _ in 0..BATCH {
        let mut event = Event::default();
        if !events.next(&mut event)? {
            break;
        }
        decoded.events.push(event);
    }
    decoded.refused = events.take_refused();
    decoded.progress = events.progress();
    Ok((!decoded.events.is_empty() || !decoded.refused.is_empty()).then_some(decoded))
}

/// The calling thread's side.
struct Conductor {
    batches: Batches,
    sequencer: Sequencer,
    workers: Vec<Worker>,
    order: AlertOrder,
    summary: Summary,
    /// The watermark after each batch that the workers have not answered yet.
    judging: VecDeque<Option<i64>>,
}

impl Conductor {
    fn run(&mut self, settings: &Settings, observer: &mut dyn Observer) -> anyhow::Result<Summary> {
        while let Some(decoded) = self.batches.next(&self.workers)? {
            self.sequence(decoded, observer)?;
            while self.judging.len() > UNDER_WAY {
                self.collect(observer)?;
            }
        }
        while !self.judging.is_empty() {
            self.collect(observer)?;
        }
        self.finish(settings.end, observer)?;
        Ok(std::mem::take(&mut self.summary))
    }

    /// Puts a batch in order of time and gives what is due to all workers.
    fn sequence(&mut self, decoded: Decoded, observer: &mut dyn Observer) -> anyhow::Result<()> {
        for refused in &decoded.refused {
            observer.refused(refused)?;
        }
        self.summary.refused += decoded.refused.len() as u64;
        self.summary.events += decoded.events.len() as u64;
        let mut ordered = Vec::with_capacity(decoded.events.len());
        for mut event in decoded.events {
            let admission = self.sequencer.push(0, &mut event, |event| ordered.push(std::mem::take(event)));
            self.summary.count(admission);
        }
        observer.progress(decoded.progress, self.summary.events)?;
        self.judge(ordered)
    }

    fn judge(&mut self, ordered: Vec<Event>) -> anyhow::Result<()> {
        let (ordered, watermark_ms) = (Arc::new(ordered), self.sequencer.watermark());
        for worker in &self.workers {
            worker.jobs.send(Job::Judge(Arc::clone(&ordered), watermark_ms))?;
        }
        self.judging.push_back(watermark_ms);
        Ok(())
    }

    /// Takes the workers' answers for the oldest batch.
    fn collect(&mut self, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let Some(watermark_ms) = self.judging.pop_front() else { return Ok(()) };
        for worker in &self.workers {
            self.order.extend(worker.answers.recv()?.alerts);
        }
        let ready = watermark_ms.map(|watermark_ms| self.order.release(watermark_ms)).unwrap_or_default();
        self.summary.hand_on(&ready, observer)
    }

    fn finish(&mut self, end: End, observer: &mut dyn Observer) -> anyhow::Result<()> {
        let mut rest = Vec::new();
        self.sequencer.finish(|event| rest.push(std::mem::take(event)));
        self.judge(rest)?;
        self.collect(observer)?;
        self.summary.last_ms = self.sequencer.highest();
        self.summary.forgotten_ids = self.sequencer.forgotten_ids(0);
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
