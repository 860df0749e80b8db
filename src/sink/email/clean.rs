//! Text from events made harmless: one line, no control characters, limited, escaped. Everything that goes into a
//! mail passes here first; lettre panics on a line break in a display name and encodes one in a subject.

use std::borrow::Cow;

/// One line of at most `chars_max` characters: control characters become spaces, characters that only change how the
/// text around them is shown (direction marks, zero-width ones) are dropped, and a cut is marked by `…`.
pub(super) fn one_line(text: &str, chars_max: usize) -> String {
    let mut chars = text.chars().filter(|c| !is_deceptive(*c)).map(|c| if breaks(c) { ' ' } else { c });
    let mut line: String = chars.by_ref().take(chars_max).collect();
    if chars.next().is_some() {
        line.pop();
        line.push('…');
    }
    line.trim().to_owned()
}

/// A word for a header, an id or a file name: letters, digits, `.`, `_` and `-`; anything else becomes `-`.
pub(super) fn word(text: &str, chars_max: usize) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    text.chars().take(chars_max).map(safe).collect()
}

/// Text for an HTML element or a quoted attribute.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match entity(c) {
            Some(entity) => escaped.push_str(entity),
            None => escaped.push(c),
        }
    }
    escaped
}

/// A configured address without control characters, borrowed where there are none.
pub(super) fn address(text: &str) -> Cow<'_, str> {
    if text.chars().any(breaks) {
        Cow::Owned(text.chars().filter(|c| !breaks(*c)).collect())
    } else {
        Cow::Borrowed(text)
    }
}

fn entity(c: char) -> Option<&'static str> {
    Some(match c {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&quot;",
        '\'' => "&#39;",
        _ => return None,
    })
}

/// Control characters and the two separators that some readers take for line breaks.
fn breaks(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Marks of direction and of zero width: they let a text look like another one.
fn is_deceptive(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{061c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_and_has_a_limit() {
        assert_eq!(one_line("a\r\nBcc: b\u{2028}c\u{202e}d", 100), "a  Bcc: b cd");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdefg", 6), "abcde…");
        assert_eq!(one_line("", 6), "");
    }

    #[test]
    fn words_and_markup_are_harmless() {
        assert_eq!(word("../a b\r\n>", 100), "..-a-b---");
        assert_eq!(escape("<b a=\"1\">&'"), "&lt;b a=&quot;1&quot;&gt;&amp;&#39;");
        assert_eq!(address("Tri\r\npline <a@b.c>"), "Tripline <a@b.c>");
    }
}
