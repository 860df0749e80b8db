//! The integration tests, one binary: each more would link librdkafka again.

mod demo;
mod engine;
mod kafka;
mod lang;
mod sink;
mod tidy;
