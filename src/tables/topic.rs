//! A table that comes from a topic: the messages as they are read, and what they make of the rows.

use std::time::Duration;

use crate::program::{Rows, Table};
use crate::source::kafka::SourceError;
use crate::source::table::{Polled, TableTopic};
use crate::tables::{ChangeError, ChangeReader, TableChange};

/// What is taken from a topic at a time.
const MESSAGES_MAX: usize = 2_048;

/// A table's topic with the reader of its messages.
pub struct TopicTable {
    reader: TableTopic,
    changes: ChangeReader,
}

/// A message that changes nothing.
#[derive(Debug)]
pub struct RefusedChange {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Why.
    pub error: ChangeError,
}

impl TopicTable {
    /// Of a table, from its topic.
    pub fn new(table: &Table, reader: TableTopic) -> TopicTable {
        TopicTable { reader, changes: ChangeReader::new(table) }
    }

    /// Where its messages come from.
    pub fn reader(&self) -> &TableTopic {
        &self.reader
    }

    /// The changes that came; waits for the first of them, at most so long.
    pub fn poll(
        &mut self,
        mut wait: Duration,
        mut refused: impl FnMut(RefusedChange),
    ) -> Result<Vec<TableChange>, SourceError> {
        let mut changes = Vec::new();
        for _ in 0..MESSAGES_MAX {
            let TopicTable { reader, changes: read } = self;
            let polled = reader.poll(wait, |message| match read.read(message.key, message.payload) {
                Ok(change) => changes.push(change),
                Err(error) => refused(RefusedChange { partition: message.partition, offset: message.offset, error }),
            })?;
            if polled == Polled::Nothing {
                break;
            }
            wait = Duration::ZERO;
        }
        Ok(changes)
    }
}

impl TableChange {
    /// Makes the change.
    pub fn apply(self, rows: &mut Rows) {
        match self.row {
            Some(row) => drop(rows.insert(&self.key, row)),
            None => drop(rows.remove(&self.key)),
        }
    }
}
