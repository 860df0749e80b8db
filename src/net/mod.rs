//! A connection to a server, for whoever speaks to one by itself: the sinks of webhooks and databases, the store of
//! snapshots.
//!
//! - `dial`  the first address of a host that takes us;
//! - `trust` who vouches for it, over TLS.
//!
//! Which addresses may be connected to, and what is said then, is the caller's.

pub(crate) mod dial;
pub(crate) mod trust;
