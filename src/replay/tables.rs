//! The tables that come from topics, read whole before anything is judged, as the daemon does when it starts.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::config::KafkaSettings;
use crate::program::{Program, TableSource};
use crate::source::kafka::SourceError;
use crate::source::range::SILENCE_MAX;
use crate::source::table::TableTopic;
use crate::tables::{RefusedChange, TopicTable};
use crate::telemetry::Metrics;

const ANSWER_MAX: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_millis(100);

/// Reads the topics of a program's tables to their ends. The rows are those of now, whatever is replayed over them.
/// `refused` hears of messages that are no rows, with the table's name.
pub fn read_tables(
    program: &mut Program,
    kafka: &KafkaSettings,
    name: &str,
    mut refused: impl FnMut(&str, &RefusedChange),
) -> anyhow::Result<()> {
    for table in &mut program.tables {
        let TableSource::Topic { topic, .. } = &table.source else { continue };
        let of_table = || format!("the table `{}`", table.name);
        let reader = TableTopic::open(kafka, name, topic, Metrics::default(), ANSWER_MAX).with_context(of_table)?;
        let mut messages = TopicTable::new(table, reader);
        let rows = Arc::make_mut(&mut table.rows);
        let mut heard = Instant::now();
        while !messages.reader().is_read() {
            let mut came = false;
            let changes = messages.poll(WAIT, |change| {
                came = true;
                refused(&table.name, &change);
            })?;
            came |= !changes.is_empty();
            for change in changes {
                change.apply(rows);
            }
            if came {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE_MAX {
                let trouble = messages.reader().trouble().unwrap_or_else(|| "nothing comes of it".to_owned());
                return Err(SourceError::Retry(format!("the topic `{topic}` cannot be read: {trouble}")))
                    .with_context(of_table);
            }
        }
    }
    Ok(())
}
