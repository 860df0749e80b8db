//! How numbers, texts and values are written as bytes: what records of events and saved states are made of.
//!
//! Numbers are LEB128, negative ones after zigzag: what is small takes few bytes. A [`Reader`] takes bytes from anywhere:
//! whatever they are it ends, gives nothing where they are no such thing, and asks for no more memory than they take.

use std::net::IpAddr;

use crate::event::{Point, Sink, Text, Value};

const MISSING: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const INTEGER: u8 = 3;
const NUMBER: u8 = 4;
const TIME: u8 = 5;
const IP4: u8 = 6;
const IP6: u8 = 7;
const POINT: u8 = 8;
const LIST: u8 = 9;
const LONG_TEXT: u8 = 10;
/// From here on a tag is a text's length: most texts need no second byte.
const TEXT: u8 = 11;

/// Lists in lists that a reader follows; what is deeper is no value.
const DEPTH_MAX: usize = 64;

/// No count comes near it, and what is added to it does not overflow.
const COUNTER_MAX: u64 = 1 << 62;

/// Writes a number.
#[inline]
pub(super) fn put(out: &mut impl Sink, mut number: u64) {
    while number >= 0x80 {
        out.add_byte(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.add_byte(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

/// Writes how many there are of something.
pub(super) fn put_count(out: &mut impl Sink, count: usize) {
    put(out, count as u64);
}

/// Writes how many there are of something, and each of them.
pub(super) fn put_all<T, S: Sink>(
    out: &mut S,
    all: impl IntoIterator<Item = T, IntoIter: ExactSizeIterator>,
    put: impl Fn(&mut S, T),
) {
    let all = all.into_iter();
    put_count(out, all.len());
    for one in all {
        put(out, one);
    }
}

/// Writes a number that may be negative.
#[inline]
pub(super) fn put_signed(out: &mut impl Sink, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

/// Writes a number that may not be there.
pub(super) fn put_option(out: &mut impl Sink, number: Option<i64>) {
    out.add_byte(u8::from(number.is_some()));
    if let Some(number) = number {
        put_signed(out, number);
    }
}

/// Writes bytes with their length.
#[inline]
pub(super) fn put_bytes(out: &mut impl Sink, bytes: &[u8]) {
    put_count(out, bytes.len());
    out.add(bytes);
}

/// Writes a value.
pub(super) fn put_value(out: &mut impl Sink, value: &Value) {
    let mut fixed = |tag: u8, bytes: &[u8]| {
        out.add_byte(tag);
        out.add(bytes);
    };
    match value {
        Value::Missing => fixed(MISSING, &[]),
        Value::Boolean(false) => fixed(FALSE, &[]),
        Value::Boolean(true) => fixed(TRUE, &[]),
        Value::Integer(i) => {
            fixed(INTEGER, &[]);
            put_signed(out, *i);
        }
        Value::Number(n) => fixed(NUMBER, &n.to_le_bytes()),
        Value::Time(ms) => {
            fixed(TIME, &[]);
            put_signed(out, *ms);
        }
        Value::Ip(IpAddr::V4(ip)) => fixed(IP4, &ip.octets()),
        Value::Ip(IpAddr::V6(ip)) => fixed(IP6, &ip.octets()),
        Value::Point(point) => {
            fixed(POINT, &point.latitude.to_le_bytes());
            out.add(&point.longitude.to_le_bytes());
        }
        Value::List(values) => {
            fixed(LIST, &[]);
            put_all(out, values.iter(), |out, value| put_value(out, value));
        }
        Value::Text(text) => {
            match u8::try_from(text.len()).ok().and_then(|length| length.checked_add(TEXT)) {
                Some(tag) => out.add_byte(tag),
                None => {
                    out.add_byte(LONG_TEXT);
                    put_count(out, text.len());
                }
            }
            out.add(text.as_bytes());
        }
    }
}

/// Reads what was put; nothing where something else stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// From the beginning of these bytes.
    #[inline]
    pub(super) fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader(bytes)
    }

    /// Whether nothing is left.
    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    /// A byte that says whether something holds.
    pub(super) fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// A number that is counted on from here: far from its end.
    pub(super) fn counter(&mut self) -> Option<u64> {
        self.number().filter(|number| *number <= COUNTER_MAX)
    }

    /// A number that fits where it belongs.
    #[inline]
    pub(super) fn narrow<T: TryFrom<u64>>(&mut self) -> Option<T> {
        T::try_from(self.number()?).ok()
    }

    /// How many there are of something: each takes a byte at least, so there are no more than bytes.
    pub(super) fn count(&mut self) -> Option<usize> {
        self.narrow().filter(|count| *count <= self.0.len())
    }

    #[inline]
    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -((number & 1).cast_signed()))
    }

    /// A number that may not be there.
    #[expect(clippy::option_option, reason = "nothing is read, or nothing was written")]
    pub(super) fn option(&mut self) -> Option<Option<i64>> {
        if self.flag()? { self.signed().map(Some) } else { Some(None) }
    }

    #[inline]
    pub(super) fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (fixed, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*fixed)
    }

    /// So many bytes.
    #[inline]
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// Bytes with their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.narrow()?;
        self.take(length)
    }

    /// A text of so many bytes.
    #[inline]
    pub(super) fn text(&mut self, length: usize) -> Option<&'a str> {
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// A text with its length.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A finite number.
    pub(super) fn float(&mut self) -> Option<f64> {
        Some(f64::from_le_bytes(self.fixed()?)).filter(|n| n.is_finite())
    }

    #[inline]
    pub(super) fn value(&mut self) -> Option<Value> {
        self.value_in(DEPTH_MAX)
    }

    fn value_in(&mut self, depth: usize) -> Option<Value> {
        Some(match self.byte()? {
            MISSING => Value::Missing,
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INTEGER => Value::Integer(self.signed()?),
            NUMBER => Value::Number(self.float()?),
            TIME => Value::Time(self.signed()?),
            IP4 => Value::Ip(self.fixed::<4>()?.into()),
            IP6 => Value::Ip(self.fixed::<16>()?.into()),
            POINT => Value::Point(Point { latitude: self.float()?, longitude: self.float()? }),
            LIST => {
                let (length, inner) = (self.count()?, depth.checked_sub(1)?);
                Value::List((0..length).map(|_| self.value_in(inner)).collect::<Option<_>>()?)
            }
            LONG_TEXT => {
                let length = self.narrow()?;
                Value::Text(Text::from(self.text(length)?))
            }
            tag => Value::Text(Text::from(self.text(usize::from(tag - TEXT))?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_read_back(number in any::<u64>(), signed in any::<i64>(), option in any::<Option<i64>>()) {
            let mut out = Vec::new();
            put(&mut out, number);
            put_signed(&mut out, signed);
            put_option(&mut out, option);
            let mut from = Reader::new(&out);
            prop_assert_eq!((from.number(), from.signed(), from.option()), (Some(number), Some(signed), Some(option)));
            prop_assert!(from.is_at_end());
        }

        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut from = Reader::new(&bytes);
            while from.value().is_some() {}
            let mut from = Reader::new(&bytes);
            while from.number().is_some() && from.bytes().is_some() && from.option().is_some() {}
        }
    }

    #[test]
    fn lists_in_lists_have_an_end() {
        let deep = [LIST, 1].repeat(100_000);
        assert!(Reader::new(&deep).value().is_none());
    }
}
