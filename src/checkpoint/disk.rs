//! What a folder of snapshots asks of a file system: few steps, each of which may fail, and after each of which the machine
//! may lose its power. A simulation has one that does both.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file system. What is written or named is there to stay only once its file or folder is synced.
pub trait Disk: Debug + Send + Sync {
    /// Whether there is a folder.
    fn is_folder(&self, path: &Path) -> bool;

    /// Makes a folder in one that is there.
    ///
    /// # Errors
    ///
    /// What went wrong; that there is something of this name already among it.
    fn make_folder(&self, path: &Path) -> io::Result<()>;

    /// Syncs the names in a folder.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// An empty file, in the place of one that may be there.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>>;

    /// Names a file anew, in the place of one that may be there.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// What is in a file.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// What is in a folder.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// A file that is written.
pub trait Growing: Write {
    /// Syncs what is written.
    ///
    /// # Errors
    ///
    /// What went wrong.
    fn sync(&self) -> io::Result<()>;
}

/// This machine's.
#[derive(Debug)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn is_folder(&self, path: &Path) -> bool {
        path.is_dir()
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        Ok(Box::new(File::create(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

impl Growing for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_all()
    }
}
