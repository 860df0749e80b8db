//! What tells this copy from the others: the end of its transactional id, and of its name in the consumer group. A copy
//! that is started again under the same one ends at once what its predecessor left open, gets its partitions back at
//! once, and shuts it out if it still lives.
//!
//! Where none is configured it is the host's name and an id, which stands in a file that is locked for as long as the
//! process lives: copies on one host never have the same one, and a copy that is started again takes up a free one.
//! Alerts come exactly once whatever the id is; a new one at each start would only leave partitions and the readers of
//! alerts waiting, after a crash, until the broker gives up what was left open.

use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use crate::config::{Delivery, KafkaSettings, Settings};

/// So many copies of one name can run on a host.
const COPIES_MAX: usize = 1_000;
const HOST_BYTES_MAX: usize = 60;

/// The id of this copy, for as long as this lives.
#[derive(Debug)]
pub(super) struct Instance {
    /// The name of the daemon and of the copy.
    id: String,
    delivery: Delivery,
    /// Locked.
    _file: Option<File>,
}

impl Instance {
    /// The configured one, or one that no other process on this host has.
    pub(super) fn take(settings: &Settings, kafka: &KafkaSettings) -> Instance {
        let (instance, file) = match &kafka.instance {
            Some(instance) => (instance.clone(), None),
            None => {
                let (id, file) = kept(&settings.name);
                (format!("{}-{id}", host()), file)
            }
        };
        let id = format!("{}.{instance}", settings.name);
        let delivery = kafka.delivery;
        if delivery == Delivery::ExactlyOnce {
            tracing::info!(transactional_id = id, "alerts are delivered exactly once");
        }
        Instance { id, delivery, _file: file }
    }

    /// The transactional id, where there are transactions.
    pub(super) fn transactional_id(&self) -> Option<&str> {
        (self.delivery == Delivery::ExactlyOnce).then_some(&self.id)
    }

    /// The name in the group, of a member that reads these topics. With others it is another member: a group gives one
    /// that comes again what it had, whether it still reads that or not.
    pub(super) fn member(&self, topics: &[&str]) -> String {
        format!("{}.{:08x}", self.id, crc32fast::hash(topics.join(",").as_bytes()))
    }
}

/// An id of a file; a new one that is kept nowhere, where there is no folder to keep it in.
fn kept(name: &str) -> (String, Option<File>) {
    let found = state_folder()
        .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no home folder"))
        .and_then(|folder| lock_one(&folder.join(name)));
    match found {
        Ok((id, file)) => (id, Some(file)),
        Err(error) => {
            tracing::warn!(
                %error,
                "no place to keep this copy's id, so after a crash its partitions and the readers of alerts wait up to half \
                 a minute: set XDG_STATE_HOME to a folder that stays, or write `instance` under [kafka]"
            );
            (new_id(), None)
        }
    }
}

/// Where services and users keep what belongs to one machine: systemd names it, or the XDG directories do.
pub(super) fn state_folder() -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    named("STATE_DIRECTORY")
        .or_else(|| named("XDG_STATE_HOME").map(|home| home.join("tripline")))
        .or_else(|| named("HOME").map(|home| home.join(".local/state/tripline")))
}

/// The first file that no process has locked, with the id in it.
fn lock_one(folder: &Path) -> io::Result<(String, File)> {
    std::fs::create_dir_all(folder)?;
    for number in 0..COPIES_MAX {
        let path = folder.join(format!("instance-{number}"));
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => return Ok((id_in(&mut file)?, file)),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(format!("{COPIES_MAX} copies run on this host")))
}

/// The id in a file; written where the file is new, or where a crash left half of one.
fn id_in(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    if is_id(text.trim_end()) {
        return Ok(text.trim_end().to_owned());
    }
    let id = new_id();
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{id}")?;
    file.sync_all()?;
    Ok(id)
}

fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// 64 bits of the system's randomness, by which the standard library seeds its hash maps.
fn new_id() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

fn host() -> String {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let name = read("/proc/sys/kernel/hostname").or_else(|| read("/etc/hostname")).unwrap_or_default();
    let fits = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.trim().chars().filter(fits).take(HOST_BYTES_MAX).collect();
    if name.is_empty() { "host".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_at_one_time_have_ids_of_their_own_and_a_later_one_takes_a_free_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let (first, file) = lock_one(folder.path()).expect("the folder is ours");
        let (second, _held) = lock_one(folder.path()).expect("the folder is ours");
        assert!(is_id(&first) && is_id(&second) && first != second, "{first} {second}");
        drop(file);
        assert_eq!(lock_one(folder.path()).expect("the folder is ours").0, first);
    }

    #[test]
    fn half_an_id_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("instance-0"), "0123").expect("the folder is ours");
        let (id, file) = lock_one(folder.path()).expect("the folder is ours");
        assert!(is_id(&id), "{id}");
        drop(file);
        assert_eq!(lock_one(folder.path()).expect("the folder is ours").0, id);
    }
}
