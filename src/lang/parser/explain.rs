//! From pest's errors to plain words: what stands there, what could, and what was probably meant.

use pest::error::{Error, ErrorVariant, InputLocation};

use super::grammar::Rule;
use super::value::TIME_UNITS_HELP;
use crate::diagnostic::{Code, Diagnostic, FileId, Span, closest};
use crate::lang::words::{ITEM_WORDS, KEYWORDS};

/// Where an error happened.
pub(super) struct Context<'a> {
    /// The file.
    pub(super) file: FileId,
    /// Its whole text.
    pub(super) text: &'a str,
    /// Where the text that pest was given begins.
    pub(super) base: usize,
    /// Where it ends.
    pub(super) limit: usize,
    /// The first word of what was read.
    pub(super) item: &'a str,
}

/// How far pest came, in the text that it was given.
pub(super) fn place(error: &Error<Rule>) -> usize {
    match error.location {
        InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
    }
}

/// An error in plain words.
pub(super) fn explain(error: &Error<Rule>, context: &Context<'_>) -> Diagnostic {
    let at = context.base + place(error);
    let expected: &[Rule] = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives,
        ErrorVariant::CustomError { .. } => &[],
    };
    let token = token(&context.text[at..context.limit]);
    // What lacks at the end lacks after the last word, not where the next item begins.
    let at = if token.is_empty() { context.base + context.text[context.base..at].trim_end().len() } else { at };
    let span = Span::new(context.file, at..at + token.len());
    let keywords = keywords(expected);
    misspelt_here(token, span, &keywords)
        .or_else(|| misspelt_before(context, at, &keywords))
        .or_else(|| special(context, token, span, expected))
        .unwrap_or_else(|| plain(context, token, span, expected))
}

/// The word at the place resembles a keyword that could stand there.
fn misspelt_here(token: &str, span: Span, keywords: &[&'static str]) -> Option<Diagnostic> {
    if !is_word(token) || KEYWORDS.contains(&token) {
        return None;
    }
    let meant = resembles(token, keywords.iter().copied())?;
    Some(misspelt(token, span, meant))
}

/// A misspelt keyword is often taken for a name, and the error found only after it.
fn misspelt_before(context: &Context<'_>, at: usize, keywords: &[&'static str]) -> Option<Diagnostic> {
    const AFTER_STEP: &[&str] =
        &["where", "then", "within", "unless", "alert", "every", "next", "and", "or", "not", "expect"];
    let before = &context.text[context.base..at];
    words_before(before).find_map(|(start, word)| {
        if KEYWORDS.contains(&word) {
            return None;
        }
        let meant = resembles(word, AFTER_STEP.iter().chain(keywords).copied().filter(|k| k.len() > 2))?;
        let start = context.base + start;
        Some(misspelt(word, Span::new(context.file, start..start + word.len()), meant))
    })
}

fn misspelt(word: &str, span: Span, meant: &str) -> Diagnostic {
    Diagnostic::new(Code::MisspeltKeyword, span, format!("`{word}` is no keyword"))
        .at("not a keyword")
        .help(format!("did you mean `{meant}`?"))
        .fix(span, meant)
}

/// The keyword that a word resembles closely enough to be it: two letters may be wrong in a long one, one in a short.
fn resembles<'a>(word: &str, keywords: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() < 3 {
        return None;
    }
    let meant = closest(word, keywords.into_iter().filter(|k| k.len().abs_diff(word.len()) <= 1))?;
    // `closest` allows one change in three letters; here the first letter or the length must agree as well.
    let same_start = meant.as_bytes()[0].eq_ignore_ascii_case(&word.as_bytes()[0]);
    (same_start || meant.len() > 4).then_some(meant)
}

/// The last two words before a place, the nearest first, as long as only white space stands between.
fn words_before(before: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = before;
    std::iter::from_fn(move || {
        let trimmed = rest.trim_end();
        let start = trimmed
            .rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .map_or(0, |n| n + trimmed[n..].chars().next().map_or(1, char::len_utf8));
        rest = &trimmed[..start];
        (start < trimmed.len()).then(|| (start, &trimmed[start..]))
    })
    .take(2)
}

/// Mistakes that have words of their own.
fn special(context: &Context<'_>, token: &str, span: Span, expected: &[Rule]) -> Option<Diagnostic> {
    let at = span.range().start;
    let before = words_before(&context.text[context.base..at]).next().map_or("", |(_, word)| word);
    if expected.iter().any(|r| matches!(r, Rule::time_unit | Rule::unknown_time_unit)) {
        let text = context.text[..at].trim_end();
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '.').len();
        let number = Span::new(context.file, digits..text.len());
        return Some(
            Diagnostic::new(Code::UnknownUnit, number, "a unit of time is missing")
                .at("of which unit?")
                .help(TIME_UNITS_HELP),
        );
    }
    if token == "in" && matches!(before, "is" | "not") {
        return Some(
            Diagnostic::new(Code::Syntax, span, "`is in` is written without `is`")
                .at("`is` stands before it")
                .help("write `x in (…)` or `x not in (…)`"),
        );
    }
    if matches!(token, "&&" | "||" | "!" | "%") {
        let (meant, what) = match token {
            "&&" => ("and", "joins conditions"),
            "||" => ("or", "joins conditions"),
            "!" => ("not", "turns a condition round"),
            _ => ("percent", "is the unit"),
        };
        return Some(
            Diagnostic::new(Code::Syntax, span, format!("`{token}` is no sign of this language"))
                .at("unknown sign")
                .help(format!("`{meant}` {what}"))
                .fix(span, meant),
        );
    }
    if token == "'" {
        return Some(
            Diagnostic::new(Code::Syntax, span, "texts stand in double quotes")
                .at("a single quote")
                .help("write `\"text\"`"),
        );
    }
    if context.item == "event" && is_word(token) && !before.is_empty() && phrases(expected).0.is_empty() {
        let end = Span::new(context.file, context.text[..at].trim_end().len()..context.text[..at].trim_end().len());
        return Some(
            Diagnostic::new(Code::Syntax, span, format!("a comma is missing before `{token}`"))
                .at("the next field")
                .help("fields are separated by commas")
                .fix(end, ","),
        );
    }
    let names_step = expected.contains(&Rule::step_name);
    if names_step && KEYWORDS.contains(&token) {
        return Some(
            Diagnostic::new(Code::StepName, span, format!("`{token}` is a keyword and cannot name a step"))
                .at("a keyword")
                .help("choose another name, or quote it")
                .fix(span, format!("`{token}`")),
        );
    }
    None
}

/// What is expected, and what is found.
fn plain(context: &Context<'_>, token: &str, span: Span, expected: &[Rule]) -> Diagnostic {
    let (wanted, complete) = phrases(expected);
    let found = found(context, token);
    if !ITEM_WORDS.contains(&context.item) && span.range().start == context.base && complete {
        return Diagnostic::new(Code::Syntax, span, format!("{found} begins nothing"))
            .at("an item is expected here")
            .help("a file is made of `event`, `rule`, `test`, `list`, `table`, `risk` and `measure`");
    }
    let problem = if wanted.is_empty() {
        Diagnostic::new(Code::Syntax, span, format!("{found} cannot stand here")).at("not expected")
    } else {
        let list = list_of(&wanted);
        Diagnostic::new(Code::Syntax, span, format!("expected {list}, found {found}")).at(format!("expected {list}"))
    };
    match missing_word(context, span) {
        Some(help) => problem.help(help),
        None => problem,
    }
}

/// Help where a word in front of the place tells what is missing.
fn missing_word(context: &Context<'_>, span: Span) -> Option<&'static str> {
    let before = words_before(&context.text[context.base..span.range().start]).next().map_or("", |(_, word)| word);
    Some(match before {
        "on" | "then" | "unless" | "next" | "every" => "the type of an event follows: `then purchase`",
        "where" => "a condition follows: `where amount > 100`",
        "within" => "a duration follows: `within 5 minutes`",
        "rule" | "risk" | "measure" | "event" | "list" | "table" => "a name follows",
        _ => return None,
    })
}

fn found(context: &Context<'_>, token: &str) -> String {
    match token {
        "" if context.limit == context.text.len() => "the end of the file".to_string(),
        "" => format!("the end of this {}", if pieces(context.item) { context.item } else { "clause" }),
        token if token.starts_with('"') => "a text".to_string(),
        token => format!("`{token}`"),
    }
}

fn pieces(item: &str) -> bool {
    ITEM_WORDS.contains(&item)
}

/// The word, number, text or sign at the beginning of a text; may be empty at its end.
fn token(text: &str) -> &str {
    let Some(first) = text.chars().next() else { return "" };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let length = if word(first) {
        text.find(|c| !word(c)).unwrap_or(text.len())
    } else if first == '"' {
        text[1..].find(['"', '\n']).map_or(text.len(), |n| n + 1 + usize::from(text.as_bytes()[n + 1] == b'"'))
    } else {
        let same = |sign: &str| text.starts_with(sign);
        if same("&&") || same("||") { 2 } else { first.len_utf8() }
    };
    &text[..length]
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// The keywords with which the expected parts begin.
fn keywords(expected: &[Rule]) -> Vec<&'static str> {
    expected.iter().flat_map(|r| begins_with(*r)).copied().collect()
}

/// The keywords with which a part can begin.
fn begins_with(part: Rule) -> &'static [&'static str] {
    match part {
        Rule::entry => ITEM_WORDS,
        Rule::rule | Rule::kw_rule => &["rule"],
        Rule::event | Rule::kw_event => &["event"],
        Rule::test | Rule::kw_test => &["test"],
        Rule::list | Rule::list_of | Rule::kw_list => &["list"],
        Rule::table | Rule::kw_table => &["table"],
        Rule::risk | Rule::kw_risk => &["risk"],
        Rule::measure | Rule::kw_measure => &["measure"],
        Rule::for_each | Rule::held | Rule::kw_for => &["for"],
        Rule::kw_each => &["each"],
        Rule::on | Rule::on_types | Rule::kw_on => &["on"],
        Rule::kw_every => &["every"],
        Rule::then | Rule::kw_then => &["then"],
        Rule::kw_next => &["next"],
        Rule::absence | Rule::kw_no => &["no"],
        Rule::kw_of => &["of"],
        Rule::kw_pair => &["pair"],
        Rule::condition | Rule::condition_held | Rule::stray_where | Rule::item_where | Rule::kw_where => &["where"],
        Rule::unless | Rule::kw_unless => &["unless"],
        Rule::within | Rule::kw_within => &["within"],
        Rule::alert | Rule::kw_alert => &["alert"],
        Rule::kw_or => &["or"],
        Rule::kw_and => &["and"],
        Rule::kw_not => &["not"],
        Rule::kw_is | Rule::is_missing | Rule::is_new | Rule::compare | Rule::compare_op => &["is"],
        Rule::kw_in | Rule::is_in => &["in", "not"],
        Rule::over | Rule::window | Rule::kw_over => &["over"],
        Rule::after_idle | Rule::kw_after => &["after"],
        Rule::kw_idle => &["idle"],
        Rule::once_per | Rule::at_line | Rule::expect_at | Rule::kw_at => &["at"],
        Rule::kw_most => &["most"],
        Rule::kw_more => &["more"],
        Rule::kw_gap => &["gap"],
        Rule::kw_missing => &["missing"],
        Rule::kw_new => &["new"],
        Rule::score | Rule::kw_score => &["score"],
        Rule::targets | Rule::kw_to => &["to"],
        Rule::tags | Rule::kw_tags => &["tags"],
        Rule::kw_once => &["once"],
        Rule::kw_per => &["per"],
        Rule::kw_the | Rule::previous | Rule::last_n => &["the"],
        Rule::kw_previous => &["previous"],
        Rule::kw_last => &["last"],
        Rule::emit | Rule::kw_emit => &["emit"],
        Rule::top | Rule::kw_top => &["top"],
        Rule::kw_by => &["by"],
        Rule::kw_as => &["as"],
        Rule::expect_line | Rule::kw_expect => &["expect"],
        Rule::expect_with | Rule::kw_with => &["with"],
        Rule::expect_count => &["once", "nothing"],
        Rule::kw_nothing => &["nothing"],
        Rule::kw_times => &["times"],
        Rule::kw_from => &["from"],
        Rule::kw_topic => &["topic"],
        Rule::kw_key => &["key"],
        _ => &[],
    }
}

/// What is expected, in words and without repetition; and whether a whole item could stand here.
fn phrases(expected: &[Rule]) -> (Vec<String>, bool) {
    let mut wanted: Vec<String> = Vec::new();
    let mut item = false;
    for part in expected {
        let phrase = match part {
            Rule::entry | Rule::EOI => {
                item = true;
                continue;
            }
            Rule::name | Rule::path | Rule::path_head | Rule::ident | Rule::function_name => "a name".to_string(),
            Rule::target => "a target".to_string(),
            Rule::tag => "a tag".to_string(),
            Rule::segment => "a name after the dot".to_string(),
            Rule::key_part => "a field".to_string(),
            Rule::field => "a field and its kind".to_string(),
            Rule::kind | Rule::kind_name => "a kind such as `text` or `number`".to_string(),
            Rule::types | Rule::type_name | Rule::slot | Rule::pair_side | Rule::test_type | Rule::step => {
                "the type of an event".to_string()
            }
            Rule::step_name => "a step's name".to_string(),
            Rule::list_name | Rule::in_values => "a list".to_string(),
            Rule::text | Rule::description | Rule::late_message => "a text".to_string(),
            Rule::message | Rule::template => "a message".to_string(),
            Rule::severity => "a severity".to_string(),
            Rule::integer | Rule::count => "a whole number".to_string(),
            Rule::number | Rule::signed => "a number".to_string(),
            Rule::duration | Rule::duration_part => "a duration".to_string(),
            Rule::literal | Rule::test_field | Rule::object_field => "a value".to_string(),
            Rule::expr | Rule::conjunction | Rule::negation | Rule::comparison => "a condition".to_string(),
            Rule::emitted => "a value and its name".to_string(),
            Rule::sum | Rule::product | Rule::unary | Rule::quantity | Rule::value_path | Rule::call | Rule::lookup => {
                "a value".to_string()
            }
            part => match begins_with(*part) {
                [] => continue,
                words => {
                    item |= words.iter().any(|word| ITEM_WORDS.contains(word));
                    format!("`{}`", words[0])
                }
            },
        };
        if !wanted.contains(&phrase) {
            wanted.push(phrase);
        }
    }
    if item {
        wanted.retain(|phrase| !ITEM_WORDS.contains(&phrase.trim_matches('`')));
    }
    (wanted, item)
}

/// `a, b or c`
fn list_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [init @ .., last] => format!("{} or {last}", init.join(", ")),
    }
}
