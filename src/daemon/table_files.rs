//! The files of lists and tables, watched while the daemon runs.
//!
//! A thread looks once a second. A file that has changed, and has been quiet since the last look, is read and checked
//! against the kinds that the rules were compiled for; only then does it take the place of what was read before. What
//! is wrong with it is logged and counted once for each change, and the old rows stay. Nothing here blocks the loop
//! that judges events: it asks for what has changed between batches.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::daemon::shutdown::Shutdown;
use crate::program::{Program, Rows, Table, TableId, TableSource};
use crate::tables::{self, Limits, Spec};
use crate::telemetry::{Metrics, TableReloadFailed, TableReloaded, table_rows};

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What was read since the daemon began.
#[derive(Debug, Default)]
pub(super) struct FileTables {
    /// Of each table that was read again, its last rows.
    latest: Mutex<Vec<(TableId, Arc<Rows>)>>,
    /// How often anything was read.
    version: AtomicU64,
}

/// What someone has taken up so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen(u64);

impl FileTables {
    /// Begins to watch the files of a program's lists and tables.
    pub(super) fn watch(program: &Program, metrics: &Metrics, shutdown: &Shutdown) -> std::io::Result<Arc<FileTables>> {
        let files = Arc::<FileTables>::default();
        let tables = program.tables.iter().zip((0..).map(TableId));
        let mut watched: Vec<Watched> = tables.filter_map(|(table, id)| Watched::new(id, table)).collect();
        for watched in &watched {
            table_rows(metrics, &watched.name, program.tables[watched.id.index()].rows.len());
        }
        if watched.is_empty() {
            return Ok(files);
        }
        // It ends with those who ask: other rules have other tables.
        let (shared, metrics, shutdown) = (Arc::downgrade(&files), metrics.clone(), shutdown.clone());
        std::thread::Builder::new().name("tripline-tables".to_owned()).spawn(move || {
            while !shutdown.is_asked() {
                let Some(shared) = shared.upgrade() else { return };
                for watched in &mut watched {
                    if let Some(read) = watched.look(&metrics) {
                        shared.put(watched.id, Arc::clone(&read.rows));
                        watched.say(&read, &metrics);
                    }
                }
                drop(shared);
                pause(&shutdown);
            }
        })?;
        Ok(files)
    }

    /// The tables that were read again since the last time.
    pub(super) fn changed(&self, seen: &mut Seen) -> Vec<(TableId, Arc<Rows>)> {
        let version = self.version.load(Ordering::Acquire);
        if version == seen.0 {
            return Vec::new();
        }
        seen.0 = version;
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn put(&self, id: TableId, rows: Arc<Rows>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.retain(|(other, _)| *other != id);
        latest.push((id, rows));
        self.version.fetch_add(1, Ordering::Release);
    }
}

fn pause(shutdown: &Shutdown) {
    const STEP: Duration = Duration::from_millis(100);
    let mut left = LOOK_EVERY;
    while !left.is_zero() && !shutdown.is_asked() {
        std::thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
}

/// When a file was written, and its size; nothing where it cannot be looked at.
type Stamp = Option<(SystemTime, u64)>;

struct Watched {
    id: TableId,
    name: Arc<str>,
    path: PathBuf,
    spec: Spec,
    /// What was there at the last look.
    last: Option<Stamp>,
    /// What was read, or found wrong, last. Nothing at first: the file may have changed since the rules were loaded.
    read: Option<Stamp>,
}

impl Watched {
    fn new(id: TableId, table: &Table) -> Option<Watched> {
        let TableSource::File(path) = &table.source else { return None };
        let mut declared = table.columns.clone();
        if !declared.contains(&table.key) {
            declared.push(table.key.clone());
        }
        let spec = Spec { is_list: table.is_list, key: table.key.path.clone(), declared, infer: false };
        Some(Watched { id, name: Arc::clone(&table.name), path: path.clone(), spec, last: None, read: None })
    }

    /// New rows, if the file has changed and can be read.
    fn look(&mut self, metrics: &Metrics) -> Option<ReadAgain> {
        let now = stamp(&self.path);
        // A file that is just being written is left alone until the next look.
        let is_quiet = self.last.replace(now) == Some(now);
        if !is_quiet || self.read == Some(now) {
            return None;
        }
        let is_first = self.read.replace(now).is_none();
        match tables::load(&self.path, &self.spec, Limits::default()) {
            Ok(loaded) => {
                let repeated = loaded.duplicates.map_or(0, |duplicates| duplicates.rows);
                Some(ReadAgain { rows: Arc::new(loaded.contents.rows), repeated, is_first })
            }
            Err(problems) => {
                let problem = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                TableReloadFailed { table: &self.name, problem }.emit(metrics);
                None
            }
        }
    }

    /// Told once the rows are there for all: who reads it may count on them.
    fn say(&self, read: &ReadAgain, metrics: &Metrics) {
        if !read.is_first {
            let (rows, repeated) = (read.rows.len(), read.repeated);
            TableReloaded { table: &self.name, rows, repeated }.emit(metrics);
        }
    }
}

/// What a look found.
struct ReadAgain {
    rows: Arc<Rows>,
    /// Rows whose key had come before.
    repeated: usize,
    /// Whether it is the look at what was there when the rules were loaded.
    is_first: bool,
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Value;
    use crate::ruleset::RuleSet;

    #[test]
    fn a_changed_file_is_taken_up_when_it_is_quiet_and_right() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("m.csv");
        std::fs::write(&path, "id,limit,other\n1,10,x\n").expect("writable");
        let rules = "table m from \"m.csv\" key id\nevent e id integer\nrule r on e where m[id].limit > 5 alert low\n";
        let set = RuleSet::from_texts_in(folder.path(), [("t.rules".to_owned(), rules.to_owned())]);
        let program = set.program().expect("it is right");
        let metrics = Metrics::default();
        let mut watched = Watched::new(TableId(0), &program.tables[0]).expect("it has a file");
        let mut look = || watched.look(&metrics);
        assert!(look().is_none() && look().is_some(), "what has changed since the rules were loaded is read");
        assert!(look().is_none(), "nothing has changed");

        std::fs::write(&path, "new,limit,id,other\n,7,1,x\n,20,2,y\n").expect("writable");
        assert!(look().is_none(), "it was just written");
        let rows = look().expect("it is quiet").rows;
        assert!(matches!(rows.get(&Value::Integer(2)), Some([Value::Integer(2), Value::Integer(20), Value::Text(_)])));

        std::fs::write(&path, "id,limit,other\n1,much,x\n").expect("writable");
        assert!(look().is_none() && look().is_none(), "a limit was an integer when the rules were compiled");
        std::fs::remove_file(&path).expect("it is there");
        assert!(look().is_none() && look().is_none());
        assert!(metrics.encode().contains("tripline_table_errors_total{table=\"m\"} 2"), "{}", metrics.encode());

        std::fs::write(&path, "id,limit,other\n1,11,x\n").expect("writable");
        assert!(look().is_none() && look().is_some_and(|read| read.rows.len() == 1));
    }

    #[test]
    fn everyone_takes_up_what_is_new_to_him() {
        let files = FileTables::default();
        let (mut one, mut other) = (Seen::default(), Seen::default());
        assert!(files.changed(&mut one).is_empty());
        files.put(TableId(1), Arc::default());
        files.put(TableId(1), Arc::default());
        assert_eq!(files.changed(&mut one).len(), 1);
        assert_eq!((files.changed(&mut one).len(), files.changed(&mut other).len()), (0, 1));
    }
}
