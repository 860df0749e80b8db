//! Where snapshots are kept: by shard and number.

use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::{Disk, SystemDisk};

/// A place for snapshots. A number is given once by shard and grows with time.
pub trait Store: Send + Sync {
    /// Puts a snapshot, in these parts, there: wholly, and to stay, or not at all.
    ///
    /// # Errors
    ///
    /// What went wrong; then nothing of it is seen.
    fn put(&self, shard: &str, number: u64, parts: &[&[u8]]) -> io::Result<()>;

    /// A snapshot; none where it is not there.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn get(&self, shard: &str, number: u64) -> io::Result<Option<Vec<u8>>>;

    /// Forgets the snapshots of a shard with a number below this.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn forget_before(&self, shard: &str, number: u64) -> io::Result<()>;

    /// Where this is, for people.
    fn place(&self) -> String;
}

/// A folder of a disk: a folder a shard, a file a snapshot.
#[derive(Debug)]
pub struct Folder<D = SystemDisk> {
    disk: D,
    folder: PathBuf,
}

const ENDING: &str = ".snapshot";

impl Folder {
    /// Snapshots under this folder of this machine, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Folder {
        Folder::on(SystemDisk, folder)
    }
}

impl<D: Disk> Folder<D> {
    /// Snapshots under this folder of a disk.
    pub fn on(disk: D, folder: PathBuf) -> Folder<D> {
        Folder { disk, folder }
    }

    fn path(&self, shard: &str, number: u64) -> PathBuf {
        self.folder.join(shard).join(format!("{number:016x}{ENDING}"))
    }

    fn write(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let mut file = self.disk.create(path)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        file.sync()
    }

    /// Makes a folder and those above it, each to stay.
    fn make(&self, folder: &Path) -> io::Result<()> {
        if self.disk.is_folder(folder) {
            return Ok(());
        }
        let above = folder.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.make(above)?;
        match self.disk.make_folder(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => self.disk.sync_folder(above),
        }
    }
}

impl<D: Disk> Store for Folder<D> {
    fn put(&self, shard: &str, number: u64, parts: &[&[u8]]) -> io::Result<()> {
        let folder = self.folder.join(shard);
        self.make(&folder)?;
        let path = self.path(shard, number);
        let aside = path.with_extension("tmp");
        let written = self.write(&aside, parts).and_then(|()| self.disk.rename(&aside, &path));
        if let Err(error) = written {
            // A full disk is not made fuller; where that fails too, the next one is written over it or beside it.
            drop(self.disk.remove(&aside));
            return Err(error);
        }
        // The name is as safe as the bytes only when the folder is.
        self.disk.sync_folder(&folder)
    }

    fn get(&self, shard: &str, number: u64) -> io::Result<Option<Vec<u8>>> {
        match self.disk.read(&self.path(shard, number)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn forget_before(&self, shard: &str, number: u64) -> io::Result<()> {
        let folder = match self.disk.list(&self.folder.join(shard)) {
            Ok(folder) => folder,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut old = folder.iter().filter(|path| number_of(path).is_some_and(|other| other < number));
        old.try_for_each(|path| self.disk.remove(path))
    }

    fn place(&self) -> String {
        self.folder.display().to_string()
    }
}

/// The number of a file, also of one that was begun and never finished.
fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    let digits = name.strip_suffix(ENDING).or_else(|| name.strip_suffix(".tmp"))?;
    u64::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 16)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn snapshots_come_and_go_by_number() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Folder::new(folder.path().join("made/when/needed"));
        store.forget_before("a-0", 9).expect("there is nothing to forget");
        for number in 1..=3 {
            store.put("a-0", number, &[&[u8::try_from(number).expect("small")]]).expect("the folder is ours");
        }
        store.put("b-0", 1, &[b"ot", b"her"]).expect("the folder is ours");
        store.forget_before("a-0", 3).expect("the folder is ours");
        let got = |shard, number| store.get(shard, number).expect("the folder is ours");
        assert_eq!((got("a-0", 2), got("a-0", 3), got("b-0", 1)), (None, Some(vec![3]), Some(b"other".to_vec())));
    }

    #[test]
    fn half_a_file_of_a_crash_is_never_seen_and_goes_with_the_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Folder::new(folder.path().to_owned());
        store.put("a-0", 2, &[b"whole"]).expect("the folder is ours");
        let half = folder.path().join("a-0/0000000000000003.tmp");
        fs::write(&half, b"ha").expect("the folder is ours");
        fs::write(folder.path().join("a-0/notes.txt"), b"somebody's").expect("the folder is ours");
        assert_eq!(store.get("a-0", 3).expect("the folder is ours"), None);
        store.forget_before("a-0", 4).expect("the folder is ours");
        assert!(!half.exists() && folder.path().join("a-0/notes.txt").exists());
    }

    #[test]
    fn what_cannot_be_written_leaves_what_was_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Folder::new(folder.path().to_owned());
        store.put("a-0", 1, &[b"old"]).expect("the folder is ours");
        // Its place is taken by a folder, so the rename fails.
        fs::create_dir_all(folder.path().join("a-0/0000000000000002.snapshot/x")).expect("the folder is ours");
        assert!(store.put("a-0", 2, &[b"new"]).is_err());
        assert_eq!(store.get("a-0", 1).expect("the folder is ours"), Some(b"old".to_vec()));
        assert!(!folder.path().join("a-0/0000000000000002.tmp").exists());
    }
}
