//! `replay`: the same alerts from the same events, however they come.

use std::io::{BufRead, BufReader, Write};
use std::sync::LazyLock;

use tripline::workload::{Settings, Workload};

use super::{BAD, Folder, GOOD, Ran, command, tripline, tripline_reading};

/// Events in order of time, and what the shipped rules say of them.
struct Stream {
    folder: Folder,
    lines: Vec<Vec<u8>>,
    path: String,
    ids: String,
}

/// Few users, so that much happens to each.
static STREAM: LazyLock<Stream> = LazyLock::new(|| {
    let mut workload = Workload::new(Settings { users: 500, ..Settings::default() });
    let mut lines = Vec::new();
    for _ in 0..50_000 {
        let mut line = Vec::new();
        workload.write_line(&mut line);
        lines.push(line);
    }
    let folder = Folder::new();
    let path = folder.file("events.ndjson", lines.concat());
    let ids = replay(&["--ids", "--threads", "1", &path]).out;
    assert!(ids.lines().count() > 100, "{} alerts", ids.lines().count());
    Stream { folder, lines, path, ids }
});

/// Refuses other alerts than those of the stream. Which of several runs that end with one event is told first depends
/// on the places of their events, which other files change.
#[track_caller]
fn assert_as_in_order(ids: &str) {
    assert_same(&sorted_lines(ids), &sorted_lines(&STREAM.ids));
}

fn replay(arguments: &[&str]) -> Ran {
    tripline(&[&["replay", "--rules", "rules"], arguments].concat()).expect(0)
}

fn sorted_lines(text: &str) -> String {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

/// Refuses texts that differ, and shows where they begin to.
#[track_caller]
fn assert_same(got: &str, expected: &str) {
    let differs = got.lines().zip(expected.lines()).find(|(got, expected)| got != expected);
    let counts = (got.lines().count(), expected.lines().count());
    assert!(got == expected, "{} lines instead of {}; the first that differ: {differs:?}", counts.0, counts.1);
}

#[test]
fn an_alert_is_one_object_a_line() {
    let folder = Folder::new();
    let rules = folder.file("good.rules", GOOD);
    let events =
        folder.file("events.ndjson", "{\"type\":\"login\",\"ts\":1767225600000,\"id\":\"e1\",\"user_id\":\"u1\"}\n");
    let ran = tripline(&["replay", "--rules", &rules, &events]).expect(0);
    let alert: serde_json::Value = serde_json::from_str(ran.out.trim_end()).expect("one object");
    insta::assert_json_snapshot!("alert", alert);
    let ids = tripline(&["replay", "--ids", "--rules", &rules, &events]).expect(0);
    assert_eq!(ids.out, "any_login\te1\te1\n");
    assert!(ids.err.starts_with("1 events in "), "{}", ids.err);
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let one = replay(&["--threads", "1", &STREAM.path]).out;
    assert!(!one.is_empty());
    assert_same(&replay(&["--threads", "2", &STREAM.path]).out, &one);
    assert_same(&replay(&["--threads", "5", &STREAM.path]).out, &one);
}

#[test]
fn compressed_files_and_standard_input_are_read_alike() {
    let folder = &STREAM.folder;
    let plain = STREAM.lines.concat();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(&plain).expect("a Vec takes all");
    let gz = folder.file("copy.ndjson.gz", gz.finish().expect("a Vec takes all"));
    let zst = folder.file("copy.ndjson.zst", zstd::encode_all(&*plain, 1).expect("a Vec takes all"));
    assert_same(&replay(&["--ids", &gz]).out, &STREAM.ids);
    assert_same(&replay(&["--ids", &zst]).out, &STREAM.ids);
    let piped = tripline_reading(&["replay", "--rules", "rules", "--ids", "-"], &plain).expect(0);
    assert_same(&piped.out, &STREAM.ids);
}

#[test]
fn several_files_are_merged_by_time() {
    let folder = &STREAM.folder;
    let part = |of: usize| -> Vec<u8> {
        let lines = STREAM.lines.iter().enumerate().filter(|(at, _)| at % 7 % 3 == of);
        lines.flat_map(|(_, line)| line.clone()).collect()
    };
    let paths: Vec<String> = (0..3).map(|of| folder.file(&format!("part{of}.ndjson"), part(of))).collect();
    for threads in ["1", "2"] {
        assert_as_in_order(&replay(&["--ids", "--threads", threads, &paths[0], &paths[1], &paths[2]]).out);
    }
}

#[test]
fn lateness_brings_events_into_order() {
    // Each second backwards: within two seconds all is in order again.
    let backwards: Vec<u8> =
        STREAM.lines.chunks(500).flat_map(|second| second.iter().rev().flatten().copied()).collect();
    let path = STREAM.folder.file("backwards.ndjson", backwards);
    for threads in ["1", "2"] {
        let ran = replay(&["--ids", "--lateness", "2s", "--threads", threads, &path]);
        assert_as_in_order(&ran.out);
        assert!(!ran.err.contains("too late"), "{}", ran.err);
    }
    let strict = replay(&["--ids", &path]);
    assert!(strict.err.contains("events too late and left out"), "{}", strict.err);
    assert_ne!(strict.out, STREAM.ids);
}

#[test]
fn the_end_may_fire_what_still_waits() {
    let folder = Folder::new();
    let events = folder.file(
        "events.ndjson",
        "{\"type\":\"add_to_cart\",\"ts\":0,\"id\":\"e1\",\"user_id\":\"u1\"}\n\
         {\"type\":\"add_to_cart\",\"ts\":60000,\"id\":\"e2\",\"user_id\":\"u2\"}\n\
         {\"type\":\"page_view\",\"ts\":1800000,\"id\":\"e3\",\"user_id\":\"u3\"}\n",
    );
    assert_eq!(replay(&["--ids", &events]).out, "cart_abandoned\te1\te1\n");
    assert_eq!(replay(&["--ids", "--end", "flush", &events]).out, "cart_abandoned\te1\te1\ncart_abandoned\te2\te2\n");
}

#[test]
fn lines_without_an_event_are_told_and_counted() {
    let folder = Folder::new();
    let rules = folder.file("good.rules", GOOD);
    let login = "{\"type\":\"login\",\"ts\":1,\"id\":\"e1\",\"user_id\":\"u1\"}";
    let events = folder.file(
        "events.ndjson",
        format!("{login}\nno json\n{{\"type\":\"login\",\"user_id\":\"u1\"}}\n{{\"type\":\"logout\",\"ts\":2}}\n{{\"type\":\"login\",\"ts\":3}}\n"),
    );
    let ran = tripline(&["replay", "--ids", "--rules", &rules, &events]).expect(0);
    assert_eq!(ran.out, "any_login\te1\te1\n");
    for part in [
        ":2: ",
        ":3: ",
        "2 lines refused",
        "1 events of types that no rule file declares",
        "any_login: 1 events without its key",
    ] {
        assert!(ran.err.contains(part), "no {part:?} in\n{}", ran.err);
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    let mut child = command(&["replay", "--rules", "rules", &STREAM.path]).spawn().expect("the program runs");
    let mut first = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut first).expect("a line comes");
    assert!(first.starts_with('{'), "{first}");
    let ran = Ran::from(child.wait_with_output().expect("it ends")).expect(0);
    assert_eq!(ran.err, "");
}

#[test]
fn bad_rules_are_exit_code_2_and_missing_files_3() {
    let folder = Folder::new();
    let (good, bad) = (folder.file("good.rules", GOOD), folder.file("bad.rules", BAD));
    let events = folder.file("events.ndjson", "");
    let ran = tripline(&["replay", "--rules", &bad, &events]).expect(2);
    assert!(ran.err.contains("error[E102]"), "{ran:#?}");
    tripline(&["replay", "--rules", &good, "no/such.ndjson"]).expect(3);
    tripline(&["replay", "--rules", "no/such.rules", &events]).expect(3);
    assert_eq!(tripline(&["replay", "--rules", &good, &events]).expect(0).out, "");
}

#[test]
fn changes_of_a_table_are_replayed_as_debezium_writes_them() {
    let folder = Folder::new();
    let rules = folder.file(
        "t.rules",
        "table m from topic \"m\" key id with id integer, risk text\nrule raised\n  on m where risk is \"high\" and \
         before.risk is not \"high\"\n  alert high \"{op} {id} from {before.risk}: {m[id].risk}\"\n",
    );
    let envelope = |before: &str, after: &str, op: &str, ms: u32| {
        format!(
            "{{\"schema\":{{}},\"payload\":{{\"before\":{before},\"after\":{after},\"op\":\"{op}\",\"ts_ms\":9,\"source\":{{\"ts_ms\":{ms}}}}}}}\n"
        )
    };
    let lines = [
        envelope("null", r#"{"id":1,"risk":"low"}"#, "c", 1_000),
        envelope(r#"{"id":1,"risk":"low"}"#, r#"{"id":1,"risk":"high"}"#, "u", 2_000),
        envelope(r#"{"id":1,"risk":"high"}"#, "null", "d", 3_000),
        "{\"id\":1}\n".to_owned(),
    ];
    let events = folder.file("changes.ndjson", lines.concat());
    let arguments = ["replay", "--rules", &rules, "--format", "debezium", "--event", "m", &events];
    let ran = tripline(&arguments).expect(0);
    assert_eq!(ran.out.lines().count(), 1, "{}", ran.out);
    assert!(ran.out.contains("update 1 from low: high") && ran.out.contains("1970-01-01T00:00:02.000Z"), "{}", ran.out);
    let whole = tripline(&[&arguments[..], &["--evidence", "full"]].concat()).expect(0).out;
    let event = r#""event":{"@time":2000,"before":{"id":1,"risk":"low"},"id":1,"op":"update","risk":"high"}"#;
    assert!(whole.contains(event), "the row as rules see it, without its envelope: {whole}");
    assert!(ran.err.contains("changes.ndjson:4: no change event of Debezium: it has no `op`"), "{}", ran.err);
    let refused = tripline(&["replay", "--rules", &rules, "--format", "debezium", &events]).expect(3);
    assert!(refused.err.contains("--event"), "{}", refused.err);
}

#[test]
fn whole_events_are_carried_on_demand() {
    let folder = Folder::new();
    let rules = folder.file(
        "t.rules",
        "event login user_id text, country text\nevent purchase user_id text, country text\nrule hop\n  for each \
         user_id\n  on every login a\n  then purchase where country is not a.country\n  within 5 minutes\n  alert \
         high\nrule again\n  for each user_id\n  on hop\n  alert low\nmeasure logins\n  for each user_id\n  on \
         login\n  over 1 minute every 1 minute\n  emit count() as n\n",
    );
    let lines = [
        r#"{"type":"login","ts":1000,"id":"l1","user_id":"u1","country":"DE","device":{"id":"\u00e9 \"x\"","n":1.10}}"#,
        r#"{ "country": "FR", "big": 123456789012345678901, "type": "purchase", "ts": 2000, "user_id": "u1", "l": [] }"#,
        r#"{"type":"login","ts":90000,"id":"l2","user_id":"u2","country":"DE"}"#,
    ];
    let events = folder.file("events.ndjson", lines.map(|line| format!("{line}\n")).concat());
    let run = |more: &[&str]| tripline(&[&["replay", "--rules", &rules, &events], more].concat()).expect(0).out;
    let whole = run(&["--evidence", "full", "--threads", "1"]);
    assert_same(&run(&["--evidence", "full", "--threads", "3"]), &whole);
    let pair = format!("\"event\":{}}},{{", lines[0]);
    assert!(whole.contains(&pair) && whole.contains(&format!("\"event\":{}}}]", lines[1])), "{whole}");
    let json = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("an object");
    let mut alerts: Vec<_> = whole.lines().map(json).collect();
    assert_eq!(alerts.len(), 3, "a match, the alert over it, a measurement: {whole}");
    let again = &alerts[0];
    assert!(again["rule"] == "again" && again["events"][0].get("event").is_none(), "an alert is no message: {again}");
    assert_eq!(alerts[1]["events"][0]["event"], json(lines[0]));
    for event in alerts.iter_mut().flat_map(|alert| alert["events"].as_array_mut().expect("a list")) {
        event.as_object_mut().expect("an object").remove("event");
    }
    let fields = run(&[]);
    assert_same(&run(&["--evidence", "fields"]), &fields);
    assert_eq!(alerts, fields.lines().map(json).collect::<Vec<_>>());
    let refused = tripline(&["replay", "--rules", &rules, "--ids", "--evidence", "full", &events]).expect(3);
    assert!(refused.err.contains("cannot be used with"), "{}", refused.err);
}

#[test]
fn repeats_are_left_out_on_any_number_of_threads() {
    let folder = Folder::new();
    let rules = folder.file("count.rules", "event tick n integer\nrule seen on tick alert low \"{n}\"\n");
    let tick = |n: u32, ms: u32| format!("{{\"type\":\"tick\",\"ts\":{ms},\"id\":\"t{n}\",\"n\":{n}}}\n").into_bytes();
    let mut lines = Vec::new();
    for n in 0..20_000 {
        lines.push(tick(n, n * 10));
        // Of every third there comes a copy a second later.
        if n % 3 == 0 && n >= 100 {
            lines.push(tick(n - 100, (n - 100) * 10));
        }
    }
    lines.push(tick(19_999, 199_990 + 999));
    lines.push(tick(19_998, 199_980 + 1_000));
    let path = folder.file("events.ndjson", lines.concat());
    let run = |threads: &str, window: &str| {
        let mut arguments = vec!["replay", "--rules", &rules, "--ids", "--lateness", "2s", "--threads", threads];
        arguments.extend(["--drop-duplicates", window, &path]);
        tripline(&arguments).expect(0)
    };
    let one = run("1", "1s");
    assert_eq!(one.out.lines().count(), 20_001, "each once, and the copy that is a second apart");
    assert!(one.err.contains("6634 events left out: one with their id came before"), "{}", one.err);
    assert_same(&run("2", "1s").out, &one.out);
    assert_eq!(run("2", "1ms").out.lines().count(), 20_002, "a copy at the same time is always one");
    let refused = tripline(&["replay", "--rules", &rules, "--drop-duplicates", "0s", &path]);
    assert!(refused.err.contains("longer than nothing"), "{}", refused.err);
}

#[test]
fn what_limits_drop_is_told_at_the_end() {
    let folder = Folder::new();
    let rules = "event login user_id text\nevent logout user_id text\nrule stayed\n  for each user_id\n  on every login\n  \
                 then logout\n  within 1 day\n  alert low\n";
    let rules = folder.file("r.rules", rules);
    let line = |kind: &str, at: i64| format!("{{\"type\":\"{kind}\",\"ts\":{at},\"user_id\":\"u1\"}}\n");
    let logins: String = (0..1_030).map(|at| line("login", at)).collect();
    let events = folder.file("events.ndjson", logins + &line("logout", 2_000));
    for threads in ["1", "3"] {
        let ran = tripline(&["replay", "--rules", &rules, "--threads", threads, &events]).expect(0);
        assert_eq!(ran.out.lines().count(), 1_024);
        let told = "stayed: 6 open runs dropped, or not begun: max_open_runs_per_key was reached";
        assert!(ran.err.contains(told), "{}", ran.err);
    }
}
