//! What is kept of an event that a step took: its place, time, id and captured values, in as few bytes as they need.
//!
//! A record begins with its length and its step, so that several stand one after the other in one run of bytes, and a
//! reader skips those of other steps. How its parts are written `codec` says. Records stand in saved states as they are:
//! another form is another version of these (`saved`).

use smallvec::SmallVec;

use crate::engine::codec::{Reader, put, put_signed, put_value};
use crate::event::{Event, Position, SourceId, Value};
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
    let id = event.id.as_deref();
    let mut out = begin(step, &Head { type_id, arrival, time_ms: event.time_ms, position: event.position, id });
    values.for_each(|value| put_value(&mut out, value));
    close(&mut out);
    out
}

/// A record without its values.
fn begin(step: StepId, head: &Head<'_>) -> Made {
    let Head { type_id, arrival, time_ms, position, id } = head;
    let mut out = Made::new();
    out.extend([0, step.0]);
    put(&mut out, u64::from(type_id.0));
    put(&mut out, *arrival);
    put_signed(&mut out, *time_ms);
    put(&mut out, u64::from(position.source.0));
    put(&mut out, u64::from(position.partition));
    put(&mut out, position.offset);
    // The id's length plus one; 0 where there is none.
    put(&mut out, id.map_or(0, |id| id.len() as u64 + 1));
    out.extend_from_slice(id.unwrap_or_default().as_bytes());
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
        let mut numbers = Reader::new(rest);
        let mut number = || u64::from_le_bytes(made(numbers.fixed()));
        Entry::Span(Span { step: StepId(step & !SPAN), from: number(), to: number() })
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
    arrival: u64,
    time_ms: i64,
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
        let mut from = Reader::new(self.rest);
        made(from.number());
        made(from.number())
    }

    /// The event's time in ms.
    pub(super) fn time_ms(self) -> i64 {
        let mut from = Reader::new(self.rest);
        made(from.number());
        made(from.number());
        made(from.signed())
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
        made(from.value())
    }

    /// The captured values, in order.
    pub(super) fn values(self) -> impl Iterator<Item = Value> {
        let (_, mut from) = self.head();
        std::iter::from_fn(move || (!from.is_at_end()).then(|| made(from.value())))
    }

    #[inline]
    fn head(self) -> (Head<'a>, Reader<'a>) {
        let mut from = Reader::new(self.rest);
        (made(Head::read(&mut from)), from)
    }
}

impl<'a> Head<'a> {
    #[inline]
    fn read(from: &mut Reader<'a>) -> Option<Head<'a>> {
        let type_id = TypeId(from.narrow()?);
        let arrival = from.number()?;
        let time_ms = from.signed()?;
        let source = SourceId(from.narrow()?);
        let position = Position { source, partition: from.narrow()?, offset: from.number()? };
        let id = match from.narrow::<usize>()?.checked_sub(1) {
            Some(length) => Some(from.text(length)?),
            None => None,
        };
        Some(Head { type_id, arrival, time_ms, position, id })
    }
}

/// What stands in a record: it is only made here, or was looked through when it was read from elsewhere.
#[inline]
fn made<T>(read: Option<T>) -> T {
    read.expect("a record is whole")
}

/// Whether some records are one, of an event that this step took.
pub(super) fn is_one_event(records: &[u8], step: StepId) -> bool {
    let mut entries = entries(records);
    let is_of_step = |entry| matches!(entry, Entry::Event(taken) if taken.step == step);
    entries.next().is_some_and(is_of_step) && entries.next().is_none()
}

/// Looks records through that come from elsewhere, and gives them under the numbers that types and sources have now, with
/// the values that their steps keep now: `values` gives for each of these the place that it had, if it was kept.
/// Nothing where they are none, not in the order of their steps, or where a type or source is gone.
pub(super) fn renumber<'v>(
    records: &[u8],
    values: impl Fn(StepId) -> Option<&'v KeptValues>,
    type_of: impl Fn(TypeId) -> Option<TypeId>,
    source_of: impl Fn(SourceId) -> Option<SourceId>,
) -> Option<Records> {
    let mut renumbered = SmallVec::<[u8; 64]>::new();
    let mut from = Reader::new(records);
    let mut last = 0;
    while !from.is_at_end() {
        let (step, rest) = whole(&mut from)?;
        let KeptValues { then, now } = values(StepId(step & !SPAN))?;
        (step & !SPAN >= last).then_some(())?;
        last = step & !SPAN;
        if step & SPAN != 0 {
            let numbers: [u8; 16] = rest.try_into().ok()?;
            let [from, to] = [0, 8].map(|at| u64::from_le_bytes(*numbers[at..].first_chunk().expect("sixteen bytes")));
            renumbered.extend_from_slice(&(Span { step: StepId(step & !SPAN), from, to }).to_record());
            continue;
        }
        let mut rest = Reader::new(rest);
        let mut head = Head::read(&mut rest)?;
        head.type_id = type_of(head.type_id)?;
        head.position.source = source_of(head.position.source)?;
        let mut record = begin(StepId(step), &head);
        if now.iter().enumerate().all(|(place, was)| *was == Some(place)) && *then == now.len() {
            for _ in 0..*then {
                put_value(&mut record, &rest.value()?);
            }
        } else {
            let values = (0..*then).map(|_| rest.value()).collect::<Option<Vec<_>>>()?;
            for was in now {
                put_value(&mut record, was.map_or(&Value::Missing, |was| &values[was]));
            }
        }
        close(&mut record);
        rest.is_at_end().then(|| renumbered.extend_from_slice(&record))?;
    }
    Some(Records::from_bytes(&renumbered))
}

/// Which values records of a step keep: how many they had, and for each that they have now its place among these.
#[derive(Debug)]
pub(super) struct KeptValues {
    pub(super) then: usize,
    pub(super) now: Vec<Option<usize>>,
}

/// The step of the next record, with its mark, and what follows it.
fn whole<'a>(from: &mut Reader<'a>) -> Option<(u8, &'a [u8])> {
    let (head, length) = match from.byte()? {
        0 => (1 + LONG, u32::from_le_bytes(from.fixed()?) as usize),
        length => (1, usize::from(length)),
    };
    let (step, rest) = from.take(length.checked_sub(head)?)?.split_first()?;
    Some((*step, rest))
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

    /// Records that stand in the order of their steps.
    fn from_bytes(records: &[u8]) -> Records {
        match u8::try_from(records.len()) {
            Ok(length) if records.len() <= Records::INLINE => {
                let mut bytes = [0; Records::INLINE];
                bytes[..records.len()].copy_from_slice(records);
                Records::Short(length, bytes)
            }
            _ => Records::Long(records.to_vec()),
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
    use crate::event::{EventId, Point};

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
