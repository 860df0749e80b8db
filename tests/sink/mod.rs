//! Sinks against real conversations.

mod email;
pub(crate) mod http_server;
mod outside;
mod smtp_server;
mod webhook;
