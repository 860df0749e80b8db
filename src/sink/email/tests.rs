//! The sink against a scripted server on a clock that jumps: retries, digests, caps and acknowledgements; and the
//! mails themselves as a mail program reads them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lettre::Address;
use mail_parser::{MessageParser, MimeHeaders};
use proptest::prelude::*;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alert::AlertRecord;
use crate::program::Severity;
use crate::sink::email::mail::{Composer, Mail};
use crate::sink::email::mailer::{Mailer, Refusal, SendError};
use crate::sink::email::settings::EmailSettings;
use crate::sink::email::sink::{EmailSinkError, EmailSummary, Parts, Runner};
use crate::sink::outside::{Channel, Dead, Feed, Witness};
use crate::sink::{Backoff, DeadMail, InboxPosition, Random};

fn record(n: u64, rule: &str) -> AlertRecord {
    serde_json::from_value(json!({
        "alert_id": format!("{n:032x}"), "rule": rule, "version": "v1", "kind": "alert", "severity": "high",
        "score": 40.0, "key": {"user_id": format!("u{n}")}, "time": "2026-01-31T08:04:00.000Z",
        "started": "2026-01-31T08:00:00.000Z", "message": format!("alert number {n}"), "tags": ["travel"],
        "events": [
            {"step": "a", "type": "login", "id": "e1", "time": "2026-01-31T08:00:00.000Z", "fields": {"country": "DE"}},
            {"step": "b", "type": "purchase", "id": "e2", "time": "2026-01-31T08:04:00.000Z",
             "fields": {"country": "FR", "amount": 30}},
        ],
        "values": {"count": 2},
    }))
    .expect("a record of the right form")
}

/// Everything the outside saw, with the time at which it saw it.
#[derive(Default)]
struct Seen {
    mails: Vec<(Instant, Mail, Vec<Address>)>,
    attempts: Vec<Instant>,
    acknowledged: Vec<InboxPosition>,
    dead: Vec<DeadMail>,
}

type World = Arc<Mutex<Seen>>;
type Verdict = Box<dyn FnMut(usize, &[Address]) -> Result<Vec<Refusal>, SendError> + Send>;

/// A server that does what its script says with the n-th attempt.
struct Scripted {
    world: World,
    verdict: Verdict,
    attempt: usize,
}

impl Mailer for Scripted {
    async fn send(&mut self, mail: &Mail, to: &[Address]) -> Result<Vec<Refusal>, SendError> {
        self.world.lock().expect("no panic").attempts.push(Instant::now());
        let verdict = (self.verdict)(self.attempt, to);
        self.attempt += 1;
        if matches!(&verdict, Ok(refusals) if refusals.len() < to.len()) {
            self.world.lock().expect("no panic").mails.push((Instant::now(), mail.clone(), to.to_vec()));
        }
        verdict
    }
}

impl Witness for Seen {
    type Letter = DeadMail;

    fn acknowledged(&mut self, up_to: InboxPosition) {
        self.acknowledged.push(up_to);
    }

    fn buried(&mut self, letter: DeadMail) {
        self.dead.push(letter);
    }
}

/// A sink under test.
struct Bench {
    world: World,
    feed: Feed,
    stop: watch::Sender<bool>,
    run: tokio::task::JoinHandle<Result<EmailSummary, EmailSinkError>>,
}

impl Bench {
    fn start(
        change: impl FnOnce(&mut EmailSettings),
        verdict: impl FnMut(usize, &[Address]) -> Result<Vec<Refusal>, SendError> + Send + 'static,
    ) -> Bench {
        Bench::start_with(change, verdict, false)
    }

    fn start_with(
        change: impl FnOnce(&mut EmailSettings),
        verdict: impl FnMut(usize, &[Address]) -> Result<Vec<Refusal>, SendError> + Send + 'static,
        broken: bool,
    ) -> Bench {
        let world = World::default();
        let (feed, inbox) = Channel::new(&world);
        let (stop, shutdown) = watch::channel(false);
        let mut settings = EmailSettings::new("smtps://mail.example.com", "t@example.com", recipients());
        change(&mut settings);
        let parts = Parts {
            name: "desk".to_owned(),
            resolved: settings.resolve().expect("settings are right"),
            settings,
            counters: Arc::default(),
            backoff: Backoff::default(),
            random: Random::new(1),
        };
        let mailer = Scripted { world: Arc::clone(&world), verdict: Box::new(verdict), attempt: 0 };
        let dead = Dead { world: Arc::clone(&world), broken };
        let run = tokio::spawn(Runner::new(parts, mailer, inbox, dead, shutdown).run());
        Bench { world, feed, stop, run }
    }

    fn give(&mut self, record: AlertRecord) {
        self.feed.give(record);
    }

    fn storm(&mut self, rule: &str, ids: std::ops::Range<u64>) {
        ids.for_each(|n| self.give(record(n, rule)));
    }

    fn last_acknowledged(&self) -> Option<u64> {
        self.world.lock().expect("no panic").acknowledged.last().map(|position| position.offset)
    }

    fn subjects(&self) -> Vec<String> {
        let world = self.world.lock().expect("no panic");
        world.mails.iter().map(|(_, mail, _)| parse(mail).subject().expect("a subject").to_owned()).collect()
    }

    /// Ends the inbox and waits until all is delivered.
    async fn finish(self) -> (World, EmailSummary) {
        drop(self.feed);
        let summary = self.run.await.expect("no panic").expect("no error");
        drop(self.stop);
        (self.world, summary)
    }
}

fn recipients() -> Vec<String> {
    vec!["one@example.com".to_owned(), "two@example.com".to_owned()]
}

fn parse(mail: &Mail) -> mail_parser::Message<'_> {
    MessageParser::default().parse(&mail.bytes).expect("a mail")
}

fn refused(to: &Address, permanent: bool) -> Refusal {
    Refusal { recipient: to.clone(), permanent, reason: "no".to_owned() }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn only_what_is_for_us_is_mailed_once_and_all_is_acknowledged() {
    let mut bench = Bench::start(|settings| settings.min_severity = Some(Severity::Medium), |_, _| Ok(Vec::new()));
    let with = |n, to: &[&str], severity: &str| {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        AlertRecord { to, severity: severity.to_owned(), ..record(n, "r") }
    };
    bench.give(with(1, &[], "high"));
    bench.give(with(2, &["desk", "other"], "medium"));
    bench.give(with(3, &["other"], "critical"));
    bench.give(with(4, &[], "low"));
    bench.give(with(1, &[], "high"));
    bench.give(with(5, &[], "unheard of"));
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    let ids: Vec<_> = world.mails.iter().map(|(_, mail, _)| mail.alert_ids[0].clone()).collect();
    assert_eq!(ids, [1, 2, 5].map(|n| format!("{n:032x}")));
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(5));
    let figures = summary.figures;
    assert_eq!((figures.read, figures.sent, figures.skipped, figures.repeats), (6, 3, 2, 1));
    assert_eq!(summary.undelivered, 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_is_tried_again_and_nothing_is_acknowledged_meanwhile() {
    let down = |attempt, _: &[Address]| {
        if attempt < 12 { Err(SendError::Unreachable("refused".to_owned())) } else { Ok(Vec::new()) }
    };
    let mut bench = Bench::start(|_| (), down);
    bench.storm("r", 0..2);
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.last_acknowledged(), None);
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    assert_eq!(world.mails.len(), 2);
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(1));
    assert_eq!((summary.figures.retried, summary.figures.failed), (12, 0));
    let gaps = world.attempts.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.max().expect("attempts") <= Duration::from_secs(301));
}

#[tokio::test(start_paused = true)]
async fn after_a_day_of_silence_the_mail_goes_to_the_dead_letters() {
    let mut bench = Bench::start(|_| (), |_, _| Err(SendError::Unreachable("timed out".to_owned())));
    let began = Instant::now();
    bench.storm("r", 0..1);
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    let day = Duration::from_hours(24);
    assert!(began.elapsed() >= day && began.elapsed() < day + Duration::from_secs(301), "{:?}", began.elapsed());
    assert_eq!(world.dead.len(), 1);
    assert!(world.dead[0].reason.contains("given up after retries: timed out"), "{}", world.dead[0].reason);
    assert_eq!(world.dead[0].recipients, recipients());
    assert_eq!((summary.figures.failed, summary.figures.sent), (1, 0));
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(0));
}

#[tokio::test(start_paused = true)]
async fn the_inbox_is_read_on_after_a_mail_was_given_up() {
    let day = Duration::from_hours(24);
    let began = Instant::now();
    let verdict = move |_, _: &[Address]| {
        if began.elapsed() < day + 350 * SECOND {
            Err(SendError::Unreachable("down".to_owned()))
        } else {
            Ok(Vec::new())
        }
    };
    let mut bench = Bench::start(|_| (), verdict);
    bench.storm("r", 0..1);
    tokio::time::sleep(day + Duration::from_secs(400)).await;
    bench.storm("r", 1..2);
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(bench.subjects(), ["[high] r: alert number 1"]);
    let (_, summary) = bench.finish().await;
    assert_eq!((summary.figures.failed, summary.figures.sent), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_holds_for_ever_and_loses_nothing() {
    let began = Instant::now();
    let verdict = move |_, _: &[Address]| {
        if began.elapsed() < Duration::from_hours(48) {
            Err(SendError::Unusable("535 wrong password".to_owned()))
        } else {
            Ok(Vec::new())
        }
    };
    let mut bench = Bench::start(|_| (), verdict);
    bench.storm("r", 0..3);
    let (world, summary) = bench.finish().await;
    assert_eq!(world.lock().expect("no panic").mails.len(), 3);
    assert_eq!(summary.figures.failed, 0);
    assert!(summary.figures.refused > 100);
}

#[tokio::test(start_paused = true)]
async fn each_recipient_is_refused_or_retried_alone_and_holds_up_no_other_mail() {
    // The first recipient's box is full for three attempts; the second has no box.
    let verdict = |attempt, to: &[Address]| match attempt {
        0 => Ok(vec![refused(&to[0], false), refused(&to[1], true)]),
        1..=2 if to.len() == 1 => Ok(vec![refused(&to[0], false)]),
        _ => Ok(Vec::new()),
    };
    let mut bench = Bench::start(|_| (), verdict);
    bench.storm("r", 0..1);
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    assert_eq!(world.mails.len(), 1);
    assert_eq!(world.mails[0].2.iter().map(ToString::to_string).collect::<Vec<_>>(), ["one@example.com"]);
    assert_eq!(world.dead.len(), 1);
    assert_eq!(world.dead[0].recipients, ["two@example.com"]);
    assert_eq!((summary.figures.sent, summary.figures.failed, summary.figures.retried), (1, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_mail_that_waits_lets_others_pass_but_holds_the_acknowledgement() {
    let verdict = |attempt, to: &[Address]| {
        if attempt == 0 { Ok(to.iter().map(|to| refused(to, false)).collect()) } else { Ok(Vec::new()) }
    };
    let mut bench = Bench::start(|_| (), verdict);
    bench.storm("r", 0..3);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(bench.subjects(), ["[high] r: alert number 1", "[high] r: alert number 2"]);
    assert_eq!(bench.last_acknowledged(), None);
    let (world, _) = bench.finish().await;
    let world = world.lock().expect("no panic");
    assert_eq!(world.mails.len(), 3);
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(2));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_kept_stops_the_sink() {
    let verdict = |_, to: &[Address]| Ok(to.iter().map(|to| refused(to, true)).collect());
    let mut bench = Bench::start_with(|_| (), verdict, true);
    bench.storm("r", 0..1);
    let error = (&mut bench.run).await.expect("no panic").expect_err("a stop");
    assert!(matches!(error, EmailSinkError::DeadLetter { .. }), "{error}");
    assert_eq!(bench.last_acknowledged(), None);
}

#[tokio::test(start_paused = true)]
async fn a_storm_becomes_digests_with_exact_totals() {
    let mut bench = Bench::start(|_| (), |_, _| Ok(Vec::new()));
    bench.storm("noisy", 0..1_000);
    bench.storm("calm", 5_000..5_001);
    tokio::time::sleep(SECOND).await;
    let alone: Vec<String> = (0..5).map(|n| format!("[high] noisy: alert number {n}")).collect();
    let mut expected = alone.clone();
    expected.push("[high] calm: alert number 5000".to_owned());
    assert_eq!(bench.subjects(), expected);
    // The sixth alert waits in the digest.
    assert_eq!(bench.last_acknowledged(), Some(4));
    bench.storm("noisy", 1_000..1_500);
    tokio::time::sleep(Duration::from_mins(1)).await;
    expected.push("[high] noisy: 1495 alerts".to_owned());
    assert_eq!(bench.subjects(), expected);
    assert_eq!(bench.last_acknowledged(), Some(1_500));
    // The storm is over: after a calm minute a mail is a mail again.
    tokio::time::sleep(Duration::from_secs(61)).await;
    bench.storm("noisy", 2_000..2_001);
    tokio::time::sleep(SECOND).await;
    expected.push("[high] noisy: alert number 2000".to_owned());
    assert_eq!(bench.subjects(), expected);
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    let digest = parse(&world.mails[6].1);
    let text = digest.body_text(0).expect("text");
    assert!(text.contains("noisy: 1495 alerts (1495 high)") && text.contains("and 1475 more"), "{text}");
    assert_eq!(text.matches("alert number").count(), 20);
    assert_eq!((summary.figures.sent, summary.figures.digests, summary.figures.digested), (8, 1, 1_495));
}

#[tokio::test(start_paused = true)]
async fn the_hourly_limit_is_kept_and_told_and_no_alert_is_lost() {
    let mut bench = Bench::start(|settings| settings.max_per_hour = 20, |_, _| Ok(Vec::new()));
    // Thirty rules a minute with one alert each, for three hours: 5,400 mails, were there no limit.
    let mut next = 0;
    for _ in 0..180 {
        for rule in 0..30 {
            bench.give(record(next, &format!("rule{rule}")));
            next += 1;
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    let times: Vec<Instant> = world.mails.iter().map(|(at, _, _)| *at).collect();
    let busiest =
        times.iter().map(|from| times.iter().filter(|at| **at >= *from && **at < *from + 3600 * SECOND).count());
    assert_eq!(busiest.max(), Some(20));
    assert_eq!(world.mails.iter().map(|(_, mail, _)| mail.alerts).sum::<u64>(), 5_400);
    let first_digest = world.mails.iter().find(|(_, mail, _)| mail.is_digest).expect("a digest");
    let text = parse(&first_digest.1).body_text(0).expect("text").into_owned();
    assert!(text.contains("limit of 20 mails an hour is reached") && text.contains("every 30 minutes"), "{text}");
    assert!(first_digest.0 - times[0] <= Duration::from_secs(61), "the limit is told within a minute");
    assert_eq!(summary.undelivered, 0);
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(5_399));
}

#[tokio::test(start_paused = true)]
async fn a_stop_sends_the_digest_and_leaves_what_it_cannot_send_unacknowledged() {
    let mut bench = Bench::start(|_| (), |_, _| Ok(Vec::new()));
    bench.storm("r", 0..9);
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.last_acknowledged(), Some(4));
    bench.stop.send(true).expect("the sink runs");
    let summary = (&mut bench.run).await.expect("no panic").expect("no error");
    assert_eq!(bench.subjects().last().map(String::as_str), Some("[high] r: 4 alerts"));
    assert_eq!((bench.last_acknowledged(), summary.undelivered), (Some(8), 0));

    let mut bench = Bench::start(|_| (), |_, _| Err(SendError::Unreachable("down".to_owned())));
    bench.storm("r", 0..9);
    tokio::time::sleep(SECOND).await;
    bench.stop.send(true).expect("the sink runs");
    let summary = (&mut bench.run).await.expect("no panic").expect("no error");
    assert_eq!((bench.last_acknowledged(), summary.figures.sent), (None, 0));
    assert!(summary.undelivered >= 1);
}

/// A server that takes the mail but says nothing for an hour.
struct Tarpit;

impl Mailer for Tarpit {
    async fn send(&mut self, _: &Mail, _: &[Address]) -> Result<Vec<Refusal>, SendError> {
        tokio::time::sleep(Duration::from_hours(1)).await;
        Ok(Vec::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_three_seconds_for_the_mail_in_flight() {
    let world = World::default();
    let (mut feed, inbox) = Channel::new(&world);
    let (stop, shutdown) = watch::channel(false);
    let settings = EmailSettings::new("smtps://mail.example.com", "t@example.com", recipients());
    let parts = Parts {
        name: "desk".to_owned(),
        resolved: settings.resolve().expect("settings are right"),
        settings,
        counters: Arc::default(),
        backoff: Backoff::default(),
        random: Random::new(1),
    };
    let dead = Dead { world: Arc::clone(&world), broken: false };
    let run = tokio::spawn(Runner::new(parts, Tarpit, inbox, dead, shutdown).run());
    feed.give(record(1, "r"));
    tokio::time::sleep(SECOND).await;
    let asked = Instant::now();
    stop.send(true).expect("the sink runs");
    let summary = run.await.expect("no panic").expect("no error");
    assert_eq!(asked.elapsed().as_secs(), 3);
    assert_eq!(summary.undelivered, 1);
    assert!(world.lock().expect("no panic").acknowledged.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_partition_that_is_read_again_in_a_storm_counts_nothing_twice() {
    let mut bench = Bench::start(|_| (), |_, _| Ok(Vec::new()));
    bench.storm("r", 0..50);
    tokio::time::sleep(SECOND).await;
    bench.feed.next = 3;
    bench.storm("r", 3..60);
    tokio::time::sleep(SECOND).await;
    let (world, summary) = bench.finish().await;
    let world = world.lock().expect("no panic");
    assert_eq!(world.mails.iter().map(|(_, mail, _)| mail.alerts).sum::<u64>(), 60);
    assert_eq!(summary.figures.repeats, 47);
    assert_eq!(world.acknowledged.last().map(|position| position.offset), Some(59));
}

fn composer() -> Composer {
    let parse = |text: &str| text.parse().expect("an address");
    Composer::new(parse("Tripline <t@mail.example.com>"), vec![parse("desk@example.com")], 60, 600 * SECOND)
}

#[test]
fn a_mail_says_what_happened_to_whom_why_and_when() {
    let mail = composer().alert(&AlertRecord { suppressed: 3, ..record(7, "country_hop") });
    let message = parse(&mail);
    assert_eq!(message.subject(), Some("[high] country_hop: alert number 7"));
    assert_eq!(message.message_id(), Some("00000000000000000000000000000007@mail.example.com"));
    let text = message.body_text(0).expect("text");
    insta::assert_snapshot!(text.replace("\r\n", "\n"));
    let html = message.body_html(0).expect("html");
    for part in
        ["country_hop", "alert number 7", "u7", "purchase", "amount", "08:04:00", "3 earlier alerts", "version v1"]
    {
        assert!(text.contains(part) && html.contains(part), "{part}");
    }
    assert!(message.parts[0].content_type().is_some_and(|kind| kind.subtype() == Some("alternative")));
}

#[test]
fn the_same_alert_and_the_same_digest_have_the_same_id() {
    use crate::sink::email::digest::Digest;
    use crate::sink::email::throttle::Bundle;
    let composer = composer();
    let digest = |ids: &[u64]| {
        let mut digest = Digest::new("r");
        for &offset in ids {
            digest.add(record(offset, "r"), InboxPosition { partition: 0, offset });
        }
        composer.digest(&Bundle { digests: vec![digest], capped: false }).message_id
    };
    assert_eq!(composer.alert(&record(1, "r")).message_id, composer.alert(&record(1, "other")).message_id);
    assert_eq!(digest(&[1, 2]), digest(&[1, 2]));
    assert_ne!(digest(&[1, 2]), digest(&[1, 3]));
}

fn header_names(mail: &Mail) -> Vec<String> {
    let text = String::from_utf8_lossy(&mail.bytes);
    let head = text.split("\r\n\r\n").next().expect("headers");
    let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
    lines.map(|line| line.split(':').next().expect("a name").to_owned()).collect()
}

const HEADERS: [&str; 10] = [
    "From",
    "Date",
    "To",
    "Message-ID",
    "Subject",
    "Auto-Submitted",
    "X-Tripline-Rule",
    "X-Tripline-Severity",
    "MIME-Version",
    "Content-Type",
];

/// Text that is out to break something, or any text at all.
fn nasty() -> impl Strategy<Value = String> {
    let parts = prop_oneof![
        Just("\r\n".to_owned()),
        Just("\n.\r\n".to_owned()),
        Just("\r\nBcc: x@y.z\r\n\r\n".to_owned()),
        Just("<script>alert(1)</script>".to_owned()),
        Just("\0\u{85}\u{2028}\u{202e}".to_owned()),
        Just("=?utf-8?b?".to_owned()),
        Just("\"'&>".to_owned()),
        "\\PC{0,40}",
        any::<String>(),
        "x{200,1200}",
    ];
    prop::collection::vec(parts, 0..4).prop_map(|parts| parts.concat())
}

/// A record whose time began with a dot made a hidden file, which the next look at the folder passed over.
#[test]
fn no_time_hides_a_mail() {
    let mut record = record(1, "r");
    record.time = ".x".to_owned();
    let file_name = composer().alert(&record).file_name;
    assert!(file_name.starts_with("x-"), "{file_name}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_breaks_a_mail(texts in prop::collection::vec(nasty(), 14)) {
        let mut texts: VecDeque<String> = texts.into();
        let mut next = || texts.pop_front().unwrap_or_default();
        let record: AlertRecord = serde_json::from_value(json!({
            "alert_id": next(), "rule": next(), "version": next(), "kind": "alert", "severity": next(),
            "key": {next(): next()}, "time": next(), "started": next(), "message": next(), "tags": [next()],
            "events": [{"step": next(), "type": next(), "id": next(), "time": next(), "fields": {next(): [next()]}}],
        })).expect("a record");
        let composer = Composer::new(
            lettre::message::Mailbox::new(Some(record.message.clone()), "t@example.com".parse().expect("an address")),
            vec![lettre::message::Mailbox::new(Some(record.rule.clone()), "d@example.com".parse().expect("an address"))],
            60,
            SECOND,
        );
        let mut digest = crate::sink::email::digest::Digest::new(&record.rule);
        digest.add(record.clone(), InboxPosition { partition: 0, offset: 0 });
        let bundle = crate::sink::email::throttle::Bundle { digests: vec![digest.clone(), digest], capped: true };
        for mail in [composer.alert(&record), composer.digest(&bundle)] {
            prop_assert_eq!(header_names(&mail), HEADERS);
            prop_assert!(mail.bytes.is_ascii());
            prop_assert!(mail.bytes.split(|byte| *byte == b'\n').all(|line| line.len() <= 999));
            prop_assert!(!mail.file_name.contains('/') && !mail.file_name.starts_with('.'));
            let message = parse(&mail);
            let html = message.body_html(0).expect("html").to_lowercase();
            prop_assert!(!html.contains("<script"));
            prop_assert!(message.body_text(0).is_some());
            prop_assert_eq!(message.attachment_count(), 0);
        }
    }
}
