//! Alerts as rows of a real Postgres: each id once over restarts and clashes, what becomes of rows that cannot be
//! stored, what holds, and what is said about it and what is not.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value as Json;
use tokio::net::TcpListener;
use tripline::alert::AlertRecord;
use tripline::secret::Secret;
use tripline::sink::{AlertSink, PostgresSettings};

use super::outside::{Running, deliver, record};
use super::postgres_server::{PASSWORD, PostgresServer};

/// What the manual shows: the statement that makes the table, and the one that lets `tripline` in.
fn manual() -> (String, String) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual/sinks.md");
    let page = std::fs::read_to_string(path).expect("there is such a page");
    let (_, shown) = page.split_once("\n```sql\n").expect("it is shown");
    let (shown, _) = shown.split_once("\n```").expect("it ends");
    let (table, grant) = shown.split_once(";\n").expect("there are two");
    (table.to_owned(), grant.to_owned())
}

/// Makes the table.
fn table(server: &PostgresServer) {
    server.sql(&manual().0);
}

fn settings(server: &PostgresServer) -> PostgresSettings {
    let mut settings = PostgresSettings::new(server.url("127.0.0.1", "postgres"), "alerts");
    settings.password = Some(Secret::new(PASSWORD));
    settings
}

fn sink(settings: &PostgresSettings) -> AlertSink {
    AlertSink::postgres("db", settings).expect("settings are right")
}

fn records(numbers: std::ops::Range<u64>) -> Vec<AlertRecord> {
    numbers.map(record).collect()
}

/// The ids in the table, each as often as it is there.
fn ids(server: &PostgresServer) -> Vec<String> {
    let ids = server.sql("select alert_id from alerts order by alert_id");
    ids.lines().map(str::to_owned).collect()
}

fn expected(numbers: std::ops::Range<u64>) -> Vec<String> {
    records(numbers).into_iter().map(|record| record.alert_id).collect()
}

/// A sink that holds its one alert: why.
async fn held(settings: &PostgresSettings) -> String {
    let mut running = Running::start(sink(settings));
    running.give([record(1)]);
    running.until(|figures| figures.refused >= 2).await;
    let held = running.held().expect("it is said");
    let (outside, summary) = running.stop().await;
    assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (None, 0, 1), "{held}");
    assert!(!held.contains(PASSWORD), "{held}");
    held
}

#[tokio::test]
async fn an_alert_is_a_row_over_tls_as_well() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    let keyless = AlertRecord { key: serde_json::Map::new(), ..record(2) };
    let (outside, summary) = deliver(sink(&settings(&server)), [record(1), keyless]).await;
    assert_eq!((summary.figures.delivered, outside.acknowledged, outside.dead.len()), (2, Some(1), 0));
    let columns = "alert_id, rule, kind, severity, key, time at time zone 'UTC'";
    let row = server.sql(&format!("select {columns} from alerts where key is not null"));
    assert_eq!(row, format!("{}|country_hop|alert|high|u1|2026-01-31 08:04:00", record(1).alert_id));
    let alert: Json = serde_json::from_str(&server.sql("select alert from alerts where key = 'u1'")).expect("JSON");
    assert_eq!(alert, serde_json::to_value(record(1)).expect("JSON"));
    assert_eq!(server.sql("select count(*) from alerts where key is null"), "1");

    let mut settings = settings(&server);
    settings.url = Secret::new(server.url("localhost", "postgres"));
    settings.ca_file = Some(server.certificate());
    server.sql(
        "create view encrypted as select s.ssl from pg_stat_ssl s join pg_stat_activity a using (pid) \
                where a.application_name = 'tripline'",
    );
    let mut running = Running::start(sink(&settings));
    running.give([record(3)]);
    running.until(|figures| figures.delivered == 1).await;
    assert_eq!(server.sql("select * from encrypted"), "t");
    let (outside, _) = running.finish().await;
    assert_eq!(outside.acknowledged, Some(0));
}

/// Row 32 of the fault matrix: the server restarts while alerts are on their way, and the same ids come again.
#[tokio::test]
async fn row_32_each_id_is_there_once_over_restarts_and_clashes() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    let mut settings = settings(&server);
    settings.batch = 7;
    let mut running = Running::start(sink(&settings));
    let mut given = 0;
    // Told to go by the server, and then cut off by its crash.
    for mode in ["fast", "immediate"] {
        let delivered = given + 100;
        running.give(records(given..delivered));
        running.until(|figures| figures.delivered + figures.repeats >= delivered - 50).await;
        server.stop(mode);
        running.give(records(delivered..delivered + 100));
        let retried = |least: u64| move |figures: &tripline::sink::SinkFigures| figures.retried >= least;
        running.until(retried(if mode == "fast" { 1 } else { 2 })).await;
        server.start_again();
        given = delivered + 100;
        running.until(|figures| figures.delivered + figures.repeats == given).await;
    }
    let (outside, summary) = running.finish().await;
    assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (Some(given - 1), 0, 0));
    assert_eq!(ids(&server), expected(0..given));

    // As after a crash of the daemon before it could acknowledge, twice at a time.
    let (first, second) = tokio::join!(
        deliver(sink(&settings), records(0..given + 200)),
        deliver(sink(&settings), records(0..given + 200))
    );
    let repeats = first.1.figures.repeats + second.1.figures.repeats;
    let delivered = first.1.figures.delivered + second.1.figures.delivered;
    assert_eq!((delivered, repeats), (200, 2 * given + 200));
    assert_eq!(ids(&server), expected(0..given + 200));
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_goes_to_the_dead_letters_and_the_others_arrive() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    server.sql("alter table alerts add check (severity <> 'low')");
    let mut all = records(0..100);
    all[37].time = "half past".to_owned();
    all[80].severity = "low".to_owned();
    let (outside, summary) = deliver(sink(&settings(&server)), all).await;
    assert_eq!((summary.figures.delivered, summary.figures.failed, outside.acknowledged), (98, 2, Some(99)));
    let letters: BTreeSet<(String, String)> =
        outside.dead.into_iter().map(|dead| (dead.alert.alert_id, dead.reason)).collect();
    let address = settings(&server).url.expose().replace("postgres@", "");
    let reason = |n, said: &str| (record(n).alert_id, format!("{address}: {said}"));
    let meant = [
        reason(37, "22007: invalid input syntax for type timestamp with time zone: \"half past\""),
        reason(80, "23514: new row for relation \"alerts\" violates check constraint \"alerts_severity_check\""),
    ];
    assert_eq!(letters, BTreeSet::from(meant));
    let stored: Vec<String> =
        expected(0..100).into_iter().filter(|id| *id != record(37).alert_id && *id != record(80).alert_id).collect();
    assert_eq!(ids(&server), stored);
}

#[tokio::test]
async fn what_is_in_events_is_stored_and_never_run() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    let evil = "'); drop table alerts; --\\\"{},NULL$1";
    let mut injected = record(1);
    injected.alert_id = evil.to_owned();
    injected.rule = evil.to_owned();
    injected.key.insert("user_id".to_owned(), evil.into());
    let mut nul = record(2);
    nul.message = "a\0b".to_owned();
    let (outside, summary) = deliver(sink(&settings(&server)), [injected, nul]).await;
    assert_eq!((summary.figures.delivered, outside.dead.len()), (2, 0));
    let row = server
        .sql("select json_build_array(alert_id, rule, key) from alerts where kind = 'alert' and rule like '%drop%'");
    assert_eq!(serde_json::from_str::<Json>(&row).expect("JSON"), serde_json::json!([evil, evil, evil]));
    let marked = server.sql("select alert ->> 'message' from alerts where (alert -> 'nul_replaced')::boolean");
    assert_eq!(marked, "a\u{fffd}b");
}

#[tokio::test]
async fn without_its_table_alerts_wait_until_somebody_makes_it_as_it_is_said() {
    let Some(server) = PostgresServer::start() else { return };
    let mut running = Running::start(sink(&settings(&server)));
    running.give(records(0..3));
    running.until(|figures| figures.refused >= 2).await;
    let said = running.held().expect("it is said");
    let (_, statement) = said.split_once("create table").expect("it is shown");
    server.sql(&format!("create table{statement}"));
    running.until(|figures| figures.delivered == 3).await;
    assert_eq!(running.held(), None);
    let (outside, _) = running.finish().await;
    assert_eq!((outside.acknowledged, outside.dead.len()), (Some(2), 0));
    assert_eq!(ids(&server), expected(0..3));
    // The manual's is the same.
    let columns =
        "select column_name, data_type, is_nullable from information_schema.columns where table_name = 'alerts'";
    let made = server.sql(columns);
    server.sql("drop table alerts");
    table(&server);
    assert_eq!(server.sql(columns), made);
}

#[tokio::test]
async fn the_table_is_made_where_that_is_asked_for() {
    let Some(server) = PostgresServer::start() else { return };
    server.sql("create schema \"Fraud\"");
    let mut settings = settings(&server);
    settings.create = true;
    settings.table = "Fraud.alerts".to_owned();
    let (first, second) =
        tokio::join!(deliver(sink(&settings), records(0..5)), deliver(sink(&settings), records(0..5)));
    assert_eq!((first.0.acknowledged, second.0.acknowledged), (Some(4), Some(4)));
    assert_eq!(server.sql("select count(*) from \"Fraud\".alerts"), "5");
}

#[tokio::test]
async fn what_a_person_must_change_holds_and_is_told_without_the_password() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    server.sql("alter table alerts drop column key, drop column time");
    let said = held(&settings(&server)).await;
    assert!(said.contains("table \"alerts\" has no column key, time; it should be as by: create table"), "{said}");
    server.sql("drop table alerts");
    table(&server);
    server.sql("alter table alerts drop constraint alerts_pkey");
    let said = held(&settings(&server)).await;
    assert!(said.contains("42P10") && said.contains("ON CONFLICT"), "{said}");
    server.sql("alter table alerts add primary key (alert_id)");

    server.sql("create user tripline password 'hunter2-of-tripline'");
    let mut settings = settings(&server);
    settings.url = Secret::new(server.url("127.0.0.1", "tripline"));
    let said = held(&settings).await;
    assert!(said.contains("28P01: password authentication failed for user \"tripline\""), "{said}");
    settings.password = None;
    let said = held(&settings).await;
    assert!(said.contains("cannot log in: ") && said.contains("password missing"), "{said}");
    settings.password = Some(Secret::new("hunter2-of-tripline"));
    let said = held(&settings).await;
    assert!(said.contains("42501: permission denied for table alerts"), "{said}");
    // The rights that the manual names are enough.
    server.sql(&manual().1);
    let found = sink(&settings).probe().await.expect("it is let in");
    assert!(found.contains("takes alerts"), "{found}");
    let (outside, summary) = deliver(sink(&settings), [record(1)]).await;
    assert_eq!((outside.acknowledged, summary.figures.delivered), (Some(0), 1));

    let database = settings.url.expose().replace("/postgres", "/elsewhere");
    settings.url = Secret::new(database);
    let said = held(&settings).await;
    assert!(said.contains("3D000: database \"elsewhere\" does not exist"), "{said}");
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_or_without_tls_is_sent_nothing() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    let mut settings = settings(&server);
    settings.url = Secret::new(server.url("localhost", "postgres"));
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let ca_file = folder.path().join("ca.pem");
    std::fs::write(&ca_file, other.cert.pem()).expect("it is written");
    settings.ca_file = Some(ca_file);
    let said = held(&settings).await;
    assert!(said.contains("the server cannot be trusted: "), "{said}");
    settings.ca_file = Some(server.certificate());
    // The certificate is of a name and not of this address.
    settings.url = Secret::new(server.url("127.0.0.1", "postgres"));
    let said = held(&settings).await;
    assert!(said.contains("the server cannot be trusted: "), "{said}");
    server.forget_tls();
    let said = held(&settings).await;
    assert!(said.contains("the server speaks no TLS"), "{said}");
    assert_eq!(server.sql("select count(*) from alerts"), "0");
}

#[tokio::test]
async fn a_statement_that_hangs_is_cut_and_leaves_nobody_waiting() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    let mut settings = settings(&server);
    settings.timeout = Duration::from_millis(200);
    let mut lock = server.session("begin; lock table alerts; select pg_sleep(600)");
    while server.sql("select count(*) from pg_locks where relation = 'alerts'::regclass and granted") == "0" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut running = Running::start(sink(&settings));
    running.give(records(0..5));
    running.until(|figures| figures.retried >= 8).await;
    assert_eq!(running.held(), None);
    // Each attempt waits for the time-out; of those that were cut only the last ones may still be there.
    let waiting = server.sql("select count(*) from pg_stat_activity where application_name = 'tripline'");
    assert!(waiting.parse::<u32>().expect("a number") <= 4, "{waiting} sessions");
    server.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(600)'\
                and pid <> pg_backend_pid()",
    );
    let (outside, _) = running.finish().await;
    assert_eq!((outside.acknowledged, outside.dead.len()), (Some(4), 0));
    assert_eq!(ids(&server), expected(0..5));
    lock.wait().expect("it was ended");
}

#[tokio::test]
async fn a_server_that_is_slow_for_many_rows_is_given_fewer() {
    let Some(server) = PostgresServer::start() else { return };
    table(&server);
    server.sql(
        "create function slow() returns trigger language plpgsql as \
                $$ begin perform pg_sleep(0.02); return new; end $$",
    );
    server.sql("create trigger slow before insert on alerts for each row execute function slow()");
    let mut settings = settings(&server);
    // A hundred rows at once take two seconds.
    settings.timeout = Duration::from_millis(500);
    let (outside, summary) = deliver(sink(&settings), records(0..100)).await;
    assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (Some(99), 0, 0));
    assert_eq!(ids(&server), expected(0..100));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_left_after_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = silent.local_addr().expect("a bound socket").port();
    let mut settings = PostgresSettings::new(format!("postgres://t:{PASSWORD}@127.0.0.1:{port}/a"), "alerts");
    settings.timeout = Duration::from_millis(100);
    let mut running = Running::start(sink(&settings));
    running.give([record(1)]);
    running.until(|figures| figures.retried >= 2).await;
    let (outside, summary) = running.stop().await;
    assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (None, 0, 1));
    let said = sink(&settings).probe().await.expect_err("it says nothing");
    assert_eq!(said, format!("postgres://127.0.0.1:{port}/a: no answer within 100ms"));
}

#[tokio::test]
async fn a_visit_says_what_is_there_and_writes_nothing() {
    let Some(server) = PostgresServer::start() else { return };
    let mut settings = settings(&server);
    let probe = async |settings: &PostgresSettings| sink(settings).probe().await;
    let said = probe(&settings).await.expect_err("there is no table");
    assert!(said.contains("table \"alerts\" does not exist; create = true would make it by: create table"), "{said}");
    settings.create = true;
    let said = probe(&settings).await.expect("it can be made");
    assert!(said.contains(" is PostgreSQL ") && said.contains("does not exist yet and will be made"), "{said}");
    assert_eq!(server.sql("select count(*) from pg_tables where tablename = 'alerts'"), "0");

    server.sql("create user tripline password 'hunter2-of-tripline'");
    let mut other = settings.clone();
    other.url = Secret::new(server.url("127.0.0.1", "tripline"));
    other.password = Some(Secret::new("hunter2-of-tripline"));
    let said = probe(&other).await.expect_err("it has no right to");
    assert!(said.contains("cannot be made by this user"), "{said}");

    table(&server);
    let said = probe(&settings).await.expect("it is there");
    assert!(said.ends_with("table \"alerts\" takes alerts (nothing was written)"), "{said}");
    assert_eq!(server.sql("select count(*) from alerts"), "0");
    let said = probe(&other).await.expect_err("it has no right to");
    assert!(said.contains("42501"), "{said}");
    server.sql("alter table alerts drop constraint alerts_pkey");
    let said = probe(&settings).await.expect_err("ids are not unique");
    assert!(said.contains("42P10") && !said.contains(PASSWORD), "{said}");
    server.stop("fast");
    let said = probe(&settings).await.expect_err("it is away");
    assert!(said.contains("no connection to 127.0.0.1"), "{said}");
}
