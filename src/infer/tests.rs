//! From lines to declarations: what is inferred, and that it is a rule file without problems in its one form.

use crate::decode::{DecodeLimits, FieldNames};
use crate::diagnostic::SourceMap;
use crate::infer::Sample;
use crate::infer::sample::{FIELDS_MAX, TYPES_MAX};
use crate::lang;

fn sample(lines: &[&str]) -> Sample {
    let mut sample = Sample::new(FieldNames::default(), DecodeLimits::default());
    for line in lines {
        drop(sample.add(line.as_bytes()));
    }
    sample
}

/// The declarations without their head, once it is sure that they are a rule file in its one form.
#[track_caller]
fn inferred(lines: &[&str]) -> String {
    let text = sample(lines).declarations();
    let mut sources = SourceMap::default();
    let id = sources.add("inferred.rules", &text);
    let (file, problems) = lang::parse(id, &text);
    assert!(problems.is_empty(), "{problems:?}\n{text}");
    assert_eq!(lang::fmt::format(&file, &text), text);
    let checked = lang::check(&[file]);
    assert!(checked.diagnostics.is_empty(), "{:?}\n{text}", checked.diagnostics);
    text.split_once("\n\n").map_or(String::new(), |(_, rest)| rest.to_owned())
}

/// The declarations of events of one type with these bodies. A type with one field stands on one line.
#[track_caller]
fn of(bodies: &[&str]) -> String {
    let lines: Vec<String> = bodies.iter().map(|body| format!("{{\"type\":\"t\",\"ts\":1,{body}}}")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    inferred(&lines)
}

#[track_caller]
fn declares(bodies: &[&str], line: &str) {
    let text = of(bodies);
    assert!(text.lines().any(|found| found.trim().trim_start_matches("event t ") == line), "{line} is not in\n{text}");
}

#[test]
fn scalars_have_their_kinds() {
    declares(&["\"a\":\"x\"", "\"a\":\"y\""], "a text  # always");
    declares(&["\"a\":1", "\"a\":2", "\"b\":1"], "a integer,  # 2 of 3");
    declares(&["\"a\":1", "\"a\":2.5"], "a number  # always");
    declares(&["\"a\":18446744073709551615"], "a number  # always");
    declares(&["\"a\":true", "\"a\":null"], "a boolean  # always");
    declares(&["\"a\":\"10.0.0.1\"", "\"a\":\"2001:db8::1\""], "a ip  # always");
    declares(&["\"a\":\"10.0.0.1\"", "\"a\":\"none\""], "a text  # always");
    declares(&["\"a\":1e400"], "# always: a: only null was seen, so its kind is not known");
}

#[test]
fn times_are_texts_or_plausible_numbers_in_fields_called_so() {
    declares(&["\"a\":\"2026-03-01T12:00:00Z\""], "a time  # always");
    declares(&["\"created_at\":1772366400000"], "created_at time  # always");
    declares(&["\"createdAt\":1772366400000"], "createdAt time  # always");
    declares(&["\"price\":1772366400000"], "price integer  # always");
    declares(&["\"created_at\":1772366400000", "\"created_at\":12"], "created_at integer  # always");
    declares(&["\"cat\":1772366400000"], "cat integer  # always");
}

#[test]
fn places_are_objects_of_two_or_pairs_in_fields_called_so() {
    let object = "\"a\":{\"latitude\":52.5,\"longitude\":13}";
    assert_eq!(of(&[object]), "# 1 event\nevent t a point  # always\n");
    declares(&["\"a\":{\"latitude\":52.5,\"longitude\":13,\"accuracy\":5}"], "a.accuracy integer  # always");
    declares(&["\"a\":{\"latitude\":152.5,\"longitude\":13}"], "a.latitude number,  # always");
    declares(&["\"home_location\":[13.4,52.5]"], "home_location point  # always");
    declares(&["\"sizes\":[13.4,52.5]"], "sizes list of number  # always");
    declares(&["\"location\":[13.4,152.5]"], "location list of number  # always");
    declares(
        &["\"location\":[13.4,52.5]", object.replace("\"a\"", "\"location\"").as_str()],
        "location point  # always",
    );
}

#[test]
fn lists_have_the_kind_of_their_elements() {
    declares(&["\"a\":[\"x\"]", "\"a\":[]"], "a list of text  # always");
    declares(&["\"a\":[[1,2],[3]]"], "a list of list of integer  # always");
    declares(&["\"a\":[1,2.5,null]"], "a list of number  # always");
    declares(&["\"a\":[]"], "# always: a: a list that was always empty, so what it holds is not known");
    declares(&["\"a\":[{\"b\":1}]"], "# always: a: a list of objects, which rules cannot read");
}

#[test]
fn nested_fields_have_dots_and_stand_in_order_of_first_appearance() {
    assert_eq!(
        of(&["\"z\":1,\"m\":{\"id\":\"x\",\"geo\":{\"city\":\"y\"}}", "\"b\":1,\"m\":{\"new\":true}"]),
        "# 2 events\nevent t\n  z integer,  # 1 of 2\n  m.id text,  # 1 of 2\n  m.geo.city text,  # 1 of 2\n  \
         m.new boolean,  # 1 of 2\n  b integer  # 1 of 2\n"
    );
}

#[test]
fn conflicts_are_text_and_say_so() {
    declares(&["\"a\":1", "\"a\":\"x\"", "\"a\":\"y\""], "a text  # always; seen as integer once, text 2 times");
    let both = of(&["\"a\":\"x\"", "\"a\":{\"b\":1}"]);
    assert!(
        both.contains("a text,  # always; seen as text once, object once") && both.contains("a.b integer"),
        "{both}"
    );
    declares(&["\"a\":[1]", "\"a\":1"], "a text  # always; seen as integer once, list once");
}

#[test]
fn nothing_is_known_of_nulls_and_empty_objects() {
    declares(&["\"a\":null"], "# always: a: only null was seen, so its kind is not known");
    declares(&["\"a\":{}"], "# always: a: an object without fields");
    declares(&["\"b\":1,\"a\":null"], "b integer  # always");
}

#[test]
fn names_are_quoted_where_they_need_it() {
    declares(&["\"größe\":1"], "`größe` integer  # always");
    declares(&["\"user-id\":1"], "`user-id` integer  # always");
    declares(&["\"event\":1"], "`event` integer  # always");
    declares(&["\"true\":{\"null\":1}"], "`true`.null integer  # always");
    declares(&["\"日本\":{\"x y\":1}"], "`日本`.`x y` integer  # always");
    for bad in ["a`b", "a.b", "", "a\\nb", "\\u202ea", "\\u0000"] {
        let text = of(&[&format!("\"{bad}\":1,\"fine\":2")]);
        assert!(text.contains("cannot write") && text.contains("fine integer"), "{text}");
    }
    let type_names = inferred(&["{\"type\":\"alert\",\"ts\":1,\"x\":1}", "{\"type\":\"a`b\",\"ts\":1,\"x\":1}"]);
    assert!(type_names.contains("event `alert`") && type_names.contains("cannot write: a`b"), "{type_names}");
}

#[test]
fn type_time_and_id_are_not_declared() {
    let text = inferred(&["{\"type\":\"t\",\"time\":1,\"ts\":2,\"event_id\":\"e\",\"id\":7}"]);
    assert_eq!(text, "# 1 event\nevent t\n  time integer,  # always\n  id integer  # always\n");
}

#[test]
fn an_event_without_fields_stands_before_another() {
    let text =
        inferred(&["{\"type\":\"a\",\"ts\":1}", "{\"type\":\"b\",\"ts\":1,\"rule\":1}", "{\"type\":\"c\",\"ts\":1}"]);
    assert_eq!(text, "# 1 event\nevent a\n\n# 1 event\nevent b `rule` integer  # always\n\n# 1 event\nevent c\n");
}

#[test]
fn what_is_no_event_is_refused_with_its_reason() {
    let mut sample = sample(&[]);
    let mut reason = |line: &str| sample.add(line.as_bytes()).unwrap_err().reason();
    assert_eq!(reason("junk"), "not_json");
    assert_eq!(reason("{\"type\":\"t\",\"ts\":1"), "not_json");
    assert_eq!(reason("[]"), "not_an_object");
    assert_eq!(reason("{\"ts\":1}"), "no_type");
    assert_eq!(reason("{\"type\":\"t\"}"), "no_time");
    assert_eq!(reason("{\"type\":\"t\",\"ts\":1,\"a\":1,\"a\":2}"), "duplicate_field");
    assert_eq!(reason(&format!("{{\"type\":\"t\",\"ts\":1,\"a\":{}1{}}}", "[".repeat(70), "]".repeat(70))), "too_deep");
    assert_eq!((sample.summary().refused, sample.summary().events), (7, 0));
}

#[test]
fn limits_speak() {
    let lines: Vec<String> = (0..TYPES_MAX + 2).map(|n| format!("{{\"type\":\"t{n}\",\"ts\":1,\"a\":1}}")).collect();
    let many_types = sample(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((many_types.summary().types, many_types.summary().beyond_types), (TYPES_MAX, 2));
    assert!(many_types.declarations().contains("# 2 events were left out: more than 200 types."));

    let fields: Vec<String> = (0..FIELDS_MAX + 3).map(|n| format!("\"f{n}\":1")).collect();
    let wide = format!("{{\"type\":\"t\",\"ts\":1,{}}}", fields.join(","));
    assert_eq!(sample(&[&wide]).summary().beyond_fields, 3);
    inferred(&[&wide]);

    let deep = format!("{{\"type\":\"t\",\"ts\":1,{}1{}}}", "\"a\":{".repeat(12) + "\"b\":", "}".repeat(12));
    assert_eq!(sample(&[&deep]).summary().beyond_depth, 1);
    inferred(&[&deep]);
}
