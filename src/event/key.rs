//! The key of a rule: the values of its `for each`, encoded as bytes that compare and hash at once.
//!
//! The encoding is injective: two keys are equal exactly when their values are. It can be read back, so an alert
//! prints the key without keeping the event.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use smallvec::SmallVec;

use crate::event::{Sink, Text, Value};

/// A key; up to 22 bytes are kept inline. A rule without `for each` has the empty key.
#[derive(Clone)]
pub struct Key(Bytes);

/// As small as a pointer with a length and a tag: engines keep millions.
#[derive(Clone)]
enum Bytes {
    /// So many of these bytes.
    Short(u8, [u8; Key::INLINE]),
    /// More than fit there.
    Long(Box<[u8]>),
}

impl Key {
    /// The bytes of a key that are kept inline; more lie on the heap.
    pub const INLINE: usize = 22;

    /// The encoded bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Bytes::Short(length, bytes) => &bytes[..usize::from(*length)],
            Bytes::Long(bytes) => bytes,
        }
    }

    /// The key of one value; none where the value can be no part of a key. Nothing is allocated for a short one.
    #[inline]
    pub fn of(value: &Value) -> Option<Key> {
        let mut bytes = Encoded::new();
        encode(&mut bytes, value).then(|| Key::from_bytes(&bytes))
    }

    /// A key from bytes that [`Key::as_bytes`] gave.
    #[inline]
    pub fn from_bytes(bytes: &[u8]) -> Key {
        match u8::try_from(bytes.len()) {
            Ok(length) if bytes.len() <= Key::INLINE => {
                let mut short = [0; Key::INLINE];
                short[..bytes.len()].copy_from_slice(bytes);
                Key(Bytes::Short(length, short))
            }
            _ => Key(Bytes::Long(bytes.into())),
        }
    }

    /// Bytes that come from elsewhere, if they are a key of so many parts.
    pub fn checked(bytes: &[u8], parts: usize) -> Option<&[u8]> {
        let (mut rest, mut found) = (bytes, 0);
        while let Some((&tag, after)) = rest.split_first() {
            (_, rest) = decode_part(tag, after)?;
            found += 1;
        }
        (found == parts).then_some(bytes)
    }

    /// The hash of the encoded bytes of a key.
    #[inline]
    pub fn hash_of(bytes: &[u8], hasher: &impl BuildHasher) -> u64 {
        let mut hasher = hasher.build_hasher();
        hasher.write(bytes);
        hasher.finish()
    }

    /// In which of so many partitions all events of a key lie: the same in every process and version. `of` tells keys of
    /// other parts apart.
    pub fn partition(of: &[String], bytes: &[u8], partitions: usize) -> usize {
        let mut hash = crc32fast::Hasher::new();
        for part in of {
            hash.update(part.as_bytes());
            hash.update(&[0]);
        }
        hash.update(bytes);
        hash.finalize() as usize % partitions.max(1)
    }

    /// The parts that were encoded, in order.
    pub fn parts(&self) -> Vec<Value> {
        let mut parts = Vec::new();
        let mut rest = self.as_bytes();
        while let Some((&tag, after)) = rest.split_first() {
            let (value, after) = decode_part(tag, after).expect("a key is only made by KeyBuilder, or was checked");
            parts.push(value);
            rest = after;
        }
        parts
    }
}

impl Default for Key {
    fn default() -> Self {
        Key::from_bytes(&[])
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.as_bytes()).finish()
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Key) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Key) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

/// As its bytes: maps are asked by them.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl std::borrow::Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

const TEXT: u8 = b'T';
const INTEGER: u8 = b'I';
const NUMBER: u8 = b'N';
const FALSE: u8 = b'0';
const TRUE: u8 = b'1';
const TIME: u8 = b'D';
const IP4: u8 = b'4';
const IP6: u8 = b'6';

/// Builds one key after another in the same buffer.
#[derive(Clone, Debug, Default)]
pub struct KeyBuilder(Vec<u8>);

impl KeyBuilder {
    /// Empties the buffer for the next key.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one part. Returns false, and leaves the key unusable, where the value can be no part of a key: it is
    /// missing, a point or a list.
    pub fn push(&mut self, value: &Value) -> bool {
        encode(&mut self.0, value)
    }

    /// Adds all parts of another key.
    pub fn push_encoded(&mut self, key: &[u8]) {
        self.0.extend_from_slice(key);
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The key so far.
    pub fn key(&self) -> Key {
        Key::from_bytes(&self.0)
    }
}

/// The bytes of a key of one value, while it is made.
type Encoded = SmallVec<[u8; Key::INLINE]>;

/// Adds a value. Returns false where it can be no part of a key.
#[inline]
fn encode(out: &mut impl Sink, value: &Value) -> bool {
    let mut fixed = |tag: u8, bytes: &[u8]| {
        out.add(&[tag]);
        out.add(bytes);
    };
    match value {
        Value::Text(text) => encode_text(out, text),
        Value::Integer(i) => fixed(INTEGER, &i.to_be_bytes()),
        // 0.0 and -0.0 are equal, so they are one key.
        Value::Number(n) => fixed(NUMBER, &(n + 0.0).to_bits().to_be_bytes()),
        Value::Boolean(b) => fixed(if *b { TRUE } else { FALSE }, &[]),
        Value::Time(ms) => fixed(TIME, &ms.to_be_bytes()),
        Value::Ip(IpAddr::V4(ip)) => fixed(IP4, &ip.octets()),
        Value::Ip(IpAddr::V6(ip)) => fixed(IP6, &ip.octets()),
        Value::Missing | Value::Point(_) | Value::List(_) => return false,
    }
    true
}

#[inline]
fn encode_text(out: &mut impl Sink, text: &str) {
    // The length is a LEB128 number: one byte for texts below 128 bytes, so that 20-byte ids stay inline.
    out.add(&[TEXT]);
    let mut length = text.len();
    while length >= 0x80 {
        out.add(&[u8::try_from(length & 0x7f).expect("seven bits") | 0x80]);
        length >>= 7;
    }
    out.add(&[u8::try_from(length).expect("seven bits")]);
    out.add(text.as_bytes());
}

fn decode_part(tag: u8, rest: &[u8]) -> Option<(Value, &[u8])> {
    match tag {
        TEXT => decode_text(rest),
        INTEGER => fixed(rest, |b: [u8; 8]| Value::Integer(i64::from_be_bytes(b))),
        NUMBER => fixed(rest, |b: [u8; 8]| Value::number(f64::from_bits(u64::from_be_bytes(b)))),
        TIME => fixed(rest, |b: [u8; 8]| Value::Time(i64::from_be_bytes(b))),
        IP4 => fixed(rest, |b: [u8; 4]| Value::Ip(b.into())),
        IP6 => fixed(rest, |b: [u8; 16]| Value::Ip(b.into())),
        FALSE => Some((Value::Boolean(false), rest)),
        TRUE => Some((Value::Boolean(true), rest)),
        _ => None,
    }
}

fn fixed<const N: usize>(rest: &[u8], make: impl Fn([u8; N]) -> Value) -> Option<(Value, &[u8])> {
    let (head, rest) = rest.split_first_chunk::<N>()?;
    Some((make(*head), rest))
}

fn decode_text(mut rest: &[u8]) -> Option<(Value, &[u8])> {
    let (mut length, mut shift) = (0_usize, 0_u32);
    loop {
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte < 0x80 {
            break;
        }
    }
    let (text, rest) = rest.split_at_checked(length)?;
    Some((Value::Text(Text::from_utf8(text).ok()?), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_its_parts() {
        let mut builder = KeyBuilder::default();
        let long = "x".repeat(300);
        let parts = [
            Value::Text("u1".into()),
            Value::Integer(-7),
            Value::Number(2.5),
            Value::Boolean(true),
            Value::Ip("10.0.0.1".parse().unwrap()),
            Value::Text(Text::from(long)),
            Value::Text("".into()),
        ];
        for part in &parts {
            assert!(builder.push(part));
        }
        assert_eq!(format!("{:?}", builder.key().parts()), format!("{parts:?}"));
        let bytes = builder.as_bytes();
        assert_eq!(Key::checked(bytes, parts.len()), Some(bytes));
        assert_eq!(Key::checked(bytes, parts.len() - 1), None);
        for short in 1..bytes.len() {
            assert_eq!(Key::checked(&bytes[..short], parts.len()), None, "{short} of its bytes");
        }
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let key = |a: &str, b: &str| {
            let mut builder = KeyBuilder::default();
            assert!(builder.push(&Value::Text(a.into())) && builder.push(&Value::Text(b.into())));
            builder.key()
        };
        assert_ne!(key("ab", "c"), key("a", "bc"));
    }

    #[test]
    fn a_key_is_three_words() {
        assert_eq!(size_of::<Key>(), 24);
    }

    #[test]
    fn a_missing_part_makes_no_key() {
        assert!(!KeyBuilder::default().push(&Value::Missing));
    }
}
