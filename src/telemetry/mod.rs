//! What the daemon says about itself.
//!
//! - `metrics` every metric, by its name, typed;
//! - `events`  what happens to the daemon: each logs and counts together;
//! - `logging` log lines on standard error: text on a terminal, JSON elsewhere; or in a file.
//!
//! Counts are kept locally and added per batch. Values that come from messages are logged as fields, which the
//! formatters escape, and never as part of the sentence.

mod events;
mod logging;
mod metrics;

pub use events::{
    Assigned, BrokerTrouble, CaughtUp, ClientsRebuilt, CommitFailed, Committed, DeadLettersSeen, IdsForgotten,
    OffsetGap, PartitionsRevoked, ReadBack, RulesChanged, RulesRefused, RunsDropped, SnapshotFailed, SnapshotRefused,
    SnapshotTaken, StateRestored, TableMessageRefused, TableRead, TableReloadFailed, TableReloaded, TransactionAborted,
    table_rows,
};
pub use logging::{check_filter, init, init_file};
pub use metrics::{
    CommitTimes, Metrics, Reason, ReloadResult, RuleLimit, RuleName, RuleSeverity, ShardName, SinkFigure, SinkName,
    TableName, TopicName, TopicPartition, TopicReason,
};
