//! Complex event processing and fraud detection: rules that read like English, over Kafka, files and tests.
//!
//! Two flows meet in the [`engine`]:
//!
//! ```text
//! rule text -> lang (parse, check) -> program
//! bytes -> source -> decode -> event -> engine (per-key state machines) -> alert -> sink
//! ```
//!
//! - rules: [`ruleset`] reads files, [`lang`] makes a [`program`] of them or tells what is wrong in [`diagnostic`]s;
//!   [`schema`] holds the declared event types; [`tables`] reads the files of lists and tables;
//! - events: [`decode`] makes an [`event`] of a message, keeping only what the program reads; the [`engine`] turns
//!   events in order of time into [`alert`]s;
//! - [`infer`] writes declarations from a sample of events;
//! - [`replay`] runs files, or a range of topics, through engines on all cores; [`why`] tells why a rule fired or did
//!   not; [`workload`] generates events to measure with.
//!
//! - the daemon: [`config`] is checked once; [`intake`] makes events of messages as it says; [`daemon`] runs engines
//!   over topics or files, [`kafka`] makes its clients, [`sink`]s read the alerts, [`telemetry`] tells how it is;
//!   [`demo`] stages all of it in one process; [`cli`] is all that prints.
//!
//! The core (`event`, `schema`, `program`, `lang`, `engine`, `alert`, `decode`) is synchronous and pure: no clock, no
//! files, no runtime. The same events give the same alerts with the same ids, on any number of threads or copies.

pub mod alert;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod decode;
pub mod demo;
pub mod diagnostic;
pub mod engine;
pub mod event;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod infer;
pub mod intake;
pub mod kafka;
pub mod lang;
mod net;
pub mod program;
pub mod replay;
pub mod ruleset;
pub mod ruletest;
pub mod schema;
pub mod secret;
pub mod sink;
pub mod source;
pub mod tables;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod why;
pub mod workload;
pub mod xml;
