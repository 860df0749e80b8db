//! What sources are called, and how a place in one of them is told to people.

use std::sync::Arc;

use crate::event::Position;

/// The sources by their number.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    names: Arc<[String]>,
    /// Whether they are topics, whose places have a partition.
    are_topics: bool,
}

impl Sources {
    /// Files.
    pub fn files(names: Arc<[String]>) -> Sources {
        Sources { names, are_topics: false }
    }

    /// Topics.
    pub fn topics(names: Arc<[String]>) -> Sources {
        Sources { names, are_topics: true }
    }

    /// Their names.
    pub fn names(&self) -> &Arc<[String]> {
        &self.names
    }

    /// Whether they are topics.
    pub fn are_topics(&self) -> bool {
        self.are_topics
    }

    /// A place: `FILE:LINE`, or `TOPIC:PARTITION:OFFSET`.
    pub fn place(&self, position: Position) -> String {
        let Position { source, partition, offset } = position;
        let name = self.names.get(usize::from(source.0)).map_or("", String::as_str);
        if self.are_topics { format!("{name}:{partition}:{offset}") } else { format!("{name}:{offset}") }
    }
}
