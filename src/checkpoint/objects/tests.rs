//! The store against a bucket that checks each signature and fails on demand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;
use crate::secret::Secret;
use crate::testing::bucket::{ACCESS_KEY, BUCKET, Bucket, Fault, REGION, SECRET_KEY};

fn settings(endpoint: String) -> BucketSettings {
    BucketSettings {
        bucket: BUCKET.to_owned(),
        prefix: "fraud/a".to_owned(),
        endpoint: Some(endpoint),
        region: REGION.to_owned(),
        path_style: true,
        keys: Keys { access_key: Secret::new(ACCESS_KEY), secret_key: Secret::new(SECRET_KEY), session_token: None },
        ca_file: None,
        timeout: Duration::from_secs(20),
    }
}

fn open(settings: &BucketSettings) -> Objects {
    Objects::open(settings, "name/snapshots").expect("there is a runtime")
}

fn store() -> (Bucket, Objects) {
    let bucket = Bucket::start();
    let store = open(&settings(bucket.endpoint()));
    (bucket, store)
}

fn told<T: fmt::Debug>(result: io::Result<T>) -> String {
    let told = result.expect_err("it fails").to_string();
    assert!(!told.contains("OpenSesame"), "{told}");
    told
}

#[test]
fn snapshots_come_and_go_by_number() {
    let (bucket, store) = store();
    store.forget_before("a-0", 9).expect("there is nothing to forget");
    for number in 1..=5 {
        store.put("a-0", number, &[&[u8::try_from(number).expect("small")]]).expect("it is taken");
    }
    store.put("a-01", 1, &[b"ot", b"", b"her"]).expect("it is taken");
    bucket.insert("fraud/a/name/snapshots/a-0/notes.txt", b"somebody's");
    store.forget_before("a-0", 5).expect("they are ours");
    let got = |shard, number| store.get(shard, number).expect("it answers");
    assert_eq!((got("a-0", 4), got("a-0", 5), got("a-01", 1)), (None, Some(vec![5]), Some(b"other".to_vec())));
    assert_eq!(
        bucket.keys(),
        ["a-0/0000000000000005.snapshot", "a-0/notes.txt", "a-01/0000000000000001.snapshot"]
            .map(|key| format!("fraud/a/name/snapshots/{key}"))
    );
    assert_eq!(store.place(), "s3://states/fraud/a/name/snapshots");
    store.probe().expect("it is there");
}

#[test]
fn a_snapshot_of_megabytes_comes_back_as_it_was() {
    let (_bucket, store) = store();
    let large: Vec<u8> = (0..5_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    store.put("a-0", u64::MAX, &[b"head", &large, b"tail"]).expect("it is taken");
    let back = store.get("a-0", u64::MAX).expect("it answers").expect("it is there");
    assert!(back == [b"head", &large[..], b"tail"].concat());
}

#[test]
fn who_shows_a_wrong_key_is_told_so_and_no_key_is() {
    let bucket = Bucket::start();
    let right = settings(bucket.endpoint());
    let wrong = |change: fn(&mut BucketSettings)| {
        let mut settings = right.clone();
        change(&mut settings);
        told(open(&settings).put("a-0", 1, &[b"state"]))
    };
    let signature = wrong(|settings| settings.keys.secret_key = Secret::new("another-OpenSesame"));
    assert!(
        signature
            .starts_with("s3://states/fraud/a/name/snapshots/a-0/0000000000000001.snapshot: SignatureDoesNotMatch")
            && signature.ends_with("look at `secret_key` and `region`"),
        "{signature}"
    );
    let key = wrong(|settings| settings.keys.access_key = Secret::new("another-OpenSesame"));
    assert!(key.ends_with("look at `access_key`"), "{key}");
    let region = wrong(|settings| settings.region = "elsewhere".to_owned());
    assert!(region.ends_with("look at `region`"), "{region}");
    let bucket_name = wrong(|settings| settings.bucket = "other".to_owned());
    assert!(bucket_name.ends_with("make the bucket: tripline does not"), "{bucket_name}");
    bucket.expect_token("token-OpenSesame");
    let token = wrong(|_| ());
    assert!(token.ends_with("look at `session_token`"), "{token}");
    assert_eq!(bucket.keys(), [""; 0]);
    let mut lent = right.clone();
    lent.keys.session_token = Some(Secret::new("token-OpenSesame"));
    open(&lent).put("a-0", 1, &[b"state"]).expect("it is shown");
}

/// A snapshot that is not there is none; a bucket that is not there is a mistake.
#[test]
fn a_missing_bucket_is_no_missing_snapshot() {
    let (bucket, store) = store();
    assert_eq!(store.get("a-0", 1).expect("it answers"), None);
    let elsewhere = open(&BucketSettings { bucket: "other".to_owned(), ..settings(bucket.endpoint()) });
    assert!(told(elsewhere.get("a-0", 1)).contains("NoSuchBucket"));
    assert!(told(elsewhere.forget_before("a-0", 1)).contains("NoSuchBucket"));
    assert!(told(elsewhere.probe()).contains("NoSuchBucket"));
}

#[test]
fn trouble_that_passes_is_not_seen() {
    let (bucket, store) = store();
    let slow_down = Fault::Status(503, "SlowDown", "Please reduce your request rate.");
    for fault in [slow_down, Fault::Page(502), Fault::Closed] {
        bucket.fail_once(fault);
        store.put("a-0", 1, &[b"the state"]).expect("it is tried again");
        assert_eq!(bucket.object("fraud/a/name/snapshots/a-0/0000000000000001.snapshot"), Some(b"the state".to_vec()));
        for fault in [fault, Fault::Torn] {
            bucket.fail_once(fault);
            assert_eq!(store.get("a-0", 1).expect("it is tried again"), Some(b"the state".to_vec()), "{fault:?}");
        }
        bucket.fail_once(fault);
        store.forget_before("a-0", 2).expect("it is tried again");
        assert_eq!(bucket.keys(), [""; 0]);
    }
}

#[test]
fn trouble_that_stays_is_told_after_a_few_attempts() {
    let (bucket, store) = store();
    bucket.insert("fraud/a/name/snapshots/a-0/0000000000000001.snapshot", b"the state");
    let denied = Fault::Status(403, "AccessDenied", "Access Denied");
    for (fault, said, attempts) in [
        (denied, "AccessDenied: Access Denied; the key needs s3:GetObject", 1),
        (Fault::Page(500), "500 Internal Server Error: <html> <h1>out of order</h1> </html>", 1 + RETRIES_MAX),
    ] {
        bucket.fail(Some(fault));
        let before = bucket.requests().len();
        let told = told(store.get("a-0", 1));
        assert!(told.contains(said), "{told}");
        assert_eq!(bucket.requests().len() - before, attempts, "{told}");
    }
    bucket.fail(None);
    assert!(store.get("a-0", 1).expect("it answers").is_some(), "who refuses is asked again");
}

/// A start is not held up by each of a hundred partitions.
#[test]
fn a_store_that_hangs_is_given_up_and_left_in_peace() {
    let bucket = Bucket::start();
    let store = open(&BucketSettings { timeout: Duration::from_millis(300), ..settings(bucket.endpoint()) });
    bucket.fail(Some(Fault::Hang));
    let got = store.get("a-0", 1);
    assert_eq!(got.as_ref().err().map(io::Error::kind), Some(io::ErrorKind::TimedOut));
    assert!(told(got).contains("no answer within"));
    let asked = bucket.requests().len();
    let resting = told(store.get("a-1", 1));
    assert!(resting.contains("a-1/0000000000000001.snapshot: the store did not answer 0 s ago"), "{resting}");
    assert_eq!(bucket.requests().len(), asked);
    // What is to be written is tried each time; once that goes well, reading does too.
    assert!(told(store.put("a-1", 1, &[b"state"])).contains("no answer within"));
    bucket.fail(None);
    store.put("a-1", 1, &[b"state"]).expect("it answers again");
    assert_eq!(store.get("a-1", 1).expect("it answers again"), Some(b"state".to_vec()));
}

#[test]
fn nobody_at_the_other_end_is_told_with_the_reason() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound");
    let store = open(&settings(format!("http://{free}")));
    let began = Instant::now();
    let told = told(store.get("a-0", 1));
    assert!(told.contains("no connection to 127.0.0.1") && told.contains("look at `endpoint`"), "{told}");
    assert!(began.elapsed() < Duration::from_secs(20), "not all of the time is waited for what refuses");
}

#[test]
fn a_server_is_spoken_to_over_tls_only_where_somebody_vouches_for_it() {
    let bucket = Bucket::start();
    let (endpoint, certificate) = over_tls(&bucket);
    let folder = tempfile::tempdir().expect("a folder");
    let (ours, other) = (folder.path().join("ours.pem"), folder.path().join("other.pem"));
    let another = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    std::fs::write(&ours, certificate).expect("the folder is ours");
    std::fs::write(&other, another.cert.pem()).expect("the folder is ours");
    let trusting = |ca_file| open(&BucketSettings { ca_file: Some(ca_file), ..settings(endpoint.clone()) });
    let store = trusting(ours);
    store.put("a-0", 1, &[b"state"]).expect("it is trusted");
    assert_eq!(store.get("a-0", 1).expect("it is trusted"), Some(b"state".to_vec()));
    let asked = bucket.requests().len();
    let distrusted = told(trusting(other).put("a-0", 2, &[b"state"]));
    assert!(distrusted.contains("the server cannot be trusted"), "{distrusted}");
    assert_eq!(bucket.requests().len(), asked, "nothing reaches it");
}

/// The bucket behind TLS, and the certificate.
fn over_tls(bucket: &Bucket) -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is made");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("they belong together");
    let (acceptor, behind) = (TlsAcceptor::from(Arc::new(config)), bucket.endpoint());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    listener.set_nonblocking(true).expect("a socket can be");
    std::thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).expect("it is nonblocking");
            while let Ok((stream, _)) = listener.accept().await {
                // Who distrusts us goes away.
                let Ok(mut here) = acceptor.accept(stream).await else { continue };
                let there = TcpStream::connect(behind.trim_start_matches("http://")).await;
                drop(copy_bidirectional(&mut here, &mut there.expect("it listens")).await);
            }
        });
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

#[test]
fn a_bucket_stands_in_the_path_or_in_front_of_the_host() {
    let mut settings = settings("https://s3.example.com:9000".to_owned());
    assert_eq!(settings.address().as_deref(), Some("https://s3.example.com:9000"));
    settings.path_style = false;
    assert_eq!(settings.address().as_deref(), Some("https://states.s3.example.com:9000"));
    settings.endpoint = None;
    assert_eq!(settings.address(), None);
}

#[test]
fn a_store_shows_no_key() {
    let (_bucket, store) = store();
    let shown = format!("{store:?} {:?}", settings(String::new()));
    assert!(!shown.contains("OpenSesame") && shown.contains("s3://states/"), "{shown}");
}
