//! Alerts as the columns of one statement.
//!
//! Postgres has no text with U+0000, in jsonb neither. Whoever can put one into an event must not be able to keep the
//! alert out of the table, so U+FFFD stands in its place, and the alert says so.

use std::borrow::Cow;

use crate::alert::AlertRecord;

/// What an alert has in its JSON where U+0000 was replaced.
const MARK: &str = ",\"nul_replaced\":true}";
/// U+0000 and what stands for it, as JSON escapes.
const NUL: &str = "\\u0000";
const REPLACED: &str = "\\ufffd";

/// An alert as a row: the values of the columns as texts, in their order.
pub(super) struct Row {
    values: [Option<String>; 7],
}

impl Row {
    pub(super) fn new(alert: &AlertRecord) -> Row {
        let text = |text: &str| Some(without_nul(text).into_owned());
        let values = [
            text(&alert.alert_id),
            text(&alert.rule),
            text(&alert.kind),
            text(&alert.severity),
            alert.record_key().and_then(|key| text(&key)),
            text(&alert.time),
            Some(json_without_nul(alert.to_json())),
        ];
        Row { values }
    }

    /// How much of a statement it is.
    pub(super) fn bytes(&self) -> usize {
        self.values.iter().flatten().map(String::len).sum()
    }
}

/// A column of these rows.
pub(super) fn column(rows: &[Row], index: usize) -> Vec<Option<&str>> {
    rows.iter().map(|row| row.values[index].as_deref()).collect()
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// The JSON of an alert without escapes of U+0000; a bare one cannot be in JSON.
fn json_without_nul(json: String) -> String {
    if !json.contains(NUL) {
        return json;
    }
    let mut clean = String::with_capacity(json.len() + MARK.len());
    let mut rest = json.as_str();
    let mut replaced = false;
    // In JSON a backslash stands within text only, and what is behind it is never the beginning of an escape.
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        clean.push_str(before);
        let is_nul = escape.starts_with(NUL);
        replaced |= is_nul;
        let length = if is_nul { NUL.len() } else { escape.ceil_char_boundary(2) };
        clean.push_str(if is_nul { REPLACED } else { &escape[..length] });
        rest = &escape[length..];
    }
    clean.push_str(rest);
    if replaced && clean.ends_with('}') {
        clean.pop();
        clean.push_str(MARK);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::postgres::table::COLUMNS;
    use crate::sink::tests::record;

    #[test]
    fn a_row_has_the_columns_of_the_table() {
        let row = Row::new(&record(7));
        let shown = COLUMNS.iter().zip(&row.values).map(|((name, ..), value)| format!("{name}: {value:?}"));
        insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"));
        let keyless = AlertRecord { key: serde_json::Map::new(), ..record(7) };
        assert_eq!(column(&[Row::new(&keyless), row], 4), [None, Some("u7")]);
    }

    #[test]
    fn a_nul_is_replaced_and_the_alert_says_so() {
        let mut alert = record(7);
        alert.message = "a\0b\\u0000\\\0".to_owned();
        alert.key.insert("user_id".to_owned(), "u\0".into());
        let row = Row::new(&alert);
        assert_eq!(row.values[4].as_deref(), Some("u\u{fffd}"));
        let json: serde_json::Value =
            serde_json::from_str(row.values[6].as_deref().expect("it is there")).expect("JSON");
        assert_eq!(json["message"], "a\u{fffd}b\\u0000\\\u{fffd}");
        assert_eq!(json["key"]["user_id"], "u\u{fffd}");
        assert_eq!(json["nul_replaced"], true);
    }

    #[test]
    fn what_only_looks_like_a_nul_stays() {
        for json in
            [r#"{"a":"\\u0000"}"#, r#"{"a":"\u00001"}"#, r#"{"a":"\\\u0000ä\"\\"}"#, r#"{"a":"\ud83d\ude00\\u0000"}"#]
        {
            let clean = json_without_nul(json.to_owned());
            let meant: serde_json::Value = serde_json::from_str(json).expect("JSON");
            let found: serde_json::Value = serde_json::from_str(&clean).expect("JSON");
            let text = |value: &serde_json::Value| value["a"].as_str().map(|text| text.replace('\0', "\u{fffd}"));
            assert_eq!(text(&found), text(&meant), "{clean}");
            let has_nul = meant["a"].as_str().is_some_and(|text| text.contains('\0'));
            assert_eq!(found["nul_replaced"] == true, has_nul, "{clean}");
        }
    }
}
