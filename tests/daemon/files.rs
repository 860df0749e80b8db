//! Files and standard input in place of topics: read to their end, merged by time.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const RULES: &str = r#"
event login     user_id text, country text
event purchase  user_id text, country text

rule country_hop
  for each user_id
  on every login a
  then purchase b where country is not a.country
  within 5 minutes
  alert high "{user_id}: login from {a.country}, purchase from {b.country}"
"#;

const LOGINS: &str = r#"{"type":"login","ts":1000,"id":"l1","user_id":"u1","country":"DE"}
not an event
{"type":"login","ts":3000,"id":"l2","user_id":"u2","country":"DE"}
"#;

const PURCHASES: &str = r#"{"type":"purchase","ts":2000,"id":"p1","user_id":"u1","country":"FR"}
{"type":"purchase","ts":4000,"id":"p2","user_id":"u2","country":"DE"}
"#;

fn folder(config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is written");
    write("test.rules", RULES);
    write("logins.ndjson", LOGINS);
    write("purchases.ndjson", PURCHASES);
    write("tripline.toml", &format!("name = \"test\"\nrules = [\"test.rules\"]\n{config}"));
    folder
}

fn run(folder: &Path, stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_tripline"))
        .arg("run")
        .arg("-c")
        .arg(folder.join("tripline.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    child.stdin.take().expect("it is piped").write_all(stdin.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

fn alerts(text: &str) -> Vec<String> {
    let message = |line: &str| {
        let alert: serde_json::Value = serde_json::from_str(line).expect("JSON");
        alert["message"].as_str().expect("text").to_owned()
    };
    text.lines().map(message).collect()
}

#[test]
fn files_are_merged_by_time_and_what_is_no_event_is_kept() {
    let folder = folder(
        "[[source]]\nfile = \"logins.ndjson\"\n[[source]]\nfile = \"purchases.ndjson\"\n[alerts]\nfile = \
         \"alerts.ndjson\"\n[dead_letters]\nfile = \"dead.ndjson\"\n",
    );
    let out = run(folder.path(), "");
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("it is there");
    assert_eq!(alerts(&read("alerts.ndjson")), ["u1: login from DE, purchase from FR"]);
    let letter: serde_json::Value = serde_json::from_str(read("dead.ndjson").trim_end()).expect("one line of JSON");
    assert_eq!(
        (&letter["reason"], &letter["offset"], &letter["payload"]),
        (&"not_json".into(), &2.into(), &"not an event".into())
    );
}

#[test]
fn standard_input_goes_through_to_standard_output_and_to_a_sink() {
    let folder = folder(
        "[[source]]\nstdin = true\n[alerts]\nstdout = true\n[sink.desk.email]\nserver = \"file:mails\"\nfrom = \
         \"a@example.com\"\nto = \"b@example.com\"\n",
    );
    let out = run(folder.path(), &format!("{LOGINS}{}", PURCHASES.replace("2000", "3500")));
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(alerts(&String::from_utf8_lossy(&out.stdout)), ["u1: login from DE, purchase from FR"]);
    let mails = std::fs::read_dir(folder.path().join("mails")).expect("the sink wrote");
    assert_eq!(mails.count(), 1, "the sink has finished before the end");
}

#[test]
fn a_file_that_is_judged_again_leaves_each_alert_in_the_archive_once() {
    let folder = folder(
        "[[source]]\nfile = \"logins.ndjson\"\n[[source]]\nfile = \"purchases.ndjson\"\n[alerts]\nstdout = \
         true\n[sink.archive.file]\npath = \"archive/alerts.ndjson\"\n",
    );
    for _ in 0..2 {
        let out = run(folder.path(), "");
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
        let archive = std::fs::read_to_string(folder.path().join("archive/alerts.ndjson")).expect("the sink wrote");
        assert_eq!(archive, String::from_utf8_lossy(&out.stdout), "as on standard output");
    }
}

#[test]
fn what_a_server_does_not_take_lies_with_the_dead_letters() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = server.local_addr().expect("a bound socket").port();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.expect("a visitor");
            let mut bytes = [0; 8192];
            let read = std::io::Read::read(&mut stream, &mut bytes).expect("a request");
            assert!(bytes[..read].starts_with(b"POST /hook HTTP/1.1"));
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").expect("it waits");
        }
    });
    let folder = folder(&format!(
        "[[source]]\nstdin = true\n[alerts]\nstdout = true\n[dead_letters]\nfile = \"dead.ndjson\"\n\
         [sink.soc.webhook]\nurl = \"http://127.0.0.1:{port}/hook\"\ninsecure_plaintext = true\nallow_private = true\n"
    ));
    let out =
        run(folder.path(), &format!("{}{}", LOGINS.replace("not an event\n", ""), PURCHASES.replace("2000", "3500")));
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let dead = std::fs::read_to_string(folder.path().join("dead.ndjson")).expect("there is one");
    let letter: serde_json::Value = serde_json::from_str(dead.trim_end()).expect("one line of JSON");
    assert_eq!((&letter["reason"], &letter["sink"]), (&"alert".into(), &"soc".into()));
    assert_eq!(letter["detail"], format!("http://127.0.0.1:{port} answers 404 Not Found"));
    let alert = letter["alert"].as_str().expect("the alert as it was");
    assert_eq!(alert, String::from_utf8_lossy(&out.stdout).trim_end());
}

#[test]
fn whole_events_go_out_but_not_by_mail() {
    let folder = folder(
        "[[source]]\nstdin = true\n[alerts]\nstdout = true\nevidence = \"full\"\n[sink.desk.email]\nserver = \
         \"file:mails\"\nfrom = \"a@example.com\"\nto = \"b@example.com\"\n",
    );
    let login = r#"{"type":"login","ts":1000,"id":"l1","user_id":"u1","country":"DE","more":"<b>seen</b>"}"#;
    let purchase = r#"{"type":"purchase","ts":2000,"id":"p1","user_id":"u1","country":"FR","more":"<b>seen</b>"}"#;
    let out = run(folder.path(), &format!("{login}\n{purchase}\n"));
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    let alerts = String::from_utf8_lossy(&out.stdout);
    assert!([login, purchase].iter().all(|line| alerts.contains(&format!("\"event\":{line}"))), "{alerts}");
    let mail = std::fs::read_dir(folder.path().join("mails")).expect("the sink wrote").next().expect("a mail");
    let mail = std::fs::read_to_string(mail.expect("readable").path()).expect("text");
    assert!(mail.contains("country") && !mail.contains("seen"), "{mail}");
}

#[test]
fn a_wrong_configuration_or_rule_ends_at_once() {
    let wrong = folder("[[source]]\nfle = \"logins.ndjson\"\n[alerts]\nstdout = true\n");
    let out = run(wrong.path(), "");
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stderr).contains("tripline.toml:4: unknown field `fle`"), "{out:?}");

    let wrong = folder("[[source]]\nfile = \"logins.ndjson\"\n[alerts]\nstdout = true\n");
    std::fs::write(wrong.path().join("test.rules"), "rule x\n  on nothing\n  alert low\n").expect("it is written");
    assert_eq!(run(wrong.path(), "").status.code(), Some(2));
}

#[test]
fn an_event_that_was_sent_twice_is_judged_once() {
    let folder = folder(
        "[[source]]\nfile = \"twice.ndjson\"\ndrop_duplicates = \"1m\"\n[[source]]\nfile = \"again.ndjson\"\n[alerts]\n\
         stdout = true\n",
    );
    let login = |id: &str, ms: u64| {
        format!("{{\"type\":\"login\",\"ts\":{ms},\"id\":\"{id}\",\"user_id\":\"u1\",\"country\":\"DE\"}}\n")
    };
    let bare = "{\"type\":\"login\",\"ts\":3000,\"user_id\":\"u1\",\"country\":\"DE\"}\n";
    // Kept: a, one of the bare logins each, and the copy of a that is a minute after the last.
    let twice = [login("a", 1_000), login("a", 2_000), bare.to_owned(), bare.to_owned(), login("a", 62_000)].concat();
    std::fs::write(folder.path().join("twice.ndjson"), twice).expect("it is written");
    let purchase = "{\"type\":\"purchase\",\"ts\":63000,\"id\":\"p\",\"user_id\":\"u1\",\"country\":\"FR\"}\n";
    // Another source has ids of its own.
    std::fs::write(folder.path().join("again.ndjson"), [login("a", 1_500), purchase.to_owned()].concat())
        .expect("it is written");
    let out = run(folder.path(), "");
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{told}");
    assert_eq!(alerts(&String::from_utf8_lossy(&out.stdout)).len(), 5, "{told}");
    assert!(told.contains("duplicates=1") || told.contains("\"duplicates\":1"), "{told}");
}

#[test]
fn what_limits_drop_is_said_with_the_setting_to_raise() {
    let folder = folder(
        "[[source]]\nfile = \"many.ndjson\"\n[alerts]\nstdout = true\n[limits]\nmax_open_runs_per_key = 2\nwhen_full = \
         \"drop-new\"\n",
    );
    let event = |kind: &str, ms: u64, country: &str| {
        format!("{{\"type\":\"{kind}\",\"ts\":{ms},\"user_id\":\"u1\",\"country\":\"{country}\"}}\n")
    };
    let logins: String = ["DE", "AT", "CH", "IT"].iter().zip(1..).map(|(at, ms)| event("login", ms, at)).collect();
    std::fs::write(folder.path().join("many.ndjson"), logins + &event("purchase", 9, "FR")).expect("it is written");
    let out = run(folder.path(), "");
    let told = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(0), "{told}");
    let expected = ["DE", "AT"].map(|country| format!("u1: login from {country}, purchase from FR"));
    assert_eq!(alerts(&String::from_utf8_lossy(&out.stdout)), expected, "{told}");
    assert!(told.contains("open runs were dropped, or did not begin"), "{told}");
    assert!(told.contains("max_open_runs_per_key") && told.contains("\"runs\":2"), "{told}");
}
