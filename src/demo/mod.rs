//! The demonstration: a shop's events with frauds planted among them, and the whole daemon at work on them, all in
//! this process and on the loopback.
//!
//! - `stories` the frauds, and what looks like one and is none;
//! - `traffic` ordinary customers and the stories in order of time;
//! - `pacer`   sends the events when they are due;
//! - `stage`   folder, in-process broker, daemon, and the screen's own reading of the alerts topic;
//! - `verdict` what was found against what was planted.
//!
//! The daemon is the one that `run` starts, with settings read from a configuration file. Only the broker is no real
//! one: librdkafka's mock keeps topics in memory, and the demonstration asks of it no more than it does. Nothing here
//! prints.

mod pacer;
mod stage;
mod stories;
mod traffic;
mod verdict;

pub use stage::{Counts, Received, Stage};
pub use stories::{STORIES, Story};
pub use verdict::Verdict;
