//! Just enough of Rust's lexical structure to check a file's shape: tokens without comments and strings, the paths
//! that they spell, the functions, and the test modules. It does not parse Rust, and it expects text that compiles.

use std::ops::Range;

/// A word or a mark, and the line where it stands. `::` is one mark; strings and comments leave none.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of one file.
pub(crate) struct Tokens(Vec<Token>);

/// A path such as `crate::event::Value`, with the branches of `{…}` taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) parts: Vec<String>,
    pub(crate) line: usize,
    /// The inline modules around it, outermost first.
    pub(crate) inside: Vec<String>,
}

/// A function with a body: its name and the lines from `fn` to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

impl Tokens {
    pub(crate) fn of(text: &str) -> Self {
        Self(Lexer { rest: text, line: 1, tokens: Vec::new() }.run())
    }

    /// All paths of at least two parts, in imports and in code.
    pub(crate) fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        let mut modules: Vec<(String, usize)> = Vec::new();
        let mut depth = 0;
        let mut i = 0;
        while i < self.0.len() {
            match self.text(i) {
                "{" => depth += 1,
                "}" => {
                    depth -= 1;
                    modules.pop_if(|(_, opened_at)| *opened_at > depth);
                }
                "mod" if self.text(i + 2) == "{" => modules.push((self.text(i + 1).to_owned(), depth + 1)),
                _ if self.0[i].is_word() && self.text(i + 1) == "::" => {
                    let inside: Vec<String> = modules.iter().map(|(name, _)| name.clone()).collect();
                    i = self.tree(i, &[], &inside, &mut paths);
                    continue;
                }
                _ => {}
            }
            i += 1;
        }
        paths
    }

    /// Reads the path or import tree that starts at token `i` and gives the index of the token after it.
    fn tree(&self, mut i: usize, prefix: &[String], inside: &[String], out: &mut Vec<Path>) -> usize {
        let line = self.0[i].line;
        let mut parts = prefix.to_vec();
        loop {
            parts.push(self.text(i).to_owned());
            i += 1;
            if self.text(i) != "::" {
                break;
            }
            i += 1;
            if self.text(i) == "{" {
                return self.branches(i + 1, &parts, inside, out);
            }
            // `::<` of a call and `::*` of an import end the names.
            if !self.0.get(i).is_some_and(Token::is_word) {
                break;
            }
        }
        out.push(Path { parts, line, inside: inside.to_vec() });
        i
    }

    /// The inside of `{…}` from the token after the brace; gives the index after the closing one.
    fn branches(&self, mut i: usize, prefix: &[String], inside: &[String], out: &mut Vec<Path>) -> usize {
        while i < self.0.len() && self.text(i) != "}" {
            match self.text(i) {
                "as" => i += 2,
                _ if self.0[i].is_word() => i = self.tree(i, prefix, inside, out),
                _ => i += 1,
            }
        }
        i + 1
    }

    /// Every function that has a body, nested ones too.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let starts =
            (0..self.0.len()).filter(|&i| self.text(i) == "fn" && self.0.get(i + 1).is_some_and(Token::is_word));
        starts.filter_map(|i| self.function(i)).collect()
    }

    fn function(&self, start: usize) -> Option<Function> {
        let mut nesting = 0;
        for i in start..self.0.len() {
            match self.text(i) {
                "(" | "[" => nesting += 1,
                ")" | "]" => nesting -= 1,
                ";" if nesting == 0 => return None,
                "{" if nesting == 0 => {
                    let line = self.0[start].line;
                    let lines = self.0[self.closing(i)].line - line + 1;
                    return Some(Function { name: self.text(start + 1).to_owned(), line, lines });
                }
                _ => {}
            }
        }
        None
    }

    /// The lines of the `#[cfg(test)] mod … { … }` blocks.
    pub(crate) fn test_modules(&self) -> Vec<Range<usize>> {
        const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
        let marked = (0..self.0.len()).filter(|&i| MARK.iter().enumerate().all(|(k, mark)| self.text(i + k) == *mark));
        marked
            .filter(|&i| self.text(i + 7) == "mod" && self.text(i + 9) == "{")
            .map(|i| self.0[i].line..self.0[self.closing(i + 9)].line + 1)
            .collect()
    }

    /// The lines where macro `name!` is called.
    pub(crate) fn macro_calls(&self, name: &str) -> Vec<usize> {
        let calls = (0..self.0.len()).filter(|&i| self.text(i) == name && self.text(i + 1) == "!");
        calls.map(|i| self.0[i].line).collect()
    }

    /// The index of the brace that closes the one at `open`, or of the last token.
    fn closing(&self, open: usize) -> usize {
        let mut depth = 0;
        for i in open..self.0.len() {
            match self.text(i) {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return i;
            }
        }
        self.0.len() - 1
    }

    fn text(&self, i: usize) -> &str {
        self.0.get(i).map_or("", |token| &token.text)
    }
}

struct Lexer<'a> {
    rest: &'a str,
    line: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(mut self) -> Vec<Token> {
        while let Some(first) = self.rest.chars().next() {
            let length = match first {
                _ if self.rest.starts_with("//") => self.rest.find('\n').unwrap_or(self.rest.len()),
                _ if self.rest.starts_with("/*") => block_comment(self.rest),
                '"' => quoted(self.rest),
                '\'' => quote(self.rest),
                'r' | 'b' | 'c' if string_prefix(self.rest).is_some() => prefixed_string(self.rest),
                _ if first.is_alphabetic() || first == '_' => self.keep(word(self.rest)),
                // A number swallows its suffix, so that `1u64` gives no word.
                _ if first.is_ascii_digit() => word(self.rest),
                _ if self.rest.starts_with("::") => self.keep(2),
                _ if first.is_whitespace() => first.len_utf8(),
                _ => self.keep(first.len_utf8()),
            };
            let (read, rest) = self.rest.split_at(length);
            self.line += read.matches('\n').count();
            self.rest = rest;
        }
        self.tokens
    }

    fn keep(&mut self, length: usize) -> usize {
        self.tokens.push(Token { text: self.rest[..length].to_owned(), line: self.line });
        length
    }
}

fn word(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// Block comments nest.
fn block_comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let step = match rest {
            [b'/', b'*', ..] => {
                depth += 1;
                2
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                2
            }
            _ => 1,
        };
        at += step;
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a `"…"` with escapes.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character such as `'x'` or `'\''`, or the tick of a lifetime, whose name then follows as a word.
fn quote(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some(_)) => chars.find(|(_, c)| *c == '\'').map_or(text.len(), |(at, _)| at + 1),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 1,
    }
}

/// The length of what stands before the quotes of `r"`, `br##"`, `b"`, `c"` or `b'`, if this is one of them.
fn string_prefix(text: &str) -> Option<usize> {
    let letters = text.find(|c| !matches!(c, 'r' | 'b' | 'c'))?;
    let hashes = if text[..letters].contains('r') { text[letters..].find(|c| c != '#')? } else { 0 };
    let known = matches!(&text[..letters], "r" | "b" | "c" | "br" | "cr");
    let opens = text[letters + hashes..].starts_with('"') || text.starts_with("b'");
    (known && opens).then_some(letters + hashes)
}

fn prefixed_string(text: &str) -> usize {
    let prefix = string_prefix(text).expect("the caller has seen the prefix");
    if text.starts_with("b'") {
        return 1 + quote(&text[1..]);
    }
    if !text[..prefix].contains('r') {
        return prefix + quoted(&text[prefix..]);
    }
    let hashes = text[..prefix].matches('#').count();
    let end = format!("\"{}", "#".repeat(hashes));
    text[prefix + 1..].find(&end).map_or(text.len(), |at| prefix + 1 + at + end.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Tokens::of(text).0.into_iter().map(|token| token.text).collect()
    }

    fn paths(text: &str) -> Vec<String> {
        Tokens::of(text).paths().into_iter().map(|path| path.parts.join("::")).collect()
    }

    #[test]
    fn comments_and_strings_leave_no_tokens() {
        assert_eq!(words("a // b\n/* c /* d */ e */ f"), ["a", "f"]);
        assert_eq!(
            words(r##"x("\"todo!", r#"a "b" c"#, b"d", b'\'', '"', 'e') y"##),
            ["x", "(", ",", ",", ",", ",", ",", ")", "y"]
        );
        assert_eq!(words("fn f<'a>(r: &'a str)"), ["fn", "f", "<", "a", ">", "(", "r", ":", "&", "a", "str", ")"]);
        assert_eq!(words("1_000u64 + 2"), ["+"]);
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let tokens = Tokens::of("a\n\"x\ny\"\n/*\n*/ b");
        assert_eq!(tokens.0.iter().map(|token| token.line).collect::<Vec<_>>(), [1, 5]);
    }

    #[test]
    fn import_trees_are_taken_apart() {
        assert_eq!(
            paths("use crate::{event::{self, Value as V}, lang::ast};"),
            ["crate::event::self", "crate::event::Value", "crate::lang::ast"]
        );
        assert_eq!(
            paths("let x = crate::engine::step::<u8>(Value::Missing) { y };"),
            ["crate::engine::step", "Value::Missing"]
        );
        assert_eq!(paths("use super::*; pub(super) struct A;"), ["super"]);
    }

    #[test]
    fn paths_know_their_inline_modules() {
        let found = Tokens::of("mod a { mod b { use super::x; } use super::y; } use super::z;").paths();
        let inside: Vec<String> = found.iter().map(|path| path.inside.join("::")).collect();
        assert_eq!(inside, ["a::b", "a", ""]);
    }

    #[test]
    fn functions_are_measured_to_their_brace() {
        let text = "trait T { fn a(); fn b(x: [u8; 2]) -> fn(u8) {\n  if x {\n }\n }\n}";
        assert_eq!(Tokens::of(text).functions(), [Function { name: "b".to_owned(), line: 1, lines: 4 }]);
    }

    #[test]
    fn test_modules_are_found() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n#[cfg(test)]\nmod elsewhere;\n#[cfg(test)] mod last { }";
        assert_eq!(Tokens::of(text).test_modules(), [2..6, 8..9]);
    }

    #[test]
    fn macro_calls_are_found() {
        assert_eq!(Tokens::of("fn f() {\n todo!() }\n// todo!()\n").macro_calls("todo"), [2]);
    }
}
