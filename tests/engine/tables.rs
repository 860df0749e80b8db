//! Lists and tables: what rules see of their rows, and when a change is seen.

use std::path::Path;
use std::sync::Arc;

use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::engine::{Engine, InputSettings};
use tripline::event::{Event, Value};
use tripline::program::{Program, Rows, TableId};
use tripline::ruleset::RuleSet;

use super::support::{Feed, program};

/// Files and a rule text: the program, which must be right.
fn with_files(files: &[(&str, &str)], rules: &str) -> Arc<Program> {
    let folder = tempfile::tempdir().expect("a folder for the test");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("writable");
    }
    let set = RuleSet::from_texts_in(folder.path(), [("test.rules".to_owned(), rules.to_owned())]);
    assert!(set.checked.diagnostics.is_empty(), "{:#?}", set.checked.diagnostics);
    set.program().expect("just seen")
}

/// The messages of the alerts of these lines, of which each gets its place as its time.
fn messages(program: &Arc<Program>, lines: &[&str]) -> Vec<String> {
    let mut feed = Feed::new(program, InputSettings::default());
    let mut said = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.replacen('{', &format!("{{\"ts\":{at},"), 1);
        said.extend(feed.push(&line).1.into_iter().map(|alert| alert.message));
    }
    said
}

#[test]
fn a_list_holds_its_keys_and_nothing_is_in_it_where_the_value_is_missing() {
    let program = with_files(
        &[("ips.csv", "ip,why\n192.0.2.1,spam\n::ffff:192.0.2.2,\"a \"\"quoted\"\", reason\"\n")],
        "list bad from \"ips.csv\" key ip\nevent e ip ip\n\
         rule in_it on e where ip in bad alert low \"in {ip}\"\n\
         rule out on e where ip not in bad alert low \"out {ip}\"\n\
         rule neither on e where not (ip in bad) and not (ip not in bad) alert low \"neither\"\n",
    );
    let lines = [
        r#"{"type":"e","ip":"192.0.2.1"}"#,
        r#"{"type":"e","ip":"::ffff:192.0.2.2"}"#,
        r#"{"type":"e","ip":"192.0.2.3"}"#,
        r#"{"type":"e","ip":"none"}"#,
    ];
    assert_eq!(messages(&program, &lines), ["in 192.0.2.1", "in 192.0.2.2", "out 192.0.2.3", "neither"]);
}

#[test]
fn a_column_is_missing_without_key_row_or_value() {
    let program = with_files(
        &[("m.csv", "id,risk,limit\nm1,high,100\nm2,,200\n")],
        "table m from \"m.csv\" key id\nevent e id text, amount number\n\
         rule r on e where m[id].risk is missing or amount > m[id].limit alert low \"{id} {m[id].risk} {m[id].limit}\"\n",
    );
    let lines = [
        r#"{"type":"e","id":"m1","amount":100}"#,
        r#"{"type":"e","id":"m1","amount":101}"#,
        r#"{"type":"e","id":"m2"}"#,
        r#"{"type":"e","id":"m3"}"#,
        r#"{"type":"e"}"#,
    ];
    assert_eq!(messages(&program, &lines), ["m1 high 100", "m2 ? 200", "m3 ? ?", "? ? ?"]);
}

#[test]
fn look_ups_nest_and_stand_wherever_a_value_may() {
    let program = with_files(
        &[
            ("users.ndjson", "{\"id\":1,\"account\":{\"id\":\"a1\"}}\n\n{\"id\":2,\"account\":{\"id\":\"a2\"}}\n"),
            ("accounts.csv", "id,tier,limit\na1,gold,10.5\na2,basic,20\n"),
        ],
        "table users from \"users.ndjson\" key id\ntable accounts from \"accounts.csv\" key id\n\
         event e user integer, amount number\n\
         rule r on every e a then e b\n\
         where accounts[users[a.user].account.id].limit + accounts[users[user].account.id].limit < amount\n\
         within 1 minute\n\
         alert low \"{accounts[users[b.user].account.id].tier}\"\n",
    );
    let lines = [r#"{"type":"e","user":1,"amount":1}"#, r#"{"type":"e","user":2,"amount":30.6}"#];
    assert_eq!(messages(&program, &lines), ["basic"]);
    let lines = [r#"{"type":"e","user":1,"amount":1}"#, r#"{"type":"e","user":2,"amount":30.4}"#];
    assert_eq!(messages(&program, &lines), [""; 0]);
}

#[test]
fn windows_look_up_what_holds_at_the_event_at_hand() {
    let program = with_files(
        &[("m.csv", "id,risk\nm1,high\nm2,low\n")],
        "table m from \"m.csv\" key id\nevent e id text, amount number\n\
         rule r on e where count(e where m[id].risk is \"high\") over 1 hour >= 2 alert low \"{id} {m[id].risk}\"\n\
         rule idle on session s of e after 1 s idle where m[last(s.id)].risk is \"low\" alert low \"{m[\"m2\"].risk}\"\n",
    );
    let lines = [r#"{"type":"e","id":"m1"}"#, r#"{"type":"e","id":"m2"}"#, r#"{"type":"e","id":"m1"}"#];
    assert_eq!(messages(&program, &lines), ["m1 high"]);
    let mut feed = Feed::new(&program, InputSettings::default());
    let mut said = feed.push(r#"{"type":"e","ts":0,"id":"m2"}"#).1;
    feed.stream.finish(tripline::engine::End::Flush, &mut said);
    assert_eq!(said.iter().map(|alert| alert.message.as_str()).collect::<Vec<_>>(), ["low"], "at a session's close");
}

#[test]
fn an_empty_list_is_of_the_kind_that_it_is_asked_for() {
    let program = with_files(
        &[("ips.csv", "ip\n")],
        "list bad from \"ips.csv\" key ip\nevent e ip ip\nrule r on e where ip not in bad alert low \"{ip}\"\n",
    );
    assert_eq!(program.tables[0].key.kind, tripline::schema::Kind::Ip);
    assert_eq!(messages(&program, &[r#"{"type":"e","ip":"10.0.0.1"}"#]), ["10.0.0.1"]);
}

const CHANGES: &str = "
table m from topic \"merchants\" key id with id text, risk text
event buy id text
rule bought on buy where m[id].risk is \"high\" alert low \"buy {id}\"
rule raised on m where risk is \"high\" and before.risk is not \"high\" alert low \"raised {id} from {before.risk}\"
rule known on m where op is \"create\" and m[id].risk is risk alert low \"created {id}\"
rule gone on m where op is \"delete\" and m[id].id is missing alert low \"gone {id}\"
";

#[test]
fn a_change_applies_before_rules_judge_it_and_stays() {
    let program = program(CHANGES);
    let lines = [
        r#"{"type":"buy","id":"m1"}"#,
        r#"{"type":"m","id":"m1","risk":"low","op":"create"}"#,
        r#"{"type":"buy","id":"m1"}"#,
        r#"{"type":"m","id":"m1","risk":"high","before":{"risk":"low"},"op":"update"}"#,
        r#"{"type":"buy","id":"m1"}"#,
        r#"{"type":"m","id":"m1","op":"delete"}"#,
        r#"{"type":"buy","id":"m1"}"#,
        // Without `op` an event sets the row; without the key it changes nothing.
        r#"{"type":"m","id":"m2","risk":"high"}"#,
        r#"{"type":"m","risk":"low"}"#,
        r#"{"type":"buy","id":"m2"}"#,
    ];
    let expected = ["created m1", "raised m1 from low", "buy m1", "gone m1", "buy m2"];
    assert_eq!(messages(&program, &lines), expected);
}

#[test]
fn every_shard_sees_every_change() {
    let text = CHANGES.replace("rule bought on", "rule bought for each id on");
    let program = program(&text);
    let mut decoder = JsonDecoder::new(&program, &FieldNames::default(), DecodeLimits::default());
    let mut count = 0;
    for mut engine in Engine::sharded(&program, 4) {
        let mut alerts = Vec::new();
        for at in 0..128_i64 {
            let (kind, id) = if at < 64 { ("m", at) } else { ("buy", at - 64) };
            let line = format!(r#"{{"type":"{kind}","ts":{at},"id":"m{id}","risk":"high"}}"#);
            let mut event = Event::default();
            decoder.decode(line.as_bytes(), &mut event).expect("an event");
            engine.on_event(&event, &mut alerts);
        }
        count += alerts.iter().filter(|alert| &*alert.rule_name == "bought").count();
    }
    assert_eq!(count, 64);
}

#[test]
fn rows_are_replaced_and_changed_for_one_engine_only() {
    let program = with_files(
        &[("ids.csv", "id\n1\n")],
        "list ids from \"ids.csv\" key id\nevent e id integer\nrule r on e where id in ids alert low\n",
    );
    let (mut one, mut other) = (Engine::new(Arc::clone(&program)), Engine::new(Arc::clone(&program)));
    let judged = |engine: &mut Engine, id: i64| {
        let mut alerts = Vec::new();
        let event =
            Event { type_id: program.schema.type_id("e"), values: vec![Value::Integer(id)], ..Event::default() };
        engine.on_event(&event, &mut alerts);
        alerts.len()
    };
    let list = TableId(0);
    one.update_table(list, &Value::Integer(2), Some(Box::new([])));
    assert_eq!((judged(&mut one, 2), judged(&mut other, 2)), (1, 0));
    let mut rows = Rows::default();
    rows.insert(&Value::Integer(3), Box::new([]));
    one.replace_table(list, Arc::new(rows));
    assert_eq!((judged(&mut one, 1), judged(&mut one, 3), judged(&mut other, 1)), (0, 1, 1));
    one.update_table(list, &Value::Integer(3), None);
    assert_eq!(judged(&mut one, 3), 0);
}

#[test]
fn ids_do_not_depend_on_what_a_file_holds() {
    let rules = "table m from \"m.csv\" key id\nevent e id text\nrule r on e where m[id].risk is \"high\" alert low\n";
    let ids = |file: &str| {
        let program = with_files(&[("m.csv", file)], rules);
        let mut feed = Feed::new(&program, InputSettings::default());
        let (_, alerts) = feed.push(r#"{"type":"e","ts":1,"id":"m1"}"#);
        (alerts[0].id, alerts[0].version.clone())
    };
    assert_eq!(ids("id,risk\nm1,high\n"), ids("id,risk,other\nm1,high,7\nm2,low,8\n"));
}

#[test]
fn compressed_files_are_read() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let path = folder.path().join("ids.csv.gz");
    let mut gz =
        flate2::write::GzEncoder::new(std::fs::File::create(&path).expect("writable"), flate2::Compression::fast());
    std::io::Write::write_all(&mut gz, b"id\nx\n").expect("writable");
    gz.finish().expect("writable");
    let rules = "list ids from \"ids.csv.gz\" key id\nevent e id text\nrule r on e where id in ids alert low\n";
    let set = RuleSet::from_texts_in(Path::new(folder.path()), [("t.rules".to_owned(), rules.to_owned())]);
    assert_eq!(set.program().expect("it is right").tables[0].rows.len(), 1);
}
