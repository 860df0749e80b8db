//! `replay` and `why` over topics: what the daemon would have said, without its group.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value as Json;

use super::broker::Broker;
use super::daemon::{Daemon, folder};

const RULES: &str = r#"
event login     user_id text, country text
event purchase  user_id text, country text
event click     user_id text, page text

table users from topic "NAME-users" key user_id with risk text

rule hop
  for each user_id
  on every login a
  then purchase b where country is not a.country
  within 5 minutes
  alert high "{user_id}: {a.country}, {b.country}"

rule risky
  for each user_id
  on purchase where users[user_id].risk is "high"
  alert low

rule clicked
  for each user_id
  on click
  alert info "{user_id} at {page}"
"#;

/// A topic for each type, with three partitions; those of logins and purchases stand together.
fn stage(broker: &Broker, test: &str) -> (String, tempfile::TempDir) {
    let name = Broker::unique(test);
    let mut config = format!(
        "{}[alerts]\ntopic = \"{name}-alerts\"\n\
         evidence = \"full\"\n",
        broker.opening(&name)
    );
    for (event, more) in [
        ("login", "copartitioned = \"users\""),
        ("purchase", "copartitioned = \"users\""),
        ("click", "drop_duplicates = \"1h\""),
    ] {
        broker.create(&format!("{name}-{event}s"), 3);
        config += &format!(
            "[[source]]\ntopic = \"{name}-{event}s\"\nevent = \"{event}\"\nkey = \"user_id\"\nlateness = \"2s\"\n\
             idle_timeout = \"1s\"\n{more}\n"
        );
    }
    broker.create(&format!("{name}-users"), 1);
    (name.clone(), folder(&RULES.replace("NAME", &name), &config))
}

/// The program with the configuration of a folder.
pub(super) fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    let (subcommand, rest) = arguments.split_first().expect("a subcommand");
    command.arg(subcommand).arg("-c").arg(folder.join("tripline.toml")).args(rest);
    command.output().expect("the program runs")
}

/// What it prints, if it ends with an exit code.
#[track_caller]
fn printed(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = run(folder, arguments);
    let (out, err) = (String::from_utf8(stdout).expect("text"), String::from_utf8(stderr).expect("text"));
    assert_eq!(status.code(), Some(code), "{out}\n{err}");
    (out, err)
}

/// The alerts as objects, in the order of their ids.
fn alerts<'t>(lines: impl Iterator<Item = &'t [u8]>) -> Vec<Json> {
    let mut alerts: Vec<Json> = lines.map(|line| serde_json::from_slice(line).expect("JSON")).collect();
    alerts.sort_by_key(|alert| alert["alert_id"].to_string());
    alerts
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_replay_gives_the_daemons_alerts_and_joins_no_group() {
    let broker = Broker::new();
    let (name, folder) = stage(&broker, "range");
    let topic = |event: &str| format!("{name}-{event}");
    // No ids: alerts are told apart by the places of their events.
    let event = |user: i32, second: i64, more: &str| {
        format!(r#"{{"ts":{},"user_id":"u{user}",{more}}}"#, 1_767_225_600_000 + second * 1_000)
    };
    let (mut logins, mut purchases, mut clicks) = (Vec::new(), Vec::new(), Vec::new());
    for user in 0..30 {
        let second = i64::from(user) * 20;
        // The first login comes after the second one, within the lateness.
        logins.push((user % 3, event(user, second + 2, r#""country":"DE""#)));
        logins.push((user % 3, event(user, second + 1, r#""country":"AT""#)));
        purchases.push((user % 3, event(user, second + 30, r#""country":"FR""#)));
        clicks.push((user % 3, event(user, second, &format!(r#""id":"c{user}","page":"/""#))));
        if user % 10 == 5 {
            clicks.push((user % 3, event(user, second, &format!(r#""id":"c{user}","page":"/again""#))));
            clicks.push((user % 3, event(user, second - 3, r#""page":"/late""#)));
            clicks.push((user % 3, "no event".to_owned()));
        }
    }
    // The last partition of clicks is far ahead of the others from the first message on.
    clicks.insert(0, (2, event(99, 5_000, r#""page":"/ahead""#)));
    clicks.retain(|(partition, line)| *partition != 2 || line.contains("ahead"));
    for (event, lines) in [("logins", &logins), ("purchases", &purchases), ("clicks", &clicks)] {
        broker.write(&topic(event), lines.iter().map(|(partition, line)| (*partition, None, Some(line.as_bytes()))));
    }
    broker.write_lines(&topic("users"), &[r#"{"user_id":"u7","risk":"high"}"#, r#"{"user_id":"u8","risk":"high"}"#]);
    broker.write(&topic("users"), [(0, Some(&b"u8"[..]), None), (0, Some(&b"u9"[..]), Some(&b"no row"[..]))]);

    let (out, err) = printed(folder.path(), &["replay"], 0);
    assert!(!broker.has_group(&name), "a group was joined or holds offsets");
    let replayed = alerts(out.lines().map(str::as_bytes));
    let count = |rule: &str| replayed.iter().filter(|alert| alert["rule"] == rule).count();
    assert_eq!((count("hop"), count("risky"), count("clicked")), (60, 1, 21), "{err}");
    for told in [
        &format!("{name}-clicks:1:") as &str,
        "2 messages refused (no event in them)",
        "2 events too late and left out (see lateness)",
        "2 events left out: one with their id came before (drop_duplicates)",
        "table users, partition 0, offset 3: not JSON",
        "table users: 1 messages refused (no row in them)",
    ] {
        assert!(err.contains(told), "{told}\n{err}");
    }
    let whole =
        |rule: &str| replayed.iter().find(|alert| alert["rule"] == rule).expect("there is one")["events"].clone();
    assert!(whole("clicked")[0]["event"]["page"].is_string() && whole("hop")[1]["event"]["country"] == "FR", "{out}");
    assert!(!printed(folder.path(), &["replay", "--evidence", "fields"], 0).0.contains("\"event\":"));
    let times: Vec<String> =
        out.lines().map(|line| alerts([line.as_bytes()].into_iter())[0]["time"].to_string()).collect();
    assert!(times.is_sorted(), "alerts come in order of time");
    assert_eq!(printed(folder.path(), &["replay", "--threads", "1"], 0).0, out, "on any number of threads");

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    let found = broker.reader(&topic("alerts")).until("the daemon's alerts", |found| found.len() >= replayed.len());
    let lines = found.iter().map(|record| record.payload.as_deref().expect("an alert"));
    assert_eq!(alerts(lines), replayed);
    assert!(broker.has_group(&name), "the daemon's group is seen");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_range_is_cut_by_the_times_of_its_records() {
    let broker = Broker::new();
    let (name, folder) = stage(&broker, "cut");
    let hour = |hour: i64| 1_767_225_600_000 + hour * 3_600_000;
    for (topic, country, minute) in [("logins", "DE", 0), ("purchases", "FR", 1)] {
        let line = |at: i64| {
            let ms = hour(at) + minute * 60_000;
            (ms, format!(r#"{{"ts":{ms},"id":"{country}{at}","user_id":"u1","country":"{country}"}}"#))
        };
        let lines = [line(0), line(1), line(2)];
        broker.write_stamped(&format!("{name}-{topic}"), lines.iter().map(|(ms, line)| (1, *ms, line.as_str())));
    }
    let ids = |arguments: &[&str]| printed(folder.path(), &[&["replay", "--ids"], arguments].concat(), 0).0;
    let [first, second, third] = [0, 1, 2].map(|at| format!("hop\tDE{at}\tFR{at}\n"));
    assert_eq!(ids(&[]), format!("{first}{second}{third}"));
    let one = ["--from", "2026-01-01T01:00:00Z", "--to", "2026-01-01T01:01:00.001Z"];
    assert_eq!(ids(&one), second);
    assert_eq!(ids(&["--from", "2026-01-01T00:00:00.001Z"]), format!("{second}{third}"), "the first login is cut off");
    assert_eq!(ids(&["--to", "2026-01-01T01:01:00Z"]), first, "the second purchase is cut off");
    assert_eq!(ids(&["--from", "1m"]), "", "they are of long ago");

    // Other rules in place of the configuration's.
    let rules = folder.path().join("new.rules");
    std::fs::write(&rules, "event login user_id text\nrule in\n  for each user_id\n  on login\n  alert low\n")
        .expect("writable");
    let rules = rules.to_str().expect("a plain name");
    assert_eq!(ids(&[&["--rules", rules], &one[..]].concat()), "in\tDE1\tDE1\n");

    let why = |key: &str, code: i32| printed(folder.path(), &[&["why", "hop", key], &one[..]].concat(), code).0;
    let fired = why("u1", 0);
    assert!(fired.contains(&format!("{name}-purchases:1:1")), "{fired}");
    assert!(why("u2", 1).contains("did not fire"), "{}", why("u2", 1));
    assert!(!broker.has_group(&name), "a group was joined or holds offsets");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn what_cannot_be_read_is_named() {
    let broker = Broker::new();
    let (name, folder) = stage(&broker, "gone");
    let config = std::fs::read_to_string(folder.path().join("tripline.toml")).expect("it was written");
    let write = |config: &str| std::fs::write(folder.path().join("tripline.toml"), config).expect("writable");
    write(&config.replace(&format!("{name}-clicks"), "absent"));
    let (_, err) = printed(folder.path(), &["replay"], 3);
    assert!(err.contains("the topic `absent` does not exist"), "{err}");

    write(&config);
    let (out, err) = printed(folder.path(), &["replay"], 0);
    assert!(out.is_empty() && err.contains("the topics hold no record of this time"), "{err}");
}
