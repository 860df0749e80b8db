//! The integration tests, one binary: each more would link librdkafka again.

mod kafka;
mod tidy;
