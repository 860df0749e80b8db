//! The integration tests, one binary: each more would link librdkafka again.

mod bench;
mod cli;
mod daemon;
mod demo;
mod engine;
mod kafka;
mod lang;
mod manual;
mod readme;
mod sim;
mod sink;
mod tidy;
