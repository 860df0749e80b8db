//! The mail sink in real SMTP conversations: TLS, login, refusals, broken connections; and as files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_parser::{Message, MessageParser};
use tempfile::TempDir;
use tokio::sync::watch;
use tripline::alert::AlertRecord;
use tripline::secret::Secret;
use tripline::sink::{Backoff, DeadMail, EmailSettings, EmailSink, EmailSinkError, EmailSummary};

use super::outside::{Inbox, Letters, Outside, World, record};
use super::smtp_server::{Fault, Mode, Received, SmtpServer};

/// A sink that hangs fails its test instead of stopping all.
const GUARD: Duration = Duration::from_secs(10);

/// Settings for a test server whose certificate is trusted.
struct Trusted {
    settings: EmailSettings,
    folder: TempDir,
}

impl Trusted {
    fn new(server: &SmtpServer, scheme: &str) -> Trusted {
        let folder = TempDir::new().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, &server.certificate).expect("a writable folder");
        let mut settings = plain(server, scheme);
        settings.ca_file = Some(ca_file);
        settings.user = Some("user".to_owned());
        settings.password = Some(Secret::new("pass:word"));
        Trusted { settings, folder }
    }

    async fn deliver(self, records: Vec<AlertRecord>) -> (Outside<DeadMail>, EmailSummary) {
        let ended = deliver(self.settings, records).await;
        drop(self.folder);
        ended
    }
}

fn plain(server: &SmtpServer, scheme: &str) -> EmailSettings {
    let url = format!("{scheme}://localhost:{}", server.port);
    let mut settings =
        EmailSettings::new(url, "Fraud desk <tripline@example.com>", vec!["desk@example.com".to_owned()]);
    settings.timeout = Duration::from_secs(5);
    settings
}

fn sink(settings: EmailSettings) -> EmailSink {
    let quick = Backoff { first: Duration::from_millis(1), ceiling: Duration::from_millis(20), ..Backoff::default() };
    EmailSink::new("desk", settings).expect("settings are right").with_retries(quick, 1)
}

/// Runs a sink until all the records are dealt with.
async fn deliver(settings: EmailSettings, records: Vec<AlertRecord>) -> (Outside<DeadMail>, EmailSummary) {
    let world = World::<DeadMail>::default();
    let (stop, shutdown) = watch::channel(false);
    let run = sink(settings).run(Inbox::new(&world, records, true), Letters(Arc::clone(&world)), shutdown);
    let summary = tokio::time::timeout(GUARD, run).await.expect("the sink ends").expect("no error");
    drop(stop);
    let outside = std::mem::take(&mut *world.lock().expect("no panic"));
    (outside, summary)
}

/// Runs a sink that cannot deliver until it was refused twice, then stops it.
async fn refuse(settings: EmailSettings) -> (Outside<DeadMail>, EmailSummary) {
    let world = World::<DeadMail>::default();
    let (stop, shutdown) = watch::channel(false);
    let sink = sink(settings);
    let counters = sink.counters();
    let run = tokio::spawn(sink.run(Inbox::new(&world, vec![record(1)], false), Letters(Arc::clone(&world)), shutdown));
    let refused = async {
        while counters.figures().refused < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GUARD, refused).await.expect("the server is refused");
    stop.send(true).expect("the sink runs");
    let summary = tokio::time::timeout(GUARD, run).await.expect("it stops").expect("no panic").expect("no error");
    let outside = std::mem::take(&mut *world.lock().expect("no panic"));
    (outside, summary)
}

fn parse(mail: &Received) -> Message<'_> {
    MessageParser::default().parse(&mail.data).expect("a mail")
}

fn message_ids(server: &SmtpServer) -> Vec<String> {
    server.received().iter().map(|mail| parse(mail).message_id().expect("an id").to_owned()).collect()
}

fn id_of(n: u64) -> String {
    format!("{n:032x}@example.com")
}

#[tokio::test]
async fn a_mail_goes_through_starttls_and_login() {
    let server = SmtpServer::start(Mode::StartTls, &[]).await;
    let (outside, summary) = Trusted::new(&server, "smtp").deliver(vec![record(1), record(2)]).await;
    let received = server.received();
    assert_eq!((received.len(), summary.figures.sent, outside.acknowledged), (2, 2, Some(1)));
    assert_eq!(server.connections(), 1, "the connection is kept");
    let mail = &received[0];
    assert!(mail.encrypted);
    assert_eq!(mail.user.as_deref(), Some("user"));
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("tripline@example.com", &["desk@example.com".to_owned()][..])
    );
    let message = parse(mail);
    assert_eq!(message.subject(), Some("[high] country_hop: u1: login from DE, purchase from FR"));
    assert_eq!(message.message_id(), Some(id_of(1).as_str()));
    assert_eq!(message.header_raw("Auto-Submitted").map(str::trim), Some("auto-generated"));
    assert_eq!(message.header_raw("X-Tripline-Rule").map(str::trim), Some("country_hop"));
    assert_eq!(message.header_raw("X-Tripline-Severity").map(str::trim), Some("high"));
    assert!(message.date().is_some());
    let from = message.from().and_then(|from| from.first()).expect("a sender");
    assert_eq!((from.name(), from.address()), (Some("Fraud desk"), Some("tripline@example.com")));
    assert!(message.body_text(0).expect("text").contains("login from DE"));
    assert!(message.body_html(0).expect("html").contains("login from DE"));
}

#[tokio::test]
async fn a_mail_goes_through_smtps_and_the_older_login() {
    let server = SmtpServer::with_login(Mode::Tls, "LOGIN", &[]).await;
    let (_, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1)]).await;
    assert_eq!(summary.figures.sent, 1);
    let mail = &server.received()[0];
    assert_eq!((mail.encrypted, mail.user.as_deref()), (true, Some("user")));
}

#[tokio::test]
async fn fields_inject_neither_headers_nor_markup() {
    let server = SmtpServer::start(Mode::Tls, &[]).await;
    let evil = "x\r\nBcc: thief@example.com\r\n\r\n.\r\nMAIL FROM:<a@b.c>\r\n<script>alert(1)</script>";
    let mut record = record(1);
    record.rule = evil.to_owned();
    record.message = evil.to_owned();
    record.severity = evil.to_owned();
    record.alert_id = evil.to_owned();
    record.key.insert(evil.to_owned(), evil.into());
    record.events[0].fields.insert(evil.to_owned(), evil.into());
    let mut trusted = Trusted::new(&server, "smtps");
    trusted.settings.from = "Desk\r\nBcc: thief@example.com <tripline@example.com>".to_owned();
    // A colon makes the name no name; what counts is that it is an error and not a panic.
    assert!(EmailSink::new("desk", trusted.settings.clone()).is_err());
    trusted.settings.from = "\"Desk\r\n Bcc\" <tripline@example.com>".to_owned();
    let (_, summary) = trusted.deliver(vec![record]).await;
    assert_eq!(summary.figures.sent, 1);
    let received = server.received();
    let message = parse(&received[0]);
    assert_eq!(received[0].to, ["desk@example.com"]);
    assert!(message.bcc().is_none());
    assert_eq!(message.headers().len(), 10, "{:?}", message.headers());
    assert!(!message.body_html(0).expect("html").contains("<script"));
    assert!(message.body_html(0).expect("html").contains("&lt;script&gt;"));
    assert_eq!(server.commands().iter().filter(|line| line.starts_with("MAIL")).count(), 1);
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() {
    let server = SmtpServer::start(Mode::Plain, &[]).await;
    let trusted = Trusted::new(&server, "smtp");
    let (outside, summary) = refuse(trusted.settings.clone()).await;
    assert!(server.commands().iter().all(|line| line.starts_with("EHLO") || line == "QUIT"), "{:?}", server.commands());
    assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (None, 0, 1));
}

#[tokio::test]
async fn plaintext_is_spoken_only_when_asked_for() {
    let server = SmtpServer::start(Mode::Plain, &[]).await;
    let mut settings = plain(&server, "smtp");
    settings.insecure_plaintext = true;
    let (_, summary) = deliver(settings, vec![record(1)]).await;
    assert_eq!(summary.figures.sent, 1);
    assert!(!server.received()[0].encrypted);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    for (mode, scheme) in [(Mode::StartTls, "smtp"), (Mode::Tls, "smtps")] {
        let server = SmtpServer::start(mode, &[]).await;
        let (outside, summary) = refuse(plain(&server, scheme)).await;
        assert!(server.received().is_empty());
        assert_eq!((outside.acknowledged, outside.dead.len(), summary.undelivered), (None, 0, 1));
    }
}

#[tokio::test]
async fn a_refused_login_holds_the_mail_and_never_shows_the_password() {
    let server = SmtpServer::start(Mode::Tls, &[Fault::RejectLogin; 3]).await;
    let (outside, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1)]).await;
    assert_eq!((summary.figures.refused, summary.figures.sent, outside.dead.len()), (3, 1, 0));
    assert_eq!(message_ids(&server), [id_of(1)]);
}

#[tokio::test]
async fn a_temporary_refusal_is_repeated() {
    let faults = [Fault::Recipient("451 4.7.1 greylisted"), Fault::Data("452 4.3.1 disk full")];
    let server = SmtpServer::start(Mode::Tls, &faults).await;
    let (outside, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1)]).await;
    assert_eq!((summary.figures.retried, summary.figures.sent, summary.figures.failed), (2, 1, 0));
    assert_eq!((outside.acknowledged, server.faults_left()), (Some(0), 0));
    assert_eq!(server.connections(), 1, "a refusal does not cost the connection");
}

#[tokio::test]
async fn a_permanent_refusal_goes_to_the_dead_letters() {
    for fault in [Fault::Recipient("550 5.1.1 no such user"), Fault::Data("554 5.7.1 spam")] {
        let server = SmtpServer::start(Mode::Tls, &[fault]).await;
        let (outside, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1), record(2)]).await;
        assert_eq!((summary.figures.sent, summary.figures.failed, outside.acknowledged), (1, 1, Some(1)));
        assert_eq!(message_ids(&server), [id_of(2)]);
        let letter = &outside.dead[0];
        assert_eq!(letter.alert_ids, [record(1).alert_id]);
        assert!(letter.reason.contains("5.1.1") || letter.reason.contains("5.7.1"), "{}", letter.reason);
        assert!(MessageParser::default().parse(&letter.mail).is_some());
    }
}

#[tokio::test]
async fn one_wrong_address_does_not_silence_the_others() {
    let server = SmtpServer::start(Mode::Tls, &[Fault::Recipient("550 5.1.1 no such user")]).await;
    let mut trusted = Trusted::new(&server, "smtps");
    trusted.settings.to = vec!["gone@example.com".to_owned(), "desk@example.com".to_owned()];
    let (outside, summary) = trusted.deliver(vec![record(1)]).await;
    assert_eq!(server.received()[0].to, ["desk@example.com"]);
    assert_eq!(outside.dead[0].recipients, ["gone@example.com"]);
    assert_eq!((summary.figures.sent, summary.figures.failed), (1, 1));
}

#[tokio::test]
async fn a_connection_lost_after_the_mail_repeats_it_under_the_same_id() {
    let server = SmtpServer::start(Mode::Tls, &[Fault::DropAfterData]).await;
    let (outside, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1)]).await;
    assert_eq!(message_ids(&server), [id_of(1), id_of(1)]);
    assert_eq!((summary.figures.sent, summary.figures.retried, outside.acknowledged), (1, 1, Some(0)));
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_is_replaced_at_once() {
    let server = SmtpServer::start(Mode::Tls, &[Fault::CloseAfterMail]).await;
    let (_, summary) = Trusted::new(&server, "smtps").deliver(vec![record(1), record(2)]).await;
    assert_eq!(message_ids(&server), [id_of(1), id_of(2)]);
    assert_eq!((summary.figures.sent, summary.figures.retried, server.connections()), (2, 0, 2));
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_the_timeout() {
    let server = SmtpServer::start(Mode::Tls, &[Fault::Hang]).await;
    let mut trusted = Trusted::new(&server, "smtps");
    trusted.settings.timeout = Duration::from_secs(1);
    let (outside, summary) = trusted.deliver(vec![record(1)]).await;
    assert_eq!((summary.figures.sent, outside.acknowledged, server.faults_left()), (1, Some(0), 0));
    assert!(summary.figures.retried >= 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_leaves_the_mail_unacknowledged() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = free.local_addr().expect("a bound socket").port();
    drop(free);
    let mut settings =
        EmailSettings::new(format!("smtp://127.0.0.1:{port}"), "t@example.com", vec!["d@example.com".to_owned()]);
    settings.insecure_plaintext = true;
    let world = World::<DeadMail>::default();
    let (stop, shutdown) = watch::channel(false);
    let sink = sink(settings);
    let counters = sink.counters();
    let run = tokio::spawn(sink.run(Inbox::new(&world, vec![record(1)], false), Letters(Arc::clone(&world)), shutdown));
    let retried = async {
        while counters.figures().retried < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(GUARD, retried).await.expect("it tries again");
    stop.send(true).expect("the sink runs");
    let summary = tokio::time::timeout(GUARD, run).await.expect("it stops").expect("no panic").expect("no error");
    assert_eq!((summary.undelivered, world.lock().expect("no panic").acknowledged), (1, None));
}

#[tokio::test]
async fn a_folder_takes_mails_as_files() {
    let folder = TempDir::new().expect("a folder");
    let mails = folder.path().join("mails");
    let settings =
        EmailSettings::new(format!("file:{}", mails.display()), "t@example.com", vec!["d@example.com".to_owned()]);
    let (outside, summary) = deliver(settings, vec![record(1), record(2)]).await;
    let mut names: Vec<String> = std::fs::read_dir(&mails)
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    let expected = [1, 2].map(|n| format!("2026-01-31T080400.000Z-{n:032x}.eml"));
    assert_eq!(names, expected);
    let bytes = std::fs::read(mails.join(&names[0])).expect("a file");
    let message = MessageParser::default().parse(&bytes).expect("a mail");
    assert_eq!(message.message_id(), Some(id_of(1).as_str()));
    assert_eq!((summary.figures.sent, outside.acknowledged), (2, Some(1)));
}

#[test]
fn wrong_settings_and_certificates_say_what_to_change() {
    let mut settings = EmailSettings::new("mail", "nobody", Vec::new());
    let error = EmailSink::new("desk", settings.clone()).err().expect("refused").to_string();
    assert!(["'desk'", "server ", "from ", "to is empty"].iter().all(|part| error.contains(part)), "{error}");
    settings = EmailSettings::new("smtps://localhost", "t@example.com", vec!["d@example.com".to_owned()]);
    settings.ca_file = Some(PathBuf::from("/nowhere/ca.pem"));
    let error = EmailSink::new("desk", settings).err().expect("refused");
    assert!(matches!(&error, EmailSinkError::Tls { reason, .. } if reason.contains("/nowhere/ca.pem")), "{error}");
}
