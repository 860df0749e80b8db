//! The file that is written to, and those that were set aside: `alerts.ndjson`, then `alerts.ndjson.1`, `.2` and so on.
//! The highest number is the newest. A file is renamed once, so whoever reads it is not led astray.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// One file and its predecessors.
#[derive(Clone, Debug)]
pub(super) struct Series {
    path: PathBuf,
}

impl Series {
    pub(super) fn new(path: PathBuf) -> Series {
        Series { path }
    }

    /// The file that is written to.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The files that were set aside, the oldest first. What only looks like one of them is left out.
    pub(super) fn set_aside(&self) -> io::Result<Vec<(u64, PathBuf)>> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in fs::read_dir(self.folder())? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            let number = file.strip_prefix(&name).and_then(|rest| rest.strip_prefix('.'));
            let number = number.and_then(|digits| digits.parse::<u64>().ok().filter(|n| n.to_string() == digits));
            if let Some(number) = number {
                found.push((number, entry.path()));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Sets the file aside under the next number.
    pub(super) fn advance(&self) -> io::Result<()> {
        let newest = self.set_aside()?.last().map_or(0, |(number, _)| *number);
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", newest + 1));
        fs::rename(&self.path, name)?;
        self.sync_folder()
    }

    /// Removes all but the newest `keep` of those that were set aside; says how many.
    pub(super) fn prune(&self, keep: usize) -> io::Result<usize> {
        let found = self.set_aside()?;
        let surplus = found.len().saturating_sub(keep);
        found[..surplus].iter().try_for_each(|(_, path)| fs::remove_file(path))?;
        Ok(surplus)
    }

    /// Makes new names durable.
    pub(super) fn sync_folder(&self) -> io::Result<()> {
        File::open(self.folder())?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_and_the_lowest_go_first() {
        let folder = tempfile::tempdir().expect("a folder");
        let series = Series::new(folder.path().join("a.ndjson"));
        let names = || {
            let found = series.set_aside().expect("it can be listed").into_iter();
            found.map(|(number, _)| number).collect::<Vec<_>>()
        };
        let others = ["a.ndjson.x", "a.ndjson.01", "a.ndjson.1.gz", "b.ndjson.1", "a.ndjson1", "a.ndjson."];
        for name in others {
            fs::write(folder.path().join(name), "").expect("it is written");
        }
        for n in 1..=11 {
            fs::write(series.path(), n.to_string()).expect("it is written");
            series.advance().expect("it is renamed");
        }
        assert_eq!(names(), (1..=11).collect::<Vec<_>>());
        assert_eq!(series.prune(2).expect("they are removed"), 9);
        assert_eq!(names(), [10, 11]);
        assert_eq!(fs::read_to_string(folder.path().join("a.ndjson.11")).expect("it is there"), "11");
        assert!(others.iter().all(|name| folder.path().join(name).exists()), "what is not ours stays");
        assert_eq!(series.prune(2).expect("nothing to remove"), 0);
    }
}
