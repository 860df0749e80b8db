//! A topic that is full of events, read to its end: by a bare consumer, then by the daemon.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use rdkafka::message::Message;
use tripline::workload::{self, Workload};

use crate::daemon::Daemon;
use crate::topics::{self, Events};

/// What it took to read the topic.
struct Took {
    seconds: f64,
    cpu_seconds: f64,
    /// Of the daemon.
    alerts: Option<u64>,
    /// How long its commits took.
    commits: String,
}

pub(super) fn measure(broker: &str, count: u64) -> anyhow::Result<()> {
    let topic = topics::unique("throughput");
    topics::create(broker, &topic)?;
    topics::create(broker, &format!("{topic}-alerts"))?;
    fill(broker, &topic, count)?;
    println!("{count} events in {} partitions, from the first to the last", topics::PARTITIONS);
    println!("  {:<24} {:>10} {:>19} {:>8}", "", "M events/s", "CPU s per M events", "alerts");
    let bare = bare(broker, &topic, count)?;
    report("a bare consumer, polled", count, &bare, "");
    for (name, rules) in rules() {
        let least = through_daemon(broker, &topic, count, &rules, "at-least-once")?;
        let beside = format!("{:.2} of the bare consumer's speed [goal 0.90]", bare.seconds / least.seconds);
        report(name, count, &least, &beside);
        let once = through_daemon(broker, &topic, count, &rules, "exactly-once")?;
        let beside = format!("{:.2} of the speed at least once [goal 0.95]", least.seconds / once.seconds);
        report(&format!("{name}, exactly once"), count, &once, &format!("{beside}; {}", once.commits));
    }
    Ok(())
}

/// One rule, and five.
fn rules() -> [(&'static str, String); 2] {
    [("country_hop", workload::rule_alone("country_hop")), ("five rules", workload::RULES.to_owned())]
}

fn report(what: &str, count: u64, took: &Took, beside: &str) {
    let millions = count as f64 / 1e6;
    let (rate, cpu) = (millions / took.seconds, took.cpu_seconds / millions);
    let alerts = took.alerts.map_or_else(String::new, |alerts| alerts.to_string());
    println!("  {what:<24} {rate:>10.3} {cpu:>19.2} {alerts:>8} {beside}");
}

fn fill(broker: &str, topic: &str, count: u64) -> anyhow::Result<()> {
    let events = Events::new(broker, topic, "20")?;
    let mut workload = Workload::new(workload::Settings::default());
    let mut line = Vec::new();
    for made in 0..count {
        line.clear();
        workload.write_line(&mut line);
        events.send(line.trim_ascii_end())?;
        if made % 1_000 == 0 {
            events.poll();
        }
    }
    events.flush()
}

/// A bare consumer in a process of its own, so that its processor time is its own.
fn bare(broker: &str, topic: &str, count: u64) -> anyhow::Result<Took> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--broker", broker, "--events", &count.to_string(), "--bare", topic]);
    let output = command.output()?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    let text = String::from_utf8(output.stdout)?;
    let (seconds, cpu_seconds) = text.trim().split_once(' ').context("two figures")?;
    Ok(Took { seconds: seconds.parse()?, cpu_seconds: cpu_seconds.parse()?, alerts: None, commits: String::new() })
}

/// Reads the topic in this process and prints the seconds from the first event to the last, and the processor's.
pub(super) fn bare_here(broker: &str, topic: &str, count: u64) -> anyhow::Result<()> {
    let consumer = topics::reader(broker, topic)?;
    let (mut first, mut bytes, mut seen) = (None, 0, 0);
    topics::until("the events", || {
        while let Some(message) = consumer.poll(Duration::from_millis(100)) {
            first.get_or_insert_with(Instant::now);
            bytes += message?.payload().map_or(0, <[u8]>::len);
            seen += 1;
            if seen == count {
                return Ok(Some(()));
            }
        }
        Ok(None)
    })?;
    anyhow::ensure!(bytes > 0, "the events are empty");
    let seconds = first.context("no event came")?.elapsed().as_secs_f64();
    let spent = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    println!("{seconds} {}", spent.tv_sec as f64 + spent.tv_nsec as f64 / 1e9);
    Ok(())
}

fn through_daemon(broker: &str, topic: &str, count: u64, rules: &str, delivery: &str) -> anyhow::Result<Took> {
    let mut daemon = Daemon::start(broker, topic, rules, delivery)?;
    let (began, already) = topics::until("the first event", || {
        let events = daemon.events();
        Ok((events > 0).then(|| (Instant::now(), events)))
    })?;
    topics::until("the last event", || Ok((daemon.events() >= count).then_some(())))?;
    let seconds = began.elapsed().as_secs_f64();
    daemon.ready()?;
    // What was read before the clock began is left out.
    let share = count as f64 / (count - already.min(count - 1)) as f64;
    let ((p50, _), (p99, _)) = (daemon.commit_ms(0.5)?, daemon.commit_ms(0.99)?);
    let commits = format!("commit p50 {p50} ms, p99 {p99} ms [goal 5, 25]");
    Ok(Took { seconds: seconds * share, cpu_seconds: daemon.cpu_seconds(), alerts: Some(daemon.alerts()), commits })
}
