//! A matched event as it came, inside the JSON of its alert.
//!
//! It is kept as text, so numbers keep their digits and keys their order. But an alert is one line, and whoever can put
//! an event into a source must not be able to make the alert unreadable: what JSON allows and parsers refuse is replaced.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::decode::without_huge_numbers;

/// The JSON object of an event.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WholeEvent(Box<RawValue>);

impl WholeEvent {
    /// An event's text, without line ends. A number beyond a float is `null`, as it is to rules, and half a surrogate pair
    /// is U+FFFD. What is no JSON, which no decoder passes, stands there as text.
    pub fn new(json: &str) -> WholeEvent {
        let smaller = without_huge_numbers(json.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
        let whole = without_half_pairs(smaller.as_deref().unwrap_or(json));
        // Within text JSON has no line end, and none stands between two parts that would run together without it.
        let line = if whole.contains(['\n', '\r']) { whole.replace(['\n', '\r'], "") } else { whole.into_owned() };
        WholeEvent(RawValue::from_string(line).or_else(|_| to_raw_value(json)).expect("text can always be written"))
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for WholeEvent {
    fn eq(&self, other: &WholeEvent) -> bool {
        self.as_str() == other.as_str()
    }
}

/// The same JSON with U+FFFD in place of every escape that is half of a surrogate pair.
fn without_half_pairs(json: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    // In JSON a backslash stands within text only, so that nothing else has to be followed.
    while let Some(found) = json[at..].find('\\') {
        let start = at + found;
        at = match (unit(json, start), unit(json, start + ESCAPE)) {
            (Some(0xd800..0xdc00), Some(0xdc00..0xe000)) => start + 2 * ESCAPE,
            (Some(0xd800..0xe000), _) => {
                out.push_str(&json[copied..start]);
                out.push_str("\\ufffd");
                copied = start + ESCAPE;
                copied
            }
            // The character behind a backslash is one byte, wherever it stands in JSON.
            _ => json.ceil_char_boundary(start + 2),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    out.push_str(&json[copied..]);
    Cow::Owned(out)
}

/// The bytes of `\u0000`.
const ESCAPE: usize = 6;

/// The UTF-16 unit of an escape at a place, if one stands there.
fn unit(json: &str, at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(json: &str) -> String {
        WholeEvent::new(json).as_str().to_owned()
    }

    #[test]
    fn it_stays_as_it_came() {
        for json in
            [r#"{"b":1.10,"a":12345678901234567890123,"a":{"t":"é \ud83d\ude00 \\ud800 \u00e9\n"},"l":[1, 2]}"#, "{}"]
        {
            assert_eq!(whole(json), json);
        }
        assert_eq!(whole(" {\"a\":\r\n  [1,\n2]}\n"), r#"{"a":  [1,2]}"#);
    }

    #[test]
    fn what_some_parsers_refuse_is_replaced() {
        assert_eq!(whole(r#"{"a":1e999,"t":"1e999"}"#), r#"{"a":null,"t":"1e999"}"#);
        let halves = r#"{"t":"\ud83d \ude00 \uD83D\ud83d\ude00 \\\udc00 \ud800"}"#;
        assert_eq!(whole(halves), r#"{"t":"\ufffd \ufffd \ufffd\ud83d\ude00 \\\ufffd \ufffd"}"#);
    }

    #[test]
    fn what_is_no_json_is_text() {
        for text in ["{\"a\":", "\\", "\\é", "\\u12", ""] {
            let json: String = serde_json::from_str(&whole(text)).expect("it is a text");
            assert_eq!(json, text);
        }
    }
}
