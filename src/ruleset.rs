//! Rule files from disk to a checked program: what every subcommand begins with.
//!
//! Stands between the files and `lang`, which reads none. A path is a file, or a folder of which all `.rules` files
//! are read, folders within it included, in the order of their names. All files are checked together.

mod lookups;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, FileId, Severity, SourceMap, Span};
use crate::lang::{self, Checked, ast};
use crate::program::Program;

/// The files of a rule set, their trees, and what came of checking them.
#[derive(Debug, Default)]
pub struct RuleSet {
    /// The texts.
    pub sources: SourceMap,
    /// The trees, in the order of the sources.
    pub files: Vec<ast::File>,
    /// The program, the tests, and all problems of all files.
    pub checked: Checked,
    /// The folder from which the names of the files start.
    base: PathBuf,
}

/// Why rule files could not be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A path cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A folder holds no rule files.
    #[error("no .rules file in {}", .0.display())]
    Empty(PathBuf),
}

impl RuleSet {
    /// Reads and checks the rule files at these paths.
    pub fn load(paths: &[PathBuf]) -> Result<RuleSet, LoadError> {
        let mut texts = Vec::new();
        for path in find(paths)? {
            let bytes = std::fs::read(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
            texts.push((path.display().to_string(), bytes));
        }
        Ok(RuleSet::from_bytes(Path::new(""), texts))
    }

    /// Checks rule files given as names and texts.
    pub fn from_texts(texts: impl IntoIterator<Item = (String, String)>) -> RuleSet {
        RuleSet::from_texts_in(Path::new(""), texts)
    }

    /// As [`RuleSet::from_texts`]; the files of lists and tables are looked for as if the texts lay in this folder.
    pub fn from_texts_in(folder: &Path, texts: impl IntoIterator<Item = (String, String)>) -> RuleSet {
        RuleSet::from_bytes(folder, texts.into_iter().map(|(name, text)| (name, text.into_bytes())))
    }

    /// The program, if nothing stands in its way.
    pub fn program(&self) -> Option<Arc<Program>> {
        self.checked.is_ok().then(|| Arc::new(self.checked.program.clone()))
    }

    /// Checks other trees, made of those of this set. The files of their lists and tables are read again.
    pub fn check_again(&self, files: &[ast::File]) -> Checked {
        let mut diagnostics = Vec::new();
        let lookups = lookups::load(files, &self.sources, &self.base, &mut diagnostics);
        let mut checked = lang::check_with(files, lookups);
        checked.diagnostics.append(&mut diagnostics);
        checked
    }

    /// How many errors and warnings there are.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.checked.diagnostics.iter().filter(|d| d.severity() == Severity::Error).count();
        (errors, self.checked.diagnostics.len() - errors)
    }

    fn from_bytes(base: &Path, texts: impl IntoIterator<Item = (String, Vec<u8>)>) -> RuleSet {
        let mut set = RuleSet { base: base.to_owned(), ..RuleSet::default() };
        let mut diagnostics = Vec::new();
        for (name, bytes) in texts {
            let (text, problem) = decode(bytes);
            let id = set.sources.add(name, text);
            diagnostics.extend(problem.map(|at| not_utf8(id, at)));
            let (file, problems) = lang::parse(id, set.sources.text(id));
            diagnostics.extend(problems);
            set.files.push(file);
        }
        let lookups = lookups::load(&set.files, &set.sources, base, &mut diagnostics);
        set.checked = lang::check_with(&set.files, lookups);
        set.checked.diagnostics.extend(diagnostics);
        set.checked.diagnostics.sort_by_key(|diagnostic| (diagnostic.primary.span, diagnostic.code));
        set
    }
}

/// The text up to the first byte that is not UTF-8, and where that is.
fn decode(bytes: Vec<u8>) -> (String, Option<usize>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            bytes.truncate(at);
            (String::from_utf8(bytes).expect("valid up to there"), Some(at))
        }
    }
}

fn not_utf8(file: FileId, at: usize) -> Diagnostic {
    Diagnostic::new(Code::NotText, Span::new(file, at..at), "the file is not UTF-8 from here on")
        .help("save it as UTF-8")
}

/// The rule files at these paths.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        collect(path, true, &mut found)?;
        if found.len() == before {
            return Err(LoadError::Empty(path.clone()));
        }
    }
    Ok(found)
}

fn collect(path: &Path, given: bool, found: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let error = |source| LoadError::Read { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(error)?.is_dir() {
        if given || path.extension().is_some_and(|extension| extension == "rules") {
            found.push(path.to_owned());
        }
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(path).map_err(error)? {
        entries.push(entry.map_err(error)?.path());
    }
    entries.sort();
    entries.iter().try_for_each(|entry| collect(entry, false, found))
}
