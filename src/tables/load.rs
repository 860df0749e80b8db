//! A file to its rows, or all that is wrong with it.

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::event::Value;
use crate::program::{Column, Contents, Rows};
use crate::schema::Kind;
use crate::source;
use crate::tables::kind::{infer, value_of};
use crate::tables::sheet::{Cell, Form, Place, Sheet};

/// What is asked of a file.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Whether it is a list: only the key is read.
    pub is_list: bool,
    /// The key's column.
    pub key: String,
    /// The kinds that are known, of the key too.
    pub declared: Vec<Column>,
    /// Whether columns whose kind is not known are read as well, as what they show.
    pub infer: bool,
}

/// How large a file may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes, decompressed.
    pub bytes_max: usize,
    /// The most rows.
    pub rows_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes_max: 256 << 20, rows_max: 2_000_000 }
    }
}

/// A file that could be read.
#[derive(Debug)]
pub struct Loaded {
    /// What it holds.
    pub contents: Contents,
    /// Keys that stand in several rows, of which the last counts.
    pub duplicates: Option<DuplicateKeys>,
}

/// Keys that stand in several rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateKeys {
    /// The line of the first row whose key stood above it.
    pub line: u64,
    /// How many such rows there are.
    pub rows: usize,
}

/// What is wrong with a file.
#[derive(Debug, Error)]
pub enum Problem {
    /// It cannot be read.
    #[error("cannot read {}: {reason}", path.display())]
    Unreadable {
        /// Where it was looked for.
        path: PathBuf,
        /// Why, in the system's words.
        reason: String,
    },
    /// Its name does not say how it is written.
    #[error("the name does not say how the file is written")]
    Ending,
    /// More bytes than the limit.
    #[error("the file has more than {} MiB", bytes_max >> 20)]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// More rows than the limit.
    #[error("the file has more than {rows_max} rows")]
    TooManyRows {
        /// The limit.
        rows_max: usize,
    },
    /// A column is not there.
    #[error("the file has no column `{column}`")]
    NoColumn {
        /// Its name.
        column: String,
        /// Those that are there.
        known: Vec<String>,
    },
    /// A row is broken.
    #[error("line {line}: {what}")]
    Row {
        /// Where it begins, from 1.
        line: u64,
        /// What is wrong.
        what: String,
    },
    /// A value is not of its column's kind.
    #[error("line {line}, column `{column}`: {value} is no {kind}")]
    Value {
        /// The row's line, from 1.
        line: u64,
        /// The column.
        column: String,
        /// What stands there.
        value: String,
        /// The kind.
        kind: Kind,
    },
}

/// The system's words without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}

/// More would only repeat the first ones.
const PROBLEMS_MAX: usize = 3;

/// Reads a file. Of what is wrong with it the first problems are told.
pub fn load(path: &Path, spec: &Spec, limits: Limits) -> Result<Loaded, Vec<Problem>> {
    let one = |problem| vec![problem];
    let form = Form::of(path).ok_or_else(|| one(Problem::Ending))?;
    let bytes = source::read_file(path, limits.bytes_max)
        .map_err(|error| one(Problem::Unreadable { path: path.to_owned(), reason: reason(&error) }))?
        .ok_or_else(|| one(Problem::TooLarge { bytes_max: limits.bytes_max }))?;
    let asked: Vec<&str> = spec.declared.iter().map(|column| column.path.as_str()).chain([spec.key.as_str()]).collect();
    let sheet = Sheet::read(&bytes, form, &asked, limits.rows_max).map_err(one)?;
    let mut reading = Reading::new(&sheet, spec)?;
    for row in 0..sheet.len() {
        reading.row(row);
        if reading.problems.len() >= PROBLEMS_MAX {
            break;
        }
    }
    reading.finish(path)
}

struct Reading<'a> {
    sheet: &'a Sheet,
    key: (Column, Place),
    is_key_known: bool,
    /// Of a table the key and then its other columns.
    columns: Vec<(Column, Place)>,
    rows: Rows,
    duplicates: Option<DuplicateKeys>,
    problems: Vec<Problem>,
}

impl<'a> Reading<'a> {
    fn new(sheet: &'a Sheet, spec: &Spec) -> Result<Reading<'a>, Vec<Problem>> {
        let missing =
            |column: &str| vec![Problem::NoColumn { column: column.to_owned(), known: sheet.columns.clone() }];
        let kind = |column: &str, place: &Place, is_key: bool| {
            let declared = spec.declared.iter().find(|declared| declared.path == column);
            declared
                .map(|declared| declared.kind.clone())
                .or_else(|| infer((0..sheet.len()).map(|row| sheet.cell(row, place)), is_key))
        };
        let place = sheet.place(&spec.key).ok_or_else(|| missing(&spec.key))?;
        let known = kind(&spec.key, &place, true);
        let is_key_known = known.is_some();
        let key = (Column { path: spec.key.clone(), kind: known.unwrap_or(Kind::Text) }, place);
        let mut columns = Vec::new();
        if !spec.is_list {
            columns.push(key.clone());
            let declared = spec.declared.iter().map(|column| &column.path);
            let inferred = sheet.columns.iter().filter(|_| spec.infer);
            for path in declared.chain(inferred) {
                if columns.iter().any(|(known, _): &(Column, Place)| known.path == *path) {
                    continue;
                }
                let place = sheet.place(path).ok_or_else(|| missing(path))?;
                let kind = kind(path, &place, false).unwrap_or(Kind::Text);
                columns.push((Column { path: path.clone(), kind }, place));
            }
        }
        if u16::try_from(columns.len()).is_err() {
            return Err(vec![Problem::Row { line: 1, what: "more than 65,535 columns".to_owned() }]);
        }
        Ok(Reading { sheet, key, is_key_known, columns, rows: Rows::default(), duplicates: None, problems: Vec::new() })
    }

    fn row(&mut self, row: usize) {
        match self.read(row) {
            Ok((key, values)) => {
                if self.rows.insert(&key, values) == Some(true) {
                    let first = DuplicateKeys { line: self.sheet.line(row), rows: 0 };
                    self.duplicates.get_or_insert(first).rows += 1;
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    fn read(&self, row: usize) -> Result<(Value, Box<[Value]>), Problem> {
        let (key, place) = &self.key;
        let value = self.value(row, key, place)?;
        if value.is_missing() {
            let what = format!("the key `{}` is empty", key.path);
            return Err(Problem::Row { line: self.sheet.line(row), what });
        }
        let row =
            self.columns.iter().map(|(column, place)| self.value(row, column, place)).collect::<Result<_, _>>()?;
        Ok((value, row))
    }

    /// The value of a cell, if it is of its column's kind.
    fn value(&self, row: usize, column: &Column, place: &Place) -> Result<Value, Problem> {
        let cell = self.sheet.cell(row, place);
        value_of(cell, &column.kind).ok_or_else(|| Problem::Value {
            line: self.sheet.line(row),
            column: column.path.clone(),
            value: shown(cell),
            kind: column.kind.clone(),
        })
    }

    fn finish(self, path: &Path) -> Result<Loaded, Vec<Problem>> {
        if !self.problems.is_empty() {
            return Err(self.problems);
        }
        let contents = Contents {
            path: path.to_owned(),
            key: self.is_key_known.then(|| self.key.0.kind.clone()),
            columns: self.columns.into_iter().map(|(column, _)| column).collect(),
            rows: self.rows,
        };
        Ok(Loaded { contents, duplicates: self.duplicates })
    }
}

fn shown(cell: Cell<'_>) -> String {
    const SHOWN: usize = 40;
    let whole = match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => format!("{text:?}"),
        Cell::Json(json) => json.to_string(),
    };
    match whole.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &whole[..at]),
        None => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(is_list: bool, key: &str, declared: &[(&str, Kind)]) -> Spec {
        let column = |(path, kind): &(&str, Kind)| Column { path: (*path).to_owned(), kind: kind.clone() };
        Spec { is_list, key: key.to_owned(), declared: declared.iter().map(column).collect(), infer: true }
    }

    fn load_text(name: &str, text: &str, spec: &Spec, limits: Limits) -> Result<Loaded, String> {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        let lines = |problems: Vec<Problem>| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        load(&path, spec, limits).map_err(lines)
    }

    fn problems(name: &str, text: &str, declared: &[(&str, Kind)]) -> String {
        load_text(name, text, &spec(false, "id", declared), Limits::default()).map(|_| ()).expect_err("it is wrong")
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_column() {
        let number = [("n", Kind::Number)];
        assert_eq!(problems("t.csv", "id,n\n\"a\nb\",1\nc,x\n", &number), "line 4, column `n`: \"x\" is no number");
        assert_eq!(problems("t.csv", "id,n\na,1\n,2\n", &[]), "line 3: the key `id` is empty");
        assert_eq!(problems("t.csv", "id,n\na,1\nb\n", &[]), "line 3: 1 fields, and the first line has 2");
        assert_eq!(problems("t.csv", "id,id\n", &[]), "line 1: two columns are called `id`");
        assert_eq!(problems("t.csv", "", &[]), "the file has no column `id`");
        assert_eq!(problems("t.ndjson", "{\"id\":1,\"n\":\"x\"}\n", &number), "line 1, column `n`: \"x\" is no number");
        assert_eq!(problems("t.ndjson", "\n[1]\n", &[]), "line 2: not a JSON object");
        assert!(problems("t.jsonl", "{\"id\":1}\n{\"id\":\n", &[]).starts_with("line 2: not JSON"));
        assert_eq!(problems("t.ndjson", "{\"id\":1}\n{\"n\":2}\n", &[]), "line 2: the key `id` is empty");
        assert_eq!(problems("t.txt", "id\n", &[]), "the name does not say how the file is written");
    }

    #[test]
    fn only_the_first_problems_are_told() {
        let text = format!("id,n\n{}", "a,x\n".repeat(100));
        assert_eq!(problems("t.csv", &text, &[("n", Kind::Number)]).lines().count(), PROBLEMS_MAX);
    }

    #[test]
    fn limits_speak() {
        let limits = Limits { bytes_max: 1 << 20, rows_max: 2 };
        let list = spec(true, "id", &[]);
        assert!(load_text("t.csv", "id\n1\n2\n", &list, limits).is_ok());
        let told = load_text("t.csv", "id\n1\n2\n3\n", &list, limits).expect_err("beyond");
        assert_eq!(told, "the file has more than 2 rows");
        let long = format!("id\n{}\n", "x".repeat(1 << 20));
        assert_eq!(load_text("t.csv", &long, &list, limits).expect_err("beyond"), "the file has more than 1 MiB");
    }

    #[test]
    fn the_last_row_of_a_key_counts() {
        let text = "id,n\na,1\nb,2\na,3\na,4\n";
        let loaded = load_text("t.csv", text, &spec(false, "id", &[]), Limits::default()).expect("it is right");
        assert_eq!(loaded.duplicates, Some(DuplicateKeys { line: 4, rows: 2 }));
        let row = loaded.contents.rows.get(&Value::Text("a".into())).expect("it is there");
        assert!(matches!(row, [Value::Text(_), Value::Integer(4)]), "{row:?}");
    }

    #[test]
    fn nested_json_has_columns_with_dots_and_what_is_asked_for_is_one_value() {
        let text = "{\"id\":1,\"a\":{\"b\":\"x\"},\"place\":{\"latitude\":1,\"longitude\":2},\"tags\":[\"t\"]}\n";
        let declared = [("place", Kind::Point), ("tags", Kind::List(Box::new(Kind::Text)))];
        let loaded = load_text("t.ndjson", text, &spec(false, "id", &declared), Limits::default()).expect("right");
        let columns: Vec<String> =
            loaded.contents.columns.iter().map(|column| format!("{} {}", column.path, column.kind)).collect();
        assert_eq!(columns, ["id integer", "place point", "tags list of text", "a.b text"]);
    }
}
