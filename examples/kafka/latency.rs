//! How long after an event was due to be produced its alert can be read. The events carry the time at which they are
//! due, so an event that the producer sends late counts with its delay.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use rdkafka::message::Message;
use tripline::workload::{self, Workload};

use crate::daemon::Daemon;
use crate::topics::{self, Events};

/// A rule that alerts on about one event in a hundred, at once.
pub(super) const PROBE: &str = "rule probe\n  for each user_id\n  on password_change\n  alert low\n\n";

pub(super) fn measure(broker: &str, rate: u64, seconds: u64, rules: usize, delivery: &str) -> anyhow::Result<()> {
    let topic = topics::unique("latency");
    let alerts = format!("{topic}-alerts");
    topics::create(broker, &topic)?;
    topics::create(broker, &alerts)?;
    let rules_text = format!("{}{PROBE}", workload::filters(rules - 1));
    let mut daemon = Daemon::start(broker, &topic, &rules_text, delivery)?;
    daemon.ready()?;
    let reader = topics::reader(broker, &alerts)?;
    let (producer_broker, producer_topic) = (broker.to_owned(), topic.clone());
    let producer = std::thread::spawn(move || produce(&producer_broker, &producer_topic, rate, seconds));
    let mut waits_ms = Vec::new();
    while !producer.is_finished() {
        while let Some(record) = reader.poll(Duration::from_millis(20)) {
            waits_ms.extend(wait_ms(record?.payload().context("an alert without a body")?)?);
        }
    }
    producer.join().map_err(|_| anyhow::anyhow!("the producer failed"))??;
    // The first fifth warms up.
    waits_ms.drain(..waits_ms.len() / 5);
    anyhow::ensure!(!waits_ms.is_empty(), "no alert came");
    waits_ms.sort_unstable();
    let at = |permille: usize| waits_ms[(waits_ms.len() - 1) * permille / 1_000];
    println!(
        "{rate} events/s for {seconds} s, {rules} rules, {delivery}, {} alerts: event due -> alert read p50 {} ms, p99 {} ms, \
         p99.9 {} ms {}",
        waits_ms.len(),
        at(500),
        at(990),
        at(999),
        // Exactly once, a reader sees an alert at the next commit.
        if delivery == "exactly-once" { "[commits every 100 ms]" } else { "[goal p50 5, p99 25]" }
    );
    let ((p50, commits), (p99, _)) = (daemon.commit_ms(0.5)?, daemon.commit_ms(0.99)?);
    println!("  {commits} commits: half took at most {p50} ms, 99 of 100 at most {p99} ms [goal p50 5, p99 25]");
    Ok(())
}

/// Produces events at their times.
pub(super) fn produce(broker: &str, topic: &str, rate: u64, seconds: u64) -> anyhow::Result<()> {
    let events = Events::new(broker, topic, "1")?;
    let start_ms = u64::try_from(now_ms())? + 200;
    let settings = workload::Settings { events_per_second: rate, start_ms, ..workload::Settings::default() };
    let mut workload = Workload::new(settings);
    let mut line = Vec::new();
    for made in 0..rate * seconds {
        let due_ms = i64::try_from(start_ms + made * 1_000 / rate)?;
        while now_ms() < due_ms {
            events.poll();
            std::thread::sleep(Duration::from_micros(200));
        }
        line.clear();
        workload.write_line(&mut line);
        events.send(line.trim_ascii_end())?;
    }
    events.flush()
}

/// How long ago the event of an alert was due; none for other rules' alerts.
fn wait_ms(alert: &[u8]) -> anyhow::Result<Option<i64>> {
    Ok(due_ms(alert)?.map(|due| now_ms() - due))
}

/// When the event of an alert was due; none for other rules' alerts.
pub(super) fn due_ms(alert: &[u8]) -> anyhow::Result<Option<i64>> {
    let alert: serde_json::Value = serde_json::from_slice(alert)?;
    if alert["rule"] != "probe" {
        return Ok(None);
    }
    let time = alert["time"].as_str().context("an alert without a time")?;
    let due: jiff::Timestamp = time.parse()?;
    Ok(Some(due.as_millisecond()))
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
