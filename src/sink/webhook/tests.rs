//! Where a webhook connects to, with a resolver that lies; and what a request is made of. Whole conversations with
//! servers are in the integration tests.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::secret::Secret;
use crate::sink::carrier::{Carrier, Taken, Trouble};
use crate::sink::tests::record;
use crate::sink::webhook::client::Resolve;
use crate::sink::webhook::post::Webhook;
use crate::sink::webhook::settings::WebhookSettings;

/// Answers each look-up from its script; the last answer stays.
struct Lying(VecDeque<Vec<SocketAddr>>);

impl Lying {
    fn new(answers: &[&[&str]]) -> Lying {
        let parse = |address: &&str| address.parse().expect("an address");
        Lying(answers.iter().map(|answer| answer.iter().map(parse).collect()).collect())
    }
}

impl Resolve for Lying {
    async fn resolve(&mut self, host: &str, _port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "hooks.example.com");
        let next = if self.0.len() > 1 { self.0.pop_front() } else { self.0.front().cloned() };
        Ok(next.unwrap_or_default())
    }
}

/// A server that says yes, closes after each answer, and counts its visitors.
async fn server() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    let visitors = Arc::<AtomicUsize>::default();
    let count = Arc::clone(&visitors);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut bytes = [0; 4096];
            // A client that goes at once is a visitor too.
            if stream.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).await.expect("the client waits");
            }
        }
    });
    (address, visitors)
}

fn plain() -> WebhookSettings {
    let mut settings = WebhookSettings::new("http://hooks.example.com/T0KEN");
    settings.insecure_plaintext = true;
    settings.timeout = Duration::from_secs(5);
    settings
}

fn webhook(settings: &WebhookSettings, answers: &[&[&str]]) -> Webhook<Lying> {
    Webhook::with_resolver(settings, Lying::new(answers)).expect("settings are right")
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    let (inside, visitors) = server().await;
    for addresses in [&[inside.to_string().as_str()][..], &["10.0.0.1:80", "[::1]:80", "169.254.169.254:80"]] {
        let mut webhook = webhook(&plain(), &[addresses]);
        let trouble = webhook.deliver(&[&record(1)]).await.expect_err("refused");
        assert!(matches!(trouble, Trouble::Unusable(_)), "{trouble}");
        let said = trouble.to_string();
        assert!(said.contains("allow_private") && said.contains("http://hooks.example.com"), "{said}");
        assert!(!said.contains("T0KEN"), "{said}");
        assert!(webhook.probe().await.is_err());
    }
    assert_eq!(visitors.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_that_is_connected_to() {
    let (first, first_visitors) = server().await;
    let (second, second_visitors) = server().await;
    let mut settings = plain();
    settings.allow_private = true;
    // A second look-up for the same request would lead to the second server.
    let mut webhook = webhook(&settings, &[&[&first.to_string()], &[&second.to_string()]]);
    assert_eq!(webhook.deliver(&[&record(1)]).await, Ok(Taken::default()));
    assert_eq!((first_visitors.load(Ordering::Relaxed), second_visitors.load(Ordering::Relaxed)), (1, 0));
    // A new connection is a new look-up: the host may have moved.
    assert_eq!(webhook.deliver(&[&record(2)]).await, Ok(Taken::default()));
    assert_eq!((first_visitors.load(Ordering::Relaxed), second_visitors.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_does_not_answer() {
    let (working, _) = server().await;
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let mut settings = plain();
    settings.allow_private = true;
    let mut webhook = webhook(&settings, &[&[&closed.to_string(), &working.to_string()]]);
    assert_eq!(webhook.deliver(&[&record(1)]).await, Ok(Taken::default()));
}

#[tokio::test]
async fn a_host_without_address_and_a_closed_port_are_tried_again() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("an address");
    let mut settings = plain();
    settings.allow_private = true;
    for addresses in [&[][..], &[closed.to_string().as_str()]] {
        let trouble = webhook(&settings, &[addresses]).deliver(&[&record(1)]).await.expect_err("nobody is there");
        assert!(matches!(trouble, Trouble::Away(_)), "{trouble}");
    }
}

#[test]
fn certificates_that_cannot_be_read_are_told_with_the_settings() {
    let mut settings = WebhookSettings::new("https://hooks.example.com/");
    settings.ca_file = Some("/nowhere/ca.pem".into());
    settings.secrets = vec![Secret::new("whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=")];
    let errors = Webhook::new(&settings).err().expect("refused");
    assert!(errors[0].to_string().starts_with("ca_file cannot read /nowhere/ca.pem"), "{}", errors[0]);
}
