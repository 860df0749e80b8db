//! Several files as one stream of decoded events, merged by time.

use std::path::PathBuf;

use crate::decode::{DecodeError, Decoder};
use crate::event::{Event, Position, SourceId};
use crate::program::Program;
use crate::replay::{ReadResult, Refused, Settings};
use crate::source::{FileReader, Line, Progress};

/// The files, each with its next event.
pub(super) struct Events {
    files: Vec<Input>,
    decoder: Decoder,
    refused: Vec<Refused>,
}

struct Input {
    reader: FileReader,
    /// The event that is next in this file; none before the first and after the last.
    head: Option<Event>,
    ended: bool,
}

impl Events {
    pub(super) fn open(program: &Program, paths: &[PathBuf], settings: &Settings) -> ReadResult<Events> {
        let open = |path: &PathBuf| {
            let reader = FileReader::open(path, settings.limits.bytes_max)?;
            Ok(Input { reader, head: None, ended: false })
        };
        Ok(Events {
            files: paths.iter().map(open).collect::<ReadResult<Vec<_>>>()?,
            decoder: Decoder::new(program, settings.format, &settings.names, settings.limits),
            refused: Vec::new(),
        })
    }

    /// The next event in order of time. Returns false at the end.
    pub(super) fn next(&mut self, event: &mut Event) -> ReadResult<bool> {
        if let [_only] = self.files.as_slice() {
            return self.read(0, event);
        }
        for file in 0..self.files.len() {
            if self.files[file].head.is_none() && !self.files[file].ended {
                let mut head = Event::default();
                let more = self.read(file, &mut head)?;
                self.files[file].ended = !more;
                self.files[file].head = more.then_some(head);
            }
        }
        let heads = self.files.iter_mut().filter(|file| file.head.is_some());
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
        let parts = self.files.iter().map(|file| file.reader.progress());
        parts.fold(Progress { bytes_read: 0, bytes_total: Some(0) }, |sum, part| Progress {
            bytes_read: sum.bytes_read + part.bytes_read,
            bytes_total: sum.bytes_total.zip(part.bytes_total).map(|(sum, part)| sum + part),
        })
    }

    /// The next event of one file.
    fn read(&mut self, file: usize, event: &mut Event) -> ReadResult<bool> {
        while let Some(line) = self.files[file].reader.next_line()? {
            match decode(&mut self.decoder, line, file, event) {
                Ok(()) => return Ok(true),
                Err(error) => self.refused.push(Refused { file, line: line.number, error }),
            }
        }
        Ok(false)
    }
}

/// Decodes a line and says where it stands.
pub(super) fn decode(decoder: &mut Decoder, line: Line<'_>, file: usize, event: &mut Event) -> Result<(), DecodeError> {
    decoder.decode(line.bytes, event)?;
    let source = SourceId(u16::try_from(file).unwrap_or(u16::MAX));
    event.position = Position { source, partition: 0, offset: line.number };
    Ok(())
}
