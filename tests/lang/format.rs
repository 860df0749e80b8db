//! What the formatter writes is read as the same tree, and written again as the same text.

use proptest::prelude::*;
use tripline::diagnostic::{FileId, SourceMap};
use tripline::lang::ast::File;
use tripline::lang::{fmt, parse};
use tripline::testing::syntax;

/// Reads a text that has no problems.
fn read(text: &str) -> File {
    let (file, problems) = parse(FileId(0), text);
    assert!(problems.is_empty(), "{text}\n{problems:#?}");
    file
}

/// Found by fuzzing: an event was broken into lines for a comment that ended up behind the last one anyway, so that
/// formatting once more joined them.
#[test]
fn a_comment_in_the_last_field_of_an_event_does_not_break_it_into_lines() {
    let text = "event purchase user_id text, amount # in euros\nnumber\n";
    let once = fmt::format(&read(text), text);
    assert_eq!(once, "event purchase user_id text, amount number  # in euros\n");
    assert_eq!(fmt::format(&read(&once), &once), once);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_equals_the_tree_of_its_text(file in syntax::file()) {
        let text = fmt::format(&file, "");
        let again = read(&text);
        prop_assert_eq!(&file.items, &again.items, "{}", text);
        prop_assert_eq!(fmt::format(&again, &text), text);
    }

    #[test]
    fn comments_keep_their_order_and_the_form_is_stable(file in syntax::file(), every in 1..6_usize, alone: bool) {
        let text = commented(&fmt::format(&file, ""), every, alone);
        let (first, problems) = parse(FileId(0), &text);
        prop_assert!(problems.is_empty(), "{}\n{:#?}", text, problems);
        prop_assert_eq!(&first.items, &file.items);
        let once = fmt::format(&first, &text);
        let second = read(&once);
        let texts = |file: &File| file.comments.iter().map(|c| c.text.clone()).collect::<Vec<_>>();
        prop_assert_eq!(texts(&first), texts(&second), "{}", once);
        prop_assert_eq!(&first.items, &second.items);
        prop_assert_eq!(fmt::format(&second, &once), once);
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "([a-z ]|rule|on|then|where|alert|within|\n|[\"{}()\\[\\]`#.,=<>5-9é\u{1b}])*") {
        let (file, problems) = parse(FileId(0), &text);
        let mut sources = SourceMap::default();
        sources.add("a.rules", &text);
        tripline::diagnostic::render(&problems, &sources, tripline::diagnostic::Format::Full { color: false });
        fmt::format(&file, &text);
    }

    #[test]
    fn a_cut_text_is_read_without_a_panic(file in syntax::file(), cut in 0.0..1.0_f64) {
        let text = fmt::format(&file, "");
        let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
        let at = boundaries.get((boundaries.len() as f64 * cut) as usize).copied().unwrap_or(0);
        parse(FileId(0), &text[..at]);
        parse(FileId(0), &text[at..]);
    }
}

/// The text with a comment at the end of, or before, each so-manieth line.
fn commented(text: &str, every: usize, alone: bool) -> String {
    let mut out = String::new();
    for (index, line) in text.lines().enumerate() {
        let comment = format!("# \"note\" {index} {{");
        let parts: &[&str] = match (index % every == 0, alone) {
            (true, true) => &[&comment, "\n", line, "\n"],
            (true, false) => &[line, " ", &comment, "\n"],
            _ => &[line, "\n"],
        };
        out.extend(parts.iter().copied());
    }
    out
}
