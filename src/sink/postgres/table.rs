//! The table that alerts go to: its name, its columns, and the statements about it. The only texts of statements that are
//! put together, and only from a name whose every character was judged.

use std::fmt::{self, Write as _};

use crate::sink::setting_error::SettingError;

/// Postgres cuts longer names off.
const NAME_BYTES_MAX: usize = 63;

/// Each column with what `create table` says of it, and what makes of a text what it holds.
pub(super) const COLUMNS: [(&str, &str, &str); 7] = [
    ("alert_id", "text primary key", ""),
    ("rule", "text not null", ""),
    ("kind", "text not null", ""),
    ("severity", "text not null", ""),
    ("key", "text", ""),
    ("time", "timestamptz not null", "::timestamptz"),
    ("alert", "jsonb not null", "::jsonb"),
];

/// The columns of a table by its name; none where it does not exist.
pub(super) const COLUMNS_OF: &str = "select attname::text from pg_catalog.pg_attribute \
    where attrelid = pg_catalog.to_regclass($1) and attnum > 0 and not attisdropped";

/// Whether tables can be made in a schema, or in the one that names without a schema mean.
pub(super) const MAY_CREATE: &str =
    "select pg_catalog.has_schema_privilege(coalesce($1, pg_catalog.current_schema()), 'create')";

/// A table's name, perhaps with its schema, quoted: it means just what is written, in capitals too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) schema: Option<String>,
    name: String,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // No name has a quote in it.
        match &self.schema {
            Some(schema) => write!(f, "\"{schema}\".\"{}\"", self.name),
            None => write!(f, "\"{}\"", self.name),
        }
    }
}

impl Table {
    /// `name` or `schema.name`.
    pub(super) fn parse(text: &str) -> Result<Table, SettingError> {
        let parts: Vec<&str> = text.split('.').collect();
        match parts.as_slice() {
            [name] if is_name(name) => Ok(Table { schema: None, name: (*name).to_owned() }),
            [schema, name] if is_name(schema) && is_name(name) => {
                Ok(Table { schema: Some((*schema).to_owned()), name: (*name).to_owned() })
            }
            _ => {
                let fix = format!(
                    "write alerts or schema.alerts: a letter or _, then letters, digits and _, at most {NAME_BYTES_MAX} \
                     in each part"
                );
                Err(SettingError::new("table", format!("{text:?} is no name of a table"), fix))
            }
        }
    }

    /// Makes the table where there is none.
    pub(super) fn create(&self) -> String {
        let columns = COLUMNS.map(|(name, definition, _)| format!("{name} {definition}")).join(", ");
        format!("create table if not exists {self} ({columns})")
    }

    /// Adds the rows whose columns are the parameters, except those whose id is there.
    pub(super) fn insert(&self) -> String {
        let names = COLUMNS.map(|(name, ..)| name).join(", ");
        let values = COLUMNS.map(|(name, _, cast)| format!("given.{name}{cast}")).join(", ");
        let mut parameters = String::new();
        for number in 1..=COLUMNS.len() {
            let comma = if number == 1 { "" } else { ", " };
            write!(parameters, "{comma}${number}::text[]").expect("a text takes everything");
        }
        format!(
            "insert into {self} ({names}) select {values} from unnest({parameters}) as given ({names}) \
             on conflict (alert_id) do nothing"
        )
    }

    /// Which columns are not among these.
    pub(super) fn missing(present: &[String]) -> Vec<&'static str> {
        let is_missing = |name: &&str| !present.iter().any(|present| present == name);
        COLUMNS.iter().map(|(name, ..)| *name).filter(is_missing).collect()
    }
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins && text.len() <= NAME_BYTES_MAX && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_as_it_is_written() {
        let shown = |text: &str| Table::parse(text).expect("it is right").to_string();
        assert_eq!(shown("alerts"), "\"alerts\"");
        assert_eq!(shown("Fraud._alerts_2"), "\"Fraud\".\"_alerts_2\"");
        assert_eq!(shown(&"a".repeat(63)).len(), 65);
        let long = "a".repeat(64);
        for wrong in ["", ".", "a.", ".a", "a.b.c", "a b", "a\"b", "a;drop table b", "2a", "a-b", "ä", "a'b", &long] {
            assert!(Table::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_statements_are_these() {
        let table = Table::parse("fraud.alerts").expect("it is right");
        insta::assert_snapshot!(format!("{}\n\n{}", table.create(), table.insert()));
    }

    #[test]
    fn columns_that_are_missing_are_named() {
        let present = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            Table::missing(&present(&["alert", "alert_id", "rule", "kind", "severity", "more"])),
            ["key", "time"]
        );
    }
}
