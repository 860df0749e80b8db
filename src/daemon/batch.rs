//! Messages of one shard, copied out of the client's memory, so that another thread can judge them while the next ones
//! are read. `feeds` fills a batch, `judge` works through it. Nothing is decoded here.

/// A batch that has grown beyond this gives its memory back when it is emptied.
const KEPT_BYTES: usize = 4 << 20;

/// A message of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// The place of its partition among the shard's inputs.
    pub(super) input: usize,
    /// Its offset.
    pub(super) offset: i64,
    /// When the broker or producer stamped it (ms).
    pub(super) timestamp_ms: Option<i64>,
    /// Its key.
    pub(super) key: Option<&'a [u8]>,
    /// Its body; a tombstone has none.
    pub(super) payload: Option<&'a [u8]>,
}

/// Messages in the order in which they were read.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Keys and bodies, one after the other.
    bytes: Vec<u8>,
    placed: Vec<Placed>,
}

/// Where a message lies.
#[derive(Clone, Copy, Debug)]
struct Placed {
    input: usize,
    offset: i64,
    timestamp_ms: Option<i64>,
    start: usize,
    key: Option<usize>,
    payload: Option<usize>,
}

impl Batch {
    /// Copies a message to the end.
    pub(super) fn push(&mut self, record: Record<'_>) {
        let Record { input, offset, timestamp_ms, key, payload } = record;
        let start = self.bytes.len();
        for part in [key, payload].into_iter().flatten() {
            self.bytes.extend_from_slice(part);
        }
        let (key, payload) = (key.map(<[u8]>::len), payload.map(<[u8]>::len));
        self.placed.push(Placed { input, offset, timestamp_ms, start, key, payload });
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.placed.len()
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// A message by its place, which is less than [`Batch::len`].
    pub(super) fn get(&self, at: usize) -> Record<'_> {
        let Placed { input, offset, timestamp_ms, start, key, payload } = self.placed[at];
        let body = start + key.unwrap_or(0);
        Record {
            input,
            offset,
            timestamp_ms,
            key: key.map(|length| &self.bytes[start..start + length]),
            payload: payload.map(|length| &self.bytes[body..body + length]),
        }
    }

    /// The messages in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        (0..self.len()).map(|at| self.get(at))
    }

    /// The last offset of an input, if it has a message here.
    pub(super) fn last_offset(&self, input: usize) -> Option<i64> {
        self.placed.iter().rev().find(|placed| placed.input == input).map(|placed| placed.offset)
    }

    /// Takes all messages out.
    pub(super) fn clear(&mut self) {
        self.placed.clear();
        self.bytes.clear();
        if self.bytes.capacity() > KEPT_BYTES {
            self.bytes = Vec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let record = |input, offset, key, payload| Record { input, offset, timestamp_ms: Some(7), key, payload };
        let records = [
            record(0, 3, Some(&b"ann"[..]), Some(&b"{}"[..])),
            record(1, 9, None, Some(&b"body"[..])),
            record(0, 4, Some(&b"bob"[..]), None),
            record(0, 5, Some(&b""[..]), Some(&b""[..])),
            record(1, 10, None, None),
        ];
        let mut batch = Batch::default();
        for record in records {
            batch.push(record);
        }
        assert_eq!(batch.iter().collect::<Vec<_>>(), records);
        assert_eq!((batch.last_offset(0), batch.last_offset(1), batch.last_offset(2)), (Some(5), Some(10), None));
        batch.clear();
        assert!(batch.is_empty() && batch.last_offset(0).is_none());
    }
}
