//! The files of lists and tables: read where a rule file names them, and what is wrong with them told there.

use std::path::Path;

use crate::diagnostic::{Code, Diagnostic, SourceMap, Span};
use crate::lang::{FileLookup, FileRead, Lookups, ast, file_lookups};
use crate::tables::{self, DuplicateKeys, Limits, Problem, Spec};

/// Reads the files that the declarations name. Their paths start from the folder of the rule file, and those of rule
/// files from `base`.
pub(super) fn load(
    files: &[ast::File],
    sources: &SourceMap,
    base: &Path,
    diagnostics: &mut Vec<Diagnostic>,
) -> Lookups {
    let mut lookups = Lookups::default();
    for declared in file_lookups(files) {
        let rule_file = Path::new(sources.name(declared.place.file));
        let folder = rule_file.parent().unwrap_or(Path::new(""));
        let spec = Spec {
            is_list: declared.is_list,
            key: declared.key.node.clone(),
            declared: declared.columns.iter().map(|column| column.node.clone()).collect(),
            infer: true,
        };
        let shown = folder.join(&declared.from.node);
        let contents = match tables::load(&base.join(&shown), &spec, Limits::default()) {
            Ok(loaded) => {
                diagnostics.extend(loaded.duplicates.map(|duplicates| duplicate_keys(&declared, duplicates)));
                FileRead::Contents(loaded.contents)
            }
            Err(problems) => {
                diagnostics.extend(problems.iter().map(|problem| diagnostic(&declared, problem, &shown)));
                FileRead::Refused
            }
        };
        lookups.0.insert(declared.place, contents);
    }
    lookups
}

fn diagnostic(declared: &FileLookup, problem: &Problem, shown: &Path) -> Diagnostic {
    let from = declared.from.span;
    let in_file = |code: Code| Diagnostic::new(code, from, format!("{}, {problem}", declared.from.node));
    match problem {
        Problem::Unreadable { reason, .. } => {
            Diagnostic::new(Code::TableFile, from, format!("cannot read {}: {reason}", shown.display()))
                .help("a path starts from the folder of the rule file")
        }
        Problem::Ending => Diagnostic::new(Code::TableFile, from, problem.to_string())
            .help("name it .csv, .ndjson or .jsonl; .gz or .zst may follow"),
        Problem::TooLarge { .. } | Problem::TooManyRows { .. } => {
            Diagnostic::new(Code::TableFile, from, problem.to_string())
                .help("every row is kept in memory; keep those that rules look up, or send them through a topic")
        }
        Problem::NoColumn { column, known } => no_column(declared, column, known),
        Problem::Row { .. } => in_file(Code::TableRow).help("mend the row, or remove it"),
        Problem::Value { column, .. } => {
            let span = place_of(declared, column);
            let message = format!("{}, {problem}", declared.from.node);
            let help = format!("mend the value, or declare the column as what it is: `with {column} text`");
            Diagnostic::new(Code::TableValue, span, message).help(help)
        }
    }
}

fn no_column(declared: &FileLookup, column: &str, known: &[String]) -> Diagnostic {
    let span = place_of(declared, column);
    let diagnostic =
        Diagnostic::new(Code::MissingColumn, span, format!("{} has no column `{column}`", declared.from.node));
    let columns: Vec<String> = known.iter().take(12).map(|known| format!("`{known}`")).collect();
    let help = if columns.is_empty() {
        "its first line names no column".to_owned()
    } else {
        format!("it has {}", columns.join(", "))
    };
    diagnostic.help(help).did_you_mean(span, column, known.iter().map(String::as_str))
}

/// Where the declaration names a column: in `with`, as the key, or not at all.
fn place_of(declared: &FileLookup, column: &str) -> Span {
    let with = declared.columns.iter().find(|with| with.node.path == *column).map(|with| with.span);
    let key = (declared.key.node == *column).then_some(declared.key.span);
    with.or(key).unwrap_or(declared.from.span)
}

fn duplicate_keys(declared: &FileLookup, duplicates: DuplicateKeys) -> Diagnostic {
    let DuplicateKeys { line, rows } = duplicates;
    let what = match rows {
        1 => format!("{}, line {line}: this key stands above already", declared.from.node),
        rows => format!(
            "{}: {rows} rows have a key that stands above already, the first on line {line}",
            declared.from.node
        ),
    };
    Diagnostic::new(Code::DuplicateKey, declared.from.span, what)
        .help("the last row of a key counts; remove the others")
}
