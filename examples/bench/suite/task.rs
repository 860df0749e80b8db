//! One thing to measure: what is run, over which rules and which events.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use tripline::alert::Alert;
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::diagnostic::{Format, render};
use tripline::engine::{End, InputSettings, Stream};
use tripline::event::{Event, Position};
use tripline::program::Program;
use tripline::replay::{self, Observer, Refused, Settings as ReplaySettings};
use tripline::ruleset::RuleSet;
use tripline::source::{FileReader, Progress};
use tripline::workload::{Settings, Workload};

use super::answer::Answer;
use super::process;
use super::yardstick::{self, Reader};

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Lines of a file to decoded events.
    Decode,
    /// A file to alerts, on so many threads.
    Replay(usize),
    /// Events that are decoded beforehand, to alerts.
    Judge,
    /// One login of each user, all within the rule's time: what an open run costs. Decoding is not timed.
    OpenRuns,
    /// As [`Work::OpenRuns`], but what is timed is to write the state down, as for a snapshot.
    Save,
    /// As [`Work::Save`], but what is timed is to take it up, as at a start.
    TakeUp,
    /// The text of the rules to a program: parsed, checked and compiled.
    Check,
    /// [`Work::Decode`] by the program that is written by hand.
    DecodeByHand,
    /// [`Work::Replay`] on one thread by the program that is written by hand.
    ReplayByHand(Reader),
    /// [`Work::OpenRuns`] by the program that is written by hand; here decoding is timed.
    OpenRunsByHand,
}

/// Work with what it is done on.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// What is run.
    pub(crate) work: Work,
    /// The text of the rules, with the declarations.
    pub(crate) rules: String,
    /// What the events are like.
    pub(crate) input: Settings,
    /// How many events there are; of [`Work::Check`] how many rules.
    pub(crate) events: u64,
}

/// What a run of a task took.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// How many events there were.
    pub(crate) events: u64,
    /// Wall-clock time.
    pub(crate) seconds: f64,
    /// Processor time of all threads.
    pub(crate) cpu_seconds: f64,
    /// The most memory that the process held.
    pub(crate) peak_bytes: u64,
    /// By how much an open run with its key has made the process grow.
    pub(crate) bytes_each: Option<f64>,
    /// What was found.
    pub(crate) answer: Answer,
}

impl Task {
    /// The file that [`Task::run`] reads, made if it is not there yet; none where the task reads none.
    pub(crate) fn input_file(&self, folder: &Path) -> anyhow::Result<Option<PathBuf>> {
        let reads_none = [Work::OpenRuns, Work::OpenRunsByHand, Work::Save, Work::TakeUp, Work::Check];
        if reads_none.contains(&self.work) {
            return Ok(None);
        }
        let Settings { users, events_per_second, hot_percent, countries, .. } = self.input;
        let name = format!("{users}-{events_per_second}-{hot_percent}-{countries}-{}.ndjson", self.events);
        let path = folder.join(name);
        if !path.exists() {
            write_events(&path, self.input, self.events).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(Some(path))
    }

    /// Runs it once in this process. Of its files, `folder` holds those that are already made.
    pub(crate) fn run(&self, folder: &Path) -> anyhow::Result<Measured> {
        let file = self.input_file(folder)?.unwrap_or_default();
        match self.work {
            Work::Decode => decode(&*program(&self.rules)?, &file),
            Work::Replay(threads) => replay(&program(&self.rules)?, &file, threads),
            Work::Judge => judge(&program(&self.rules)?, &file),
            Work::OpenRuns => Ok(open_runs(&program(&self.rules)?, self.input, self.events)?.1),
            Work::Save => save(&program(&self.rules)?, self.input, self.events),
            Work::TakeUp => take_up(&program(&self.rules)?, self.input, self.events),
            Work::DecodeByHand => yardstick::decode(&file),
            Work::ReplayByHand(reader) => yardstick::replay(&*program(&self.rules)?, &file, reader),
            Work::OpenRunsByHand => yardstick::open_runs(&*program(&self.rules)?, self.input, self.events),
            Work::Check => {
                let timer = Timer::start();
                let rules = program(&self.rules)?.rules.len() as u64;
                anyhow::ensure!(rules == self.events, "{rules} rules of {}", self.events);
                Ok(timer.stop(rules, Answer::default()))
            }
        }
    }
}

/// Writes so many events into a file, a line each.
fn write_events(path: &Path, settings: Settings, count: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut workload = Workload::new(settings);
    let mut line = Vec::new();
    for _ in 0..count {
        line.clear();
        workload.write_line(&mut line);
        out.write_all(&line)?;
    }
    out.flush()?;
    Ok(())
}

/// The program that the text of the rules makes.
pub(crate) fn program(rules: &str) -> anyhow::Result<Arc<Program>> {
    let set = RuleSet::from_texts([("bench.rules".to_owned(), rules.to_owned())]);
    let problems = || render(&set.checked.diagnostics, &set.sources, Format::Full { color: false });
    set.program().with_context(problems)
}

/// A decoder of the workload's lines.
pub(crate) fn decoder(program: &Program) -> JsonDecoder {
    JsonDecoder::new(program, &FieldNames::default(), DecodeLimits::default())
}

/// A reader of the workload's lines.
pub(crate) fn reader(file: &Path) -> anyhow::Result<FileReader> {
    Ok(FileReader::open(file, DecodeLimits::default().bytes_max)?)
}

/// Time from a moment on.
pub(crate) struct Timer {
    start: Instant,
    cpu_start: f64,
}

impl Timer {
    /// From now.
    pub(crate) fn start() -> Timer {
        Timer { cpu_start: process::cpu_seconds(), start: Instant::now() }
    }

    /// Until now.
    pub(crate) fn stop(&self, events: u64, answer: Answer) -> Measured {
        Measured {
            events,
            seconds: self.start.elapsed().as_secs_f64(),
            cpu_seconds: process::cpu_seconds() - self.cpu_start,
            peak_bytes: process::resident_bytes_max(),
            bytes_each: None,
            answer,
        }
    }
}

fn decode(program: &Program, file: &Path) -> anyhow::Result<Measured> {
    let timer = Timer::start();
    let (mut reader, mut decoder) = (reader(file)?, decoder(program));
    let (mut event, mut events) = (Event::default(), 0);
    while let Some(line) = reader.next_line()? {
        decoder.decode(line.bytes, &mut event)?;
        std::hint::black_box(&event);
        events += 1;
    }
    Ok(timer.stop(events, Answer::default()))
}

fn replay(program: &Arc<Program>, file: &Path, threads: usize) -> anyhow::Result<Measured> {
    let settings = ReplaySettings { threads, ..ReplaySettings::default() };
    let mut heard = Heard::default();
    let timer = Timer::start();
    let summary = replay::replay(program, &[file.to_owned()], &settings, &mut heard)?;
    Ok(timer.stop(summary.events, heard.0))
}

/// Events are judged in batches, as a replay does.
const BATCH: usize = 4_096;

fn judge(program: &Arc<Program>, file: &Path) -> anyhow::Result<Measured> {
    let mut events = decoded(program, file)?;
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
    let (mut alerts, mut answer) = (Vec::new(), Answer::default());
    let timer = Timer::start();
    for batch in events.chunks_mut(BATCH) {
        for event in batch {
            stream.push(0, event, &mut alerts);
        }
        stream.release(&mut alerts);
        answer.add_alerts(&alerts);
        alerts.clear();
    }
    stream.finish(End::LastEvent, &mut alerts);
    answer.add_alerts(&alerts);
    Ok(timer.stop(events.len() as u64, answer))
}

fn decoded(program: &Program, file: &Path) -> anyhow::Result<Vec<Event>> {
    let (mut reader, mut decoder) = (reader(file)?, decoder(program));
    let mut events = Vec::new();
    while let Some(line) = reader.next_line()? {
        let mut event = Event::default();
        decoder.decode(line.bytes, &mut event)?;
        event.position = Position { offset: line.number, ..Position::default() };
        events.push(event);
    }
    Ok(events)
}

fn save(program: &Arc<Program>, settings: Settings, count: u64) -> anyhow::Result<Measured> {
    let (stream, _) = open_runs(program, settings, count)?;
    let mut state = Vec::new();
    stream.save(&mut state);
    // A daemon knows from the last snapshot how much room the next one takes.
    let mut state = Vec::with_capacity(state.len());
    let timer = Timer::start();
    stream.save(&mut state);
    let saved = timer.stop(count, Answer::default());
    Ok(Measured { bytes_each: Some(state.len() as f64 / count as f64), ..saved })
}

fn take_up(program: &Arc<Program>, settings: Settings, count: u64) -> anyhow::Result<Measured> {
    let (stream, _) = open_runs(program, settings, count)?;
    let mut state = Vec::new();
    stream.save(&mut state);
    drop(stream);
    let timer = Timer::start();
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
    stream.load(&state)?;
    let taken_up = timer.stop(count, Answer::default());
    anyhow::ensure!(stream.open_runs() as u64 == count, "{} runs are open", stream.open_runs());
    Ok(taken_up)
}

/// A stream with so many open runs, and what it took to open them.
fn open_runs(program: &Arc<Program>, settings: Settings, count: u64) -> anyhow::Result<(Stream, Measured)> {
    let mut logins = Logins::new(settings, count);
    let mut decoder = decoder(program);
    let mut events = vec![Event::default(); BATCH];
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
    let mut alerts = Vec::new();
    let (mut seconds, mut cpu_seconds) = (0.0, 0.0);
    let before = process::resident_bytes();
    loop {
        let mut filled = 0;
        while filled < BATCH
            && let Some(line) = logins.next_line()
        {
            decoder.decode(line, &mut events[filled])?;
            filled += 1;
        }
        let timer = Timer::start();
        for event in &mut events[..filled] {
            stream.push(0, event, &mut alerts);
        }
        stream.release(&mut alerts);
        let batch = timer.stop(0, Answer::default());
        seconds += batch.seconds;
        cpu_seconds += batch.cpu_seconds;
        if filled < BATCH {
            break;
        }
    }
    let grown = process::resident_bytes().saturating_sub(before) as f64;
    anyhow::ensure!(stream.open_runs() as u64 == count, "{} runs are open", stream.open_runs());
    let bytes_each = Some(grown / count as f64);
    let measured = Measured { seconds, cpu_seconds, bytes_each, ..Timer::start().stop(count, Answer::default()) };
    Ok((stream, measured))
}

/// One login of each of so many users, all within four minutes.
pub(crate) struct Logins {
    workload: Workload,
    left: u64,
    line: Vec<u8>,
}

impl Logins {
    /// The logins from the first on.
    pub(crate) fn new(settings: Settings, count: u64) -> Logins {
        let settings = Settings { users: count, events_per_second: count.div_ceil(240), ..settings };
        Logins { workload: Workload::new(settings), left: count, line: Vec::new() }
    }

    /// The next one, without the end of its line.
    pub(crate) fn next_line(&mut self) -> Option<&[u8]> {
        self.left = self.left.checked_sub(1)?;
        self.line.clear();
        self.workload.write_login(&mut self.line);
        Some(self.line.trim_ascii_end())
    }
}

/// Hears the alerts of a replay.
#[derive(Default)]
struct Heard(Answer);

impl Observer for Heard {
    fn alerts(&mut self, alerts: &[Alert]) -> anyhow::Result<()> {
        self.0.add_alerts(alerts);
        Ok(())
    }

    fn refused(&mut self, refused: &Refused) -> anyhow::Result<()> {
        anyhow::bail!("line {} holds no event: {}", refused.position.offset, refused.error)
    }

    fn progress(&mut self, _: Progress, _: u64) -> anyhow::Result<()> {
        Ok(())
    }
}
