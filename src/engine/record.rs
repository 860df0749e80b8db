//! What is kept of an event that a step took: its place, time, id and captured values, in as few bytes as they need.
//!
//! A record begins with its length and its step, so that several stand one after the other in one run of bytes, and a
//! reader skips those of other steps. Numbers are written as LEB128, negative ones after zigzag: what is small takes few
//! bytes. Nothing here leaves the process: the form may change with any version.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::event::{Event, Point, Position, SourceId, Text, Value};
use crate::program::{Rule, Shown, Step, StepId};
use crate::schema::TypeId;

/// The bytes of one record; most fit here without the heap while they are made.
pub(super) type Made = SmallVec<[u8; 64]>;

/// A record on its own.
pub(super) type Record = Box<[u8]>;

/// What is kept of an event that fits a step; `arrival` is its number among the events judged.
pub(super) fn make(rule: &Rule, step: StepId, event: &Event, arrival: u64) -> Made {
    let type_id = event.type_id.expect("an event that fits has a type");
    let guards = &rule.steps[step.index()].guards;
    let guard = guards.iter().find(|guard| guard.type_id == type_id).expect("the event fits the step");
    let captures = guard.captures.iter();
    write(
        step,
        event,
        arrival,
        captures.map(|slot| slot.map_or(&Value::Missing, |slot| &event.values[usize::from(slot)])),
    )
}

/// As [`make`], with values that are given.
pub(super) fn write<'a>(step: StepId, event: &Event, arrival: u64, values: impl Iterator<Item = &'a Value>) -> Made {
    let type_id = event.type_id.expect("an event that fits has a type");
    let mut out = Made::new();
    out.extend([0, step.0]);
    put(&mut out, u64::from(type_id.0));
    put(&mut out, arrival);
    put_signed(&mut out, event.time_ms);
    put(&mut out, u64::from(event.position.source.0));
    put(&mut out, u64::from(event.position.partition));
    put(&mut out, event.position.offset);
    // The id's length plus one; 0 where there is none.
    put(&mut out, event.id.as_ref().map_or(0, |id| id.len() as u64 + 1));
    out.extend_from_slice(event.id.as_ref().map_or(&[], |id| id.as_bytes()));
    values.for_each(|value| put_value(&mut out, value));
    close(&mut out);
    out
}

/// Writes the length before what was made: one byte, or a zero and four bytes where that is too little.
fn close(out: &mut Made) {
    match u8::try_from(out.len()) {
        Ok(length) => out[0] = length,
        Err(_) => {
            let length = u32::try_from(out.len() + LONG).expect("an event has a limit of its own");
            out.insert_from_slice(1, &length.to_le_bytes());
        }
    }
}

/// The bytes of a length that one byte does not hold.
const LONG: usize = 4;

/// A record, read where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken<'a> {
    /// The step that took the event.
    pub(super) step: StepId,
    /// What follows the step.
    rest: &'a [u8],
}

/// The part of a key's shared list that a run has taken. The list may hold an event that an older run has just taken
/// and that this one is still to be offered, so the part has an end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) step: StepId,
    pub(super) from: u64,
    pub(super) to: u64,
}

/// Set in the step of a record that is a [`Span`]; a rule has fewer steps.
const SPAN: u8 = 0x80;

impl Span {
    /// The record of a span.
    pub(super) fn to_record(self) -> Made {
        let mut out = Made::new();
        out.extend([0, self.step.0 | SPAN]);
        out.extend_from_slice(&self.from.to_le_bytes());
        out.extend_from_slice(&self.to.to_le_bytes());
        close(&mut out);
        out
    }
}

/// What stands among the records of a run.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry<'a> {
    /// An event.
    Event(Taken<'a>),
    /// Events of the shared list.
    Span(Span),
}

impl Entry<'_> {
    fn step(self) -> StepId {
        match self {
            Entry::Event(taken) => taken.step,
            Entry::Span(span) => span.step,
        }
    }
}

/// The first of some records, and the others.
fn split(bytes: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (head, length) = match *bytes.first()? {
        0 => (1 + LONG, u32::from_le_bytes(*bytes[1..].first_chunk().expect("a long record")) as usize),
        length => (1, usize::from(length)),
    };
    let (record, others) = bytes.split_at(length);
    let (step, rest) = (record[head], &record[head + 1..]);
    let entry = if step & SPAN == 0 {
        Entry::Event(Taken { step: StepId(step), rest })
    } else {
        let mut numbers = Reader(rest);
        let (from, to) = (u64::from_le_bytes(numbers.fixed()), u64::from_le_bytes(numbers.fixed()));
        Entry::Span(Span { step: StepId(step & !SPAN), from, to })
    };
    Some((entry, others))
}

/// What stands in some bytes, in order.
pub(super) fn entries(mut bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    std::iter::from_fn(move || {
        let (entry, others) = split(bytes)?;
        bytes = others;
        Some(entry)
    })
}

/// What stands in some bytes for one step, in order: entries stand in the order of their steps.
#[inline]
pub(super) fn entries_of(bytes: &[u8], step: StepId) -> impl Iterator<Item = Entry<'_>> {
    entries(bytes).skip_while(move |entry| entry.step() < step).take_while(move |entry| entry.step() == step)
}

/// Where the entries of the steps after one begin.
fn end_of(mut bytes: &[u8], step: StepId) -> usize {
    let whole = bytes.len();
    while let Some((_, others)) = split(bytes).filter(|(entry, _)| entry.step() <= step) {
        bytes = others;
    }
    whole - bytes.len()
}

/// What stands before the values of a record.
struct Head<'a> {
    type_id: TypeId,
    position: Position,
    id: Option<&'a str>,
}

impl<'a> Taken<'a> {
    /// A record that stands alone.
    pub(super) fn of(record: &'a [u8]) -> Taken<'a> {
        match split(record) {
            Some((Entry::Event(taken), _)) => taken,
            _ => unreachable!("it is the record of an event"),
        }
    }

    /// The event's type.
    pub(super) fn type_id(self) -> TypeId {
        self.head().0.type_id
    }

    /// The event's number among those judged.
    pub(super) fn arrival(self) -> u64 {
        let mut from = Reader(self.rest);
        from.number();
        from.number()
    }

    /// The event's time in ms.
    pub(super) fn time_ms(self) -> i64 {
        let mut from = Reader(self.rest);
        from.number();
        from.number();
        from.signed()
    }

    /// Where the event was read.
    pub(super) fn position(self) -> Position {
        self.head().0.position
    }

    /// The event's own id.
    pub(super) fn id(self) -> Option<&'a str> {
        self.head().0.id
    }

    /// A captured value, by its place.
    pub(super) fn value(self, at: usize) -> Value {
        let (_, mut from) = self.head();
        (0..at).for_each(|_| drop(from.value()));
        from.value()
    }

    /// The captured values, in order.
    pub(super) fn values(self) -> impl Iterator<Item = Value> {
        let (_, mut from) = self.head();
        std::iter::from_fn(move || (!from.0.is_empty()).then(|| from.value()))
    }

    #[inline]
    fn head(self) -> (Head<'a>, Reader<'a>) {
        let mut from = Reader(self.rest);
        let type_id = TypeId(narrow(from.number()));
        let _arrival = from.number();
        let _time_ms = from.signed();
        let source = SourceId(narrow(from.number()));
        let position = Position { source, partition: narrow(from.number()), offset: from.number() };
        let id = from.length().checked_sub(1).map(|length| from.text(length));
        (Head { type_id, position, id }, from)
    }
}

/// A number that was as narrow when it was written.
fn narrow<T: TryFrom<u64>>(wide: u64) -> T {
    T::try_from(wide).ok().expect("a record is only made here")
}

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

fn put(out: &mut Made, mut number: u64) {
    while number >= 0x80 {
        out.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    out.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

fn put_signed(out: &mut Made, number: i64) {
    put(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn put_value(out: &mut Made, value: &Value) {
    let mut fixed = |tag: u8, bytes: &[u8]| {
        out.push(tag);
        out.extend_from_slice(bytes);
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
            out.extend_from_slice(&point.longitude.to_le_bytes());
        }
        Value::List(values) => {
            fixed(LIST, &[]);
            put(out, values.len() as u64);
            values.iter().for_each(|value| put_value(out, value));
        }
        Value::Text(text) => {
            match u8::try_from(text.len()).ok().and_then(|length| length.checked_add(TEXT)) {
                Some(tag) => out.push(tag),
                None => {
                    out.push(LONG_TEXT);
                    put(out, text.len() as u64);
                }
            }
            out.extend_from_slice(text.as_bytes());
        }
    }
}

/// Reads what was put.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().expect("a record is only made here");
        self.0 = rest;
        *byte
    }

    #[inline]
    fn number(&mut self) -> u64 {
        let (mut number, mut shift) = (0, 0);
        loop {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return number;
            }
            shift += 7;
        }
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
    }

    fn length(&mut self) -> usize {
        narrow(self.number())
    }

    fn fixed<const N: usize>(&mut self) -> [u8; N] {
        let (fixed, rest) = self.0.split_first_chunk().expect("a record is only made here");
        self.0 = rest;
        *fixed
    }

    fn text(&mut self, length: usize) -> &'a str {
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        std::str::from_utf8(text).expect("a record's text came from text")
    }

    fn value(&mut self) -> Value {
        match self.byte() {
            MISSING => Value::Missing,
            FALSE => Value::Boolean(false),
            TRUE => Value::Boolean(true),
            INTEGER => Value::Integer(self.signed()),
            NUMBER => Value::Number(f64::from_le_bytes(self.fixed())),
            TIME => Value::Time(self.signed()),
            IP4 => Value::Ip(self.fixed::<4>().into()),
            IP6 => Value::Ip(self.fixed::<16>().into()),
            POINT => {
                let (latitude, longitude) = (f64::from_le_bytes(self.fixed()), f64::from_le_bytes(self.fixed()));
                Value::Point(Point { latitude, longitude })
            }
            LIST => {
                let length = self.length();
                Value::List((0..length).map(|_| self.value()).collect())
            }
            LONG_TEXT => {
                let length = self.length();
                Value::Text(Text::from(self.text(length)))
            }
            tag => Value::Text(Text::from(self.text(usize::from(tag - TEXT)))),
        }
    }
}

/// What most records take without their values and the event's id, in bytes: length, step, type, number, time, source,
/// partition, offset.
pub(super) const USUAL_BYTES: usize = 20;

/// What most values take in a record, in bytes: a number, a time, a text of eight letters.
pub(super) const USUAL_VALUE_BYTES: usize = 9;

/// The bytes of the text of a whole event, as most are.
const USUAL_WHOLE_BYTES: usize = 256;

/// The bytes that records take beside the row that they are of.
pub(super) fn spilled_bytes(records: usize) -> usize {
    if records > Records::INLINE { records } else { 0 }
}

/// The bytes of a record on its own of an event that a step took, as most are.
pub(super) fn usual_bytes(step: &Step) -> usize {
    let whole = step.captures.iter().filter(|capture| capture.shown == Shown::Whole).count();
    let values = step.captures.len() - whole;
    size_of::<Record>() + USUAL_BYTES + values * USUAL_VALUE_BYTES + whole * USUAL_WHOLE_BYTES
}

/// Records one after the other, in the order of their steps; short ones lie in the row itself.
#[derive(Debug)]
pub(super) enum Records {
    /// So many of these bytes.
    Short(u8, [u8; Records::INLINE]),
    /// More than fit there.
    Long(Vec<u8>),
}

impl Default for Records {
    fn default() -> Self {
        Records::Short(0, [0; Records::INLINE])
    }
}

impl Records {
    /// The bytes that lie in the row.
    pub(super) const INLINE: usize = 30;

    /// The bytes.
    #[inline]
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Records::Short(length, bytes) => &bytes[..usize::from(*length)],
            Records::Long(bytes) => bytes,
        }
    }

    /// Adds a record after those of its step.
    pub(super) fn insert(&mut self, record: &[u8]) {
        let (entry, _) = split(record).expect("a record has bytes");
        let at = end_of(self.as_bytes(), entry.step());
        match self {
            Records::Short(length, bytes) => {
                let (old, new) = (usize::from(*length), usize::from(*length) + record.len());
                match u8::try_from(new) {
                    Ok(short) if new <= Records::INLINE => {
                        bytes.copy_within(at..old, at + record.len());
                        bytes[at..at + record.len()].copy_from_slice(record);
                        *length = short;
                    }
                    _ => *self = Records::Long([&bytes[..at], record, &bytes[at..old]].concat()),
                }
            }
            Records::Long(bytes) if at == bytes.len() => bytes.extend_from_slice(record),
            Records::Long(bytes) => drop(bytes.splice(at..at, record.iter().copied())),
        }
    }

    /// The span of a step takes one more event of the shared list. The step's span is the last entry.
    pub(super) fn lengthen_span(&mut self) {
        let bytes = match self {
            Records::Short(length, bytes) => &mut bytes[..usize::from(*length)],
            Records::Long(bytes) => bytes,
        };
        let to = bytes.last_chunk_mut().expect("a span has been put there");
        *to = (u64::from_le_bytes(*to) + 1).to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::EventId;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Missing),
            any::<bool>().prop_map(Value::Boolean),
            any::<i64>().prop_map(Value::Integer),
            any::<f64>().prop_map(Value::number),
            ".{0,300}".prop_map(|text| Value::Text(text.into())),
            any::<i64>().prop_map(Value::Time),
            any::<std::net::IpAddr>().prop_map(Value::Ip),
            (-90.0..90.0, -180.0..180.0).prop_map(|(latitude, longitude)| Value::Point(Point { latitude, longitude })),
        ];
        leaf.prop_recursive(2, 8, 4, |inner| {
            prop::collection::vec(inner, 0..4).prop_map(|values| Value::List(values.into()))
        })
    }

    prop_compose! {
        fn event()(
            type_id in any::<u32>(),
            time_ms in any::<i64>(),
            source in any::<u16>(),
            (partition, offset) in any::<(u32, u64)>(),
            id in prop::option::of(".{0,40}"),
            values in prop::collection::vec(value(), 0..4),
        ) -> Event {
            let position = Position { source: SourceId(source), partition, offset };
            Event { type_id: Some(TypeId(type_id)), time_ms, position, id: id.map(EventId::from), values }
        }
    }

    proptest! {
        #[test]
        fn records_read_back_in_the_order_of_their_steps(
            events in prop::collection::vec((0..4u8, event(), any::<u64>()), 1..6)
        ) {
            let mut kept = Records::default();
            for (step, event, arrival) in &events {
                kept.insert(&write(StepId(*step), event, *arrival, event.values.iter()));
            }
            let mut expected = events.clone();
            expected.sort_by_key(|(step, ..)| *step);
            prop_assert_eq!(entries(kept.as_bytes()).count(), expected.len());
            for (entry, (step, event, arrival)) in entries(kept.as_bytes()).zip(&expected) {
                let Entry::Event(taken) = entry else { panic!("only events were put there") };
                prop_assert_eq!((taken.step, taken.arrival(), taken.time_ms()), (StepId(*step), *arrival, event.time_ms));
                prop_assert_eq!((Some(taken.type_id()), taken.position()), (event.type_id, event.position));
                prop_assert_eq!(taken.id(), event.id.as_deref());
                prop_assert_eq!(format!("{:?}", taken.values().collect::<Vec<_>>()), format!("{:?}", event.values));
                for (at, value) in event.values.iter().enumerate() {
                    prop_assert_eq!(format!("{:?}", taken.value(at)), format!("{value:?}"));
                }
            }
        }
    }

    #[test]
    fn a_span_stands_at_its_step_and_grows() {
        let mut kept = Records::default();
        let mut span = Span { step: StepId(1), from: 7, to: 8 };
        let event = Event { type_id: Some(TypeId(0)), ..Event::default() };
        kept.insert(&span.to_record());
        kept.insert(&write(StepId(0), &event, 1, [].iter()));
        for _ in 0..300 {
            kept.lengthen_span();
        }
        span.to += 300;
        let at: Vec<Entry<'_>> = entries_of(kept.as_bytes(), StepId(1)).collect();
        assert!(matches!(at[..], [Entry::Span(found)] if found == span), "{at:?}");
    }

    #[test]
    fn a_short_record_lies_in_its_row() {
        let mut records = Records::default();
        let position = Position { offset: 1_000_000, ..Position::default() };
        let event = Event { type_id: Some(TypeId(0)), time_ms: 1_700_000_000_000, position, ..Event::default() };
        records.insert(&write(StepId(0), &event, 1_000_000, [Value::Text("DE".into())].iter()));
        assert!(matches!(records, Records::Short(21, _)), "{records:?}");
        assert_eq!(size_of::<Records>(), 32);
    }
}
