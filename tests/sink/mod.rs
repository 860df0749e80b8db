//! Sinks against real conversations.

mod email;
mod http_server;
mod smtp_server;
mod webhook;
