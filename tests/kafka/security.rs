//! TLS and a login: the right password works, a wrong one is told.

use super::broker::{Broker, variable};
use super::daemon::{Daemon, command, folder};

const RULES: &str = "
event ping  user_id text

rule pinged
  for each user_id
  on ping
  alert low
";

fn config(name: &str) -> String {
    format!(
        r#"
name = "{name}"
rules = ["test.rules"]
[kafka]
brokers = "{}"
"security.protocol" = "SASL_SSL"
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.username" = "app"
"sasl.password" = "${{env:TRIPLINE_TEST_PASSWORD}}"
"ssl.ca.location" = "{}"
[[source]]
topic = "{name}-events"
key = "user_id"
lateness = "0s"
[alerts]
topic = "{name}-alerts"
"#,
        variable("TRIPLINE_TEST_SASL_BROKER"),
        variable("TRIPLINE_TEST_CA")
    )
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_login_over_tls_works() {
    let broker = Broker::new();
    let name = Broker::unique("sasl");
    broker.create(&format!("{name}-events"), 1);
    let folder = folder(RULES, &config(&name));
    let mut daemon = Daemon::start_with(command(folder.path()).env("TRIPLINE_TEST_PASSWORD", "app-secret"));
    daemon.ready();
    broker.write_lines(&format!("{name}-events"), &[r#"{"type":"ping","ts":1000,"user_id":"u1"}"#]);
    broker.reader(&format!("{name}-alerts")).until("the alert", |records| records.len() == 1);
    assert!(daemon.terminate().0.success(), "{}", daemon.log());
    assert!(!daemon.log().contains("app-secret"), "the password is not printed");
}

#[test]
#[ignore = "needs a broker: scripts/broker start"]
fn a_wrong_password_is_told_and_not_printed() {
    let name = Broker::unique("wrong");
    let folder = folder(RULES, &config(&name));
    let mut daemon = Daemon::start_with(command(folder.path()).env("TRIPLINE_TEST_PASSWORD", "hunter2-wrong"));
    daemon.logged("check sasl.mechanism, sasl.username and sasl.password");
    assert!(daemon.get("/readyz").starts_with("HTTP/1.1 503"));
    assert!(daemon.terminate().0.success(), "it stops when it is told to:\n{}", daemon.log());
    assert!(!daemon.log().contains("hunter2-wrong"), "the password is not printed");

    let out = command(folder.path()).arg("--check").env("TRIPLINE_TEST_PASSWORD", "hunter2-wrong").output();
    let out = out.expect("it runs");
    assert_eq!(out.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&out.stdout).contains("uthentication"), "{out:?}");
}
