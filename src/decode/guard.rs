//! What the parser is not trusted with: depth, escapes in text that it skips, and numbers that no float can hold.

use memchr::memchr_iter;
use serde::de::IgnoredAny;

/// Whether objects and lists stand within each other deeper than `limit`.
pub(crate) fn is_too_deep(json: &[u8], limit: usize) -> bool {
    depth(json, limit) > limit
}

/// The depth outside text; stops as soon as it exceeds `limit`.
fn depth(json: &[u8], limit: usize) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut in_text = false;
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' => {
                bytes.next();
            }
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
                if deepest > limit {
                    return deepest;
                }
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The place of the first backslash that begins no JSON escape.
///
/// sonic-rs steps over `\u` and the next four bytes, whatever they are, in text that nobody reads, so that a quote
/// among them would shift what it takes for keys and values.
#[inline]
pub(crate) fn bad_escape(json: &[u8]) -> Option<usize> {
    // In JSON a backslash stands within text only, so that nothing else has to be followed.
    let mut escaped = None;
    for at in memchr_iter(b'\\', json) {
        if escaped == Some(at) {
            continue;
        }
        match &json[at + 1..] {
            [b'\\', ..] => escaped = Some(at + 1),
            [b'"' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => {}
            [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|digit| digit.is_ascii_hexdigit()) => {}
            _ => return Some(at),
        }
    }
    None
}

/// The same JSON with `null` in place of every number that exceeds a float, if there is one: such a number is a
/// missing value and no reason to refuse the event, but parsers end at it.
pub(crate) fn without_huge_numbers(json: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut copied = 0;
    for (start, number) in numbers(json) {
        if is_huge(number) {
            out.extend_from_slice(&json[copied..start]);
            out.extend_from_slice(b"null");
            copied = start + number.len();
        }
    }
    (copied > 0).then(|| {
        out.extend_from_slice(&json[copied..]);
        out
    })
}

fn is_huge(number: &[u8]) -> bool {
    let float = std::str::from_utf8(number).ok().and_then(|text| text.parse::<f64>().ok());
    // A value that is skipped is checked for the grammar of a JSON number, but not for its size.
    float.is_some_and(f64::is_infinite) && serde_json::from_slice::<IgnoredAny>(number).is_ok()
}

/// What may be numbers: the longest runs of their characters outside text, with their places.
fn numbers(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while at < bytes.len() {
            let start = at;
            match bytes[at] {
                b'"' => at = text_end(bytes, at + 1),
                b'-' | b'0'..=b'9' => {
                    at = end_of(bytes, at, |byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
                    return Some((start, &bytes[start..at]));
                }
                _ => at += 1,
            }
        }
        None
    })
}

fn text_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    loop {
        at = end_of(bytes, at, |byte| !matches!(byte, b'"' | b'\\'));
        match bytes.get(at) {
            Some(b'\\') => at += 2,
            Some(_) => return at + 1,
            None => return bytes.len(),
        }
    }
}

fn end_of(bytes: &[u8], from: usize, within: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.iter().position(|&byte| !within(byte)).map_or(bytes.len(), |length| from + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_text_only() {
        assert!(!is_too_deep(br#"{"a":"[[[[[\"[[["}"#, 1));
        assert!(is_too_deep(br#"{"a":[1]}"#, 1));
        assert!(!is_too_deep(br#"{"a":[1],"b":[2],"c":[3]}"#, 2));
        assert!(is_too_deep(&b"[".repeat(100_000), 64));
        assert!(!is_too_deep(&b"[]".repeat(1000), 64));
    }

    #[test]
    fn escapes_are_those_of_json() {
        assert_eq!(bad_escape(br#"{"a":"\"\\\/\b\f\n\r\t\u00eF"}"#), None);
        assert_eq!(bad_escape(br#""\x""#), Some(1));
        assert_eq!(bad_escape(br#""\\\u12G4""#), Some(3));
        assert_eq!(bad_escape(br#""\u123"#), Some(1));
        assert_eq!(bad_escape(br"\"), Some(0));
    }

    #[test]
    fn only_numbers_beyond_a_float_are_taken_out() {
        let huge = "9".repeat(400);
        let json = format!(r#"{{"a":1e999,"b":[-1E+400,1.5],"c":"1e999 \" 1e999","d":{huge}}}"#);
        assert_eq!(
            without_huge_numbers(json.as_bytes()).as_deref(),
            Some(&br#"{"a":null,"b":[null,1.5],"c":"1e999 \" 1e999","d":null}"#[..])
        );
        for kept in [r#"{"a":1e308}"#, r#"{"a":01e999}"#, r#"{"a":1.e999}"#, r#"{"a":1e-999}"#, "\"\\"] {
            assert_eq!(without_huge_numbers(kept.as_bytes()), None, "{kept}");
        }
    }
}
