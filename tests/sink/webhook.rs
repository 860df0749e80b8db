//! Webhooks in real HTTP conversations over TLS: every kind of answer, signatures, hangs, redirects, and what is said
//! about it and what is not.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tripline::alert::AlertRecord;
use tripline::secret::Secret;
use tripline::sink::{AlertSink, DeadAlert, SinkFigures, SinkSummary, WebhookSettings};

use super::http_server::{HttpServer, Reply, Request};
use super::outside::{Outside, Running, deliver, record};

const KEY: &[u8] = b"tripline-test-secret-of-32-bytes";
const SECRET: &str = "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=";
const OTHER_SECRET: &str = "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXo=";

/// A sink that trusts a test server and may go to this machine.
struct Bench {
    server: HttpServer,
    settings: WebhookSettings,
    _folder: TempDir,
}

impl Bench {
    async fn new(replies: &[Reply]) -> Bench {
        let server = HttpServer::start(replies).await;
        let folder = TempDir::new().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &server.certificate).expect("a writable folder");
        let mut settings = WebhookSettings::new(format!("https://localhost:{}/hook/T0KEN?a=b", server.port));
        settings.secrets = vec![Secret::new(SECRET)];
        settings.headers = vec![("Authorization".to_owned(), Secret::new("Bearer t0ps3cret"))];
        settings.ca_file = Some(ca_file);
        settings.allow_private = true;
        settings.timeout = Duration::from_secs(5);
        Bench { server, settings, _folder: folder }
    }

    fn sink(&self) -> AlertSink {
        AlertSink::webhook("soc", &self.settings).expect("settings are right")
    }

    /// Runs a sink until all the records are dealt with.
    async fn deliver(&self, records: Vec<AlertRecord>) -> (Outside<DeadAlert>, SinkSummary) {
        deliver(self.sink(), records).await
    }

    /// Runs a sink with one alert until its figures are like that, then stops it. Tells why it held, if it did.
    async fn until(&self, enough: impl Fn(&SinkFigures) -> bool) -> (Outside<DeadAlert>, SinkSummary, Option<String>) {
        let mut running = Running::start(self.sink());
        running.give([record(1)]);
        running.until(enough).await;
        let held = running.held();
        let (outside, summary) = running.stop().await;
        (outside, summary, held)
    }
}

/// HMAC by its definition, so that the test shares no code with what it tests.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * place)) as usize & 63];
            text.push(if place <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn expected_signature(request: &Request) -> String {
    let [id, timestamp] = ["webhook-id", "webhook-timestamp"].map(|name| request.header(name).expect("it is there"));
    format!("v1,{}", base64(&hmac(KEY, format!("{id}.{timestamp}.{}", request.body).as_bytes())))
}

#[tokio::test]
async fn an_alert_is_posted_as_it_is_and_signed() {
    let bench = Bench::new(&[]).await;
    let (outside, summary) = bench.deliver(vec![record(1), record(2)]).await;
    let requests = bench.server.requests();
    assert_eq!((requests.len(), summary.figures.delivered, outside.acknowledged), (2, 2, Some(1)));
    assert_eq!(bench.server.connections(), 1, "the connection is kept");
    let request = &requests[0];
    assert_eq!(request.line, "POST /hook/T0KEN?a=b HTTP/1.1");
    assert_eq!(request.body, record(1).to_json());
    assert_eq!(request.header("host"), Some(format!("localhost:{}", bench.server.port).as_str()));
    assert_eq!(request.header("content-type"), Some("application/json"));
    assert_eq!(request.header("authorization"), Some("Bearer t0ps3cret"));
    assert!(request.header("user-agent").is_some_and(|agent| agent.starts_with("tripline/")));
    assert_eq!(request.header("webhook-id"), Some(record(1).alert_id.as_str()));
    let timestamp: u64 = request.header("webhook-timestamp").expect("a time").parse().expect("seconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(timestamp.abs_diff(now) < 60, "{timestamp}");
    assert_eq!(request.header("webhook-signature"), Some(expected_signature(request).as_str()));
}

#[tokio::test]
async fn while_a_secret_is_replaced_both_sign() {
    let mut bench = Bench::new(&[]).await;
    bench.settings.secrets = vec![Secret::new(OTHER_SECRET), Secret::new(SECRET)];
    bench.deliver(vec![record(1)]).await;
    let request = &bench.server.requests()[0];
    let signatures: Vec<&str> = request.header("webhook-signature").expect("signatures").split(' ').collect();
    assert_eq!((signatures.len(), signatures[1]), (2, expected_signature(request).as_str()));
    assert_ne!(signatures[0], signatures[1]);
    bench.settings.secrets.clear();
    bench.deliver(vec![record(1)]).await;
    assert_eq!(bench.server.requests()[1].header("webhook-signature"), None);
}

#[tokio::test]
async fn what_may_pass_is_repeated_under_the_same_id() {
    for status in [
        "408 Request Timeout",
        "425 Too Early",
        "429 Too Many Requests",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
        "599 Whatever",
    ] {
        let bench = Bench::new(&[Reply::Status(status, ""), Reply::Status(status, "")]).await;
        let (outside, summary) = bench.deliver(vec![record(1)]).await;
        let figures = summary.figures;
        assert_eq!((figures.retried, figures.delivered, figures.failed), (2, 1, 0), "{status}");
        assert_eq!(outside.acknowledged, Some(0), "{status}");
        let ids: Vec<Option<String>> =
            bench.server.requests().iter().map(|request| request.header("webhook-id").map(str::to_owned)).collect();
        assert_eq!(ids, vec![Some(record(1).alert_id); 3], "{status}");
    }
}

#[tokio::test]
async fn what_will_not_pass_goes_to_the_dead_letters_at_once_with_its_status() {
    for status in [
        "400 Bad Request",
        "404 Not Found",
        "405 Method Not Allowed",
        "410 Gone",
        "413 Content Too Large",
        "422 Unprocessable Content",
    ] {
        let bench = Bench::new(&[Reply::Status(status, "")]).await;
        let (outside, summary) = bench.deliver(vec![record(1), record(2)]).await;
        let figures = summary.figures;
        assert_eq!((figures.delivered, figures.failed, figures.retried), (1, 1, 0), "{status}");
        assert_eq!((outside.acknowledged, outside.dead.len()), (Some(1), 1), "{status}");
        let letter = &outside.dead[0];
        assert_eq!((letter.sink.as_str(), &letter.alert), ("soc", &record(1)), "{status}");
        assert!(letter.reason.contains(&status[..3]) && !letter.reason.contains("T0KEN"), "{}", letter.reason);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = HttpServer::start(&[]).await;
    let location = format!("location: https://127.0.0.1:{}/\r\n", elsewhere.port).leak();
    for status in
        ["301 Moved Permanently", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        let bench = Bench::new(&[Reply::Status(status, location)]).await;
        let (outside, _) = bench.deliver(vec![record(1)]).await;
        assert_eq!((outside.dead.len(), outside.acknowledged), (1, Some(0)), "{status}");
        assert!(outside.dead[0].reason.contains("redirects are not followed"), "{}", outside.dead[0].reason);
    }
    assert_eq!((elsewhere.connections(), elsewhere.requests().len()), (0, 0));
}

#[tokio::test]
async fn refused_credentials_hold_the_alert_and_say_so() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let bench = Bench::new(&vec![Reply::Status(status, ""); 1_000]).await;
        let (outside, summary, held) = bench.until(|figures| figures.refused >= 3).await;
        assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (None, 0, 1), "{status}");
        let held = held.expect("it is said");
        assert!(held.contains(&status[..3]) && !held.contains("T0KEN") && !held.contains("t0ps3cret"), "{held}");
    }
    let bench = Bench::new(&[Reply::Status("401 Unauthorized", "")]).await;
    let (_, summary, held) = bench.until(|figures| figures.delivered == 1).await;
    assert_eq!((summary.figures.refused, held), (1, None), "it goes on by itself");
}

#[tokio::test]
async fn a_server_says_when_it_is_asked_again() {
    let bench = Bench::new(&[Reply::Status("429 Too Many Requests", "retry-after: 1\r\n")]).await;
    let began = Instant::now();
    let (_, summary) = bench.deliver(vec![record(1)]).await;
    // Its own delay would be 20 ms at most.
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((summary.figures.retried, summary.figures.delivered), (1, 1));
}

#[tokio::test]
async fn a_server_that_hangs_or_drips_is_left_after_the_timeout() {
    for reply in [Reply::Hang, Reply::DripHead] {
        let mut bench = Bench::new(std::slice::from_ref(&reply)).await;
        bench.settings.timeout = Duration::from_millis(500);
        let (outside, summary) = bench.deliver(vec![record(1)]).await;
        assert_eq!((summary.figures.delivered, outside.acknowledged), (1, Some(0)), "{reply:?}");
        assert!(summary.figures.retried >= 1, "{reply:?}");
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_a_limit_and_changes_nothing() {
    for reply in [Reply::DripBody, Reply::LongBody] {
        let mut bench = Bench::new(std::slice::from_ref(&reply)).await;
        bench.settings.timeout = Duration::from_secs(1);
        let (_, summary) = bench.deliver(vec![record(1), record(2)]).await;
        assert_eq!((summary.figures.delivered, summary.figures.retried), (2, 0), "{reply:?}");
        assert_eq!(bench.server.connections(), 2, "{reply:?}: what is left unread is no answer");
    }
}

#[tokio::test]
async fn a_connection_lost_before_the_answer_repeats_the_alert_under_its_id() {
    let bench = Bench::new(&[Reply::Drop]).await;
    let (outside, summary) = bench.deliver(vec![record(1)]).await;
    let requests = bench.server.requests();
    let ids: Vec<_> = requests.iter().map(|request| request.header("webhook-id")).collect();
    assert_eq!(ids, [Some(record(1).alert_id.as_str()); 2]);
    assert_eq!((summary.figures.retried, summary.figures.delivered, outside.acknowledged), (1, 1, Some(0)));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_at_once() {
    let bench = Bench::new(&[Reply::CloseAfter]).await;
    let (_, summary) = bench.deliver(vec![record(1), record(2)]).await;
    assert_eq!((summary.figures.delivered, summary.figures.retried, bench.server.connections()), (2, 0, 2));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_gets_nothing() {
    let mut bench = Bench::new(&[]).await;
    let stranger = HttpServer::start(&[]).await;
    let ca_file = bench.settings.ca_file.clone().expect("it was set");
    std::fs::write(ca_file, &stranger.certificate).expect("a writable folder");
    let (outside, summary, held) = bench.until(|figures| figures.refused >= 2).await;
    assert_eq!((bench.server.requests().len(), outside.acknowledged, summary.undelivered), (0, None, 1));
    assert!(held.is_some_and(|held| held.contains("cannot be trusted")));
    // A name that the certificate does not have.
    std::fs::write(bench.settings.ca_file.as_ref().expect("set"), &bench.server.certificate).expect("writable");
    bench.settings.url = Secret::new(format!("https://localhost.localdomain:{}/", bench.server.port));
    let probed = bench.sink().probe().await;
    assert!(probed.is_err(), "{probed:?}");
}

#[tokio::test]
async fn the_inside_of_a_network_is_refused_unless_it_is_allowed() {
    let mut bench = Bench::new(&[]).await;
    bench.settings.allow_private = false;
    let (outside, summary, held) = bench.until(|figures| figures.refused >= 2).await;
    assert_eq!((bench.server.connections(), outside.acknowledged, summary.undelivered), (0, None, 1));
    assert!(held.is_some_and(|held| held.contains("allow_private")));
}

#[tokio::test]
async fn events_inject_no_header() {
    let bench = Bench::new(&[]).await;
    let evil = "x\r\nx-evil: 1\r\n\r\nPOST /other HTTP/1.1\r\n";
    let mut record = record(1);
    record.alert_id = evil.to_owned();
    record.rule = evil.to_owned();
    record.message = evil.to_owned();
    record.key.insert(evil.to_owned(), evil.into());
    let (outside, summary) = bench.deliver(vec![record.clone()]).await;
    assert_eq!((summary.figures.delivered, outside.acknowledged), (1, Some(0)));
    let requests = bench.server.requests();
    assert_eq!(requests.len(), 1);
    let names: Vec<&str> = requests[0].headers.iter().map(|(name, _)| name.as_str()).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let expected = [
        "authorization",
        "content-length",
        "content-type",
        "host",
        "user-agent",
        "webhook-id",
        "webhook-signature",
        "webhook-timestamp",
    ];
    assert_eq!(sorted, expected);
    let id = requests[0].header("webhook-id").expect("an id");
    assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    assert_eq!(serde_json::from_str::<AlertRecord>(&requests[0].body).expect("an alert"), record);
}

#[tokio::test]
async fn a_visit_says_whether_the_server_is_there_and_asks_nothing() {
    let bench = Bench::new(&[]).await;
    let found = bench.sink().probe().await.expect("it is there");
    assert!(found.contains("nothing was sent") && !found.contains("T0KEN"), "{found}");
    assert!(bench.server.requests().is_empty());
}
