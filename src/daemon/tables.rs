//! The rows of lists and tables while the daemon runs over topics.
//!
//! What holds, exactly:
//! - before the first event is judged, a table from a topic holds what all messages say that the topic had when the
//!   session began; every copy reads all partitions for itself;
//! - later messages apply as they arrive, between batches of events (at most 8,192 of them, or 10 ms). That is not an
//!   order of event time, and two copies may take up the same message a moment apart;
//! - where the topic is a source as well, an event is not judged before its own change, and all before it in its
//!   partition, are in the table: the table may be ahead of an event, never behind it. Other shards see it then too;
//! - a message without payload ends the row of its key;
//! - files are taken up whole, once they have been quiet for a look; what arrives after the log has told of it is
//!   judged with the new rows;
//! - what is read back after a restart is judged with the rows as they are then, not as they were.
//!
//! Partitions that are added to a table's topic are read when the clients are next made anew.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::KafkaSettings;
use crate::daemon::feed::Entry;
use crate::daemon::feeds::Feeds;
use crate::daemon::table_files::{FileTables, Seen};
use crate::program::{Program, Rows, TableId, TableSource};
use crate::source::kafka::SourceError;
use crate::source::table::TableTopic;
use crate::tables::{RefusedChange, TableChange, TopicTable};
use crate::telemetry::{Metrics, TableMessageRefused, TableRead, table_rows};

/// How long an event may wait for its own change. Both are read from one topic, so more is a broken connection.
const CATCH_UP_MAX: Duration = Duration::from_secs(30);

/// The rows as they are now, and where they come from.
pub(super) struct Tables {
    /// By table.
    current: Vec<Arc<Rows>>,
    files: Arc<FileTables>,
    seen: Seen,
    topics: Vec<Topic>,
    metrics: Metrics,
}

struct Topic {
    id: TableId,
    name: Arc<str>,
    table: TopicTable,
    has_refused: bool,
}

/// The tables that come from topics: their names and topics.
pub(super) fn topics(program: &Program) -> Vec<(&str, &str)> {
    let tables = program.tables.iter().filter_map(|table| match &table.source {
        TableSource::Topic { topic, .. } => Some((&*table.name, topic.as_str())),
        TableSource::File(_) => None,
    });
    tables.collect()
}

impl Tables {
    /// Begins to read the topics; files are read already.
    pub(super) fn open(
        program: &Program,
        kafka: &KafkaSettings,
        group: &str,
        files: &Arc<FileTables>,
        metrics: &Metrics,
        timeout: Duration,
    ) -> Result<Tables, SourceError> {
        let mut topics = Vec::new();
        for (table, id) in program.tables.iter().zip((0..).map(TableId)) {
            if let TableSource::Topic { topic, .. } = &table.source {
                let reader = TableTopic::open(kafka, group, topic, metrics.clone(), timeout)?;
                let (name, table) = (Arc::clone(&table.name), TopicTable::new(table, reader));
                topics.push(Topic { id, name, table, has_refused: false });
            }
        }
        let current = program.tables.iter().map(|table| Arc::clone(&table.rows)).collect();
        let mut tables =
            Tables { current, files: Arc::clone(files), seen: Seen::default(), topics, metrics: metrics.clone() };
        tables.take_up_files(&mut []);
        Ok(tables)
    }

    /// Reads the topics to their ends. `go_on` is told what is under way, and may end it.
    pub(super) fn read(&mut self, mut go_on: impl FnMut(String) -> bool) -> Result<bool, SourceError> {
        let began = Instant::now();
        for at in 0..self.topics.len() {
            while !self.topics[at].table.reader().is_read() {
                let Topic { id, name, table, .. } = &self.topics[at];
                let trouble = table.reader().trouble().map_or_else(String::new, |trouble| format!(" ({trouble})"));
                let rows = self.current[id.index()].len();
                if !go_on(format!("reading the table {name} from its topic: {rows} rows so far{trouble}")) {
                    return Ok(false);
                }
                self.poll_topic(at, Duration::from_millis(100), &mut [])?;
            }
            let Topic { id, name, .. } = &self.topics[at];
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            TableRead { table: name, rows: self.current[id.index()].len(), milliseconds }.emit(&self.metrics);
        }
        Ok(true)
    }

    /// All rows, by table.
    pub(super) fn rows(&self) -> &[Arc<Rows>] {
        &self.current
    }

    /// Gives new shards all rows.
    pub(super) fn give(&self, entries: &mut [Entry]) {
        for entry in entries {
            for (rows, id) in self.current.iter().zip((0..).map(TableId)) {
                entry.shard.replace_table(id, Arc::clone(rows));
            }
        }
    }

    /// Takes up what has changed, without waiting.
    pub(super) fn poll(&mut self, entries: &mut [Entry]) -> Result<(), SourceError> {
        self.take_up_files(entries);
        (0..self.topics.len()).try_for_each(|at| self.poll_topic(at, Duration::ZERO, entries))
    }

    /// Sees to it that the events of the next batch are judged with all that was there before them: what was read from
    /// files, and, where they are messages of a table's topic, their own changes.
    pub(super) fn catch_up(&mut self, feeds: &mut Feeds) -> Result<(), SourceError> {
        self.take_up_files(feeds.entries());
        for at in 0..self.topics.len() {
            for (partition, offset) in feeds.incoming_of(self.topics[at].table.reader().topic()) {
                self.catch_up_to(at, partition, offset, feeds.entries())?;
            }
        }
        Ok(())
    }

    fn catch_up_to(
        &mut self,
        at: usize,
        partition: i32,
        offset: i64,
        entries: &mut [Entry],
    ) -> Result<(), SourceError> {
        // Where compaction has removed the message meanwhile, there is a later one of its key to be read.
        let until = Instant::now() + CATCH_UP_MAX;
        while !self.topics[at].table.reader().has_read(partition, offset) {
            self.poll_topic(at, Duration::from_millis(100), entries)?;
            if Instant::now() > until {
                let topic = self.topics[at].table.reader().topic();
                return Err(SourceError::Retry(format!("the table topic `{topic}` is not read any more")));
            }
        }
        Ok(())
    }

    /// Takes messages of one topic.
    fn poll_topic(&mut self, at: usize, wait: Duration, entries: &mut [Entry]) -> Result<(), SourceError> {
        let Topic { name, table, has_refused, .. } = &mut self.topics[at];
        let changes = table.poll(wait, |RefusedChange { partition, offset, error }| {
            let loud = !std::mem::replace(has_refused, true);
            TableMessageRefused { table: name, partition, offset, problem: error.to_string(), loud }
                .emit(&self.metrics);
        })?;
        if !changes.is_empty() {
            let (id, name) = (self.topics[at].id, Arc::clone(&self.topics[at].name));
            self.change(id, changes, entries);
            table_rows(&self.metrics, &name, self.current[id.index()].len());
        }
        Ok(())
    }

    /// Changes rows in place: while they change nobody else holds them, so that nothing is copied.
    fn change(&mut self, id: TableId, changes: Vec<TableChange>, entries: &mut [Entry]) {
        let nobodys = Arc::<Rows>::default();
        for entry in entries.iter_mut() {
            entry.shard.replace_table(id, Arc::clone(&nobodys));
        }
        let rows = Arc::make_mut(&mut self.current[id.index()]);
        for change in changes {
            change.apply(rows);
        }
        for entry in entries {
            entry.shard.replace_table(id, Arc::clone(&self.current[id.index()]));
        }
    }

    fn take_up_files(&mut self, entries: &mut [Entry]) {
        for (id, rows) in self.files.changed(&mut self.seen) {
            for entry in entries.iter_mut() {
                entry.shard.replace_table(id, Arc::clone(&rows));
            }
            self.current[id.index()] = rows;
        }
    }
}
