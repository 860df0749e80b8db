//! Rules whose keys lie in several partitions of their topics, judged behind a topic of the daemon's own in which each
//! key lies in one: the repartition topic `<name>.repartition`.
//!
//! - `topology` says which keys those are;
//! - a shard of the sources writes each event that such rules name into the partitions of their keys, as it came, and all
//!   shards of a copy write how far event time has come in each of their partitions (`record`, `marks`), in the transaction
//!   of their offsets;
//! - a shard behind it (`brought`) has every partition of the sources as an input. Its time is what the sources' shards say it is, so
//!   what it does follows from the topic alone.
//!
//! What compares all keys, has none, or stands on alerts of rules with other keys lies in partition 0 whole.
//!
//! There is one such topic, not one a key: rules come and go without topics coming and going, an event whose keys lie in
//! one partition is written once, and how far time has come is told once.

mod brought;
mod marks;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

pub(super) use brought::Brought;
pub(super) use marks::Marks;
pub(super) use record::{InputMark, Record, RecordError};

use crate::config::{Delivery, EventFields, Late, Limits, Settings, Start, TimeSettings, TopicSource};
use crate::daemon::shard::Behind;
use crate::engine::InputSettings;
use crate::event::{Event, Key, KeyBuilder};
use crate::intake::input_settings;
use crate::program::{Dispatch, KeyId, Program};
use crate::schema::TypeId;

/// The name of the topic.
pub(super) fn topic_of(settings: &Settings) -> String {
    format!("{}.repartition", settings.name)
}

/// Which keys are judged behind the topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Apart {
    /// These.
    pub(super) keys: BTreeSet<KeyId>,
    /// Those of them that are judged in one partition.
    pub(super) together: BTreeSet<KeyId>,
    /// Whether rules that use alerts of rules with other keys are as well, all in one partition.
    pub(super) pinned: bool,
}

impl Apart {
    /// Whether there is nothing to be judged there.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty() && !self.pinned
    }

    /// The keys, for people.
    pub(super) fn names(&self, program: &Program) -> Vec<String> {
        let name = |key: &KeyId| match &program.keys[key.index()].parts[..] {
            [] => "without for each".to_owned(),
            parts => format!("for each {}", parts.join(", ")),
        };
        let pinned = self.pinned.then(|| "over alerts of rules with other keys".to_owned());
        self.keys.iter().map(name).chain(pinned).collect()
    }

    /// Whether those that listen to a dispatch are judged there.
    pub(super) fn has(&self, dispatch: &Dispatch) -> bool {
        if dispatch.pinned { self.pinned } else { self.keys.contains(&dispatch.key) }
    }

    /// What is judged in the shards of the sources.
    pub(super) fn here(&self, program: &Arc<Program>) -> Arc<Program> {
        if self.is_empty() { Arc::clone(program) } else { Arc::new(program.part(|dispatch| !self.has(dispatch))) }
    }

    /// What is judged behind the topic.
    fn there(&self, program: &Program) -> Arc<Program> {
        let mut part = program.part(|dispatch| self.has(dispatch));
        for dispatch in part.types.iter_mut().flat_map(|plan| &mut plan.dispatch) {
            dispatch.pinned |= self.together.contains(&dispatch.key);
        }
        Arc::new(part)
    }

    /// The types of events that are judged there.
    fn types(&self, program: &Program) -> BTreeSet<TypeId> {
        let types = (0..).map(TypeId).zip(&program.types);
        types.filter(|(_, plan)| plan.dispatch.iter().any(|dispatch| self.has(dispatch))).map(|(id, _)| id).collect()
    }
}

/// The topic, and what is judged behind it.
#[derive(Debug)]
pub(super) struct Repartition {
    /// Its name.
    pub(super) topic: String,
    /// How many partitions it has.
    pub(super) partitions: usize,
    /// The program of the shards behind it.
    pub(super) program: Arc<Program>,
    inputs: Vec<Input>,
    settings: Arc<[InputSettings]>,
    idle_ms: Arc<[i64]>,
    comes_again: bool,
}

/// A partition of a source, as the shards behind the topic see it.
#[derive(Debug)]
struct Input {
    topic: String,
    partition: i32,
    source: usize,
}

/// The partitions that an event is written to.
pub(super) type Places = SmallVec<[i32; 4]>;

impl Repartition {
    /// A topic of so many partitions, over sources with these numbers of partitions. Sources whose events are none that
    /// are judged there are no inputs: they hold back nobody's time. Repeats are left out before.
    pub(super) fn new(
        (topic, partitions): (String, usize),
        (apart, program): (&Apart, &Program),
        (sources, counts): (&[TopicSource], &[usize]),
        (limits, delivery): (Limits, Delivery),
    ) -> Repartition {
        let types = apart.types(program);
        let mut inputs = Vec::new();
        let (mut taken, mut idle_ms) = (Vec::new(), Vec::new());
        for (at, (source, count)) in sources.iter().zip(counts).enumerate() {
            if types.iter().any(|id| super::topology::may_carry(source, *id, program)) {
                for partition in 0..i32::try_from(*count).unwrap_or(i32::MAX) {
                    inputs.push(Input { topic: source.topic.clone(), partition, source: at });
                    taken.push(InputSettings { duplicates: None, ..input_settings(source.time, limits) });
                    idle_ms.push(i64::try_from(source.idle_timeout.as_millis()).unwrap_or(i64::MAX));
                }
            }
        }
        let program = apart.there(program);
        Repartition {
            topic,
            partitions,
            program,
            inputs,
            settings: taken.into(),
            idle_ms: idle_ms.into(),
            comes_again: delivery == Delivery::AtLeastOnce,
        }
    }

    /// The topic as a source among the others. It tells nothing of time by itself.
    pub(super) fn as_source(&self) -> TopicSource {
        TopicSource {
            topic: self.topic.clone(),
            fields: EventFields::default(),
            key: None,
            start: Start::Earliest,
            time: TimeSettings { lateness_ms: 0, late: Late::Process, drop_duplicates_ms: None },
            idle_timeout: Duration::MAX,
            max_future_ms: i64::MAX,
            copartitioned: None,
        }
    }

    /// The shard of a partition.
    pub(super) fn shard(&self, partition: usize) -> Behind {
        let (inputs, idle_ms) = (Arc::clone(&self.settings), Arc::clone(&self.idle_ms));
        Behind { inputs, idle_ms, comes_again: self.comes_again, partition, partitions: self.partitions }
    }

    /// The input that a partition of a source is, with the place of the source.
    pub(super) fn input(&self, topic: &str, partition: i32) -> Option<(usize, usize)> {
        let is_it = |input: &Input| input.partition == partition && input.topic == topic;
        self.inputs.iter().position(is_it).map(|at| (at, self.inputs[at].source))
    }

    /// The partitions that an event is written to: one for each key that it has there, and the first for what has no key
    /// in it, where that is counted.
    pub(super) fn places(&self, event: &Event, key: &mut KeyBuilder) -> Places {
        let mut places = Places::new();
        let Some(type_id) = event.type_id else { return places };
        for dispatch in &self.program.types[type_id.index()].dispatch {
            key.clear();
            let has_key = dispatch.values.iter().all(|slot| key.push(&event.values[usize::from(*slot)]));
            let place = if dispatch.pinned || !has_key {
                0
            } else {
                Key::partition(&self.program.keys[dispatch.key.index()].parts, key.as_bytes(), self.partitions)
            };
            let place = i32::try_from(place).unwrap_or(0);
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }

    /// All its partitions.
    pub(super) fn all(&self) -> std::ops::Range<i32> {
        0..i32::try_from(self.partitions).unwrap_or(i32::MAX)
    }
}
