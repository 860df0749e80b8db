//! CSV and NDJSON as rows of cells, before any kind is known.

use csv::StringRecord;
use serde_json::{Map, Value as Json};

use crate::tables::Problem;

/// A value as it is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'a> {
    /// Nothing, `null`, or an empty field of a CSV file.
    Empty,
    /// A field of a CSV file.
    Text(&'a str),
    /// A value of a JSON object.
    Json(&'a Json),
}

/// A file as rows of cells.
#[derive(Debug)]
pub(super) struct Sheet {
    /// The names of all columns: of CSV the header, of NDJSON every path at which some object holds a value.
    pub(super) columns: Vec<String>,
    rows: Rows,
}

#[derive(Debug)]
enum Rows {
    Csv(Vec<(u64, StringRecord)>),
    Json(Vec<(u64, Map<String, Json>)>),
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Csv,
    Ndjson,
}

impl Form {
    /// By the ending of a file's name; `.gz` and `.zst` are looked through.
    pub(super) fn of(path: &std::path::Path) -> Option<Form> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = name.strip_suffix(".gz").or(name.strip_suffix(".zst")).unwrap_or(&name);
        match name.rsplit_once('.')?.1 {
            "csv" => Some(Form::Csv),
            "ndjson" | "jsonl" => Some(Form::Ndjson),
            _ => None,
        }
    }
}

impl Sheet {
    /// Reads a file's bytes. `asked` are the columns that are read as one value although they may be objects.
    pub(super) fn read(bytes: &[u8], form: Form, asked: &[&str], rows_max: usize) -> Result<Sheet, Problem> {
        match form {
            Form::Csv => read_csv(bytes, rows_max),
            Form::Ndjson => read_ndjson(bytes, asked, rows_max),
        }
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        match &self.rows {
            Rows::Csv(rows) => rows.len(),
            Rows::Json(rows) => rows.len(),
        }
    }

    /// The line on which a row begins, from 1.
    pub(super) fn line(&self, row: usize) -> u64 {
        match &self.rows {
            Rows::Csv(rows) => rows[row].0,
            Rows::Json(rows) => rows[row].0,
        }
    }

    /// A cell by its row and its column's name.
    pub(super) fn cell(&self, row: usize, column: &Place) -> Cell<'_> {
        match (&self.rows, column) {
            (Rows::Csv(rows), Place::Field(field)) => match rows[row].1.get(*field) {
                None | Some("") => Cell::Empty,
                Some(text) => Cell::Text(text),
            },
            (Rows::Json(rows), Place::Path(path)) => match at_path(&rows[row].1, path) {
                None | Some(Json::Null) => Cell::Empty,
                Some(json) => Cell::Json(json),
            },
            _ => Cell::Empty,
        }
    }

    /// Where a column stands in each row; none where there is no such column. An NDJSON file without objects has all.
    pub(super) fn place(&self, column: &str) -> Option<Place> {
        let field = self.columns.iter().position(|name| name == column);
        match &self.rows {
            Rows::Csv(_) => field.map(Place::Field),
            Rows::Json(rows) => {
                let path: Vec<String> = column.split('.').map(ToOwned::to_owned).collect();
                let held = rows.is_empty() || rows.iter().any(|(_, object)| at_path(object, &path).is_some());
                held.then_some(Place::Path(path))
            }
        }
    }
}

/// Where a column stands.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Field(usize),
    Path(Vec<String>),
}

fn read_csv(bytes: &[u8], rows_max: usize) -> Result<Sheet, Problem> {
    let mut reader = csv::ReaderBuilder::new().from_reader(bytes);
    let header = reader.headers().map_err(|error| csv_problem(&error))?.clone();
    let columns: Vec<String> = header.iter().map(ToOwned::to_owned).collect();
    if let Some(twice) = (1..columns.len()).find(|at| columns[..*at].contains(&columns[*at])) {
        return Err(Problem::Row { line: 1, what: format!("two columns are called `{}`", columns[twice]) });
    }
    let mut rows = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(|error| csv_problem(&error))?;
        if rows.len() == rows_max {
            return Err(Problem::TooManyRows { rows_max });
        }
        rows.push((record.position().map_or(0, csv::Position::line), record));
    }
    Ok(Sheet { columns, rows: Rows::Csv(rows) })
}

fn csv_problem(error: &csv::Error) -> Problem {
    let line = error.position().map_or(1, csv::Position::line);
    let what = match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields, and the first line has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    Problem::Row { line, what }
}

fn read_ndjson(bytes: &[u8], asked: &[&str], rows_max: usize) -> Result<Sheet, Problem> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let (mut columns, mut rows) = (Vec::new(), Vec::new());
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        if rows.len() == rows_max {
            return Err(Problem::TooManyRows { rows_max });
        }
        let object: Map<String, Json> = serde_json::from_slice(text).map_err(|error| {
            let what = if error.is_data() { "not a JSON object".to_owned() } else { format!("not JSON: {error}") };
            Problem::Row { line, what }
        })?;
        collect_paths(&object, "", asked, &mut columns);
        rows.push((line, object));
    }
    Ok(Sheet { columns, rows: Rows::Json(rows) })
}

/// The paths of the values in an object. Lists are values only where they are asked for.
fn collect_paths(object: &Map<String, Json>, prefix: &str, asked: &[&str], columns: &mut Vec<String>) {
    for (name, value) in object {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            _ if asked.contains(&path.as_str()) || columns.contains(&path) => {}
            Json::Object(inner) => collect_paths(inner, &path, asked, columns),
            Json::Array(_) | Json::Null => {}
            _ => columns.push(path),
        }
    }
}

fn at_path<'a>(object: &'a Map<String, Json>, path: &[String]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(first)?, |value, name| value.get(name))
}
