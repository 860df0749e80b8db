//! The loop of the sinks against a scripted carrier on a clock that jumps: retries, the breaker, what is acknowledged
//! when, and what becomes of what nobody takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::alert::AlertRecord;
use crate::program::Severity;
use crate::sink::carrier::{Carrier, Refused, Setback, Taken, Trouble};
use crate::sink::counters::SinkStatus;
use crate::sink::driver::{Driver, Parts, SinkSummary};
use crate::sink::filter::Filter;
use crate::sink::outside::{Channel, Dead, Feed, Witness};
use crate::sink::{Backoff, DeadAlert, InboxPosition, Random, SinkError};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_hours(24);

/// An alert whose number is its id.
pub(super) fn record(n: u64) -> AlertRecord {
    serde_json::from_value(json!({
        "alert_id": format!("{n:032x}"), "rule": "r", "version": "v1", "kind": "alert", "severity": "high",
        "key": {"user_id": format!("u{n}")}, "time": "2026-01-31T08:04:00.000Z", "started": "2026-01-31T08:00:00.000Z",
        "message": format!("alert number {n}"), "events": [],
    }))
    .expect("a record of the right form")
}

fn number(alert: &AlertRecord) -> u64 {
    u64::from_str_radix(&alert.alert_id, 16).expect("a number")
}

/// Everything the outside saw, with the time at which it saw it.
#[derive(Default)]
struct Seen {
    attempts: Vec<(Instant, Vec<u64>)>,
    delivered: Vec<u64>,
    acknowledged: Option<u64>,
    dead: Vec<(u64, String)>,
}

type World = Arc<Mutex<Seen>>;
type Verdict = Box<dyn FnMut(usize, &[u64]) -> Result<Taken, Trouble> + Send>;

/// Does what its script says with the n-th attempt.
struct Scripted<const BATCH: usize> {
    world: World,
    verdict: Verdict,
    attempt: usize,
}

impl<const BATCH: usize> Carrier for Scripted<BATCH> {
    fn batch_max(&self) -> usize {
        BATCH
    }

    async fn deliver(&mut self, alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        let numbers: Vec<u64> = alerts.iter().map(|alert| number(alert)).collect();
        let verdict = (self.verdict)(self.attempt, &numbers);
        self.attempt += 1;
        let mut world = self.world.lock().expect("no panic");
        world.attempts.push((Instant::now(), numbers.clone()));
        if let Ok(taken) = &verdict {
            let refused = |index: &usize| taken.refused.iter().any(|refused| refused.index == *index);
            let delivered = numbers.iter().enumerate().filter(|(index, _)| !refused(index));
            world.delivered.extend(delivered.map(|(_, number)| *number));
        }
        verdict
    }
}

impl Witness for Seen {
    type Letter = DeadAlert;

    fn acknowledged(&mut self, up_to: InboxPosition) {
        self.acknowledged = Some(up_to.offset);
    }

    fn buried(&mut self, letter: DeadAlert) {
        self.dead.push((number(&letter.alert), letter.reason));
    }
}

/// A sink under test.
struct Bench {
    world: World,
    status: Arc<SinkStatus>,
    feed: Feed,
    stop: watch::Sender<bool>,
    run: tokio::task::JoinHandle<Result<SinkSummary, SinkError>>,
}

impl Bench {
    /// One that takes an alert at a time.
    fn start(verdict: impl FnMut(usize, &[u64]) -> Result<Taken, Trouble> + Send + 'static) -> Bench {
        Bench::batched::<1>(verdict, false)
    }

    fn batched<const BATCH: usize>(
        verdict: impl FnMut(usize, &[u64]) -> Result<Taken, Trouble> + Send + 'static,
        broken: bool,
    ) -> Bench {
        let (world, status) = (World::default(), Arc::<SinkStatus>::default());
        let (feed, inbox) = Channel::new(&world);
        let (stop, shutdown) = watch::channel(false);
        let parts = Parts {
            filter: Filter { sink: "desk".to_owned(), min_severity: Some(Severity::Medium) },
            status: Arc::clone(&status),
            backoff: Backoff::default(),
            random: Random::new(1),
        };
        let carrier = Scripted::<BATCH> { world: Arc::clone(&world), verdict: Box::new(verdict), attempt: 0 };
        let dead = Dead { world: Arc::clone(&world), broken };
        let run = tokio::spawn(Driver::new(parts, carrier, inbox, dead, shutdown).run());
        Bench { world, status, feed, stop, run }
    }

    fn give(&mut self, record: AlertRecord) {
        self.feed.give(record);
    }

    fn acknowledged(&self) -> Option<u64> {
        self.world.lock().expect("no panic").acknowledged
    }

    fn delivered(&self) -> Vec<u64> {
        self.world.lock().expect("no panic").delivered.clone()
    }

    /// Ends the inbox and waits until all is dealt with.
    async fn finish(self) -> (Seen, SinkSummary) {
        drop(self.feed);
        let summary = self.run.await.expect("no panic").expect("no error");
        drop(self.stop);
        let seen = std::mem::take(&mut *self.world.lock().expect("no panic"));
        (seen, summary)
    }
}

fn away() -> Result<Taken, Trouble> {
    Err(Trouble::Away(Setback::new("away")))
}

fn later() -> Result<Taken, Trouble> {
    Err(Trouble::Later(Setback::new("later")))
}

fn refused(index: usize) -> Taken {
    Taken { refused: vec![Refused { index, reason: "404".to_owned() }], repeats: 0 }
}

#[tokio::test(start_paused = true)]
async fn what_is_for_us_is_delivered_once_in_order_and_all_is_acknowledged() {
    let mut bench = Bench::start(|_, _| Ok(Taken::default()));
    let with = |n, to: &[&str], severity: &str| {
        let to = to.iter().map(|to| (*to).to_owned()).collect();
        AlertRecord { to, severity: severity.to_owned(), ..record(n) }
    };
    bench.give(record(1));
    bench.give(with(2, &["desk", "other"], "medium"));
    bench.give(with(3, &["other"], "critical"));
    bench.give(with(4, &[], "low"));
    bench.give(record(1));
    bench.give(AlertRecord { kind: "measure".to_owned(), ..with(5, &[], "high") });
    bench.give(AlertRecord { kind: "measure".to_owned(), ..with(6, &["desk"], "info") });
    let (seen, summary) = bench.finish().await;
    assert_eq!((seen.delivered, seen.acknowledged, seen.dead.len()), (vec![1, 2, 6], Some(6), 0));
    let figures = summary.figures;
    assert_eq!((figures.read, figures.delivered, figures.skipped, figures.repeats), (7, 3, 3, 1));
    assert_eq!(summary.undelivered, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_acknowledged_while_the_receiver_is_away() {
    let mut bench = Bench::start(|attempt, _| if attempt < 12 { away() } else { Ok(Taken::default()) });
    (0..3).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(SECOND).await;
    assert_eq!(bench.acknowledged(), None);
    let (seen, summary) = bench.finish().await;
    let mut delivered = seen.delivered.clone();
    delivered.sort_unstable();
    assert_eq!((delivered, seen.acknowledged), (vec![0, 1, 2], Some(2)));
    assert_eq!((summary.figures.retried, summary.figures.failed), (12, 0));
    let gaps = seen.attempts.windows(2).map(|pair| pair[1].0 - pair[0].0);
    assert!(gaps.max().expect("attempts") <= Duration::from_secs(301));
}

#[tokio::test(start_paused = true)]
async fn while_the_receiver_is_away_the_inbox_is_left_alone() {
    let mut bench = Bench::start(|_, _| away());
    (0..1_000).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(Duration::from_hours(1)).await;
    let read = bench.status.counters.figures().read;
    assert!(read <= 100, "{read} alerts in memory");
    let attempts = bench.world.lock().expect("no panic").attempts.len();
    assert!(attempts < 100, "{attempts} attempts in an hour");
    bench.stop.send(true).expect("it runs");
    let (seen, summary) = bench.finish().await;
    assert_eq!((seen.acknowledged, summary.undelivered), (None, read));
}

#[tokio::test(start_paused = true)]
async fn an_alert_that_is_not_taken_now_holds_up_no_other_and_no_acknowledgement_passes_it() {
    let verdict = |attempt, alerts: &[u64]| if attempt < 9 && alerts == [1] { later() } else { Ok(Taken::default()) };
    let mut bench = Bench::start(verdict);
    (0..4).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((bench.delivered(), bench.acknowledged()), (vec![0, 2, 3], Some(0)));
    let (seen, _) = bench.finish().await;
    assert_eq!((seen.delivered, seen.acknowledged), (vec![0, 2, 3, 1], Some(3)));
}

#[tokio::test(start_paused = true)]
async fn an_alert_at_which_the_receiver_breaks_down_does_not_silence_the_others() {
    let mut bench = Bench::start(|_, alerts| if alerts == [0] { away() } else { Ok(Taken::default()) });
    (0..20).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!((bench.delivered(), bench.acknowledged()), ((1..20).collect(), None));
    let (seen, _) = bench.finish().await;
    assert_eq!((seen.dead.len(), seen.acknowledged), (1, Some(19)));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_says_when_is_not_asked_before() {
    let wait = Duration::from_mins(20);
    let verdict = move |attempt, _: &[u64]| match attempt {
        0 => Err(Trouble::Away(Setback { reason: "429".to_owned(), after: Some(wait) })),
        1 => Err(Trouble::Later(Setback { reason: "408".to_owned(), after: Some(wait) })),
        _ => Ok(Taken::default()),
    };
    let mut bench = Bench::start(verdict);
    bench.give(record(1));
    let (seen, _) = bench.finish().await;
    let gaps: Vec<Duration> = seen.attempts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.len() == 2 && gaps.iter().all(|gap| *gap >= wait && *gap < wait + 2 * SECOND), "{gaps:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_day_an_alert_goes_to_the_dead_letters_and_the_next_is_tried() {
    let began = Instant::now();
    let verdict = move |_, _: &[u64]| if began.elapsed() < DAY + 350 * SECOND { away() } else { Ok(Taken::default()) };
    let mut bench = Bench::start(verdict);
    bench.give(record(1));
    tokio::time::sleep(DAY + 400 * SECOND).await;
    assert_eq!(bench.acknowledged(), Some(0));
    bench.give(record(2));
    let (seen, summary) = bench.finish().await;
    assert_eq!(seen.dead, [(1, "given up after retries: away".to_owned())]);
    assert_eq!((seen.delivered, summary.figures.failed, summary.figures.delivered), (vec![2], 1, 1));
}

#[tokio::test(start_paused = true)]
async fn for_a_person_alerts_wait_for_ever_and_it_is_said() {
    let began = Instant::now();
    let verdict = move |_, _: &[u64]| {
        if began.elapsed() < 2 * DAY { Err(Trouble::Unusable("401".to_owned())) } else { Ok(Taken::default()) }
    };
    let mut bench = Bench::start(verdict);
    (0..3).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(DAY).await;
    assert_eq!(bench.status.held().as_deref(), Some("401"));
    assert_eq!(bench.acknowledged(), None);
    let status = Arc::clone(&bench.status);
    let (seen, summary) = bench.finish().await;
    assert_eq!((seen.delivered, seen.dead.len(), seen.acknowledged), (vec![0, 1, 2], 0, Some(2)));
    assert_eq!(status.held(), None);
    // Slowly: about every two and a half minutes, which is half of the longest delay.
    assert!((500..2_500).contains(&summary.figures.refused), "{}", summary.figures.refused);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_goes_to_the_dead_letters_at_once() {
    let mut bench = Bench::batched::<10>(|attempt, _| if attempt == 0 { Ok(refused(1)) } else { later() }, false);
    (0..3).for_each(|n| bench.give(record(n)));
    tokio::time::sleep(SECOND).await;
    assert_eq!((bench.delivered(), bench.acknowledged()), (vec![0, 2], Some(2)));
    let (seen, summary) = bench.finish().await;
    assert_eq!(seen.dead, [(1, "404".to_owned())]);
    assert_eq!((summary.figures.delivered, summary.figures.failed), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn many_alerts_are_handed_over_together_and_none_twice() {
    let mut bench = Bench::batched::<10>(|attempt, _| if attempt == 1 { away() } else { Ok(Taken::default()) }, false);
    (0..25).for_each(|n| bench.give(record(n)));
    let (seen, _) = bench.finish().await;
    let mut times = BTreeMap::<u64, usize>::new();
    seen.delivered.iter().for_each(|n| *times.entry(*n).or_default() += 1);
    assert_eq!(times, (0..25).map(|n| (n, 1)).collect());
    assert!(seen.attempts.len() <= 5, "{:?}", seen.attempts);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_that_cannot_be_kept_stops_the_sink_with_the_alert_unacknowledged() {
    let mut bench =
        Bench::batched::<1>(|attempt, _| if attempt == 1 { Ok(refused(0)) } else { Ok(Taken::default()) }, true);
    (0..3).for_each(|n| bench.give(record(n)));
    let ended = bench.run.await.expect("no panic");
    assert!(matches!(ended, Err(SinkError::DeadLetter { .. })), "{ended:?}");
    assert_eq!(bench.world.lock().expect("no panic").acknowledged, Some(0));
}

/// Takes longer than any grace.
struct Endless;

impl Carrier for Endless {
    fn batch_max(&self) -> usize {
        1
    }

    async fn deliver(&mut self, _alerts: &[&AlertRecord]) -> Result<Taken, Trouble> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_three_seconds_and_leaves_the_rest_unacknowledged() {
    let world = World::default();
    let (mut feed, inbox) = Channel::new(&world);
    let (stop, shutdown) = watch::channel(false);
    let parts = Parts {
        filter: Filter { sink: "desk".to_owned(), min_severity: None },
        status: Arc::default(),
        backoff: Backoff::default(),
        random: Random::new(1),
    };
    let dead = Dead { world: Arc::clone(&world), broken: false };
    let run = tokio::spawn(Driver::new(parts, Endless, inbox, dead, shutdown).run());
    feed.give(record(1));
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    stop.send(true).expect("it runs");
    let summary = run.await.expect("no panic").expect("no error");
    assert_eq!((summary.undelivered, world.lock().expect("no panic").acknowledged), (1, None));
    assert!(began.elapsed() < 4 * SECOND, "{:?}", began.elapsed());
}
