//! What the parser reads, and what it says of what it cannot read.

use super::*;

const TWELVE: &str = include_str!("../../../tests/lang/twelve.rules");

fn read(text: &str) -> File {
    let (file, problems) = parse(FileId(0), text);
    assert_eq!(problems, [], "{text}");
    file
}

#[test]
fn reads_the_twelve_rules() {
    let file = read(TWELVE);
    assert_eq!(file.items.len(), 22);
}

#[test]
fn the_twelve_rules_are_in_the_one_form() {
    let formatted = crate::lang::fmt::format(&read(TWELVE), TWELVE);
    assert_eq!(formatted, TWELVE);
}

/// The codes of a text's problems, and the tree.
fn codes(text: &str) -> Vec<&'static str> {
    parse(FileId(0), text).1.iter().map(|problem| problem.code.as_str()).collect()
}

fn in_rule(clauses: &str) -> Vec<&'static str> {
    codes(&format!("rule r\n  on login\n{clauses}\n"))
}

#[test]
fn every_code_of_the_parser_can_be_had() {
    for (text, code) in [
        ("rule r on login where amount > > 5 alert high", "E001"),
        ("rule r on login alert high \"a } b\"", "E001"),
        ("rule r on login where 1 < amount < 5 alert high", "E001"),
        ("rule r on login where name is \"\\d\" alert high", "E001"),
        ("rul r on login alert high", "E002"),
        ("rule r\n  on login\n  alert high\nrle s\n  on login\n  alert high", "E002"),
        ("rule r on login wher amount > 5 alert high", "E002"),
        ("rule r on login a whithin 5 minutes alert high", "E002"),
        ("rule r on login where amount > 100 whitin 5 minutes alert high", "E002"),
        ("rule r on login thn purchase within 5 minutes alert high", "E002"),
        ("rule r\n  on login\n  wihtin 5 minutes\n  alert high", "E002"),
        ("rule r on login where a > 1 adn b > 2 alert high", "E002"),
        ("rule r on login where amount = 5 alert high", "E003"),
        ("rule r on login where amount > 5 alert high \"{user", "E006"),
        ("rule r on login alert high \"text", "E006"),
        ("rule r on login where `a > 5 alert high", "E006"),
        ("rule r\n  on login where (a > 5\n  alert high", "E006"),
        ("rule r on login then purchase within 5 minuets alert high", "E007"),
        ("rule r on login then purchase within 5 alert high", "E007"),
        ("rule r on login where amount > 5 euros alert high", "E007"),
        ("test r\n  at 4 login user \"u\"\n  expect nothing", "E007"),
        ("rule r on login where amount > 99999999999999999999 alert high", "E008"),
        ("rule r on login where amount > 1e999 alert high", "E008"),
        ("rule r on login then purchase within 0.5 ms alert high", "E008"),
        ("rule r on login then purchase within 99999999999999999 days alert high", "E008"),
        ("rule r on login\u{1b} alert high", "E009"),
        ("rule r on login where a is \"\u{FFFD}\" alert high", "E009"),
        ("rule r on login to alert high", "E109"),
        ("rule r on login then no purchase within 5 m then transfer alert high", "E304"),
        ("rule r on login", "E307"),
        ("rule r on login within 5 m then purchase alert high", "E309"),
        ("rule r on login then purchase within 5 m within 6 m alert high", "E309"),
        ("rule r on login alert high alert low", "E309"),
        ("rule r on login where a > 1 where b > 2 alert high", "E309"),
        ("rule r on login alert high to a \"message\"", "E309"),
        ("rule r on session s of a after 5 m idle then b alert high", "E312"),
    ] {
        assert_eq!(codes(text), [code], "{text}\n{:#?}", parse(FileId(0), text).1);
    }
    assert_eq!(codes(&" ".repeat(FILE_BYTES_MAX + 1)), ["E005"]);
}

#[test]
fn one_problem_hides_no_other() {
    let text = "rule a\n  on login wher x > 1\n  within 5 minuets\n  alert high\n\nrule b\n  on login where x = 1\n  alert\n\
                rule c\n  on\n  alert high\ntest c\n  at 0 s login a 1\n  expct nothing\n";
    assert_eq!(codes(text), ["E002", "E007", "E003", "E001", "E002"], "{:#?}", parse(FileId(0), text).1);
}

#[test]
fn what_is_left_out_is_named() {
    let (file, _) = parse(FileId(0), "event login a text b\nrule `x y` on\nrule z on login alert high\n");
    let dropped: Vec<_> = file.dropped.iter().map(|name| name.node.as_str()).collect();
    assert_eq!((dropped, file.items.len()), (vec!["login", "x y"], 1));
}

/// The stack of a small thread: neither pest nor whoever walks the tree may need more.
fn on_small_stack(text: String) -> Vec<&'static str> {
    let thread = std::thread::Builder::new().stack_size(512 * 1024);
    let run = move || {
        let (file, problems) = parse(FileId(0), &text);
        let formatted = crate::lang::fmt::format(&file, &text);
        drop((file, formatted));
        problems.iter().map(|problem| problem.code.as_str()).collect()
    };
    thread.spawn(run).expect("a thread can be had").join().expect("it must not abort")
}

#[test]
fn depth_is_limited_and_the_limit_fits_a_small_stack() {
    let rule = |condition: &str| format!("rule r\n  on login where {condition}\n  alert high\n");
    let nested = |n: usize, open: &str, close: &str| rule(&format!("{}x{} > 1", open.repeat(n), close.repeat(n)));
    assert!(on_small_stack(nested(64, "(", ")")).is_empty());
    assert!(on_small_stack(nested(64, "f(", ")")).is_empty());
    for (open, close) in [("(", ")"), ("f(", ")"), ("t[", "].x"), ("(", ""), ("not (", ")"), ("x in (", ")")] {
        assert_eq!(on_small_stack(nested(5_000, open, close))[0], "E004", "{open}");
    }
    for repeated in ["not ", "- ", "x is 1 or ", "x and ", "1 + ", "2 * "] {
        assert!(on_small_stack(rule(&format!("{}x is 1", repeated.repeat(200)))).is_empty(), "{repeated}");
        assert_eq!(on_small_stack(rule(&format!("{}x is 1", repeated.repeat(20_000)))), ["E004"], "{repeated}");
    }
    let holes = format!("rule r on login alert high {}x{}", "\"{lower(".repeat(3_000), ")}\"".repeat(3_000));
    assert!(!on_small_stack(holes).is_empty());
    let lists = format!("test r at 0 s login a {}1{} expect nothing", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(on_small_stack(lists)[0], "E004");
    assert_eq!(on_small_stack(format!("event e a {}text", "list of ".repeat(5_000))), ["E004"]);
}

#[test]
fn words_agree_with_the_grammar() {
    use crate::lang::words::{ITEM_WORDS, KEYWORDS, RESERVED};
    use pest::Parser;
    let grammar = include_str!("../../../grammar/rules.pest");
    let mut words: Vec<&str> = grammar.split('"').skip(1).step_by(2).filter(|w| w.len() > 1).collect();
    words.retain(|word| word.chars().all(|c| c.is_ascii_lowercase()));
    for word in words.into_iter().chain(["login"]) {
        let matches = |form| Grammar::parse(form, word).is_ok();
        assert_eq!(matches(Rule::keyword), KEYWORDS.contains(&word), "{word}");
        assert_eq!(matches(Rule::reserved), RESERVED.contains(&word), "{word}");
        assert_eq!(matches(Rule::item_word), ITEM_WORDS.contains(&word), "{word}");
    }
}

#[test]
fn a_forgotten_alert_part_is_no_error_of_the_form() {
    assert!(in_rule("  alert").is_empty());
    assert!(in_rule("  alert score 5 \"m\" to a tags b, \"c {d\" at most once per 5 m").is_empty());
}

/// A field called like an item, at the end of the clause before `alert`, once made the message a text without holes,
/// so that its nested text was reported as not closed.
#[test]
fn a_message_is_seen_after_any_clause() {
    assert!(in_rule("  unless test\n  alert high \"{lower(\"A\")}\"").is_empty());
    assert!(codes("rule `alert` \"{\" on login alert high \"{f(\"x\")}\"").is_empty());
}
