//! The form of a snapshot.
//!
//! ```text
//! "tripline" | form u16 | state u16 | head u32, JSON | state u64, bytes | CRC-32 of all before it
//! ```
//! Numbers are little endian. The head can be read by people: `head -c 400 FILE`.

use serde::{Deserialize, Serialize};
use thiserror::Error;

const MAGIC: &[u8; 8] = b"tripline";
/// The version of the form that is written; the state's own version is the engine's.
const FORM: u16 = 1;
/// A head is a line or two for each partition.
const HEAD_MAX: usize = 16 << 20;

/// A shard, as it was when its offsets were committed.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot<S> {
    /// Its partitions.
    pub inputs: Vec<Input>,
    /// The version of the state's form.
    pub version: u16,
    /// The state.
    pub state: S,
}

/// How far a partition was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its topic.
    pub topic: String,
    /// Its number.
    pub partition: i32,
    /// The next offset.
    pub next: i64,
    /// The highest event time that moved the watermark, with what elapsed since, in ms.
    pub high_ms: Option<i64>,
    /// Whether it was idle.
    pub idle: bool,
}

/// Why a snapshot cannot be taken up.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// It is not there.
    #[error("it is not there")]
    Missing,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Something else, or half of it.
    #[error("{0}")]
    Broken(&'static str),
    /// A newer version wrote it.
    #[error("a newer version of tripline wrote it (form {0}.{1})")]
    Newer(u16, u16),
}

impl<S: AsRef<[u8]>> Snapshot<S> {
    /// What stands in the file before the state and after it: the state is large, and not copied.
    pub fn around(&self) -> (Vec<u8>, [u8; 4]) {
        let head = serde_json::to_vec(&self.inputs).expect("a head is plain data");
        let state = self.state.as_ref();
        let mut out = Vec::with_capacity(MAGIC.len() + head.len() + 32);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORM.to_le_bytes());
        out.extend_from_slice(&self.version.to_le_bytes());
        out.extend_from_slice(&u32::try_from(head.len()).expect("a head has a limit").to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(&(state.len() as u64).to_le_bytes());
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&out);
        checksum.update(state);
        (out, checksum.finalize().to_le_bytes())
    }
}

impl<'a> Snapshot<&'a [u8]> {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] where it is not whole, or of a version above `version` of the state.
    pub fn from_bytes(bytes: &'a [u8], version: u16) -> Result<Snapshot<&'a [u8]>, SnapshotError> {
        let broken = SnapshotError::Broken;
        let rest = bytes.strip_prefix(MAGIC).ok_or(broken("it is no snapshot"))?;
        let (form, rest) = number(rest, u16::from_le_bytes).ok_or(broken("it ends too early"))?;
        let (of_state, rest) = number(rest, u16::from_le_bytes).ok_or(broken("it ends too early"))?;
        // Before the checksum: another form may have another one.
        if form > FORM || of_state > version {
            return Err(SnapshotError::Newer(form, of_state));
        }
        let (body, checksum) = bytes.split_last_chunk().ok_or(broken("it ends too early"))?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err(broken("its checksum does not fit: it is damaged, or only half of it was written"));
        }
        let rest = &rest[..rest.len().saturating_sub(checksum.len())];
        let (head, rest) = number(rest, u32::from_le_bytes).ok_or(broken("it ends too early"))?;
        let length = usize::try_from(head).ok().filter(|length| *length <= HEAD_MAX);
        let (head, rest) =
            length.and_then(|length| rest.split_at_checked(length)).ok_or(broken("its head is broken"))?;
        let inputs = serde_json::from_slice(head).map_err(|_| broken("its head is broken"))?;
        let (length, state) = number(rest, u64::from_le_bytes).ok_or(broken("it ends too early"))?;
        if state.len() as u64 != length {
            return Err(broken("its length is wrong"));
        }
        Ok(Snapshot { inputs, version: of_state, state })
    }
}

fn number<T, const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> T) -> Option<(T, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((read(*number), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot() -> Snapshot<&'static [u8]> {
        let input = Input { topic: "events".to_owned(), partition: 3, next: 7, high_ms: Some(-1), idle: true };
        Snapshot { inputs: vec![input], version: 1, state: b"state" }
    }

    fn bytes() -> Vec<u8> {
        let (head, checksum) = snapshot().around();
        [&head[..], snapshot().state, &checksum].concat()
    }

    #[test]
    fn a_snapshot_reads_back() {
        let bytes = bytes();
        assert_eq!(Snapshot::from_bytes(&bytes, 1), Ok(snapshot()));
        assert_eq!(Snapshot::from_bytes(&bytes, 0), Err(SnapshotError::Newer(1, 1)));
    }

    /// Row 16 of the fault matrix: a torn or bit-flipped snapshot.
    #[test]
    fn each_byte_that_is_flipped_or_missing_is_seen() {
        let bytes = bytes();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                assert!(Snapshot::from_bytes(&flipped, 1).is_err(), "bit {bit} of byte {at}");
            }
            assert!(Snapshot::from_bytes(&bytes[..at], 1).is_err(), "{at} bytes");
        }
        assert!(Snapshot::from_bytes(&[&bytes[..], b"more"].concat(), 1).is_err());
    }
}
