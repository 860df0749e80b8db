//! Lines to the end of a file, whole and durable or not at all.
//!
//! What was appended but could not be made whole or durable is cut off again, so that the next attempt begins where the
//! last good one ended. After a failed sync nobody knows what the disk holds: that file is set aside and a new one begun.

use std::collections::HashSet;
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::sink::file::series::Series;
use crate::sink::file::settings::FileSettings;
use crate::sink::file::tail::{Tail, TailError};
use crate::sink::seen::Seen;

/// How much of the files is searched at the start for alerts that are in them: more than comes between two
/// acknowledgements.
const TAIL_BYTES_MAX: u64 = 16 << 20;

/// Why lines are not written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    #[error("{what} {path}: {source}")]
    Io { what: &'static str, path: String, source: io::Error },
    #[error("{path}: {source}")]
    Tail { path: String, source: TailError },
    #[error("{path} is written to by another process")]
    Locked { path: String },
}

/// What is done to an open file. The tests put a failing one here.
pub(super) trait Disk: Send {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    fn sync(&mut self) -> io::Result<()>;
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

impl Disk for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

type Opened = Box<dyn Fn(File) -> Box<dyn Disk> + Send>;
/// Device and number of a file: the same name may stand for another file later.
type Identity = (u64, u64);
type Clock = Box<dyn Fn() -> SystemTime + Send>;

/// A line to write.
pub(super) struct Entry {
    pub(super) id: String,
    /// Without its end.
    pub(super) line: String,
}

/// The file, open or not.
pub(super) struct Log {
    settings: FileSettings,
    series: Series,
    disk: Option<Box<dyn Disk>>,
    /// Which file is, or was last, open. None where the next one is new to us.
    identity: Option<Identity>,
    /// How long it is, as far as it is good.
    length: u64,
    /// When it was last written to.
    written_at: SystemTime,
    /// The alerts that were in the files at the start; none before the first look.
    found: Option<Seen>,
    /// The alerts that are written although the batch that they came with failed in part.
    done: HashSet<String>,
    opened: Opened,
    clock: Clock,
}

impl Log {
    /// Opens nothing yet.
    pub(super) fn new(settings: FileSettings) -> Log {
        Log::with(settings, Box::new(|file| Box::new(file)), Box::new(SystemTime::now))
    }

    pub(super) fn with(settings: FileSettings, opened: Opened, clock: Clock) -> Log {
        let series = Series::new(settings.path.clone());
        Log {
            settings,
            series,
            disk: None,
            identity: None,
            length: 0,
            written_at: UNIX_EPOCH,
            found: None,
            done: HashSet::new(),
            opened,
            clock,
        }
    }

    /// Writes what is not in the files yet, and says how many were. After an error nothing is lost by asking again.
    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<u64, LogError> {
        self.open()?;
        let found = self.found.get_or_insert_default();
        let known = |entry: &&Entry| found.contains(&entry.id);
        let repeats = entries.iter().filter(known).count() as u64;
        let fresh = |entry: &&Entry| !known(entry) && !self.done.contains(&entry.id);
        let fresh: Vec<&Entry> = entries.iter().filter(fresh).collect();
        let mut block = Block::default();
        for entry in fresh {
            if self.is_over(block.bytes.len() + entry.line.len() + 1, !block.bytes.is_empty()) {
                self.flush(&mut block)?;
                self.rotate()?;
            }
            block.add(entry);
        }
        self.flush(&mut block)?;
        for entry in entries {
            self.done.remove(&entry.id);
        }
        Ok(repeats)
    }

    /// Whether the file must be set aside before so many bytes are added to it. An empty one never is.
    fn is_over(&self, more: usize, block: bool) -> bool {
        let full = self.settings.rotate.is_some_and(|most| self.length + more as u64 > most);
        let period = |time: SystemTime, every: Duration| {
            time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() / every.as_millis()
        };
        let old = self
            .settings
            .every
            .is_some_and(|every| self.length > 0 && period(self.written_at, every) != period((self.clock)(), every));
        (self.length > 0 || block) && (full || old)
    }

    fn flush(&mut self, block: &mut Block) -> Result<(), LogError> {
        let Some(disk) = self.disk.as_mut().filter(|_| !block.bytes.is_empty()) else { return Ok(()) };
        if let Err(error) = disk.append(&block.bytes) {
            // Where even that fails the file is opened anew, and cut then.
            if disk.cut(self.length).is_err() {
                self.disk = None;
            }
            return Err(self.failed("cannot write to", error));
        }
        if let Err(error) = disk.sync() {
            let cut = disk.cut(self.length);
            tracing::error!(
                path = %self.series.path().display(), %error, cut = cut.is_ok(),
                "a file of alerts cannot be trusted after a failed sync: it is set aside and a new one begun"
            );
            self.rotate()?;
            return Err(self.failed("cannot sync", error));
        }
        self.length += block.bytes.len() as u64;
        self.written_at = (self.clock)();
        self.done.extend(block.ids.drain(..));
        block.bytes.clear();
        Ok(())
    }

    /// Sets the file aside and begins a new one.
    fn rotate(&mut self) -> Result<(), LogError> {
        self.disk = None;
        self.series.advance().map_err(|error| self.failed("cannot rename", error))?;
        tracing::info!(path = %self.series.path().display(), "a file of alerts was set aside");
        if let Some(keep) = self.settings.keep
            && let Err(error) = self.series.prune(keep)
        {
            tracing::warn!(path = %self.series.path().display(), %error, "old files of alerts cannot be removed");
        }
        self.identity = None;
        self.open()
    }

    /// Opens the file where it is not; the first time with a look at what is in it.
    fn open(&mut self) -> Result<(), LogError> {
        if self.disk.is_some() {
            let here = std::fs::metadata(self.series.path()).map(|metadata| identity(&metadata));
            if here.is_ok_and(|here| self.identity == Some(here)) {
                return Ok(());
            }
            let path = self.series.path().display();
            tracing::warn!(%path, "the file of alerts was moved or removed: it is begun anew");
            self.disk = None;
        }
        std::fs::create_dir_all(self.series.folder())
            .map_err(|error| self.failed("cannot make the folder of", error))?;
        let options = File::options().read(true).append(true).create(true).clone();
        let file = options.open(self.series.path()).map_err(|error| self.failed("cannot open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogError::Locked { path: self.shown() }),
            Err(TryLockError::Error(error)) => return Err(self.failed("cannot lock", error)),
        }
        self.mend(file).map_err(|error| self.failed("cannot open", error))??;
        self.series.sync_folder().map_err(|error| self.failed("cannot sync the folder of", error))
    }

    /// Cuts off what is not whole. The outer error is of the disk, the inner one of what stands there.
    fn mend(&mut self, mut file: File) -> io::Result<Result<(), LogError>> {
        let metadata = file.metadata()?;
        let good = if self.identity == Some(identity(&metadata)) {
            metadata.len().min(self.length)
        } else {
            let tail = match Tail::read(&mut file, TAIL_BYTES_MAX) {
                Ok(tail) => tail,
                Err(source) => return Ok(Err(LogError::Tail { path: self.shown(), source })),
            };
            let whole = tail.whole;
            if self.found.is_none() {
                self.found = Some(self.look_back(tail)?);
            }
            self.written_at = metadata.modified()?;
            whole
        };
        if good < metadata.len() {
            let bytes = metadata.len() - good;
            tracing::warn!(path = %self.series.path().display(), bytes, "a torn line was cut off the file of alerts");
            file.set_len(good)?;
        }
        // What a crashed process wrote may be in memory only, and its ids are about to be relied on.
        file.sync_all()?;
        self.length = good;
        self.identity = Some(identity(&metadata));
        self.disk = Some((self.opened)(file));
        Ok(Ok(()))
    }

    /// The ids in the file and, as far as the search goes, in those before it.
    fn look_back(&self, tail: Tail) -> io::Result<Seen> {
        let mut parts = vec![tail.ids];
        let mut left = TAIL_BYTES_MAX.saturating_sub(tail.whole);
        for (_, path) in self.series.set_aside()?.into_iter().rev() {
            if left == 0 {
                break;
            }
            let mut file = File::open(path)?;
            // One that was set aside after a failed sync may end in anything; it is not continued.
            match Tail::read(&mut file, left) {
                Ok(tail) => {
                    left = left.saturating_sub(tail.whole);
                    parts.push(tail.ids);
                }
                Err(TailError::Io(error)) => return Err(error),
                Err(TailError::Foreign) => break,
            }
        }
        let mut found = Seen::default();
        parts.into_iter().rev().flatten().for_each(|id| {
            found.insert(&id);
        });
        Ok(found)
    }

    fn failed(&self, what: &'static str, source: io::Error) -> LogError {
        LogError::Io { what, path: self.shown(), source }
    }

    fn shown(&self) -> String {
        self.series.path().display().to_string()
    }
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Lines that are written together.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    ids: Vec<String>,
}

impl Block {
    fn add(&mut self, entry: &Entry) {
        self.bytes.extend_from_slice(entry.line.as_bytes());
        self.bytes.push(b'\n');
        self.ids.push(entry.id.clone());
    }
}
