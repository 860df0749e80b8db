//! What stands in the repartition topic: a line of JSON, and behind it, for an event, its bytes as they came. Another
//! version of the daemon reads it after an upgrade, so fields are only ever added.

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The version of the form.
const VERSION: u8 = 1;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record<'a> {
    /// An event of a source.
    Event {
        /// The topic that it came from.
        topic: &'a str,
        /// Its partition there.
        partition: i32,
        /// Its offset there.
        offset: i64,
        /// Whether it was too far in the future to move time.
        is_future: bool,
        /// The message.
        payload: &'a [u8],
    },
    /// How far event time has come in partitions of the sources.
    Marks(Vec<InputMark<'a>>),
}

/// How far event time has come in a partition of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InputMark<'a> {
    /// The topic.
    #[serde(borrow)]
    pub(crate) topic: &'a str,
    /// The partition.
    pub(crate) partition: i32,
    /// The highest event time (ms), with what has gone on by itself; none before the first event.
    pub(crate) high_ms: Option<i64>,
    /// Whether it is at its end and quiet.
    pub(crate) idle: bool,
}

/// Why bytes are no record: somebody else writes to the topic.
#[derive(Debug, Error)]
pub(crate) enum RecordError {
    /// They are no line of the form.
    #[error("no record of the repartition topic: {0}")]
    Form(String),
    /// They are of a version that is not known here.
    #[error("a record of version {0} of the repartition topic; this daemon reads version {VERSION}")]
    Version(u8),
}

#[derive(Serialize, Deserialize)]
struct Head<'a> {
    v: u8,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    from: Option<From<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    marks: Vec<InputMark<'a>>,
}

#[derive(Serialize, Deserialize)]
struct From<'a> {
    #[serde(borrow)]
    topic: &'a str,
    partition: i32,
    offset: i64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    future: bool,
}

impl<'a> Record<'a> {
    /// Writes it behind what is in `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut head = Head { v: VERSION, from: None, marks: Vec::new() };
        let mut body: &[u8] = &[];
        match self {
            Record::Event { topic, partition, offset, is_future, payload } => {
                head.from = Some(From { topic, partition: *partition, offset: *offset, future: *is_future });
                body = payload;
            }
            Record::Marks(marks) => head.marks.clone_from(marks),
        }
        serde_json::to_writer(&mut *out, &head).expect("plain data, into memory");
        out.push(b'\n');
        out.extend_from_slice(body);
    }

    /// Reads one.
    pub(crate) fn read(bytes: &'a [u8]) -> Result<Record<'a>, RecordError> {
        let form = |reason: &str| RecordError::Form(reason.to_owned());
        let end = memchr::memchr(b'\n', bytes).ok_or_else(|| form("it has no line"))?;
        let (head, payload) = (&bytes[..end], &bytes[end + 1..]);
        let Head { v, from, marks } = serde_json::from_slice(head).map_err(|error| form(&error.to_string()))?;
        if v != VERSION {
            return Err(RecordError::Version(v));
        }
        Ok(match from {
            Some(From { topic, partition, offset, future }) => {
                Record::Event { topic, partition, offset, is_future: future, payload }
            }
            None => Record::Marks(marks),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: &Record<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        record.write(&mut out);
        out
    }

    #[test]
    fn what_is_written_is_read_and_its_form_is_kept() {
        let payload = b"{\"a\":1}\nnot a line of ours";
        let event = Record::Event { topic: "events", partition: 3, offset: 17, is_future: false, payload };
        let bytes = written(&event);
        let line = br#"{"v":1,"from":{"topic":"events","partition":3,"offset":17}}"#;
        assert_eq!(bytes, [&line[..], b"\n", payload].concat());
        assert_eq!(Record::read(&bytes).expect("a record"), event);

        let mark = |partition, high_ms, idle| InputMark { topic: "events", partition, high_ms, idle };
        let marks = Record::Marks(vec![mark(0, Some(-5), false), mark(1, None, true)]);
        let bytes = written(&marks);
        let line = br#"{"v":1,"marks":[{"topic":"events","partition":0,"high_ms":-5,"idle":false},{"topic":"events","partition":1,"high_ms":null,"idle":true}]}"#;
        assert_eq!(bytes, [&line[..], b"\n"].concat());
        assert_eq!(Record::read(&bytes).expect("a record"), marks);
    }

    #[test]
    fn bytes_of_somebody_else_are_no_record() {
        for bytes in [&b""[..], b"{}", b"{}\n", b"\xff\n", br#"{"v":1"#] {
            assert!(matches!(Record::read(bytes), Err(RecordError::Form(_))), "{bytes:?}");
        }
        assert!(matches!(Record::read(b"{\"v\":2}\n"), Err(RecordError::Version(2))));
    }
}
