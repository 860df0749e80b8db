//! A disk that loses what was not synced. What a process has written others see at once; when the power goes, of what was
//! not synced anything may be left: a file torn at a sector, a name or none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::bug::Bug;
use super::chance::Chance;
use super::pulse::Pulse;
use crate::checkpoint::{Disk, Growing};

/// What is not synced is written in pieces of so many bytes.
const SECTOR: usize = 512;

/// A disk.
#[derive(Debug)]
pub(super) struct SimDisk(Mutex<State>);

#[derive(Debug)]
struct State {
    files: Vec<File>,
    /// Names as they are, and as they are for good.
    names: BTreeMap<PathBuf, usize>,
    synced: BTreeMap<PathBuf, usize>,
    folders: BTreeSet<PathBuf>,
    chance: Mutex<Chance>,
    full_one_in: u64,
    bug: Option<Bug>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

impl SimDisk {
    pub(super) fn new(chance: Chance, full_one_in: u64, bug: Option<Bug>) -> Arc<SimDisk> {
        Arc::new(SimDisk(Mutex::new(State {
            files: Vec::new(),
            names: BTreeMap::new(),
            synced: BTreeMap::new(),
            folders: BTreeSet::from([PathBuf::from("/")]),
            chance: Mutex::new(chance),
            full_one_in,
            bug,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has room again.
    pub(super) fn spare(&self) {
        self.lock().full_one_in = 0;
    }

    /// The power goes.
    pub(super) fn lose_power(&self) {
        let state = &mut *self.lock();
        let chance = state.chance.get_mut().unwrap_or_else(PoisonError::into_inner);
        for file in &mut state.files {
            if file.bytes != file.synced {
                let sectors = file.bytes.len().div_ceil(SECTOR);
                let left = (chance.at(sectors + 1) * SECTOR).min(file.bytes.len());
                let torn = [&file.bytes[..left], file.synced.get(left..).unwrap_or_default()].concat();
                *file = File { bytes: torn.clone(), synced: torn };
            }
        }
        // Each name that was given or taken since is kept or is not.
        let paths: BTreeSet<PathBuf> = state.names.keys().chain(state.synced.keys()).cloned().collect();
        for path in paths {
            if state.names.get(&path) != state.synced.get(&path) && chance.one_in(2) {
                match state.synced.get(&path) {
                    Some(file) => drop(state.names.insert(path, *file)),
                    None => drop(state.names.remove(&path)),
                }
            }
        }
        state.synced = state.names.clone();
    }

    /// A byte of the newest file is another one.
    pub(super) fn rot(&self) {
        let state = &mut *self.lock();
        let chance = state.chance.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = state.names.values().max() {
            let file = &mut state.files[*file];
            if !file.bytes.is_empty() {
                let at = chance.at(file.bytes.len());
                file.bytes[at] ^= 1 << chance.below(8);
                file.synced.clone_from(&file.bytes);
            }
        }
    }
}

impl State {
    fn is_full(&mut self) -> bool {
        let one_in = self.full_one_in;
        self.chance.get_mut().unwrap_or_else(PoisonError::into_inner).one_in(one_in)
    }
}

/// A disk as a process has it.
#[derive(Debug)]
pub(super) struct Mounted {
    pub(super) disk: Arc<SimDisk>,
    pub(super) pulse: Arc<Pulse>,
}

impl Mounted {
    fn effect<T>(&self, what: &'static str, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let done = self.pulse.effect(what, 0, || act(&mut self.disk.lock()));
        done.unwrap_or_else(|| Err(io::Error::other("it is dead")))
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for Mounted {
    fn is_folder(&self, path: &Path) -> bool {
        self.disk.lock().folders.contains(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.effect("makes a folder", |state| {
            state.folders.insert(path.to_owned());
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.effect("syncs a folder", |state| {
            if state.bug == Some(Bug::SkipsFolderSync) {
                return Ok(());
            }
            let is_in = |name: &PathBuf| name.parent() == Some(path);
            state.synced.retain(|name, _| !is_in(name));
            let names = state.names.iter().filter(|(name, _)| is_in(name));
            state.synced.extend(names.map(|(name, file)| (name.clone(), *file)));
            Ok(())
        })
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Growing>> {
        let file = self.effect("creates a file", |state| {
            state.files.push(File::default());
            let file = state.files.len() - 1;
            state.names.insert(path.to_owned(), file);
            Ok(file)
        })?;
        let mounted = Mounted { disk: Arc::clone(&self.disk), pulse: Arc::clone(&self.pulse) };
        Ok(Box::new(OpenFile { mounted, file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.effect("renames a file", |state| {
            let file = state.names.remove(from).ok_or_else(not_found)?;
            state.names.insert(to.to_owned(), file);
            Ok(())
        })
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.disk.lock();
        state.names.get(path).map(|file| state.files[*file].bytes.clone()).ok_or_else(not_found)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.disk.lock();
        if !state.folders.contains(folder) {
            return Err(not_found());
        }
        Ok(state.names.keys().filter(|name| name.parent() == Some(folder)).cloned().collect())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.effect("removes a file", |state| state.names.remove(path).map(|_| ()).ok_or_else(not_found))
    }
}

/// A file that is written.
struct OpenFile {
    mounted: Mounted,
    file: usize,
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.mounted.effect("writes", |state| {
            if state.is_full() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.files[self.file].bytes.extend_from_slice(bytes);
            Ok(bytes.len())
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Growing for OpenFile {
    fn sync(&self) -> io::Result<()> {
        self.mounted.effect("syncs a file", |state| {
            if state.bug != Some(Bug::SkipsFileSync) {
                let file = &mut state.files[self.file];
                file.synced.clone_from(&file.bytes);
            }
            Ok(())
        })
    }
}
