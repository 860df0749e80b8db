//! A completed match, handed out before its run is forgotten.

use crate::engine::eval::Context;
use crate::engine::lookups::Tables;
use crate::engine::past::Past;
use crate::engine::record::Taken;
use crate::engine::runs::Trail;
use crate::event::Value;
use crate::program::Rule;

/// A completed match.
#[derive(Clone, Copy)]
pub(super) struct Completed<'a> {
    pub(super) rule: &'a Rule,
    pub(super) trail: Trail<'a>,
    /// The alert's time in ms.
    pub(super) time_ms: i64,
    /// The past of the key as of the completing event; none where a timer completes.
    pub(super) past: Option<Past<'a>>,
    /// What was computed of a session.
    pub(super) aggregates: &'a [Value],
    /// The rows of the lists and tables.
    pub(super) tables: Tables<'a>,
}

impl<'a> Completed<'a> {
    /// What a message or a value of the alert can see.
    pub(super) fn context(&self, key: &'a [Value]) -> Context<'a> {
        Context {
            event: None,
            trail: Some(self.trail),
            key,
            past: self.past,
            aggregates: self.aggregates,
            tables: self.tables,
            memo: None,
        }
    }

    /// The matched events in the order in which they came.
    pub(super) fn events(&self) -> Vec<Taken<'a>> {
        let mut events: Vec<_> = self.trail.all().collect();
        // Steps are taken in order, except those of `all of` and `each pair of`.
        events.sort_by_key(|taken| taken.arrival());
        events
    }

    /// The completing event: the last that was matched.
    pub(super) fn last(&self) -> Taken<'a> {
        self.trail.all().max_by_key(|taken| taken.arrival()).expect("a match has an event")
    }
}
