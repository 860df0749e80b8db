//! What is measured, apart from how it is asked for and shown: the tests run it too, small, and look at the answers.
//!
//! - `groups`    the rows, in groups, with what others reach beside them;
//! - `task`      one thing to measure, and the run of it;
//! - `yardstick` five rules written by hand;
//! - `answer`    what a run found, so that two ways of finding it can be compared;
//! - `process`   processor time and memory.

pub(crate) mod answer;
mod groups;
mod process;
mod task;
mod yardstick;

pub(crate) use groups::{Against, Group, Row, grouped, groups};
pub(crate) use task::{Measured, Work};
