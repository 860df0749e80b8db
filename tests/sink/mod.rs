//! Sinks against real conversations.

mod email;
mod smtp_server;
