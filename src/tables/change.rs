//! Messages of a table's topic to changes of its rows: the row as JSON, Debezium's envelope around it, or a message
//! without payload, which ends the row of its key.

use serde_json::{Map, Value as Json};
use thiserror::Error;

use crate::decode::{DecodeError, row_of_change};
use crate::event::Value;
use crate::program::{Change, Column, Table};
use crate::tables::value_of_json;

/// What a message does to a table.
#[derive(Clone, Debug)]
pub struct TableChange {
    /// Which row.
    pub key: Value,
    /// What it holds now; nothing where it is gone.
    pub row: Option<Box<[Value]>>,
}

/// Why a message changes nothing.
#[derive(Debug, Error)]
pub enum ChangeError {
    /// It cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Neither its body nor its key says which row it is about.
    #[error("neither the body nor the message's key holds `{column}` as {kind}")]
    NoKey {
        /// The key's column.
        column: String,
        /// Its kind.
        kind: String,
    },
}

/// Reads the messages of one table.
#[derive(Clone, Debug)]
pub struct ChangeReader {
    key: (Vec<String>, Column),
    columns: Vec<(Vec<String>, Column)>,
}

impl ChangeReader {
    /// For a table.
    pub fn new(table: &Table) -> ChangeReader {
        let place = |column: &Column| (column.path.split('.').map(ToOwned::to_owned).collect(), column.clone());
        ChangeReader { key: place(&table.key), columns: table.columns.iter().map(place).collect() }
    }

    /// What a message does. A value of another kind than declared is missing, as in events.
    pub fn read(&self, key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<TableChange, ChangeError> {
        let Some(payload) = payload else { return Ok(TableChange { key: self.key_of(None, key)?, row: None }) };
        let body = row_of_change(payload, &self.key.0)?;
        let found = self.key_of(Some(&body), key)?;
        if body.get("op").and_then(Json::as_str) == Some(Change::DELETE) {
            return Ok(TableChange { key: found, row: None });
        }
        let value = |(path, column): &(Vec<String>, Column)| {
            if column == &self.key.1 {
                return found.clone();
            }
            at_path(&body, path).and_then(|json| value_of_json(json, &column.kind)).unwrap_or_default()
        };
        let row = self.columns.iter().map(value).collect();
        Ok(TableChange { key: found, row: Some(row) })
    }

    /// The key, from the body or else from the message's own key: an object with the column, or the value alone.
    fn key_of(&self, body: Option<&Map<String, Json>>, message_key: Option<&[u8]>) -> Result<Value, ChangeError> {
        let (path, column) = &self.key;
        let of_kind = |json: &Json| value_of_json(json, &column.kind).filter(|value| !value.is_missing());
        let own = || {
            let bytes = message_key?;
            let json: Option<Json> = serde_json::from_slice(bytes).ok();
            match &json {
                Some(Json::Object(object)) => {
                    let payload = object.get("payload").and_then(Json::as_object);
                    at_path(payload.unwrap_or(object), path).and_then(of_kind)
                }
                json => {
                    let text = || std::str::from_utf8(bytes).ok().map(Json::from);
                    json.as_ref().and_then(of_kind).or_else(|| of_kind(&text()?))
                }
            }
        };
        let found = body.and_then(|body| at_path(body, path)).and_then(of_kind);
        found
            .or_else(own)
            .ok_or_else(|| ChangeError::NoKey { column: column.path.clone(), kind: column.kind.to_string() })
    }
}

fn at_path<'a>(object: &'a Map<String, Json>, path: &[String]) -> Option<&'a Json> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(object.get(first)?, |value, name| value.get(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::RuleSet;

    fn read(kind: &str, key: Option<&str>, payload: Option<&str>) -> Result<String, ChangeError> {
        let rules = format!("table m from topic \"m\" key id with id {kind}, risk text, n number\n");
        let set = RuleSet::from_texts([("t.rules".to_owned(), rules)]);
        let program = set.program().expect("it is right");
        let change = ChangeReader::new(&program.tables[0]).read(key.map(str::as_bytes), payload.map(str::as_bytes))?;
        Ok(format!("{:?} {:?}", change.key, change.row))
    }

    #[test]
    fn rows_come_bare_or_in_an_envelope() {
        let row = "Integer(7) Some([Integer(7), Text(\"low\"), Missing])";
        for payload in [
            r#"{"id":7,"risk":"low","n":"x"}"#,
            r#"{"id":7,"risk":"low","op":"update","before":{"risk":"high"}}"#,
            r#"{"op":"u","before":{"id":7},"after":{"id":7,"risk":"low"}}"#,
            r#"{"schema":{},"payload":{"op":"r","before":null,"after":{"id":7,"risk":"low"}}}"#,
        ] {
            assert_eq!(read("integer", None, Some(payload)).expect("a change"), row, "{payload}");
        }
        assert_eq!(read("integer", Some("7"), Some("{\"risk\":\"low\"}")).expect("a change"), row);
    }

    #[test]
    fn rows_go_by_what_is_said_or_without_payload() {
        for (key, payload) in [
            (None, Some(r#"{"id":7,"op":"delete"}"#)),
            (None, Some(r#"{"op":"d","before":{"id":7,"risk":"low"},"after":null}"#)),
            (Some("7"), None),
            (Some("{\"id\":7}"), None),
            (Some("{\"schema\":{},\"payload\":{\"id\":7}}"), None),
        ] {
            assert_eq!(read("integer", key, payload).expect("a change"), "Integer(7) None", "{key:?} {payload:?}");
        }
        for key in ["m7", "\"m7\""] {
            assert_eq!(read("text", Some(key), None).expect("a change"), "Text(\"m7\") None");
        }
        assert_eq!(read("text", Some("7"), None).expect("a change"), "Text(\"7\") None", "a bare number is text too");
    }

    #[test]
    fn what_names_no_row_is_refused() {
        let why = |key, payload| read("integer", key, payload).expect_err("no change").to_string();
        assert!(why(None, None).contains("holds `id` as integer"));
        assert!(why(Some("x"), Some("{\"id\":\"7\"}")).contains("holds `id` as integer"));
        assert!(why(None, Some("[]")).contains("not an object"));
        assert!(why(None, Some("{")).contains("not JSON"));
    }
}
