//! Sinks behind the alerts topic: a web server, a file, a topic and a table get every alert, over a crash too.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use super::broker::{Broker, GUARD};
use super::daemon::{Daemon, command, folder};
use crate::sink::http_server::{HttpServer, Reply};
use crate::sink::postgres_server::{PASSWORD, PostgresServer};

const RULES: &str = "
event ping  user_id text

rule pinged
  for each user_id
  on ping
  alert high
";

/// A server in a runtime of its own, since the tests of the daemon wait by blocking.
fn server(replies: &[Reply]) -> (HttpServer, tokio::runtime::Runtime) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    (runtime.block_on(HttpServer::start(replies)), runtime)
}

fn config(broker: &Broker, name: &str, port: u16) -> String {
    format!(
        r#"
{}[[source]]
topic = "{name}-events"
key = "user_id"
lateness = "0s"
[alerts]
topic = "{name}-alerts"
[sink.soc.webhook]
url = "https://localhost:{port}/hook/T0KEN"
secret = "${{file:secret}}"
headers = {{ authorization = "${{file:token}}" }}
ca_file = "ca.pem"
allow_private = true
[sink.archive.file]
path = "archive/alerts.ndjson"
rotate = "2KiB"
[sink.copy.kafka]
topic = "{name}-copy"
"#,
        broker.opening(name)
    )
}

/// The ids of the alerts in all files of the archive.
fn archived(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder.join("archive")).into_iter().flatten().flatten();
    let text: String = files.filter_map(|file| std::fs::read_to_string(file.path()).ok()).collect();
    let whole = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut ids: Vec<String> = whole.filter_map(|alert| alert["alert_id"].as_str().map(str::to_owned)).collect();
    ids.sort_unstable();
    ids
}

/// The body by id of every alert that the server took.
fn posted(server: &HttpServer) -> BTreeMap<String, String> {
    let id = |request: &crate::sink::http_server::Request| request.header("webhook-id").map(str::to_owned);
    server.requests().iter().filter_map(|request| Some((id(request)?, request.body.clone()))).collect()
}

fn wait(what: &str, daemon: &Daemon, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + GUARD;
    while !done() {
        assert!(Instant::now() < until, "{what}:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn every_sink_gets_every_alert_over_a_crash() {
    let broker = Broker::new();
    let name = Broker::unique("sinks");
    let (topic, copy) = (format!("{name}-events"), format!("{name}-copy"));
    broker.create(&topic, 2);
    broker.create(&copy, 1);
    let (server, _runtime) = server(&[Reply::Status("503 Service Unavailable", ""), Reply::Drop]);
    let folder = folder(RULES, &config(&broker, &name, server.port));
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).expect("it is written");
    write("ca.pem", &server.certificate);
    write("secret", "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=\n");
    write("token", "Bearer t0ps3cret\n");
    let ping = |n: u64| format!(r#"{{"type":"ping","ts":{},"user_id":"u{n}","id":"e{n}"}}"#, 1_000 + n);
    let pings = |from: u64, to: u64| {
        let lines: Vec<String> = (from..to).map(ping).collect();
        broker.write_lines(&topic, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    };

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    pings(0, 20);
    wait("not all is posted", &daemon, || posted(&server).len() == 20);
    wait("not all is archived", &daemon, || archived(folder.path()).len() == 20);
    daemon.kill();
    let first_log = daemon.log();
    pings(20, 30);
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    wait("not all is posted", &daemon, || posted(&server).len() == 30);
    wait("not all is archived", &daemon, || archived(folder.path()).len() >= 30);

    let posted = posted(&server);
    let ids: Vec<String> = posted.keys().cloned().collect();
    assert_eq!(archived(folder.path()), ids, "each alert is in the files once");
    let known = |records: &[super::broker::Record]| {
        let ids = records.iter().filter_map(|record| record.headers.get("alert_id").cloned());
        ids.collect::<std::collections::BTreeSet<_>>().len()
    };
    let copied = broker.reader(&copy).until("not all is copied", |records| known(records) == 30);
    for record in &copied {
        let body = String::from_utf8(record.payload.clone().expect("a body")).expect("text");
        assert_eq!(posted.get(&record.headers["alert_id"]), Some(&body), "the same alert everywhere");
        let user = record.json()["key"]["user_id"].as_str().map(|user| user.as_bytes().to_vec());
        assert_eq!(record.key, user, "keyed as on the alerts topic");
    }
    let metrics = daemon.get("/metrics");
    for sink in ["soc", "archive", "copy"] {
        assert!(metrics.contains(&format!("tripline_sink{{sink=\"{sink}\",figure=\"delivered\"}}")), "{metrics}");
    }
    let (status, _) = daemon.terminate();
    assert!(status.success(), "{}", daemon.log());
    let log = first_log + &daemon.log();
    for secret in ["T0KEN", "t0ps3cret", "dHJpcGxpbmU"] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_sink_that_waits_for_a_person_is_seen_and_holds_up_no_other() {
    let broker = Broker::new();
    let name = Broker::unique("held");
    let (topic, copy) = (format!("{name}-events"), format!("{name}-copy"));
    broker.create(&topic, 1);
    broker.create(&copy, 1);
    let (server, _runtime) = server(&vec![Reply::Status("401 Unauthorized", ""); 1_000]);
    let folder = folder(RULES, &config(&broker, &name, server.port));
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).expect("it is written");
    write("ca.pem", &server.certificate);
    write("secret", "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=\n");
    write("token", "Bearer t0ps3cret\n");
    for topic in [&topic, &copy] {
        // Waits until the broker knows the topic.
        broker.reader(topic);
    }
    let check = command(folder.path()).arg("--check").output().expect("it runs");
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{found}");
    for line in ["sink soc: https://localhost", "sink archive: ", &format!("sink copy: topic `{copy}`")] {
        assert!(found.contains(line), "{line}: {found}");
    }
    assert!(server.requests().is_empty(), "a check posts nothing");

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    broker.write_lines(&topic, &[r#"{"type":"ping","ts":1000,"user_id":"u1"}"#]);
    wait("it is archived", &daemon, || archived(folder.path()).len() == 1);
    broker.reader(&copy).until("it is copied", |records| records.len() == 1);
    daemon.logged("alerts wait until somebody changes this");
    let until = Instant::now() + GUARD;
    loop {
        let (ready, metrics) = (daemon.get("/readyz"), daemon.get("/metrics"));
        let seen = ready.starts_with("HTTP/1.1 200") && ready.contains("sink soc holds its alerts: https://localhost");
        if seen && metrics.contains("tripline_sink_held{sink=\"soc\"} 1") {
            break;
        }
        assert!(Instant::now() < until, "{ready}\n{metrics}");
        std::thread::sleep(Duration::from_millis(200));
    }
    let group = format!("{name}.sink.soc");
    assert_eq!(broker.committed(&group, &format!("{name}-alerts"), 0), None, "nothing is acknowledged");
}

/// Row 32 of the fault matrix, behind the topic: daemon and database are killed, and each alert is a row once.
#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn row_32_a_table_has_each_alert_once_over_crashes_of_daemon_and_database() {
    let Some(server) = PostgresServer::start() else { return };
    let broker = Broker::new();
    let name = Broker::unique("table");
    let topic = format!("{name}-events");
    broker.create(&topic, 2);
    let config = format!(
        r#"
{}[[source]]
topic = "{topic}"
key = "user_id"
lateness = "0s"
[alerts]
topic = "{name}-alerts"
[sink.db.postgres]
url = "{}"
password = "${{file:password}}"
table = "alerts"
create = true
batch = 3
"#,
        broker.opening(&name),
        server.url("127.0.0.1", "postgres"),
    );
    let folder = folder(RULES, &config);
    std::fs::write(folder.path().join("password"), PASSWORD).expect("it is written");
    // Waits until the broker knows the topic.
    broker.reader(&topic);
    let check = command(folder.path()).arg("--check").output().expect("it runs");
    let found = String::from_utf8_lossy(&check.stdout).into_owned();
    assert_eq!(check.status.code(), Some(0), "{found}");
    assert!(found.contains("sink db: postgres://127.0.0.1") && found.contains("does not exist yet"), "{found}");
    assert_eq!(server.sql("select count(*) from pg_tables where tablename = 'alerts'"), "0", "a check makes nothing");
    // A sink waits for the end of its session after a crash; what comes then is not to be late by the time that went on.
    let pings = |from: u64, to: u64| {
        let ping = |n: u64| format!(r#"{{"type":"ping","ts":{},"user_id":"u{n}","id":"e{n}"}}"#, 1_000 + n * 5_000);
        let lines: Vec<String> = (from..to).map(ping).collect();
        broker.write_lines(&topic, &lines.iter().map(String::as_str).collect::<Vec<_>>());
    };
    let rows = || server.sql("select count(distinct key) || ' of ' || count(*) from alerts");

    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    pings(0, 20);
    wait("not all is there", &daemon, || {
        server.sql("select to_regclass('alerts')") == "alerts" && rows() == "20 of 20"
    });
    daemon.kill();
    let first_log = daemon.log();
    pings(20, 40);
    let mut daemon = Daemon::start(folder.path());
    daemon.ready();
    wait("not all is there", &daemon, || rows() == "40 of 40");
    server.stop("immediate");
    pings(40, 60);
    daemon.logged("alerts wait");
    server.start_again();
    wait("not all is there", &daemon, || rows() == "60 of 60");
    let metrics = daemon.get("/metrics");
    assert!(metrics.contains("tripline_sink_held{sink=\"db\"} 0"), "{metrics}");
    let (status, _) = daemon.terminate();
    assert!(status.success(), "{}", daemon.log());
    let log = first_log + &daemon.log();
    assert!(!log.contains(PASSWORD), "{log}");
}
