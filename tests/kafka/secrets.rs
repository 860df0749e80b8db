//! Row 36 of the fault matrix: no output holds a secret. Every kind of secret has a value of its own here, and all that
//! the program writes is searched for each: reports, errors, logs at the finest level, health, metrics, the settings
//! as a debugger shows them. It needs no broker: one that does not answer gives the most to say.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use tripline::config;

use super::daemon::{Daemon, command, folder};

/// What each secret is, and its value. All of them stand in files of these names.
const SECRETS: [(&str, &str); 16] = [
    ("kafka-password", "kafka-OpenSesame-1"),
    ("other-kafka-password", "kafka-OpenSesame-2"),
    ("key-password", "key-OpenSesame-3"),
    ("keystore-password", "keystore-OpenSesame-4"),
    ("key-pem", "-----BEGIN PRIVATE KEY-----\nT3BlblNlc2FtZTU=\n-----END PRIVATE KEY-----\n"),
    ("oauth-secret", "oauth-OpenSesame-6"),
    ("oauth-config", "principal=OpenSesame-7"),
    ("mail-password", "mail-OpenSesame-8"),
    ("signing", "whsec_T3BlblNlc2FtZTlPcGVuU2VzYW1lOU9wZW5TZXNhbWU5"),
    ("token", "Bearer header-OpenSesame-10"),
    ("team", "team-OpenSesame-11"),
    ("url", "http://127.0.0.1:1/hooks/OpenSesame-12?token=OpenSesame-13"),
    ("number", "420815471113"),
    ("state-access-key", "AKID-OpenSesame-20"),
    ("state-secret-key", "key/OpenSesame+21"),
    ("state-token", "token-OpenSesame-22"),
];

/// What of the secrets must be nowhere: all but what the address of a server says of itself.
const NEVER: [&str; 3] = ["OpenSesame", "T3BlblNlc2FtZ", "420815471113"];

const RULES: &str = "
event login  user_id text

rule any
  for each user_id
  on login
  alert high
";

/// Everything that can be said of Kafka without a file that must be right.
const TOPICS: &str = r#"
name = "secrets"
rules = ["test.rules"]
[kafka]
brokers = "127.0.0.1:1"
"debug" = "all"
"security.protocol" = "SASL_SSL"
"sasl.mechanism" = "SCRAM-SHA-512"
"sasl.username" = "fraud"
"sasl.password" = "${env:KAFKA_PASSWORD}"
"ssl.key.password" = "${file:key-password}"
"ssl.keystore.password" = "${file:keystore-password}"
"sasl.oauthbearer.config" = "${file:oauth-config}"
[[source]]
topic = "secrets-events"
key = "user_id"
[alerts]
topic = "secrets-alerts"
"#;

/// A bucket for snapshots, over topics.
const STATE: &str = r#"
[state]
url = "s3://states"
endpoint = "http://127.0.0.1:1"
access_key = "${file:state-access-key}"
secret_key = "${file:state-secret-key}"
session_token = "${file:state-token}"
timeout = "1s"
"#;

const SINKS: &str = r#"
[sink.desk.email]
server = "smtp://127.0.0.1:1"
insecure_plaintext = true
user = "fraud"
password = "${file:mail-password}"
from = "a@example.com"
to = "b@example.com"
[sink.soc.webhook]
url = "${file:url}"
insecure_plaintext = true
allow_private = true
secret = ["${file:signing}"]
headers = { Authorization = "${file:token}", X-Team = "${file:team}" }
[sink.copy.kafka]
topic = "copies"
brokers = "127.0.0.1:1"
"debug" = "all"
"security.protocol" = "SASL_PLAINTEXT"
"sasl.mechanism" = "PLAIN"
"sasl.username" = "fraud"
"sasl.password" = "${file:other-kafka-password}"
"#;

const FILES: &str = r#"
name = "secrets"
rules = ["test.rules"]
[[source]]
file = "events.ndjson"
[alerts]
stdout = true
"#;

/// A folder with a configuration, rules, events, and all secrets.
fn secrets(config: &str) -> tempfile::TempDir {
    let folder = folder(RULES, config);
    for (name, value) in SECRETS {
        std::fs::write(folder.path().join(name), value).expect("it is written");
    }
    let event = "{\"type\":\"login\",\"ts\":1000,\"id\":\"e1\",\"user_id\":\"u1\"}\n";
    std::fs::write(folder.path().join("events.ndjson"), event).expect("so is this");
    folder
}

fn loudly(command: &mut Command) -> &mut Command {
    command.env("KAFKA_PASSWORD", value_of("kafka-password")).env("TRIPLINE_LOG", "trace").env("RUST_LOG", "trace")
}

fn value_of(secret: &str) -> &'static str {
    SECRETS.iter().find(|(name, _)| *name == secret).expect("there is such a secret").1
}

/// All that a call prints.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(arguments).args(["-c"]).arg(folder.join("tripline.toml"));
    let out = loudly(&mut command).output().expect("it runs");
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

#[track_caller]
fn assert_silent(output: &str) {
    for secret in NEVER {
        assert!(!output.contains(secret), "`{secret}` is told:\n{output}");
    }
}

#[test]
fn row_36_no_report_log_health_or_metric_holds_a_secret() {
    let folder = secrets(&format!("{TOPICS}{SINKS}{STATE}"));
    for arguments in [
        &["run", "--check"][..],
        &["topics"],
        &["topics", "--format", "commands"],
        &["topics", "--format", "json"],
        &["topics", "--check"],
        &["replay", "--from", "1h"],
    ] {
        let output = printed(folder.path(), arguments);
        assert!(output.contains("127.0.0.1:1"), "it got as far as the broker: {output}");
        assert_silent(&output);
    }
    let mut daemon = Daemon::start_with(loudly(&mut command(folder.path())));
    daemon.logged("waiting for kafka");
    let answers = ["/readyz", "/healthz", "/metrics", "/config"].map(|path| daemon.get(path));
    assert!(answers[0].starts_with("HTTP/1.1 503"), "{}", answers[0]);
    for answer in &answers {
        assert_silent(answer);
    }
    assert!(daemon.log().contains("librdkafka"), "the client's own log is there too");
    daemon.terminate();
    assert_silent(&daemon.log());
}

#[test]
fn row_36_no_delivery_that_fails_tells_a_secret() {
    let (address, requests) = refusing_server();
    let folder = secrets(&format!("{FILES}{SINKS}"));
    let url = value_of("url").replace("127.0.0.1:1/", &format!("{address}/"));
    std::fs::write(folder.path().join("url"), url).expect("it is written");
    let mut command = command(folder.path());
    command.current_dir(folder.path()).stdout(Stdio::null());
    let mut daemon = Daemon::start_with(loudly(&mut command));
    let request = requests.recv_timeout(super::broker::GUARD).expect("the alert is sent");
    for part in ["/hooks/OpenSesame-12?token=OpenSesame-13", "header-OpenSesame-10", "team-OpenSesame-11"] {
        assert!(request.contains(part), "the secrets are in use: {request}");
    }
    daemon.logged("alerts wait");
    daemon.kill();
    assert_silent(&daemon.log());
}

/// Takes requests and refuses each.
fn refusing_server() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one").to_string();
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(&stream);
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|read| read > 0) {}
            let length = head.to_lowercase().split_once("content-length: ").map_or(0, |(_, rest)| {
                rest.split_once("\r\n").and_then(|(length, _)| length.parse().ok()).unwrap_or(0)
            });
            drop(reader.take(length).read_to_end(&mut Vec::new()));
            drop((&stream).write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"));
            if sender.send(head).is_err() {
                return;
            }
        }
    });
    (address, requests)
}

#[test]
fn row_36_no_error_in_a_configuration_repeats_a_secret() {
    let all = format!("{TOPICS}\"ssl.key.pem\" = \"${{file:key-pem}}\"\n{SINKS}").replace(
        "[[source]]\ntopic = \"secrets-events\"\nkey = \"user_id\"\n[alerts]\ntopic = \"secrets-alerts\"\n",
        "",
    ) + "[[source]]\ntopic = \"secrets-events\"\n[alerts]\ntopic = \"secrets-alerts\"\n"
        + STATE;
    let edits = [
        // A key that is none: the client cannot be made.
        ("", ""),
        // Written into the file itself, as a text, as a number, as something that is no TOML, in a list.
        ("\"${env:KAFKA_PASSWORD}\"", "\"kafka-OpenSesame-1\""),
        ("\"${env:KAFKA_PASSWORD}\"", "kafka-OpenSesame-1"),
        ("\"${file:mail-password}\"", "420815471113"),
        ("\"${file:mail-password}\"", "[\"mail-OpenSesame-8\"]"),
        ("[\"${file:signing}\"]", "\"OpenSesame\""),
        ("[\"${file:signing}\"]", "420815471113"),
        ("{ Authorization = \"${file:token}\"", "{ Authorization = 420815471113"),
        ("allow_private = true", "allow_private = \"OpenSesame\""),
        ("allow_private = true", "allow_private = 420815471113"),
        // The wrong secret in a place that it does not fit.
        ("[\"${file:signing}\"]", "\"${file:token}\""),
        ("\"${file:token}\"", "\"${file:key-pem}\""),
        ("url = \"${file:url}\"", "url = \"${file:mail-password}\""),
        ("url = \"${file:url}\"", "url = \"ftp://OpenSesame\""),
        ("\"smtp://127.0.0.1:1\"", "\"smtp://me:OpenSesame@127.0.0.1\""),
        ("\"smtp://127.0.0.1:1\"", "\"${file:mail-password}\""),
        ("\"${file:state-token}\"", "\"${file:key-pem}\""),
        ("\"${file:state-access-key}\"", "\"AKID-OpenSesame\""),
        ("\"http://127.0.0.1:1\"\naccess", "\"http://me:OpenSesame@127.0.0.1:1\"\naccess"),
        // Properties that are misspelt or do not take it.
        ("\"sasl.password\" = \"${env", "\"sasl.pasword\" = \"${env"),
        ("\"debug\" =", "\"sasl.oauthbearer.client.secret\" = \"${file:oauth-secret}\"\n\"debug\" ="),
        ("\"security.protocol\" = \"SASL_SSL\"", "\"security.protocol\" = \"${file:kafka-password}\""),
        ("\"sasl.mechanism\" = \"SCRAM-SHA-512\"", "\"sasl.mechanism\" = \"${file:kafka-password}\""),
        ("user = \"fraud\"\n", ""),
    ];
    for (from, to) in edits {
        assert!(all.contains(from), "{from}");
        let folder = secrets(&all.replacen(from, to, 1));
        for arguments in [&["run", "--check"][..], &["run"], &["topics", "--check"]] {
            let output = printed(folder.path(), arguments);
            assert!(!output.is_empty(), "{from} -> {to}: it is told");
            assert_silent(&output);
        }
    }
}

#[test]
fn row_36_settings_can_be_shown() {
    let more = "\"sasl.oauthbearer.client.secret\" = \"${file:oauth-secret}\"\n\"ssl.key.pem\" = \"${file:key-pem}\"\n[[source]]";
    let text = format!("{TOPICS}{SINKS}{STATE}").replace("${env:KAFKA_PASSWORD}", "${file:kafka-password}");
    let text = text.replace("[[source]]", more);
    let folder = secrets(&text);
    let settings = config::load(&folder.path().join("tripline.toml")).expect("it is right");
    let shown = format!("{settings:?}\n{settings:#?}");
    assert!(shown.contains("***") && shown.contains("sasl.oauthbearer.client.secret"), "{shown}");
    assert_silent(&shown);
}
