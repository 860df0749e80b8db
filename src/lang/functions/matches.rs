//! `matches(text, pattern)`.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use super::{Accepts, BadArgument, Definition, Group, Occurs, Param, ResultType, text};
use crate::event::Value;
use crate::lang::types::Type;

/// The longest pattern. Who needs more has a list, and lists are looked up faster.
const PATTERN_BYTES_MAX: usize = 1024;

/// The most memory that a compiled pattern may take: one as short as `(\w{99}){99}` holds the class of all of Unicode's
/// letters 9801 times.
const COMPILED_BYTES_MAX: usize = 1 << 20;

pub(super) static DEFINITION: Definition = Definition {
    name: "matches",
    group: Group::Text,
    params: &[
        Param { name: "text", accepts: Accepts::Text, occurs: Occurs::Once },
        Param { name: "pattern", accepts: Accepts::TextConstant, occurs: Occurs::Once },
    ],
    result: ResultType::Of(Type::Boolean),
    doc: "Whether the regular expression fits somewhere in the text; `^` and `$` tie it to the beginning and the end, \
          `(?i)` ignores case. It takes time linear in the text, so it has no look-around and no back-references.",
    examples: &[
        (r#"matches("user+7@mail.example", "[0-9]@")"#, "true"),
        (r#"matches("user+7@mail.example", "^[0-9]")"#, "false"),
        (r#"matches("ADMIN", "(?i)^admin$")"#, "true"),
    ],
    prepare: |constants| {
        let pattern = compile(text::constant(constants, 1)?).map_err(|reason| BadArgument { index: 1, reason })?;
        Ok(Arc::new(move |args| match args {
            [Value::Text(text), _] => Value::Boolean(pattern.is_match(text)),
            _ => Value::Missing,
        }))
    },
};

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(format!("the pattern has {} bytes, and at most {PATTERN_BYTES_MAX} are allowed", pattern.len()));
    }
    RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).build().map_err(|error| in_words(&error))
}

fn in_words(error: &regex::Error) -> String {
    if let regex::Error::CompiledTooBig(limit) = error {
        return format!("the pattern is too large: it would take more than {} KiB when compiled", limit / 1024);
    }
    // A syntax error shows the pattern with a caret over several lines, and then the words.
    let shown = error.to_string();
    let words = shown.rsplit_once("error: ").map_or(shown.as_str(), |(_, words)| words);
    format!("the pattern is not a regular expression: {words}")
}

#[cfg(test)]
mod tests {
    use super::super::testing::{gives, refuses, text};
    use super::DEFINITION;
    use crate::event::Value;

    #[test]
    fn the_pattern_may_fit_anywhere() {
        gives(&DEFINITION, &[text("abc"), text("b")], &Value::Boolean(true));
        gives(&DEFINITION, &[text("abc"), text("^b")], &Value::Boolean(false));
        gives(&DEFINITION, &[text("Zoë"), text(r"^\w{3}$")], &Value::Boolean(true));
    }

    #[test]
    fn a_bad_pattern_is_told_in_one_line() {
        let reason = "the pattern is not a regular expression: unclosed group";
        refuses(&DEFINITION, &[text(""), text("a(b")], 1, reason);
        let reason = "the pattern is not a regular expression: look-around, including look-ahead and look-behind, is \
                      not supported";
        refuses(&DEFINITION, &[text(""), text("error: (?=b)")], 1, reason);
    }

    #[test]
    fn patterns_have_limits() {
        gives(&DEFINITION, &[text("a"), text(&"a|".repeat(512))], &Value::Boolean(true));
        let reason = "the pattern has 1025 bytes, and at most 1024 are allowed";
        refuses(&DEFINITION, &[text(""), text(&"a".repeat(1025))], 1, reason);
        let reason = "the pattern is too large: it would take more than 1024 KiB when compiled";
        refuses(&DEFINITION, &[text(""), text(r"(\w{99}){99}")], 1, reason);
    }

    #[test]
    fn the_pattern_must_be_a_constant() {
        let refused = (DEFINITION.prepare)(&[None, None]).err().expect("there is no pattern to compile");
        assert_eq!((refused.index, refused.reason.as_str()), (1, "it must be a text in quotation marks, not a field"));
    }
}
