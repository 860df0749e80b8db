//! `check`: codes, forms, and every common mistake told at once.

use std::time::{Duration, Instant};

use super::{BAD, Folder, GOOD, tripline};

#[test]
fn good_rules_are_fine() {
    let folder = Folder::new();
    let ran = tripline(&["check", &folder.file("good.rules", GOOD)]).expect(0);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", "1 file: 1 rule, 0 tests, no problems\n"));
}

#[test]
fn bad_rules_are_exit_code_2_with_line_cause_and_fix() {
    let folder = Folder::new();
    let ran = tripline(&["check", &folder.file("bad.rules", BAD)]).expect(2);
    insta::assert_snapshot!(folder.without(&ran.out), @r"
    error[E102]: no event of this rule has a field `user`
     --> bad.rules:4:12
      |
    4 |   for each user
      |            ^^^^
      |
    help: did you mean `user_id`?
      |
    4 |   for each user_id
      |                +++
    ");
    assert_eq!(ran.err, "1 file: 1 error, 0 warnings\n");
}

#[test]
fn a_warning_counts_only_when_asked() {
    let folder = Folder::new();
    let path = folder.file("warned.rules", GOOD.replace("every login", "every login where 5 > 3"));
    tripline(&["check", &path]).expect(0);
    let ran = tripline(&["check", "--strict", &path]).expect(1);
    assert!(ran.out.starts_with("warning[W501]"), "{ran:#?}");
}

#[test]
fn what_cannot_be_read_is_exit_code_3() {
    let folder = Folder::new();
    let missing = tripline(&["check", "no/such/file.rules"]).expect(3);
    assert!(missing.err.contains("cannot read no/such/file.rules"), "{missing:#?}");
    let empty = tripline(&["check", &super::argument(folder.0.path())]).expect(3);
    assert!(empty.err.contains("no .rules file"), "{empty:#?}");
}

#[test]
fn json_is_one_object_a_line() {
    let folder = Folder::new();
    let path = folder.file("bad.rules", BAD);
    let ran = tripline(&["check", "--format", "json", &path]).expect(2);
    let problem: serde_json::Value = serde_json::from_str(ran.out.trim_end()).expect("one object");
    assert_eq!(problem["code"], "E102");
    assert_eq!((&problem["line"], &problem["column"]), (&4.into(), &12.into()));
    assert_eq!(problem["fix"]["replacement"], "user_id");
    assert_eq!(problem["file"], path.as_str());
}

#[test]
fn github_gets_an_annotation() {
    let folder = Folder::new();
    let ran = tripline(&["check", "--format", "github", &folder.file("bad.rules", BAD)]).expect(2);
    assert_eq!(
        folder.without(&ran.out),
        "::error file=bad.rules,line=4,endLine=4,col=12,endColumn=16,title=E102::no event of this rule has a field \
         `user`%0Ahelp: did you mean `user_id`?\n"
    );
}

#[test]
fn all_files_are_checked_together() {
    let folder = Folder::new();
    let event = folder.file("a.rules", "event login user_id text\n");
    let rule = folder.file("b.rules", "rule r\n  for each user_id\n  on login\n  alert low\n");
    tripline(&["check", &event, &rule]).expect(0);
    tripline(&["check", &super::argument(folder.0.path())]).expect(0);
    tripline(&["check", &rule]).expect(2);
}

/// A mistake in a rule, the code that tells it, the line, and a part of the cause or the fix.
const MISTAKES: &[(&str, &str, &str, usize, &str)] = &[
    ("amount > 100", "amuont > 100", "E102", 6, "did you mean `amount`?"),
    ("country text", "country string", "E103", 1, "did you mean `text`?"),
    ("length(country)", "lenght(country)", "E104", 5, "did you mean `length`?"),
    ("within 5 minutes", "wihtin 5 minutes", "E002", 7, "did you mean `within`?"),
    ("every login a", "every logn a", "E101", 5, "did you mean `login`?"),
    ("5 minutes", "5 minuets", "E007", 7, "did you mean `minutes`?"),
    ("amount > 100", "amount = 100", "E003", 6, "is 100"),
    ("amount > 100", "amount > \"100\"", "E201", 6, "a number stands without quotes"),
    ("  within 5 minutes\n", "", "E301", 3, "add `within 5 minutes`"),
    ("not a.country", "not b.country", "E105", 6, "no step is called `b`"),
];

const RULE: &str = "event login user_id text, country text
event purchase user_id text, country text, amount number
rule country_hop
  for each user_id
  on every login a where length(country) > 1
  then purchase where country is not a.country and amount > 100
  within 5 minutes
  alert high
";

#[test]
fn each_common_mistake_is_told_with_its_line_cause_and_fix() {
    let folder = Folder::new();
    tripline(&["check", &folder.file("right.rules", RULE)]).expect(0);
    for (right, wrong, code, line, words) in MISTAKES {
        assert!(RULE.contains(right), "{right}");
        let path = folder.file("wrong.rules", RULE.replacen(right, wrong, 1));
        let started = Instant::now();
        let ran = tripline(&["check", &path]).expect(2);
        quick(started);
        assert_eq!(ran.out.matches("error[").count(), 1, "{wrong}: {}", ran.out);
        for part in [format!("error[{code}]"), format!("wrong.rules:{line}:"), (*words).to_owned()] {
            assert!(ran.out.contains(&part), "{wrong}: no {part:?} in\n{}", ran.out);
        }
    }
}

#[test]
fn several_mistakes_are_told_at_once() {
    let folder = Folder::new();
    // Each in a rule of its own: a misspelt keyword leaves the rest of its rule unchecked.
    let (mut text, mut codes) = (String::new(), Vec::new());
    let (declarations, rule) = RULE.split_once("rule ").expect("a rule follows");
    text.push_str(declarations);
    for (number, (right, wrong, code, ..)) in MISTAKES.iter().enumerate().filter(|(_, mistake)| mistake.3 > 1) {
        text.push_str(&format!(
            "rule {}",
            rule.replacen(right, wrong, 1).replace("country_hop", &format!("r{number}"))
        ));
        codes.push(*code);
    }
    let ran = tripline(&["check", &folder.file("several.rules", text)]).expect(2);
    for code in &codes {
        assert!(ran.out.contains(&format!("error[{code}]")), "no {code} in\n{}", ran.out);
    }
    assert_eq!(ran.out.matches("error[").count(), codes.len(), "{}", ran.out);
}

#[test]
fn deep_brackets_are_refused_at_once() {
    let folder = Folder::new();
    let nested = format!("{}amount > 100{}", "(".repeat(5_000), ")".repeat(5_000));
    let started = Instant::now();
    let ran = tripline(&["check", &folder.file("deep.rules", RULE.replace("amount > 100", &nested))]).expect(2);
    quick(started);
    assert!(ran.out.contains("error[E004]: brackets nest more than 64 deep"), "{}", &ran.out[..500]);
}

#[test]
fn a_file_cut_off_anywhere_is_refused_or_fine_and_never_slow() {
    let folder = Folder::new();
    for cut in [10, 60, 100, 120, 150, 190, 230, 260, 290, 300] {
        let started = Instant::now();
        let ran = tripline(&["check", &folder.file("cut.rules", &RULE[..cut.min(RULE.len() - 2)])]);
        quick(started);
        assert!(matches!(ran.code, Some(0 | 2)), "{ran:#?}");
        assert_eq!(ran.code == Some(2), ran.out.contains("cut.rules:"), "{ran:#?}");
    }
    let end = RULE.find("amount > 100").expect("it is there") + "amount >".len();
    let ran = tripline(&["check", &folder.file("cut.rules", &RULE[..end])]).expect(2);
    assert!(ran.out.contains("the end of the file"), "{}", ran.out);
}

#[test]
fn a_file_that_is_too_large_is_refused_at_once() {
    let folder = Folder::new();
    let started = Instant::now();
    let ran = tripline(&["check", &folder.file("large.rules", "# x\n".repeat(1 << 18) + "#")]).expect(2);
    quick(started);
    assert!(ran.out.contains("error[E005]: the file is larger than 1 MiB"), "{}", ran.out);
}

/// A second is what is promised; a busy machine that starts many programs gets some more.
#[track_caller]
fn quick(started: Instant) {
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
}
