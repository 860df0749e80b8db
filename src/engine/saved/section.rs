//! One thing that is saved: whose it is, of which keys, how much is open, and its bytes, which only its owner reads.

use super::Identity;
use crate::engine::codec::{Reader, put_bytes, put_count};
use crate::program::KeyId;

/// What a section is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Kind {
    /// What a rule has open.
    Rule = 1,
    /// What two-step sequences have open together.
    TwoStep = 2,
    /// What a rule has sent to keys.
    Sent = 3,
    /// A window.
    Window = 4,
    /// The values that `is new` remembers.
    Novelty = 5,
    /// What a measure has open.
    Measure = 6,
    /// The rows of a list or table.
    Table = 7,
}

impl Kind {
    /// For people.
    pub(in crate::engine) fn what(self) -> &'static str {
        match self {
            Kind::Rule => "runs of a rule",
            Kind::TwoStep => "runs of two-step sequences",
            Kind::Sent => "sent alerts",
            Kind::Window => "windows",
            Kind::Novelty => "seen values",
            Kind::Measure => "windows of measures",
            Kind::Table => "rows of tables",
        }
    }
}

const KINDS: [Kind; 7] =
    [Kind::Rule, Kind::TwoStep, Kind::Sent, Kind::Window, Kind::Novelty, Kind::Measure, Kind::Table];

/// A section.
pub(in crate::engine) struct Section<'a> {
    pub(in crate::engine) kind: Kind,
    /// The name of its owner, for people.
    pub(in crate::engine) name: &'a str,
    pub(in crate::engine) identity: Identity,
    /// Which keys it names: the place of their table.
    pub(in crate::engine) keys: usize,
    /// How much is open.
    pub(in crate::engine) open: usize,
    pub(in crate::engine) body: Reader<'a>,
}

/// Writes a section.
pub(in crate::engine) fn save_section(
    (kind, name, identity): (Kind, &str, Identity),
    keys: KeyId,
    open: usize,
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>),
) {
    out.push(kind as u8);
    put_bytes(out, name.as_bytes());
    out.extend_from_slice(&identity);
    put_count(out, keys.index());
    put_count(out, open);
    let at = out.len();
    out.extend_from_slice(&[0; LENGTH]);
    body(out);
    let length = (out.len() - at - LENGTH) as u64;
    out[at..at + LENGTH].copy_from_slice(&length.to_le_bytes());
}

/// The bytes of a section's length, which is known last.
const LENGTH: usize = size_of::<u64>();

impl<'a> Section<'a> {
    /// Reads the next section.
    pub(in crate::engine) fn load(from: &mut Reader<'a>) -> Option<Section<'a>> {
        let kind = from.byte()?;
        let kind = KINDS.into_iter().find(|known| *known as u8 == kind)?;
        let (name, identity) = (from.name()?, from.fixed()?);
        let (keys, open) = (from.narrow()?, from.narrow()?);
        let length = usize::try_from(u64::from_le_bytes(from.fixed()?)).ok()?;
        Some(Section { kind, name, identity, keys, open, body: Reader::new(from.take(length)?) })
    }
}
