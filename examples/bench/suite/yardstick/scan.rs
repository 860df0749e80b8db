//! Lines of the workload to what the rules read. A line is read to its end, so that one that was cut off is refused;
//! escapes and spaces, which these lines never have, are not known here.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;

use super::users::UserKey;
use super::{Act, Seen};

/// What is asked of the system at a time.
const CHUNK: usize = 512 << 10;

/// The events of a file.
pub(super) struct Scanner {
    file: File,
    buffer: Vec<u8>,
    /// Where the next line begins.
    start: usize,
    /// Where the last whole line ends.
    lines_end: usize,
    /// Where the bytes that were read end.
    end: usize,
}

impl Scanner {
    pub(super) fn open(path: &Path) -> anyhow::Result<Scanner> {
        Ok(Scanner { file: File::open(path)?, buffer: vec![0; CHUNK], start: 0, lines_end: 0, end: 0 })
    }

    /// The next event; none at the end of the file.
    #[inline]
    pub(super) fn next_event(&mut self) -> anyhow::Result<Option<Seen>> {
        if self.start == self.lines_end && !self.fill()? {
            return Ok(None);
        }
        let lines = &self.buffer[self.start..self.lines_end];
        let (seen, length) = object(lines).with_context(|| malformed(lines))?;
        anyhow::ensure!(lines[length] == b'\n', malformed(lines));
        self.start += length + 1;
        Ok(Some(seen))
    }

    /// Reads on until there is a whole line. False at the end of the file.
    #[cold]
    fn fill(&mut self) -> anyhow::Result<bool> {
        self.buffer.copy_within(self.lines_end..self.end, 0);
        self.end -= self.lines_end;
        (self.start, self.lines_end) = (0, 0);
        loop {
            anyhow::ensure!(self.end < self.buffer.len(), "a line is longer than {CHUNK} bytes");
            let read = self.file.read(&mut self.buffer[self.end..])?;
            let searched = self.end;
            self.end += read;
            if let Some(at) = memchr::memrchr(b'\n', &self.buffer[searched..self.end]) {
                self.lines_end = searched + at + 1;
                return Ok(true);
            }
            if read == 0 {
                anyhow::ensure!(self.end == 0, "the last line does not end");
                return Ok(false);
            }
        }
    }
}

/// The event of one line.
pub(super) fn event(line: &[u8]) -> anyhow::Result<Seen> {
    let (seen, length) = object(line).with_context(|| malformed(line))?;
    anyhow::ensure!(length == line.len(), malformed(line));
    Ok(seen)
}

#[cold]
fn malformed(lines: &[u8]) -> String {
    let line = lines.split(|&byte| byte == b'\n').next().unwrap_or_default();
    format!("not a line of the workload: {}", String::from_utf8_lossy(line))
}

/// An event and how many bytes it takes; none if it is not of the shape.
#[inline]
fn object(bytes: &[u8]) -> Option<(Seen, usize)> {
    let (mut act, mut time_ms, mut user) = (None, None, None);
    let (mut country, mut cents) = (0, 0);
    let mut at = opening(bytes, 0)?;
    loop {
        let (key, value) = member(bytes, at)?;
        at = match (key, bytes.get(value)?) {
            (b"ts", _) => {
                let (time, end) = digits(bytes, value);
                time_ms = Some(time);
                end
            }
            (b"amount", _) => {
                let (amount, end) = cents_at(bytes, value)?;
                cents = amount;
                end
            }
            (_, b'"') => {
                let end = quote(bytes, value + 1)?;
                let text = &bytes[value + 1..end];
                match key {
                    b"type" => act = Some(Act::named(text)),
                    b"user_id" => user = Some(UserKey::of(text)?),
                    b"country" => country = u16::from_le_bytes(text.try_into().ok()?),
                    _ => {}
                }
                end + 1
            }
            _ => skip(bytes, value)?,
        };
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some((Seen { act: act?, time_ms: time_ms?, user: user?, country, cents }, at + 1)),
            _ => return None,
        }
    }
}

/// Behind the brace that begins an object.
#[inline]
fn opening(bytes: &[u8], at: usize) -> Option<usize> {
    (*bytes.get(at)? == b'{').then_some(at + 1)
}

/// A member's key, and where its value begins.
#[inline]
fn member(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if *bytes.get(at)? != b'"' {
        return None;
    }
    let end = quote(bytes, at + 1)?;
    (*bytes.get(end + 1)? == b':').then_some((&bytes[at + 1..end], end + 2))
}

/// Behind a value that nobody reads.
#[inline]
fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    match bytes.get(at)? {
        b'"' => Some(quote(bytes, at + 1)? + 1),
        b'{' => skip_object(bytes, at),
        _ => Some(number(bytes, at)),
    }
}

fn skip_object(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = opening(bytes, at)?;
    loop {
        let (_, value) = member(bytes, at)?;
        at = skip(bytes, value)?;
        match bytes.get(at)? {
            b',' => at += 1,
            b'}' => return Some(at + 1),
            _ => return None,
        }
    }
}

/// Behind a number.
#[inline]
fn number(bytes: &[u8], mut at: usize) -> usize {
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b',' | b'}')) {
        at += 1;
    }
    at
}

/// Where the next quotation mark stands: eight bytes at a time, for most texts are short.
#[inline]
fn quote(bytes: &[u8], mut at: usize) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    while let Some(eight) = bytes.get(at..at + 8) {
        // A byte is zero where a quotation mark stood; the lowest bit that is set tells the first of them.
        let zero = u64::from_le_bytes(eight.try_into().ok()?) ^ (ONES * u64::from(b'"'));
        let found = zero.wrapping_sub(ONES) & !zero & (ONES << 7);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| byte == b'"').map(|found| at + found)
}

/// The number that digits make, and what is behind them.
#[inline]
fn digits(bytes: &[u8], mut at: usize) -> (i64, usize) {
    let mut number = 0_i64;
    while let Some(byte @ b'0'..=b'9') = bytes.get(at) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(byte - b'0'));
        at += 1;
    }
    (number, at)
}

/// `12.34` as 1234: two digits behind the point, as all amounts of the workload have.
#[inline]
fn cents_at(bytes: &[u8], at: usize) -> Option<(u32, usize)> {
    let (whole, point) = digits(bytes, at);
    let (cents, end) = digits(bytes, point + 1);
    (bytes.get(point) == Some(&b'.') && end == point + 3).then_some((u32::try_from(whole * 100 + cents).ok()?, end))
}

/// A decoded amount to the cents that it was written as.
#[inline]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts are small and not negative")]
pub(super) fn cents_of(amount: f64) -> u32 {
    (amount * 100.0).round() as u32
}
