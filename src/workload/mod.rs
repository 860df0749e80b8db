//! The account events on which figures are measured, seeded, so that a figure can be taken again on the same bytes; and
//! the rules over them.
//!
//! - `events` the stream: users mostly stay in their country, log in, browse, fill carts and buy. Now and then one
//!   travels, and now and then one is attacked: failed logins, then perhaps a login and a large purchase;
//! - `rules`  what is asked of it: five rules and a measure, and as many rules of one shape as one likes. Each of
//!   [`RULES`] alerts, and rarely: `country_hop` on about 0.3 % of the events with the default settings.

mod events;
mod rules;

pub(crate) use events::Random;
pub use events::{Settings, Workload};
pub use rules::{MEASURE, RULES, declarations, filters, hops_from, hops_over, rule_alone};
