//! Several files as one stream of decoded events, merged by time.

use std::path::PathBuf;

use crate::decode::{DecodeError, Decoder};
use crate::event::{Event, Position, SourceId};
use crate::program::Program;
use crate::replay::{Refused, Settings};
use crate::source::{FileReader, Line, Progress, ReadError};

/// The files, each with its next event.
pub(super) struct Files {
    inputs: Vec<Input>,
    decoder: Decoder,
    refused: Vec<Refused>,
}

struct Input {
    reader: FileReader,
    /// The event that is next in this file; none before the first and after the last.
    head: Option<Event>,
    ended: bool,
}

impl Files {
    pub(super) fn open(program: &Program, paths: &[PathBuf], settings: &Settings) -> Result<Files, ReadError> {
        let open = |path: &PathBuf| {
            let reader = FileReader::open(path, settings.limits.bytes_max)?;
            Ok(Input { reader, head: None, ended: false })
        };
        Ok(Files {
            inputs: paths.iter().map(open).collect::<Result<Vec<_>, ReadError>>()?,
            decoder: Decoder::new(program, settings.format, &settings.names, settings.limits),
            refused: Vec::new(),
        })
    }

    /// Takes the reader out, where there is only one, with the decoder of its lines.
    pub(super) fn take_only(&mut self) -> Option<(FileReader, Decoder)> {
        let [_only] = self.inputs.as_slice() else { return None };
        self.inputs.pop().map(|file| (file.reader, self.decoder.clone()))
    }

    /// The next event in order of time. Returns false at the end.
    pub(super) fn next(&mut self, event: &mut Event) -> Result<bool, ReadError> {
        if let [_only] = self.inputs.as_slice() {
            return self.read(0, event);
        }
        for file in 0..self.inputs.len() {
            if self.inputs[file].head.is_none() && !self.inputs[file].ended {
                let mut head = Event::default();
                let more = self.read(file, &mut head)?;
                self.inputs[file].ended = !more;
                self.inputs[file].head = more.then_some(head);
            }
        }
        let heads = self.inputs.iter_mut().filter(|file| file.head.is_some());
        let first = heads.min_by_key(|file| file.head.as_ref().map(|head| (head.time_ms, head.position.source)));
        let Some(next) = first.and_then(|file| file.head.take()) else { return Ok(false) };
        *event = next;
        Ok(true)
    }

    /// The lines refused since the last call.
    pub(super) fn take_refused(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.refused)
    }

    /// How far all files together have been read.
    pub(super) fn progress(&self) -> Progress {
        let parts = self.inputs.iter().map(|file| file.reader.progress());
        parts.fold(Progress { read: 0, total: Some(0) }, |sum, part| Progress {
            read: sum.read + part.read,
            total: sum.total.zip(part.total).map(|(sum, part)| sum + part),
        })
    }

    /// The next event of one file.
    fn read(&mut self, file: usize, event: &mut Event) -> Result<bool, ReadError> {
        while let Some(line) = self.inputs[file].reader.next_line()? {
            match decode(&mut self.decoder, line, file, event) {
                Ok(()) => return Ok(true),
                Err(error) => self.refused.push(refused(file, line.number, error)),
            }
        }
        Ok(false)
    }
}

/// Decodes a line and says where it stands.
pub(super) fn decode(decoder: &mut Decoder, line: Line<'_>, file: usize, event: &mut Event) -> Result<(), DecodeError> {
    decoder.decode(line.bytes, event)?;
    event.position = place(file, line.number);
    Ok(())
}

/// A line that holds no event.
pub(super) fn refused(file: usize, line: u64, error: DecodeError) -> Refused {
    Refused { position: place(file, line), error: error.into() }
}

fn place(file: usize, line: u64) -> Position {
    Position { source: SourceId(u16::try_from(file).unwrap_or(u16::MAX)), partition: 0, offset: line }
}
