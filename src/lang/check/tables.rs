//! Lists and tables: what is declared of them, and how rules use them.
//!
//! What their files hold is given by the caller, who has read them. A table from a topic is an event type too: its
//! changes, which have the fields `op` and `before.…` beside its columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{self, Item, Name, Path};
use crate::lang::check::declarations::{kind, unknown_kind};
use crate::lang::check::expr::{Typed, never};
use crate::lang::check::scope::Scope;
use crate::lang::check::{Checker, duplicate, items};
use crate::lang::types::Type;
use crate::program::{Change, Column, Condition, Contents, Expr, Program, Rows, Table, TableId, TableSource};
use crate::schema::{EventType, Field, Kind, TypeId};

/// What came of reading the files of lists and tables, by the place of the declaration's name.
#[derive(Debug, Default)]
pub struct Lookups(pub BTreeMap<Span, FileRead>);

/// What came of reading the file of a list or table.
#[derive(Debug)]
pub enum FileRead {
    /// What it holds.
    Contents(Contents),
    /// It could not be read, which whoever tried tells.
    Refused,
}

/// A list or table whose file is to be read.
#[derive(Clone, Debug)]
pub struct FileLookup {
    /// The place of its name: its key in [`Lookups`].
    pub place: Span,
    /// Its name.
    pub name: String,
    /// Whether it is a list.
    pub is_list: bool,
    /// The file as written.
    pub from: ast::Spanned<String>,
    /// The key's column.
    pub key: ast::Spanned<String>,
    /// The kinds that are declared, of the key too.
    pub columns: Vec<ast::Spanned<Column>>,
}

/// The lists and tables whose files are to be read; without those whose declaration is wrong.
pub fn file_lookups(files: &[ast::File]) -> Vec<FileLookup> {
    let of_files = lookups(files).filter(|(_, lookup, _)| !lookup.from_topic);
    let made = of_files.filter_map(|(is_list, lookup, _)| {
        let column = |field: &ast::FieldDecl| {
            let column = Column { path: field.path.dotted(), kind: kind(&field.kind.node).ok()? };
            Some(ast::Spanned::new(column, field.path.span()))
        };
        Some(FileLookup {
            place: lookup.name.span,
            name: lookup.name.node.clone(),
            is_list,
            from: lookup.from.clone(),
            key: ast::Spanned::new(lookup.key.dotted(), lookup.key.span()),
            columns: lookup.columns.iter().map(column).collect::<Option<_>>()?,
        })
    });
    made.collect()
}

fn lookups(files: &[ast::File]) -> impl Iterator<Item = (bool, &ast::Lookup, Span)> {
    items(files).filter_map(|item| match &item.node {
        Item::List(list) => Some((true, list, item.span)),
        Item::Table(table) => Some((false, table, item.span)),
        _ => None,
    })
}

/// The lists and tables of the files, by their number.
#[derive(Debug, Default)]
pub(super) struct Tables(Vec<Declared>);

/// A list or table as rules see it.
#[derive(Debug)]
struct Declared {
    name: Name,
    is_list: bool,
    key: Column,
    /// Where the key's kind is still to be told: the file has no rows, and the first use decides.
    is_key_open: bool,
    /// Whether `with` says nothing, and where it could stand.
    with_at: Option<Span>,
    columns: Vec<Column>,
    source: Source,
    rows: Arc<Rows>,
    /// What an alert's id depends on: all but the contents, and the kinds that they show.
    identity: String,
}

#[derive(Debug)]
enum Source {
    File(std::path::PathBuf),
    Topic(String, TypeId),
    /// It cannot be used, which is told already.
    Broken,
}

/// Takes up what is declared; tables from topics become event types of the schema.
pub(super) fn declare(checker: &mut Checker, files: &[ast::File], mut contents: Lookups) -> Tables {
    let mut tables = Tables::default();
    for (is_list, lookup, item) in lookups(files) {
        let first = checker.names.lookups[&lookup.name.node];
        if first != lookup.name.span {
            checker.report(duplicate(&lookup.name, first, sort(is_list)));
            continue;
        }
        let mut declared = Declared::new(is_list, lookup, item);
        let kinds = checker.declared_kinds(is_list, lookup);
        let made = match (kinds, lookup.from_topic) {
            (None, _) => None,
            (Some(kinds), true) => declared.take_topic(checker, lookup, kinds, files),
            (Some(_), false) => declared.take_file(checker, lookup, contents.0.remove(&lookup.name.span)),
        };
        declared.source = made.unwrap_or(Source::Broken);
        tables.0.push(declared);
    }
    tables
}

impl Declared {
    fn new(is_list: bool, lookup: &ast::Lookup, item: Span) -> Declared {
        let written: Vec<String> =
            lookup.columns.iter().map(|field| format!("{} {:?}", field.path.dotted(), field.kind.node)).collect();
        Declared {
            name: lookup.name.clone(),
            is_list,
            key: Column { path: lookup.key.dotted(), kind: Kind::Text },
            is_key_open: false,
            with_at: lookup.columns.is_empty().then_some(Span { start: item.end, ..item }),
            columns: Vec::new(),
            source: Source::Broken,
            rows: Arc::default(),
            identity: format!(
                "{} {} key {} with {}",
                sort(is_list),
                lookup.name.node,
                lookup.key.dotted(),
                written.join(", ")
            ),
        }
    }

    fn take_file(&mut self, checker: &mut Checker, lookup: &ast::Lookup, given: Option<FileRead>) -> Option<Source> {
        let Some(given) = given else {
            checker.report(Diagnostic::new(Code::TableFile, lookup.from.span, "the file was not read").help(
                "rules that come from no file name no files; write the values in brackets: `in (\"DE\", \"FR\")`",
            ));
            return None;
        };
        let FileRead::Contents(contents) = given else { return None };
        self.is_key_open = contents.key.is_none();
        self.key.kind = contents.key.unwrap_or(Kind::Text);
        self.columns = contents.columns;
        self.rows = Arc::new(contents.rows);
        Some(Source::File(contents.path))
    }

    /// The event type of the changes, with the row's columns before and after, and what was done.
    fn take_topic(
        &mut self,
        checker: &mut Checker,
        lookup: &ast::Lookup,
        kinds: Vec<Column>,
        files: &[ast::File],
    ) -> Option<Source> {
        if kinds.is_empty() {
            checker.topic_without_kinds(self.is_list, lookup);
            return None;
        }
        let event = items(files).find_map(|item| match &item.node {
            Item::Event(event) if event.name.node == self.name.node => Some(event.name.span),
            _ => None,
        });
        if let Some(event) = event {
            checker.report(
                duplicate(&self.name, event, "event")
                    .label(event, "an event type; the changes of a table from a topic are one too"),
            );
            return None;
        }
        let (key, others): (Vec<Column>, Vec<Column>) = kinds.into_iter().partition(|c| c.path == self.key.path);
        self.key.kind = key.into_iter().next().map_or(Kind::Text, |column| column.kind);
        let columns: Vec<Column> = std::iter::once(self.key.clone()).chain(others.iter().cloned()).collect();
        let op = Column { path: "op".to_owned(), kind: Kind::Text };
        let before = others.iter().map(|column| Column { path: format!("before.{}", column.path), ..column.clone() });
        let fields = columns.iter().cloned().chain([op]).chain(before).map(field).collect();
        self.columns = if self.is_list { Vec::new() } else { columns };
        checker.schema.types.push(EventType { name: self.name.node.clone(), fields });
        let type_id = checker.schema.type_id(&self.name.node).expect("just added");
        Some(Source::Topic(lookup.from.node.clone(), type_id))
    }
}

fn field(column: Column) -> Field {
    Field { path: column.path.split('.').map(ToOwned::to_owned).collect(), kind: column.kind }
}

fn sort(is_list: bool) -> &'static str {
    if is_list { "list" } else { "table" }
}

impl Checker {
    /// The kinds after `with`; none where one of them is wrong.
    fn declared_kinds(&mut self, is_list: bool, lookup: &ast::Lookup) -> Option<Vec<Column>> {
        let before = self.diagnostics.len();
        let mut columns: Vec<Column> = Vec::new();
        for (at, declared) in lookup.columns.iter().enumerate() {
            let (path, span) = (declared.path.dotted(), declared.path.span());
            if let Some(first) = lookup.columns[..at].iter().find(|other| other.path.dotted() == path) {
                self.report(duplicate(&Name::new(path.clone(), span), first.path.span(), "column"));
            }
            self.check_column(is_list, lookup, declared);
            match kind(&declared.kind.node) {
                Ok(kind) => columns.push(Column { path, kind }),
                Err(unknown) => self.report(unknown_kind(unknown, declared.kind.span)),
            }
        }
        (self.diagnostics.len() == before).then_some(columns)
    }

    fn check_column(&mut self, is_list: bool, lookup: &ast::Lookup, declared: &ast::FieldDecl) {
        let (path, span) = (declared.path.dotted(), declared.path.span());
        let is_key = path == lookup.key.dotted();
        let first = &declared.path.segments[0].node;
        if is_list && !is_key {
            self.report(
                Diagnostic::new(
                    Code::Meaningless,
                    span,
                    format!("a list has no column beside its key `{}`", lookup.key.dotted()),
                )
                .help("declare it with `table` if its rows are looked up"),
            );
        } else if lookup.from_topic && (first == "op" || first == "before") {
            self.report(
                Diagnostic::new(
                    Code::DuplicateName,
                    span,
                    format!("`{first}` is a field of every change of a topic's table"),
                )
                .help("leave the column out: `op` says what was done, and `before.…` holds what was there"),
            );
        } else if is_key && matches!(kind(&declared.kind.node), Ok(Kind::Point | Kind::List(_))) {
            self.report(
                Diagnostic::new(Code::BadKey, declared.kind.span, "a point or a list cannot be a key")
                    .help("a key is text, a number, true or false, a time or an ip address"),
            );
        }
    }

    fn topic_without_kinds(&mut self, is_list: bool, lookup: &ast::Lookup) {
        let key = lookup.key.dotted();
        let example = if is_list { format!("with {key} text") } else { format!("with {key} text, risk text") };
        self.report(
            Diagnostic::new(
                Code::TableKinds,
                lookup.from.span,
                format!("the {} `{}` does not say what its topic holds", sort(is_list), lookup.name.node),
            )
            .help(format!("a file shows the kinds of its columns, a topic does not: add `{example}`")),
        );
    }
}

impl Tables {
    fn find(&mut self, name: &str) -> Option<(TableId, &mut Declared)> {
        let at = self.0.iter().position(|declared| declared.name.node == name)?;
        Some((TableId(u32::try_from(at).expect("a rule file is limited to 1 MiB")), &mut self.0[at]))
    }

    /// Puts the tables into the program. The slots of what changes read are taken, so that decoders read it.
    pub(super) fn finish(self, program: &mut Program, mut slot: impl FnMut(TypeId, usize) -> u16) {
        for (declared, id) in self.0.into_iter().zip((0..).map(TableId)) {
            let source = match declared.source {
                Source::File(path) => TableSource::File(path),
                // It keeps its number, and no rule uses it.
                Source::Broken => TableSource::File(std::path::PathBuf::new()),
                Source::Topic(topic, type_id) => {
                    program.changes.push((type_id, id));
                    // The fields stand in this order: the key and the other columns, what was done, what was there.
                    let key = slot(type_id, 0);
                    let columns: Vec<u16> = (0..declared.columns.len()).map(|field| slot(type_id, field)).collect();
                    let op = slot(type_id, columns.len().max(1));
                    let change = Change { type_id, key, op, columns };
                    TableSource::Topic { topic, change }
                }
            };
            program.tables.push(Table {
                name: Arc::from(declared.name.node),
                is_list: declared.is_list,
                source,
                key: declared.key,
                columns: declared.columns,
                rows: declared.rows,
            });
        }
    }
}

impl Scope<'_> {
    /// `x in bad_ips`
    pub(super) fn in_list(&mut self, operand: Typed, negated: bool, name: &Name) -> Condition {
        let Some(list) = self.lookup_table(name, true) else { return never() };
        match self.key_of(list, operand) {
            Some(operand) => Condition::InList { operand, negated, list },
            None => never(),
        }
    }

    /// `merchants[merchant.id].risk`
    pub(super) fn lookup(&mut self, name: &Name, key: &ast::Expr, column: &Path, span: Span) -> Typed {
        let key = self.value(key);
        let Some(table) = self.lookup_table(name, false) else { return Typed::unknown(span) };
        let found = self.column(table, column);
        match (self.key_of(table, key), found) {
            (Some(key), Some((at, ty))) => Typed { ty, expr: Expr::Lookup(table, at, Box::new(key)), span },
            _ => Typed::unknown(span),
        }
    }

    /// A list or table that can be used. Reports what is none.
    fn lookup_table(&mut self, name: &Name, is_list: bool) -> Option<TableId> {
        let Some((id, declared)) = self.checker.tables.find(&name.node) else {
            self.unknown_lookup(name, is_list);
            return None;
        };
        if matches!(declared.source, Source::Broken) {
            self.checker.excused += 1;
            return None;
        }
        if declared.is_list != is_list {
            let (at, key) = (declared.name.span, declared.key.path.clone());
            self.checker.report(misused(name, is_list, at, &key));
            return None;
        }
        self.reads.insert(declared.identity.clone());
        Some(id)
    }

    fn unknown_lookup(&mut self, name: &Name, is_list: bool) {
        // One that is declared twice stands for both.
        if self.checker.is_dropped(&name.node) {
            return;
        }
        let known: Vec<String> =
            self.checker.tables.0.iter().filter(|t| t.is_list == is_list).map(|t| t.name.node.clone()).collect();
        let (what, name_) = (sort(is_list), &name.node);
        let in_brackets = if is_list { "values can be written in brackets: `in (\"DE\", \"FR\")`; " } else { "" };
        self.checker.report(
            Diagnostic::new(Code::UnknownList, name.span, format!("no {what} is called `{name_}`"))
                .help(format!("{in_brackets}a {what} is declared as `{what} {name_} from \"file.csv\" key …`"))
                .did_you_mean(name.span, name_, known.iter().map(String::as_str)),
        );
    }

    fn column(&mut self, table: TableId, path: &Path) -> Option<(u16, Type)> {
        let declared = &self.checker.tables.0[table.index()];
        let written = path.dotted();
        if let Some(at) = declared.columns.iter().position(|column| column.path == written) {
            let at16 = u16::try_from(at).expect("files with more columns are refused");
            return Some((at16, Type::from(&declared.columns[at].kind)));
        }
        let columns: Vec<String> = declared.columns.iter().map(|column| column.path.clone()).collect();
        let span = path.span();
        let shown: Vec<String> = columns.iter().take(12).map(|column| format!("`{column}`")).collect();
        let diagnostic = Diagnostic::new(
            Code::UnknownColumn,
            span,
            format!("the table `{}` has no column `{written}`", declared.name.node),
        )
        .label(declared.name.span, "declared here")
        .help(format!("it has {}", shown.join(", ")))
        .did_you_mean(span, &written, columns.iter().map(String::as_str));
        self.checker.report(diagnostic);
        None
    }

    /// What is looked up, if it can be a key of this table. Reports where it cannot.
    fn key_of(&mut self, table: TableId, mut value: Typed) -> Option<Expr> {
        let declared = &mut self.checker.tables.0[table.index()];
        if declared.is_key_open
            && let Some(kind) = key_kind(&value.ty)
        {
            declared.is_key_open = false;
            if let Some(column) = declared.columns.first_mut() {
                column.kind = kind.clone();
            }
            declared.key.kind = kind;
        }
        let key = Type::from(&declared.key.kind);
        self.read_as(&mut value, &key);
        let plain = |ty: &Type| matches!(ty, Type::Integer | Type::Number);
        if value.ty == Type::Unknown {
            return None;
        }
        if value.ty == key || plain(&value.ty) && plain(&key) {
            return Some(value.expr);
        }
        self.wrong_key(table, &value, &key);
        None
    }

    fn wrong_key(&mut self, table: TableId, value: &Typed, key: &Type) {
        let declared = &self.checker.tables.0[table.index()];
        let (name, column) = (&declared.name.node, &declared.key.path);
        let diagnostic = Diagnostic::new(
            Code::TypeMismatch,
            value.span,
            format!("this is {}, and the key of `{name}` is {key}", value.ty),
        )
        .label(declared.name.span, format!("its key is `{column}`"));
        let wanted = key_kind(&value.ty).filter(|_| declared.with_at.is_some());
        let diagnostic = match (wanted, declared.with_at) {
            (Some(Kind::Text), Some(at)) => diagnostic
                .help(format!("every key in the file looks like {key}; if it is text, declare it: `with {column} text`"))
                .fix(at, format!(" with {column} text")),
            (Some(kind), _) => diagnostic.help(format!(
                "look up a value of that kind; or declare the key, `with {column} {kind}`, and mend the keys that are none"
            )),
            _ => diagnostic.help("look up a value of that kind"),
        };
        self.checker.report(diagnostic);
    }
}

fn misused(name: &Name, wanted_list: bool, declared: Span, key: &str) -> Diagnostic {
    let written = &name.node;
    let diagnostic = if wanted_list {
        Diagnostic::new(Code::TableUse, name.span, format!("`{written}` is a table, not a list"))
            .help(format!("ask whether there is a row, `{written}[…].{key} is not missing`, or declare it with `list`"))
    } else {
        Diagnostic::new(Code::TableUse, name.span, format!("`{written}` is a list: it has no columns"))
            .help(format!("ask whether a value is in it, `… in {written}`, or declare it with `table`"))
    };
    diagnostic.label(declared, "declared here")
}

/// The kind of a key that values of a type look up.
fn key_kind(ty: &Type) -> Option<Kind> {
    Some(match ty {
        Type::Text => Kind::Text,
        Type::Integer => Kind::Integer,
        Type::Number => Kind::Number,
        Type::Boolean => Kind::Boolean,
        Type::Time => Kind::Time,
        Type::Ip => Kind::Ip,
        _ => return None,
    })
}
