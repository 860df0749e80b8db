//! What `replay` and `why` read: files, as the command line says, or a range of topics, as a configuration says.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;

use crate::cli::input::{Input, duration};
use crate::cli::{Exit, config, output, rules};
use crate::config::{KafkaSettings, Settings, Sources};
use crate::lang::ast::File;
use crate::program::{Evidence, Program};
use crate::replay::{self, Feed, TopicRange};
use crate::source::range::Between;

/// A range of topics, in place of files.
#[derive(Debug, Args)]
#[command(next_help_heading = "Topics in place of files")]
pub(super) struct Topics {
    /// The daemon's configuration: its topics are read, without joining its group, and its rules run
    #[arg(short, long, value_name = "FILE", conflicts_with_all = OF_FILES)]
    config: Option<PathBuf>,
    /// From the first record that Kafka stamped then or later: a time such as 2026-01-31T08:00:00Z, or how long ago,
    /// such as 2h [default: the oldest record]
    #[arg(long, value_name = "T", value_parser = moment, requires = "config", conflicts_with = "events", allow_hyphen_values = true)]
    from: Option<i64>,
    /// To before the first record that Kafka stamped then or later [default: the end at this moment]
    #[arg(long, value_name = "T", value_parser = moment, requires = "config", conflicts_with = "events", allow_hyphen_values = true)]
    to: Option<i64>,
}

/// What a configuration says for each of its topics.
const OF_FILES: [&str; 9] = ["events", "lateness", "late", "drop_duplicates", "format", "type", "event", "time", "id"];

/// What is said of --config at the end of a help.
pub(super) const ABOUT_TOPICS: &str = "\
With --config, records are decoded, put in order and judged as by the daemon, and an alert has the daemon's alert_id. \
Records are chosen by the time that Kafka keeps with each: when the producer, or the broker, stamped it. Matches that \
had begun before --from are not known: begin early enough for the longest `within`. Tables from topics hold the rows \
of now, not those of then. No group is joined and no offset is committed: a running daemon is not disturbed.";

/// Rules, and events to run them over.
pub(super) struct Asked<'a> {
    pub(super) rules: &'a [PathBuf],
    pub(super) events: &'a [PathBuf],
    pub(super) input: &'a Input,
    pub(super) topics: &'a Topics,
    /// What alerts carry of their events; as the configuration says where there is none.
    pub(super) evidence: Option<Evidence>,
}

/// What was asked for, opened.
pub(super) struct Opened {
    /// The rules as trees.
    pub(super) files: Vec<File>,
    /// The rules compiled, with the rows of their tables.
    pub(super) program: Arc<Program>,
    /// The events.
    pub(super) feed: Feed,
}

impl Asked<'_> {
    /// Loads the rules and opens the events. What is wrong with rules or configuration is told; then there is only how
    /// that ends.
    pub(super) fn open(&self) -> anyhow::Result<Result<Opened, Exit>> {
        match &self.topics.config {
            None => self.open_files(),
            Some(path) => match config::load(path) {
                Some(settings) => self.open_topics(&settings),
                None => Ok(Err(Exit::BadInput)),
            },
        }
    }

    fn open_files(&self) -> anyhow::Result<Result<Opened, Exit>> {
        let Some(set) = rules::load(self.rules)? else { return Ok(Err(Exit::BadRules)) };
        let mut program = set.checked.program;
        program.carry(self.evidence.unwrap_or_default());
        let program = Arc::new(program);
        let feed = Feed::files(&program, self.events, &self.input.settings())?;
        Ok(Ok(Opened { files: set.files, program, feed }))
    }

    fn open_topics(&self, settings: &Settings) -> anyhow::Result<Result<Opened, Exit>> {
        let between = self.topics.between()?;
        let (Sources::Topics(topics), Some(kafka)) = (&settings.sources, &settings.kafka) else {
            let path = settings.path.display();
            bail!("the sources of {path} are no topics: leave --config out, and name --rules and the files");
        };
        let rules = if self.rules.is_empty() { &settings.rules } else { self.rules };
        let Some(set) = rules::load(rules)? else { return Ok(Err(Exit::BadRules)) };
        let mut program = set.checked.program;
        program.carry(self.evidence.unwrap_or(settings.evidence));
        read_tables(&mut program, kafka, &settings.name)?;
        let range = TopicRange { kafka, name: &settings.name, topics, limits: settings.limits, between };
        let feed = Feed::topics(&program, &range).context("cannot read the topics")?;
        if feed.progress().total == Some(0) {
            output::complain(format_args!("the topics hold no record of this time"));
        }
        Ok(Ok(Opened { files: set.files, program: Arc::new(program), feed }))
    }
}

impl Topics {
    fn between(&self) -> anyhow::Result<Between> {
        if self.from.zip(self.to).is_some_and(|(from, to)| from >= to) {
            bail!("--from is not before --to, so nothing lies between them");
        }
        Ok(Between { from_ms: self.from, to_ms: self.to })
    }
}

/// Reads the tables that come from topics, and tells of messages that are no rows: the first of each table in full.
fn read_tables(program: &mut Program, kafka: &KafkaSettings, name: &str) -> anyhow::Result<()> {
    let mut refused: Vec<(String, u64)> = Vec::new();
    replay::read_tables(program, kafka, name, |table, change| match refused.last_mut() {
        Some((last, count)) if last == table => *count += 1,
        _ => {
            let (partition, offset, error) = (change.partition, change.offset, &change.error);
            output::complain(format_args!("table {table}, partition {partition}, offset {offset}: {error}"));
            refused.push((table.to_owned(), 1));
        }
    })?;
    for (table, count) in refused {
        output::complain(format_args!("table {table}: {count} messages refused (no row in them)"));
    }
    Ok(())
}

/// A point in time in ms: in RFC 3339, or as the time since it.
fn moment(text: &str) -> Result<i64, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant.as_millisecond());
    }
    let ago = duration(text).map_err(|_| "write a time, 2026-01-31T08:00:00Z, or how long ago: 90s, 5m, 2h, 7d")?;
    Ok(Timestamp::now().as_millisecond().saturating_sub(ago))
}
