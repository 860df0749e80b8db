//! What the machine allows: a program written by hand for R1 to R5 and for these events, with none of what makes an
//! engine of one: no language, no other fields, no order that is put right, no alert but its count.
//!
//! - `scan`  bytes to what the rules read, for lines of exactly this shape;
//! - `users` the users with anything open;
//! - `runs`  what is open: rows in order of time, linked by user;
//! - `rules` the five rules.

mod rules;
mod runs;
mod scan;
mod users;

use std::path::Path;

use tripline::event::{Event, Value};
use tripline::program::Program;
use tripline::workload::Settings;

use super::answer::Answer;
use super::process;
use super::task::{self, Logins, Measured, Timer};

use rules::Rules;
use scan::Scanner;
use users::UserKey;

/// What reads the lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Tripline's decoder, under the field filter of the same rules.
    Tripline,
    /// A scan of the bytes for these fields alone.
    Own,
}

/// What the rules read of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    act: Act,
    time_ms: i64,
    user: UserKey,
    /// The two letters; 0 for none.
    country: u16,
    /// Of a purchase.
    cents: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Login,
    LoginFailed,
    Purchase,
    AddToCart,
    /// What no rule asks for.
    Other,
}

impl Act {
    fn named(name: &[u8]) -> Act {
        match name {
            b"login" => Act::Login,
            b"login_failed" => Act::LoginFailed,
            b"purchase" => Act::Purchase,
            b"add_to_cart" => Act::AddToCart,
            _ => Act::Other,
        }
    }
}

/// A file to alerts: those of `program`'s rules that have one of the five names.
pub(crate) fn replay(program: &Program, file: &Path, reader: Reader) -> anyhow::Result<Measured> {
    let mut rules = Rules::of(program);
    let timer = Timer::start();
    let lines = match reader {
        Reader::Own => replay_scanned(&mut rules, file)?,
        Reader::Tripline => replay_decoded(&mut rules, program, file)?,
    };
    rules.finish();
    Ok(timer.stop(lines, rules.answer()))
}

/// Lines of a file to what the rules read.
pub(crate) fn decode(file: &Path) -> anyhow::Result<Measured> {
    let timer = Timer::start();
    let mut scanner = Scanner::open(file)?;
    let mut lines = 0;
    while let Some(seen) = scanner.next_event()? {
        std::hint::black_box(&seen);
        lines += 1;
    }
    Ok(timer.stop(lines, Answer::default()))
}

/// What an open login with its user costs.
pub(crate) fn open_runs(program: &Program, settings: Settings, count: u64) -> anyhow::Result<Measured> {
    let mut logins = Logins::new(settings, count);
    let before = process::resident_bytes();
    let mut rules = Rules::of(program);
    let (mut number, timer) = (0, Timer::start());
    while let Some(line) = logins.next_line() {
        number += 1;
        rules.on_event(&scan::event(line)?, number);
    }
    let grown = process::resident_bytes().saturating_sub(before) as f64;
    let measured = timer.stop(u64::from(number), rules.answer());
    anyhow::ensure!(rules.open_hops() as u64 == count, "{} logins are open", rules.open_hops());
    Ok(Measured { bytes_each: Some(grown / count as f64), ..measured })
}

fn replay_scanned(rules: &mut Rules, file: &Path) -> anyhow::Result<u64> {
    let mut scanner = Scanner::open(file)?;
    let mut number = 0;
    while let Some(seen) = scanner.next_event()? {
        number += 1;
        rules.on_event(&seen, number);
    }
    Ok(u64::from(number))
}

fn replay_decoded(rules: &mut Rules, program: &Program, file: &Path) -> anyhow::Result<u64> {
    let slots = Slots::of(program);
    let (mut reader, mut decoder) = (task::reader(file)?, task::decoder(program));
    let (mut event, mut number) = (Event::default(), 0);
    while let Some(line) = reader.next_line()? {
        decoder.decode(line.bytes, &mut event)?;
        number += 1;
        if let Some(seen) = slots.read(&event) {
            rules.on_event(&seen, number);
        }
    }
    Ok(u64::from(number))
}

/// Where a program's events hold what the rules read, by type.
struct Slots(Vec<Slot>);

struct Slot {
    act: Act,
    user: Option<usize>,
    country: Option<usize>,
    amount: Option<usize>,
}

impl Slots {
    fn of(program: &Program) -> Slots {
        let slots = program.schema.types.iter().zip(&program.types).map(|(event_type, plan)| {
            let place = |name: &str| plan.fields.iter().position(|&field| event_type.fields[field].dotted() == name);
            Slot {
                act: Act::named(event_type.name.as_bytes()),
                user: place("user_id"),
                country: place("country"),
                amount: place("amount"),
            }
        });
        Slots(slots.collect())
    }

    /// None of an event that no rule reads.
    #[inline]
    fn read(&self, event: &Event) -> Option<Seen> {
        let slot = &self.0[event.type_id?.index()];
        let text = |place: Option<usize>| match place.map(|place| &event.values[place]) {
            Some(Value::Text(text)) => Some(text.as_bytes()),
            _ => None,
        };
        let cents = match slot.amount.map(|place| &event.values[place]) {
            Some(Value::Number(amount)) => scan::cents_of(*amount),
            _ => 0,
        };
        let country = text(slot.country).and_then(|name| name.try_into().ok()).map_or(0, u16::from_le_bytes);
        Some(Seen { act: slot.act, time_ms: event.time_ms, user: UserKey::of(text(slot.user)?)?, country, cents })
    }
}
