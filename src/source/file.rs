//! Newline-delimited messages from a file: plain, `.gz` or `.zst` by its name, `-` for stdin.
//!
//! One buffer serves all lines: a line is a slice of it until the next one is asked for.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::memchr;
use thiserror::Error;

/// What a read asks the system for at a time.
const CHUNK: usize = 256 << 10;

/// A file cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be opened.
    #[error("cannot open the events file `{path}`: check its name and that it may be read")]
    Open {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// It was opened, and then reading or decompressing failed.
    #[error(
        "cannot read the events file `{path}` after line {line}: check that it is whole and what its name's ending says"
    )]
    Read {
        /// The file.
        path: String,
        /// The last line that was read.
        line: u64,
        /// The system's or the decompressor's reason.
        source: io::Error,
    },
}

/// One line that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// Its number in the file, from 1; blank lines count.
    pub number: u64,
    /// The message. Of a line that is longer than the limit only the first bytes, one more than the limit: a decoder
    /// with the same limit refuses it as too large.
    pub bytes: &'a [u8],
    /// How long the line is, whether cut or not.
    pub length: u64,
}

/// How far a file, or a range of topics, has been read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What was read so far: of a file its bytes, compressed if it is, of topics offsets.
    pub read: u64,
    /// All there is, where it is known: not for stdin or a pipe.
    pub total: Option<u64>,
}

/// Reads a file line by line.
///
/// ```no_run
/// use tripline::source::FileReader;
///
/// let mut reader = FileReader::open("events.ndjson.gz".as_ref(), 1 << 20)?;
/// while let Some(line) = reader.next_line()? {
///     println!("{}: {} bytes", line.number, line.bytes.len());
/// }
/// # Ok::<(), tripline::source::ReadError>(())
/// ```
pub struct FileReader {
    path: String,
    input: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
    bytes_total: Option<u64>,
    line_bytes_max: usize,
    /// The number of the last line.
    number: u64,
    buffer: Vec<u8>,
    /// Where the next line begins in `buffer`.
    start: usize,
    /// Where the bytes that were read end in `buffer`.
    end: usize,
    /// Before this there is no newline after `start`.
    searched: usize,
    at_end: bool,
}

impl FileReader {
    /// Opens a file. Lines longer than `line_bytes_max` are cut, so that no file can fill the memory.
    pub fn open(path: &Path, line_bytes_max: usize) -> Result<FileReader, ReadError> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let name = if path == Path::new("-") { "stdin".to_owned() } else { path.display().to_string() };
        let opened = open_input(path, &bytes_read);
        let (input, bytes_total) = opened.map_err(|source| ReadError::Open { path: name.clone(), source })?;
        Ok(FileReader { bytes_read, bytes_total, ..FileReader::from_input(name, input, line_bytes_max) })
    }

    fn from_input(path: String, input: Box<dyn Read + Send>, line_bytes_max: usize) -> FileReader {
        FileReader {
            path,
            input,
            bytes_read: Arc::default(),
            bytes_total: None,
            line_bytes_max,
            number: 0,
            buffer: vec![0; CHUNK],
            start: 0,
            end: 0,
            searched: 0,
            at_end: false,
        }
    }

    /// The next line that is not blank, without its line ending; none at the end of the file.
    pub fn next_line(&mut self) -> Result<Option<Line<'_>>, ReadError> {
        loop {
            let Some((range, length)) = self.next_range()? else { return Ok(None) };
            self.number += 1;
            let (range, length) = self.without_frame(range, length);
            if !self.buffer[range.clone()].trim_ascii().is_empty() {
                return Ok(Some(Line { number: self.number, bytes: &self.buffer[range], length }));
            }
        }
    }

    /// How far the file has been read.
    pub fn progress(&self) -> Progress {
        Progress { read: self.bytes_read.load(Ordering::Relaxed), total: self.bytes_total }
    }

    /// The bytes of the next line up to its newline, cut one byte beyond the limit, and its whole length.
    fn next_range(&mut self) -> Result<Option<(Range<usize>, u64)>, ReadError> {
        loop {
            if let Some(found) = memchr(b'\n', &self.buffer[self.searched..self.end]) {
                let line = self.start..self.searched + found;
                self.start = line.end + 1;
                self.searched = self.start;
                return Ok(Some(self.cut(line)));
            }
            self.searched = self.end;
            if self.end - self.start > self.line_bytes_max + FRAME {
                return self.skip_long_line().map(Some);
            }
            if !self.fill()? {
                let line = self.start..self.end;
                self.start = self.end;
                return Ok((!line.is_empty()).then(|| self.cut(line)));
            }
        }
    }

    fn cut(&self, line: Range<usize>) -> (Range<usize>, u64) {
        let length = line.len() as u64;
        let kept = line.len().min(self.line_bytes_max + FRAME);
        (line.start..line.start + kept, length)
    }

    /// Takes away what belongs to the file and not to the message: a byte order mark, a carriage return.
    fn without_frame(&self, mut range: Range<usize>, mut length: u64) -> (Range<usize>, u64) {
        if self.number == 1 && self.buffer[range.clone()].starts_with(BYTE_ORDER_MARK) {
            range.start += BYTE_ORDER_MARK.len();
            length -= BYTE_ORDER_MARK.len() as u64;
        }
        if range.len() as u64 == length && self.buffer[range.clone()].ends_with(b"\r") {
            range.end -= 1;
            length -= 1;
        }
        range.end = range.end.min(range.start + self.line_bytes_max + 1);
        (range, length)
    }

    /// Reads over the rest of a line that is too long, and keeps its beginning.
    fn skip_long_line(&mut self) -> Result<(Range<usize>, u64), ReadError> {
        let head = self.line_bytes_max + FRAME;
        let mut length = self.end - self.start;
        self.buffer.copy_within(self.start..self.start + head, 0);
        self.buffer.resize(self.buffer.len().max(head + CHUNK), 0);
        loop {
            self.end = head;
            let read = self.read_some()?;
            let newline = memchr(b'\n', &self.buffer[head..head + read]);
            length += newline.unwrap_or(read);
            if newline.is_some() || read == 0 {
                self.start = head + newline.map_or(0, |at| at + 1);
                self.searched = self.start;
                return Ok((0..head, length as u64));
            }
        }
    }

    /// Reads more behind what is there; false at the end of the file.
    fn fill(&mut self) -> Result<bool, ReadError> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.end, self.searched) = (self.end - self.start, self.searched - self.start);
            self.start = 0;
            // A line that takes more than half of the buffer would otherwise be moved again and again.
            if self.end > self.buffer.len() / 2 {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        self.read_some().map(|read| read > 0)
    }

    fn read_some(&mut self) -> Result<usize, ReadError> {
        while !self.at_end {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.at_end = read == 0;
                    self.end += read;
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Read { path: self.path.clone(), line: self.number, source }),
            }
        }
        Ok(0)
    }
}

/// The most bytes that are kept of a line beyond the limit: a byte order mark, a carriage return, and one that tells
/// that there was more.
const FRAME: usize = BYTE_ORDER_MARK.len() + 1 + 1;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl fmt::Debug for FileReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileReader").field("path", &self.path).field("number", &self.number).finish_non_exhaustive()
    }
}

type Input = (Box<dyn Read + Send>, Option<u64>);

fn open_input(path: &Path, bytes_read: &Arc<AtomicU64>) -> io::Result<Input> {
    if path == Path::new("-") {
        return Ok((Box::new(Counted { input: io::stdin(), bytes_read: Arc::clone(bytes_read) }), None));
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let bytes_total = metadata.is_file().then_some(metadata.len());
    let is = |wanted| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(wanted));
    let file = Counted { input: file, bytes_read: Arc::clone(bytes_read) };
    let input: Box<dyn Read + Send> = if is("gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else if is("zst") {
        Box::new(zstd::Decoder::new(file)?)
    } else {
        Box::new(file)
    };
    Ok((input, bytes_total))
}

/// A whole file, decompressed as its name says; none where it is larger than `bytes_max`.
pub fn read_file(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let (input, _) = open_input(path, &Arc::default())?;
    let mut bytes = Vec::new();
    input.take(bytes_max as u64 + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= bytes_max).then_some(bytes))
}

/// Counts what is read through it.
struct Counted<R> {
    input: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn read_all(mut reader: FileReader) -> Vec<(u64, Vec<u8>, u64)> {
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            lines.push((line.number, line.bytes.to_vec(), line.length));
        }
        lines
    }

    fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (directory, path)
    }

    fn lines_of(name: &str, bytes: &[u8]) -> Vec<(u64, String)> {
        let (_directory, path) = file(name, bytes);
        let lines = read_all(FileReader::open(&path, 1 << 20).unwrap());
        lines.into_iter().map(|(number, bytes, _)| (number, String::from_utf8(bytes).unwrap())).collect()
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_are_numbered_as_an_editor_does() {
        let text = b"\xef\xbb\xbf{\"a\":1}\r\n\n  \t\r\n{\"b\":2}\n{\"c\":3}";
        let expected = [(1, "{\"a\":1}"), (4, "{\"b\":2}"), (5, "{\"c\":3}")].map(|(n, s)| (n, s.to_owned()));
        assert_eq!(lines_of("events.ndjson", text), expected);
        assert_eq!(lines_of("events.ndjson.gz", &gz(text)), expected);
        assert_eq!(lines_of("events.ZST", &zstd::encode_all(&text[..], 1).unwrap()), expected);
        assert_eq!(lines_of("events", b""), []);
        assert_eq!(lines_of("events", b"\n\n"), []);
    }

    #[test]
    fn compressed_files_may_have_several_members() {
        let both = |a: Vec<u8>, b: Vec<u8>| [a, b].concat();
        let expected = [(1, "one".to_owned()), (2, "twothree".to_owned())];
        assert_eq!(lines_of("e.gz", &both(gz(b"one\ntwo"), gz(b"three\n"))), expected);
        let zst = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
        assert_eq!(lines_of("e.zst", &both(zst(b"one\ntwo"), zst(b"three\n"))), expected);
    }

    #[test]
    fn a_long_line_is_cut_and_the_next_one_is_whole() {
        let long = vec![b'x'; 3 * CHUNK + 17];
        let text = [b"first\n", &long[..], b"\r\nlast\n", &long[..]].concat();
        let (_directory, path) = file("e", &text);
        let lines = read_all(FileReader::open(&path, 100).unwrap());
        let length = long.len() as u64;
        // The carriage return of a line that is cut cannot be told from the line's own bytes.
        assert_eq!(
            lines,
            [
                (1, b"first".to_vec(), 5),
                (2, vec![b'x'; 101], length + 1),
                (3, b"last".to_vec(), 4),
                (4, vec![b'x'; 101], length)
            ]
        );
    }

    #[test]
    fn a_long_line_is_never_held_whole() {
        let input = Box::new(io::repeat(b'x').take(64 << 20));
        let mut reader = FileReader::from_input("repeat".to_owned(), input, 1000);
        assert_eq!(reader.next_line().unwrap().map(|line| line.length), Some(64 << 20));
        assert!(reader.buffer.len() <= 4 * CHUNK);
        assert_eq!(reader.next_line().unwrap(), None);
    }

    #[test]
    fn progress_counts_the_bytes_of_the_file() {
        let (_directory, path) = file("e", &b"line\n".repeat(CHUNK));
        let mut reader = FileReader::open(&path, 100).unwrap();
        let total = Some(5 * CHUNK as u64);
        assert_eq!(reader.progress(), Progress { read: 0, total });
        assert!(reader.next_line().unwrap().is_some());
        assert_eq!(reader.progress().read, CHUNK as u64);
        while reader.next_line().unwrap().is_some() {}
        assert_eq!(reader.progress(), Progress { read: 5 * CHUNK as u64, total });

        let packed = gz(&b"line\n".repeat(1000));
        let (_directory, path) = file("e.gz", &packed);
        let mut reader = FileReader::open(&path, 100).unwrap();
        while reader.next_line().unwrap().is_some() {}
        let total = packed.len() as u64;
        assert_eq!(reader.progress(), Progress { read: total, total: Some(total) });
    }

    #[test]
    fn errors_name_the_file() {
        let missing = FileReader::open(Path::new("no/such/file"), 100).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "cannot open the events file `no/such/file`: check its name and that it may be read"
        );
        let packed = gz(&b"line\n".repeat(1000));
        let (directory, path) = file("e.gz", &packed[..packed.len() - 9]);
        assert!(matches!(FileReader::open(directory.path(), 100), Err(ReadError::Open { .. })));
        let mut reader = FileReader::open(&path, 100).unwrap();
        let error = loop {
            match reader.next_line() {
                Ok(line) => assert!(line.is_some(), "the file is cut off"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("e.gz") && error.contains("check that it is whole"), "{error}");
    }

    /// Gives a few bytes at a time.
    struct Trickle(Vec<u8>, usize);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_how_they_are_read(
            text in "[ab\n\r]{0,80}", step in 1usize..9, buffer in 1usize..20, limit in 1usize..12,
        ) {
            let input = Box::new(Trickle(text.clone().into_bytes(), step));
            let mut reader = FileReader::from_input("trickle".to_owned(), input, limit);
            reader.buffer = vec![0; buffer];
            let expected: Vec<(u64, Vec<u8>)> = (1..)
                .zip(text.split('\n'))
                .filter(|(_, line)| !line.trim_ascii().is_empty())
                .map(|(number, line)| (number, line.strip_suffix('\r').unwrap_or(line)))
                .filter(|(_, line)| line.len() <= limit)
                .map(|(number, line)| (number, line.as_bytes().to_vec()))
                .collect();
            let whole: Vec<(u64, Vec<u8>)> = read_all(reader)
                .into_iter()
                .filter(|(_, bytes, _)| bytes.len() <= limit)
                .map(|(number, bytes, _)| (number, bytes))
                .collect();
            prop_assert_eq!(whole, expected);
        }
    }
}
