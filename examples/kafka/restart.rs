//! How long after a crash the first alert on a new event can be read, with an open run of every key to take up. Events
//! come all the while; the daemon is started again at once, as by whoever watches over it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use rdkafka::message::Message;

use crate::Arguments;
use crate::daemon::Daemon;
use crate::latency::{self, PROBE};
use crate::topics::{self, Events};

/// A rule that keeps a run of each key open.
const WAITING: &str = "rule waiting\n  for each user_id\n  on login\n  then transfer to_nobody where recipient is \"nobody\"\n  \
                       within 24 h\n  alert low\n\n";
const CRASHES: usize = 3;

pub(super) fn measure(broker: &str, arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { keys, rate, seconds, snapshot_every, .. } = arguments;
    let (keys, rate) = (*keys, *rate);
    let topic = topics::unique("restart");
    let alerts = format!("{topic}-alerts");
    topics::create(broker, &topic)?;
    topics::create(broker, &alerts)?;
    let rules = format!("{}\n{WAITING}{PROBE}", tripline::workload::declarations());
    let mut daemon = Daemon::start_with(broker, &topic, &rules, "exactly-once", snapshot_every)?;
    open_runs(broker, &topic, keys)?;
    topics::until("all runs to be open", || Ok((daemon.events() >= keys).then_some(())))?;
    let shards = u64::try_from(topics::PARTITIONS)?;
    topics::until("a snapshot of each shard", || Ok((daemon.snapshots() >= shards).then_some(())))?;
    let reader = topics::reader(broker, &alerts)?;
    let mut waits_ms = Vec::new();
    let (producer_broker, producer_topic) = (broker.to_owned(), topic.clone());
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let producer = std::thread::spawn(move || {
        while !is_done.load(Ordering::Relaxed) {
            latency::produce(&producer_broker, &producer_topic, rate, 1)?;
        }
        anyhow::Ok(())
    });
    for _ in 0..CRASHES {
        std::thread::sleep(Duration::from_secs(seconds / 2));
        daemon.crash()?;
        let crashed_ms = latency::now_ms();
        daemon.start_again()?;
        waits_ms.push(topics::until("an alert after the crash", || {
            let Some(record) = reader.poll(Duration::from_millis(5)) else { return Ok(None) };
            let due_ms = latency::due_ms(record?.payload().context("an alert without a body")?)?;
            Ok(due_ms.filter(|due| *due >= crashed_ms).map(|_| latency::now_ms() - crashed_ms))
        })?);
        daemon.ready()?;
    }
    done.store(true, Ordering::Relaxed);
    producer.join().map_err(|_| anyhow::anyhow!("the producer failed"))??;
    println!(
        "{keys} keys with an open run, {rate} events/s, a snapshot every {snapshot_every}, exactly-once: crash -> first alert on a new event {waits_ms:?} ms \
         [goal 2000]"
    );
    Ok(())
}

fn open_runs(broker: &str, topic: &str, keys: u64) -> anyhow::Result<()> {
    let events = Events::new(broker, topic, "5")?;
    let now_ms = latency::now_ms();
    for key in 0..keys {
        let line = format!(r#"{{"type":"login","ts":{now_ms},"event_id":"k{key}","user_id":"k{key}","country":"DE"}}"#);
        events.send(line.as_bytes())?;
    }
    events.flush()
}
