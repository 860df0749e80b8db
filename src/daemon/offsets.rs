//! What is stored with a committed offset: enough to have the same state again by reading back, muted.

use serde::{Deserialize, Serialize};

/// The version that is written.
const VERSION: u32 = 1;

/// What a partition was like when its offset was committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// The form.
    #[serde(rename = "v")]
    version: u32,
    /// The offset at which the group began; the oldest one there is where none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) start: Option<i64>,
    /// The highest event time that moved the watermark, with what elapsed since, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) high_ms: Option<i64>,
    /// Whether it was idle.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) idle: bool,
    /// How far the time of its shard had come, in ms: not always where its inputs would have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) watermark_ms: Option<i64>,
    /// The snapshots of its shard.
    #[serde(default, flatten)]
    pub(super) snapshots: Snapshots,
}

/// The snapshots of a shard that are there to stay, by their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Snapshots {
    /// The newest one.
    #[serde(default, rename = "snapshot", skip_serializing_if = "Option::is_none")]
    pub(super) newest: Option<u64>,
    /// The one before it.
    #[serde(default, rename = "before", skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<u64>,
}

impl Snapshots {
    /// With one more.
    pub(super) fn with(self, newest: u64) -> Snapshots {
        Snapshots { newest: Some(newest), before: self.newest }
    }

    /// The newest first.
    pub(super) fn iter(self) -> impl Iterator<Item = u64> {
        self.newest.into_iter().chain(self.before)
    }

    /// The oldest one.
    pub(super) fn oldest(self) -> Option<u64> {
        self.before.or(self.newest)
    }
}

impl Mark {
    /// A mark of the version that is written.
    pub(super) fn new(start: Option<i64>, high_ms: Option<i64>, idle: bool) -> Mark {
        Mark { version: VERSION, start, high_ms, idle, watermark_ms: None, snapshots: Snapshots::default() }
    }

    /// The same, of a shard whose time had come so far.
    pub(super) fn at(self, watermark_ms: Option<i64>) -> Mark {
        Mark { watermark_ms, ..self }
    }

    /// The same, of a shard with these snapshots.
    pub(super) fn naming(self, snapshots: Snapshots) -> Mark {
        Mark { snapshots, ..self }
    }

    /// The metadata of a commit.
    pub(super) fn to_metadata(self) -> String {
        serde_json::to_string(&self).expect("a mark is plain data")
    }

    /// Reads metadata back. What somebody else stored, or a newer version, is no mark: the partition is then read
    /// from its oldest offset.
    pub(super) fn from_metadata(metadata: &str) -> Option<Mark> {
        serde_json::from_str(metadata).ok().filter(|mark: &Mark| mark.version == VERSION)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back() {
        let mark = Mark::new(Some(7), Some(1_000), true);
        assert_eq!(mark.to_metadata(), r#"{"v":1,"start":7,"high_ms":1000,"idle":true}"#);
        assert_eq!(Mark::from_metadata(&mark.to_metadata()), Some(mark));
        let with = Mark { snapshots: Snapshots::default().with(5).with(6), ..Mark::new(None, None, false) };
        assert_eq!(with.to_metadata(), r#"{"v":1,"snapshot":6,"before":5}"#);
        assert_eq!(Mark::from_metadata(&with.to_metadata()), Some(with));
        assert!(with.snapshots.iter().eq([6, 5]) && with.snapshots.oldest() == Some(5));
        assert_eq!(Mark::from_metadata(r#"{"v":1}"#), Some(Mark::new(None, None, false)));
        assert_eq!(Mark::from_metadata(""), None);
        assert_eq!(Mark::from_metadata(r#"{"v":2,"start":7}"#), None);
        assert_eq!(Mark::from_metadata("somebody else's"), None);
    }
}
