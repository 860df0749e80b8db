//! Events as they come from files or topics, put in the order in which they are to be judged.

use std::path::PathBuf;

use crate::decode::Decoder;
use crate::engine::{Limits, Sequencer};
use crate::event::{Event, Sources};
use crate::intake::{input_settings, topic_names};
use crate::program::Program;
use crate::replay::files::Files;
use crate::replay::topics::{Read, TopicRange, Topics};
use crate::replay::{BATCH, Refused, Settings, Summary, source_names};
use crate::source::{FileReader, Progress};

/// What is replayed, opened.
pub struct Feed {
    origin: Origin,
    sequencer: Sequencer,
    inputs: usize,
    sources: Sources,
    limits: Limits,
    event: Event,
}

enum Origin {
    Files(Box<Files>),
    Topics(Topics),
}

impl Feed {
    /// Files, merged by time: all of them are one input.
    pub fn files(program: &Program, paths: &[PathBuf], settings: &Settings) -> anyhow::Result<Feed> {
        Ok(Feed {
            origin: Origin::Files(Box::new(Files::open(program, paths, settings)?)),
            sequencer: Sequencer::new(&[settings.input]),
            inputs: 1,
            sources: Sources::files(source_names(paths)),
            limits: settings.open,
            event: Event::default(),
        })
    }

    /// A range of topics: each of their partitions is an input.
    pub fn topics(program: &Program, range: &TopicRange<'_>) -> anyhow::Result<Feed> {
        let topics = Topics::open(program, range)?;
        let inputs: Vec<_> =
            topics.sources().map(|source| input_settings(range.topics[source].time, range.limits)).collect();
        Ok(Feed {
            origin: Origin::Topics(topics),
            sequencer: Sequencer::new(&inputs),
            inputs: inputs.len(),
            sources: Sources::topics(topic_names(range.topics)),
            limits: range.limits.open,
            event: Event::default(),
        })
    }

    /// What its sources are called.
    pub fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What may be open while it is judged.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How far it has been read.
    pub fn progress(&self) -> Progress {
        match &self.origin {
            Origin::Files(files) => files.progress(),
            Origin::Topics(topics) => topics.progress(),
        }
    }

    /// Whether rows of tables come from elsewhere than the events: those from topics are read whole.
    pub(super) fn has_tables_outside(&self) -> bool {
        self.sources.are_topics()
    }

    /// Takes the reader out, where it is of one file: whoever takes it gives the events back by [`Feed::offer`].
    pub(super) fn take_lines(&mut self) -> Option<(FileReader, Decoder)> {
        match &mut self.origin {
            Origin::Files(files) => files.take_only(),
            Origin::Topics(_) => None,
        }
    }

    /// Reads a batch and gives the events whose time has come. Returns false at the end.
    pub(super) fn read(&mut self, summary: &mut Summary, mut give: impl FnMut(&mut Event)) -> anyhow::Result<bool> {
        for _ in 0..BATCH {
            if !self.step(summary, &mut give)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes an event of the only file, and gives those whose time has come.
    pub(super) fn offer(&mut self, event: &mut Event, summary: &mut Summary, give: impl FnMut(&mut Event)) {
        summary.count(self.sequencer.push(0, event, give));
    }

    /// The input has ended: gives what waits.
    pub(super) fn finish(&mut self, summary: &mut Summary, give: impl FnMut(&mut Event)) {
        self.sequencer.finish(give);
        summary.last_ms = self.sequencer.highest();
        summary.forgotten_ids = (0..self.inputs).map(|input| self.sequencer.forgotten_ids(input)).sum();
    }

    /// The watermark in ms.
    pub(super) fn watermark(&self) -> Option<i64> {
        self.sequencer.watermark()
    }

    /// What was refused since the last call.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        match &mut self.origin {
            Origin::Files(files) => files.take_refused(),
            Origin::Topics(topics) => topics.take_refused(),
        }
    }

    fn step(&mut self, summary: &mut Summary, mut give: impl FnMut(&mut Event)) -> anyhow::Result<bool> {
        let Feed { origin, sequencer, event, .. } = self;
        let admission = match origin {
            Origin::Files(files) => {
                if !files.next(event)? {
                    return Ok(false);
                }
                sequencer.push(0, event, give)
            }
            Origin::Topics(topics) => match topics.read(event)? {
                Read::Event { input, is_future: true } => sequencer.push_future(input, event, give),
                Read::Event { input, is_future: false } => {
                    let time_ms = event.time_ms;
                    let admission = sequencer.push(input, event, give);
                    topics.admitted(input, time_ms, admission);
                    admission
                }
                Read::Refused => return Ok(true),
                Read::Ended { input } => {
                    sequencer.set_idle(input, true);
                    sequencer.release(&mut give);
                    return Ok(true);
                }
                Read::End => return Ok(false),
            },
        };
        summary.count(admission);
        Ok(true)
    }
}
