//! Sinks against real conversations.

mod email;
pub(crate) mod http_server;
mod outside;
mod postgres;
pub(crate) mod postgres_server;
mod smtp_server;
mod webhook;
