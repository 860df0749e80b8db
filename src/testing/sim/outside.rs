//! What a simulated copy is given as its outside, and snapshots with the bugs that may be planted into them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use super::bug::Bug;
use super::consumer::SimConsumer;
use super::disk::{Mounted, SimDisk};
use super::producer::SimProducer;
use super::pulse::Pulse;
use super::world::World;
use crate::checkpoint::{Folder, Store, Writer};
use crate::daemon::{Clock, Consumer, Outside, Producer};
use crate::source::kafka::SourceError;

/// The outside of a copy. Each of its lives has a pulse.
pub(super) struct SimOutside {
    world: Rc<World>,
    disk: Arc<SimDisk>,
    pulse: RefCell<Arc<Pulse>>,
    /// Of the session that was begun last.
    member: RefCell<Rc<Cell<u64>>>,
}

impl SimOutside {
    pub(super) fn new(world: Rc<World>, disk: Arc<SimDisk>, pulse: Arc<Pulse>) -> SimOutside {
        SimOutside { world, disk, pulse: RefCell::new(pulse), member: RefCell::default() }
    }

    /// From now on this is the copy's life.
    pub(super) fn begin(&self, pulse: &Arc<Pulse>) {
        *self.pulse.borrow_mut() = Arc::clone(pulse);
    }

    pub(super) fn disk(&self) -> &SimDisk {
        &self.disk
    }

    fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse.borrow())
    }
}

impl Outside for SimOutside {
    fn clock(&self) -> Rc<dyn Clock> {
        Rc::clone(&self.world.clock) as Rc<dyn Clock>
    }

    fn consumer(&self, name: Option<String>) -> Result<Box<dyn Consumer>, SourceError> {
        let member = Rc::<Cell<u64>>::default();
        *self.member.borrow_mut() = Rc::clone(&member);
        Ok(Box::new(SimConsumer::new(Rc::clone(&self.world), self.pulse(), member, name)))
    }

    fn producer(&self, transactional_id: Option<&str>) -> anyhow::Result<Box<dyn Producer>> {
        let member = Rc::clone(&self.member.borrow());
        Ok(Box::new(SimProducer::new(Rc::clone(&self.world), self.pulse(), member, transactional_id)))
    }

    fn sign(&self) -> u32 {
        u32::try_from(self.world.chance.below(1 << 20)).expect("so it is drawn")
    }

    fn store(&self, folder: PathBuf) -> Arc<dyn Store> {
        let mounted = Mounted { disk: Arc::clone(&self.disk), pulse: self.pulse() };
        let folder = Folder::on(mounted, folder);
        match self.world.bug {
            Some(bug) => Arc::new(Buggy { folder, bug, last: Mutex::default() }),
            None => Arc::new(folder),
        }
    }

    fn writer(&self, store: Arc<dyn Store>) -> io::Result<Writer> {
        Ok(Writer::in_place(store))
    }
}

/// Snapshots with a bug.
struct Buggy {
    folder: Folder<Mounted>,
    bug: Bug,
    /// By shard, the last state.
    last: Mutex<BTreeMap<String, Vec<u8>>>,
}

impl Store for Buggy {
    fn put(&self, shard: &str, number: u64, parts: &[&[u8]]) -> io::Result<()> {
        let &[head, state, _] = parts else { return self.folder.put(shard, number, parts) };
        match self.bug {
            Bug::SwallowsFullDisk => {
                drop(self.folder.put(shard, number, parts));
                Ok(())
            }
            Bug::MisfilesState => {
                let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
                let before = last.insert(shard.to_owned(), state.to_vec()).unwrap_or_else(|| state.to_vec());
                let length = (before.len() as u64).to_le_bytes();
                let body = [&head[..head.len() - length.len()], &length, &before].concat();
                self.folder.put(shard, number, &[&body, &crc32fast::hash(&body).to_le_bytes()])
            }
            _ => self.folder.put(shard, number, parts),
        }
    }

    fn get(&self, shard: &str, number: u64) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = self.folder.get(shard, number)?;
        if let Some(bytes) = bytes.as_mut().filter(|_| self.bug == Bug::FlipsByte) {
            let end = bytes.len() - 4;
            bytes[end - 1 - usize::try_from(number % 32).expect("small")] ^= 1;
            let checksum = crc32fast::hash(&bytes[..end]).to_le_bytes();
            bytes[end..].copy_from_slice(&checksum);
        }
        Ok(bytes)
    }

    fn forget_before(&self, shard: &str, number: u64) -> io::Result<()> {
        self.folder.forget_before(shard, if self.bug == Bug::RemovesNamed { u64::MAX } else { number })
    }

    fn place(&self) -> String {
        self.folder.place()
    }
}
