//! A range of topics as decoded events, in an order that depends on nothing but what the topics hold.
//!
//! Each partition is an input with a time of its own, as in the daemon. The next message is always of the input whose
//! time has come least far. So an event is late where it is late in its own partition and nowhere else, however fast
//! each is fetched, and of the events that wait for others there are never more than the lateness makes wait and one a
//! partition. What moves the daemon's time while nothing comes, its own clock, is not known here.

use crate::config::{KafkaSettings, Limits, TopicSource};
use crate::engine::Admission;
use crate::event::Event;
use crate::intake::{Intake, Taken};
use crate::program::Program;
use crate::replay::Refused;
use crate::source::Progress;
use crate::source::kafka::SourceError;
use crate::source::range::{Between, RangeReader};
use crate::telemetry::Metrics;

/// Which records of which topics are replayed.
#[derive(Clone, Copy, Debug)]
pub struct TopicRange<'a> {
    /// The broker.
    pub kafka: &'a KafkaSettings,
    /// The daemon's name.
    pub name: &'a str,
    /// The topics.
    pub topics: &'a [TopicSource],
    /// Limits on messages, and on what may be open.
    pub limits: Limits,
    /// From when to when.
    pub between: Between,
}

/// The topics, opened.
pub(super) struct Topics {
    reader: RangeReader,
    intakes: Vec<Intake>,
    inputs: Vec<Input>,
    refused: Vec<Refused>,
    now_ms: i64,
}

/// A partition.
struct Input {
    /// The place of its topic.
    source: usize,
    lateness_ms: i64,
    max_future_ms: i64,
    /// The highest event time seen.
    high_ms: Option<i64>,
    has_ended: bool,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// An event; one in the future does not move its input's time.
    Event { input: usize, is_future: bool },
    /// No event.
    Refused,
    /// There is no further message of this input.
    Ended { input: usize },
    /// There is no further message.
    End,
}

impl Topics {
    pub(super) fn open(program: &Program, range: &TopicRange<'_>) -> Result<Topics, SourceError> {
        let TopicRange { kafka, name, topics, limits, between } = *range;
        let names: Vec<&str> = topics.iter().map(|topic| topic.topic.as_str()).collect();
        let reader = RangeReader::open(kafka, name, &names, between, Metrics::default())?;
        let input = |topic: &String| {
            let source = topics.iter().position(|source| source.topic == *topic)?;
            let TopicSource { time, max_future_ms, .. } = topics[source];
            Some(Input { source, lateness_ms: time.lateness_ms, max_future_ms, high_ms: None, has_ended: false })
        };
        Ok(Topics {
            inputs: reader.partitions().filter_map(|partition| input(&partition.topic)).collect(),
            reader,
            intakes: topics.iter().enumerate().map(|(at, topic)| Intake::new(program, at, topic, limits)).collect(),
            refused: Vec::new(),
            now_ms: jiff::Timestamp::now().as_millisecond(),
        })
    }

    /// By input the place of its topic.
    pub(super) fn sources(&self) -> impl Iterator<Item = usize> {
        self.inputs.iter().map(|input| input.source)
    }

    /// Reads a message of the input whose time has come least far.
    pub(super) fn read(&mut self, event: &mut Event) -> Result<Read, SourceError> {
        let Some(at) = self.slowest() else { return Ok(Read::End) };
        let Topics { reader, intakes, inputs, refused, now_ms } = self;
        let input = &mut inputs[at];
        let intake = &mut intakes[input.source];
        loop {
            let next = reader.next(at, |message| {
                let taken = intake.take(message.partition, message.offset, message.payload, event);
                // The daemon's clock of then, as far as it is known.
                let clock_ms = message.stamped_ms.map_or(*now_ms, |stamped_ms| stamped_ms.min(*now_ms));
                taken.map(|taken| (taken, clock_ms)).map_err(|error| (error, message.partition, message.offset))
            })?;
            match next {
                Some(Ok((Taken::Tombstone, _))) => {}
                Some(Ok((Taken::Event, clock_ms))) => {
                    let is_future = event.time_ms > clock_ms.saturating_add(input.max_future_ms);
                    return Ok(Read::Event { input: at, is_future });
                }
                Some(Err((error, partition, offset))) => {
                    refused.push(Refused { position: intake.place(partition, offset), error });
                    return Ok(Read::Refused);
                }
                None => {
                    input.has_ended = true;
                    return Ok(Read::Ended { input: at });
                }
            }
        }
    }

    /// Hears what became of an event.
    pub(super) fn admitted(&mut self, input: usize, time_ms: i64, admission: Admission) {
        if admission.is_in() {
            let high_ms = &mut self.inputs[input].high_ms;
            *high_ms = (*high_ms).max(Some(time_ms));
        }
    }

    /// What was refused since the last call.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// How far the partitions have been read.
    pub(super) fn progress(&self) -> Progress {
        self.reader.progress()
    }

    /// The input that holds back the time of the others; one that has not spoken yet before all that have.
    fn slowest(&self) -> Option<usize> {
        let open = self.inputs.iter().enumerate().filter(|(_, input)| !input.has_ended);
        open.min_by_key(|(_, input)| input.high_ms.map(|high| high.saturating_sub(input.lateness_ms))).map(|(at, _)| at)
    }
}
