//! Files of alerts over restarts, torn lines, full disks and failed syncs.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use proptest::prelude::*;
use tempfile::TempDir;

use crate::sink::carrier::{Carrier, Taken, Trouble};
use crate::sink::file::log::{Disk, Entry, Log, LogError};
use crate::sink::file::settings::FileSettings;
use crate::sink::file::write::AlertFile;
use crate::sink::tests::record;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("alerts.ndjson");
    (folder, path)
}

fn entries(ids: impl IntoIterator<Item = u64>) -> Vec<Entry> {
    ids.into_iter().map(|n| Entry { id: record(n).alert_id, line: record(n).to_json() }).collect()
}

/// The numbers of the alerts in a file; a line that is no alert fails the test.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let id = |line: &str| {
        let alert: crate::alert::AlertRecord = serde_json::from_str(line).expect("an alert");
        u64::from_str_radix(&alert.alert_id, 16).expect("a number")
    };
    text.lines().map(id).collect()
}

fn aside(path: &Path, number: u64) -> PathBuf {
    PathBuf::from(format!("{}.{number}", path.display()))
}

fn line_bytes() -> u64 {
    record(1).to_json().len() as u64 + 1
}

#[test]
fn a_line_each_and_none_twice_over_a_restart() {
    let (_folder, path) = folder();
    assert_eq!(Log::new(FileSettings::new(&path)).write(&entries(0..3)).expect("it is written"), 0);
    let mut log = Log::new(FileSettings::new(&path));
    assert_eq!(log.write(&entries(1..5)).expect("it is written"), 2);
    assert_eq!(log.write(&entries(5..6)).expect("it is written"), 0);
    assert_eq!(numbers(&path), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn a_torn_line_is_cut_off_and_written_again() {
    let (_folder, path) = folder();
    Log::new(FileSettings::new(&path)).write(&entries(0..3)).expect("it is written");
    let whole = fs::read(&path).expect("it is there");
    for cut in [1, 5, 20, 100] {
        fs::write(&path, &whole[..whole.len() - cut]).expect("it is written");
        assert_eq!(Log::new(FileSettings::new(&path)).write(&entries(0..4)).expect("it is written"), 2);
        assert_eq!(numbers(&path), [0, 1, 2, 3], "{cut} bytes were missing");
    }
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    let (_folder, path) = folder();
    fs::write(&path, "root:x:0:0:root").expect("it is written");
    let error = Log::new(FileSettings::new(&path)).write(&entries(0..1)).expect_err("refused");
    assert!(matches!(error, LogError::Tail { .. }) && error.to_string().contains("alerts.ndjson"), "{error}");
    assert_eq!(fs::read_to_string(&path).expect("it is there"), "root:x:0:0:root");
}

#[test]
fn a_full_file_is_set_aside_and_the_oldest_go() {
    let (_folder, path) = folder();
    let settings = FileSettings { rotate: Some(line_bytes() * 5 / 2), keep: Some(2), ..FileSettings::new(&path) };
    let mut log = Log::new(settings.clone());
    log.write(&entries(0..1)).expect("it is written");
    log.write(&entries(1..9)).expect("it is written");
    assert_eq!(numbers(&path), [8]);
    assert!(!aside(&path, 1).exists() && !aside(&path, 2).exists());
    assert_eq!((numbers(&aside(&path, 3)), numbers(&aside(&path, 4))), (vec![4, 5], vec![6, 7]));
    drop(log);
    // The end of the files before counts too.
    let mut log = Log::new(settings);
    assert_eq!(log.write(&entries(5..10)).expect("it is written"), 4);
    assert_eq!(numbers(&path), [8, 9]);
}

#[test]
fn a_line_larger_than_a_file_has_one_for_itself() {
    let (_folder, path) = folder();
    let settings = FileSettings { rotate: Some(10), ..FileSettings::new(&path) };
    Log::new(settings).write(&entries(0..3)).expect("it is written");
    assert_eq!((numbers(&aside(&path, 1)), numbers(&aside(&path, 2)), numbers(&path)), (vec![0], vec![1], vec![2]));
}

#[test]
fn a_file_of_yesterday_is_set_aside_with_the_first_alert_of_today() {
    let (_folder, path) = folder();
    let day = Duration::from_hours(24);
    let settings = FileSettings { every: Some(day), ..FileSettings::new(&path) };
    let now = Arc::new(Mutex::new(UNIX_EPOCH + 20_000 * day + Duration::from_hours(23)));
    let clock = Arc::clone(&now);
    let tick = move || *clock.lock().expect("no panic");
    let mut log = Log::with(settings.clone(), Box::new(|file| Box::new(file)), Box::new(tick));
    log.write(&entries(0..1)).expect("it is written");
    log.write(&entries(1..2)).expect("it is written");
    assert!(!aside(&path, 1).exists());
    *now.lock().expect("no panic") += Duration::from_hours(2);
    log.write(&entries(2..3)).expect("it is written");
    assert_eq!((numbers(&aside(&path, 1)), numbers(&path)), (vec![0, 1], vec![2]));
    drop(log);
    // After a restart it counts when the file was written to.
    let file = File::options().append(true).open(&path).expect("it is there");
    file.set_modified(SystemTime::now() - 3 * day).expect("its time can be set");
    drop(file);
    Log::new(settings).write(&entries(3..4)).expect("it is written");
    assert_eq!((numbers(&aside(&path, 2)), numbers(&path)), (vec![2], vec![3]));
}

#[test]
fn a_file_that_somebody_takes_away_is_begun_anew() {
    let (_folder, path) = folder();
    let elsewhere = path.with_extension("taken");
    let mut log = Log::new(FileSettings::new(&path));
    log.write(&entries(0..2)).expect("it is written");
    fs::rename(&path, &elsewhere).expect("it is moved");
    log.write(&entries(2..3)).expect("it is written");
    fs::remove_file(&path).expect("it is removed");
    log.write(&entries(3..4)).expect("it is written");
    assert_eq!((numbers(&elsewhere), numbers(&path)), (vec![0, 1], vec![3]));
    // Another file in its place is continued, not cut.
    fs::rename(&elsewhere, &path).expect("it is moved back");
    log.write(&entries(4..5)).expect("it is written");
    assert_eq!(numbers(&path), [0, 1, 4]);
}

#[test]
fn two_writers_do_not_mix() {
    let (_folder, path) = folder();
    let mut first = Log::new(FileSettings::new(&path));
    first.write(&entries(0..1)).expect("it is written");
    let mut second = Log::new(FileSettings::new(&path));
    assert!(matches!(second.write(&entries(1..2)), Err(LogError::Locked { .. })));
    drop(first);
    second.write(&entries(1..2)).expect("it is written");
    assert_eq!(numbers(&path), [0, 1]);
}

/// What fails, each once and in this order; nothing after the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing fails at this write.
    None,
    /// The disk is full after so many bytes.
    Full(usize),
    /// As `Full`, and what was written cannot be taken back.
    Stuck(usize),
    /// All is written, and the sync fails.
    Sync,
}

struct Failing {
    file: File,
    faults: Arc<Mutex<Vec<Fault>>>,
    now: Fault,
}

impl Disk for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.now = self.faults.lock().expect("no panic").pop().unwrap_or(Fault::None);
        match self.now {
            Fault::None | Fault::Sync => self.file.append(bytes),
            Fault::Full(room) | Fault::Stuck(room) => {
                self.file.append(&bytes[..room.min(bytes.len())])?;
                Err(io::ErrorKind::StorageFull.into())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        if self.now == Fault::Sync { Err(io::Error::other("a sector is gone")) } else { self.file.sync() }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        if matches!(self.now, Fault::Stuck(_)) {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.file.cut(length)
    }
}

fn failing(settings: FileSettings, faults: &[Fault]) -> Log {
    let faults = Arc::new(Mutex::new(faults.iter().rev().copied().collect::<Vec<_>>()));
    let opened = move |file| Box::new(Failing { file, faults: Arc::clone(&faults), now: Fault::None }) as Box<dyn Disk>;
    Log::with(settings, Box::new(opened), Box::new(SystemTime::now))
}

#[test]
fn a_full_disk_loses_and_doubles_nothing() {
    let room = usize::try_from(line_bytes()).expect("short") + 10;
    for fault in [Fault::Full(room), Fault::Stuck(room)] {
        let (_folder, path) = folder();
        let mut log = failing(FileSettings::new(&path), &[Fault::None, fault, fault]);
        log.write(&entries(0..2)).expect("it is written");
        for _ in 0..2 {
            let error = log.write(&entries(2..5)).expect_err("the disk is full").to_string();
            assert!(error.contains("cannot write to") && error.contains("alerts.ndjson"), "{error}");
        }
        log.write(&entries(2..5)).expect("there is room again");
        assert_eq!(numbers(&path), [0, 1, 2, 3, 4], "{fault:?}");
    }
}

#[test]
fn after_a_failed_sync_a_new_file_is_begun() {
    let (_folder, path) = folder();
    let mut log = failing(FileSettings::new(&path), &[Fault::None, Fault::Sync]);
    log.write(&entries(0..2)).expect("it is written");
    let error = log.write(&entries(2..4)).expect_err("the sync failed").to_string();
    assert!(error.contains("cannot sync"), "{error}");
    log.write(&entries(2..4)).expect("it is written");
    assert_eq!((numbers(&aside(&path, 1)), numbers(&path)), (vec![0, 1], vec![2, 3]));
}

#[tokio::test]
async fn trouble_with_a_file_is_for_a_person() {
    let (_folder, path) = folder();
    let settings = FileSettings::new(&path);
    let mut file = AlertFile::over(&settings, failing(settings.clone(), &[Fault::Full(3)]));
    let trouble = file.deliver(&[&record(1)]).await.expect_err("the disk is full");
    assert!(matches!(trouble, Trouble::Unusable(_)), "{trouble}");
    assert_eq!(file.deliver(&[&record(1)]).await, Ok(Taken::default()));
    assert_eq!(numbers(&path), [1]);
    assert!(file.probe().is_ok());
    let nowhere = AlertFile::new(&FileSettings::new(path.join("below-a-file"))).expect("settings are right");
    assert!(nowhere.probe().is_err());
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::None),
        (0_usize..600).prop_map(Fault::Full),
        (0_usize..600).prop_map(Fault::Stuck),
        Just(Fault::Sync),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever fails, and wherever a process ends, each alert is in the files once, and each line is whole.
    #[test]
    fn each_alert_is_in_the_files_once(
        faults in prop::collection::vec(fault(), 0..8),
        batches in prop::collection::vec(1_u64..6, 1..6),
        restarts in prop::collection::vec(any::<bool>(), 40),
        torn in 0_usize..300,
        rotate in prop::option::of(300_u64..2_000),
    ) {
        let (_folder, path) = folder();
        let settings = FileSettings { rotate, ..FileSettings::new(&path) };
        let mut log = failing(settings.clone(), &faults);
        let mut restarts = restarts.into_iter();
        let mut next = 0;
        for size in batches {
            // A process that ends may leave the beginning of a line that was never acknowledged.
            for _ in 0..20 {
                let written = log.write(&entries(next..next + size)).is_ok();
                if restarts.next().unwrap_or(false) {
                    drop(log);
                    let line = record(next + size).to_json();
                    let mut bytes = fs::read(&path).unwrap_or_default();
                    if written && bytes.last().is_none_or(|byte| *byte == b'\n') {
                        bytes.extend_from_slice(&line.as_bytes()[..torn.min(line.len())]);
                        fs::write(&path, bytes).expect("it is written");
                    }
                    log = failing(settings.clone(), &[]);
                }
                if written {
                    break;
                }
            }
            next += size;
        }
        drop(log);
        Log::new(settings).write(&entries(0..next)).expect("nothing fails any more");
        let set_aside = (1..100).map(|n| aside(&path, n)).filter(|path| path.exists());
        let mut all: Vec<u64> = set_aside.flat_map(|path| numbers(&path)).collect();
        all.extend(numbers(&path));
        all.sort_unstable();
        prop_assert_eq!(all, (0..next).collect::<Vec<_>>());
    }
}
