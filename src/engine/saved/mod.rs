//! States as they are saved, and taken up again: by the same program, or by one of which some rules are others.
//!
//! ```text
//! names | sequencer | clock | keys by `for each` | sections: of a rule, a window, a measure ...
//! ```
//! - `names`    the numbers of types and sources, by their names;
//! - `keys`     keys, by number, each written once;
//! - `identity` by what a section finds what it is of;
//! - `section`  one of them.
//!
//! What is saved is what means something: runs in their order with what they took, and not how they are found. So rows
//! and chains may be kept otherwise in a later version and old states can still be read, and whatever the bytes are,
//! what is built of them is sound. A section whose owner is gone or changed is left out and told.
//!
//! The bytes have no checksum: who keeps them has one, and their version ([`VERSION`]).

mod identity;
mod keys;
mod names;
mod section;

pub use identity::state_identity;
pub(super) use identity::{Identity, of_measure, of_rule, of_text};
pub(super) use keys::{Placing, SavedKeys, load_captures, put_key, put_records, save_captures, save_keys};
pub(super) use names::{Names, put_event, save_names};
pub(super) use section::{Kind, Section, save_section};

/// The version of the form that is written. An older one that is still read has a test with bytes of then.
pub const VERSION: u16 = 1;

/// What became of what was saved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Runs, sessions, streaks and sides of joins that go on.
    pub kept: usize,
    /// Rules and measures that are gone or changed, with how much they had open.
    pub left_out: Vec<(String, usize)>,
}

/// Bytes that are no saved state of this form, or one over other inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no saved state: its {0} cannot be read")]
pub struct Damaged(pub(crate) &'static str);
