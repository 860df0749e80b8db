//! The daemon: everything between the sources and the engine, and back.
//!
//! ```text
//! live    poll -> feeds -> workers: judge (decode, shard: stream) -> output (alerts, dead letters) -> commit
//! files   the same over files that end: merged by time, no commits
//! sinks   alerts topic (or the loop, over files) -> mails, webhooks
//! ```
//! - `live`     the detection loop over topics: one plain thread that reads, sends and commits;
//! - `instance` what tells this copy from the others;
//! - `feeds`    the shards of the loop: their batches, `feed` one shard with its partitions: pausing, idle time;
//! - `batch`    messages copied from the client, `judge` decodes and steps through them, `workers` on which threads;
//! - `dropped`  what limits have dropped, counted and said;
//! - `shard`    a stream over its inputs, muted while it reads back;
//! - `kept`     what a shard has among the snapshots, `place` where they are;
//! - `offsets`  what is stored with a committed offset;
//! - `topology` which partitions make a shard, and which rules are right that way;
//! - `repartition` what brings events together whose keys lie in several partitions;
//! - `needs`    the topics and rights that it needs of Kafka; `topics` its own topics;
//! - `tables`   the rows of lists and tables, from topics; `table_files` from files that change;
//! - `files`    the loop over files and standard input;
//! - `output`   where alerts and dead letters go;
//! - `outside`  what the loop over topics asks of clients, snapshots and clock;
//! - `sinks`, `http` what runs beside the loop, on tokio; `letters` what sinks cannot deliver;
//! - `health`, `shutdown` how they hear of each other;
//! - `rulebook` the rules that run and the wish to run others, `rule_plan` what that changes;
//! - `handle`   a hand on a daemon in the same process;
//! - `check`    whether it could start.
//!
//! Rules are compiled by the caller; nothing here prints.

mod batch;
mod check;
mod dropped;
mod feed;
mod feeds;
mod files;
mod handle;
mod health;
mod http;
mod instance;
mod judge;
mod kept;
mod letters;
mod live;
mod needs;
mod offsets;
mod output;
mod outside;
mod place;
mod repartition;
mod rule_plan;
mod rulebook;
mod shard;
mod shutdown;
mod sinks;
mod table_files;
mod tables;
mod topics;
mod topology;
mod workers;

use std::cell::Cell;
use std::sync::Arc;

use anyhow::Context;
use thiserror::Error;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

pub use check::{Line, Report, check};
pub use files::FilesSummary;
pub use handle::Handle;
#[cfg(any(test, feature = "testing"))]
pub(crate) use http::on_a_free_port;
#[cfg(feature = "testing")]
pub(crate) use live::stepped::{Death, Life, Process};
pub use needs::{Cluster, Found, Needs, Resource, Right, Topic, compare};
pub(crate) use outside::Outside;
#[cfg(feature = "testing")]
pub(crate) use outside::{Clock, Consumer, Message, Next, Producer};
pub use rule_plan::RulePlan;

use crate::config::{Settings, Sources};
use crate::daemon::health::Health;
use crate::daemon::http::Served;
use crate::daemon::instance::Instance;
use crate::daemon::live::Plan;
use crate::daemon::outside::Kafka;
use crate::daemon::rulebook::Rulebook;
use crate::daemon::shutdown::Shutdown;
use crate::daemon::sinks::Sinks;
use crate::program::Program;
use crate::telemetry::Metrics;

/// Topics and rules do not fit together: nothing runs until a person changes one of them.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// How a daemon over files ended; one over topics ends only when it is asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finished {
    /// It was asked to stop.
    Stopped,
    /// All files are read.
    Files(FilesSummary),
}

/// Runs until it is asked to stop, until all files are read, or until a person has to act.
pub fn run(settings: &Settings, program: &Arc<Program>) -> anyhow::Result<Finished> {
    run_with(settings, program, &Handle::default())
}

/// As [`run`], with a hand on it.
pub fn run_with(settings: &Settings, program: &Arc<Program>, handle: &Handle) -> anyhow::Result<Finished> {
    let metrics = Metrics::default();
    let Handle { health, shutdown, .. } = handle;
    // Sinks and HTTP wait far more than they work.
    let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("tripline-io").enable_all().build()?;
    runtime.spawn(shutdown.clone().listen());
    warn_of_targets(settings, program);
    let rules = Rulebook::new(settings, program, &metrics, shutdown)?;
    if matches!(settings.sources, Sources::Topics(_)) {
        runtime.spawn(reload_at_signals(rules.clone()));
    }
    serve(settings, &runtime, &metrics, handle, &rules)?;
    let sinks = sinks::start(settings, runtime.handle(), &metrics, health, shutdown)?;
    let finished = detect(settings, (program, &rules), &metrics, health, shutdown, &sinks);
    end_sinks(settings, &runtime, sinks, shutdown, finished)
}

/// A rule or measure may name a sink that another program is; more often it is a slip.
fn warn_of_targets(settings: &Settings, program: &Program) {
    let rules = program.rules.iter().map(|rule| (&rule.name, &rule.alert.targets));
    let measures = program.measures.iter().map(|measure| (&measure.name, &measure.targets));
    for (name, targets) in rules.chain(measures) {
        for target in targets.iter() {
            if !settings.sinks.iter().any(|sink| sink.name == *target) {
                tracing::warn!(rule = %name, sink = target.as_str(), "a rule alerts to a sink that is not configured");
            }
        }
    }
}

/// Has the rules read again at each SIGHUP.
async fn reload_at_signals(rules: Rulebook) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    while hang_up.recv().await.is_some() {
        let rules = rules.clone();
        // The log tells what came of it.
        if tokio::task::spawn_blocking(move || drop(rules.reload("SIGHUP"))).await.is_err() {
            tracing::error!("reading the rules panicked; the old ones run");
        }
    }
    Ok(())
}

fn serve(
    settings: &Settings,
    runtime: &Runtime,
    metrics: &Metrics,
    handle: &Handle,
    rules: &Rulebook,
) -> anyhow::Result<()> {
    let Some(listen) = settings.http else { return Ok(()) };
    let listener =
        runtime.block_on(http::bind(listen)).with_context(|| format!("cannot listen on {listen} ([http])"))?;
    // The port is chosen by the system where it is given as 0.
    let listen = listener.local_addr()?;
    tracing::info!(%listen, "health and metrics");
    // A handle is of one daemon; a second one would keep the first address.
    handle.listening.get_or_init(|| listen);
    let on_topics = matches!(settings.sources, Sources::Topics(_));
    let served = Served {
        health: handle.health.clone(),
        metrics: metrics.clone(),
        rules: on_topics.then(|| rules.clone()),
        token: settings.http_token.clone().map(Arc::new),
    };
    let stop = handle.shutdown.watch();
    runtime.spawn(async move {
        if let Err(error) = http::serve(listener, served, stop).await {
            tracing::error!(%error, "health and metrics are not served any more");
        }
    });
    Ok(())
}

fn detect(
    settings: &Settings,
    (program, rules): (&Arc<Program>, &Rulebook),
    metrics: &Metrics,
    health: &Health,
    shutdown: &Shutdown,
    sinks: &Sinks,
) -> anyhow::Result<Finished> {
    match &settings.sources {
        Sources::Topics(sources) => {
            let kafka = live::broker(settings)?;
            let outside = Kafka { settings: kafka, name: &settings.name, metrics: metrics.clone() };
            let plan = Plan {
                settings,
                kafka,
                sources,
                rules: rules.clone(),
                metrics: metrics.clone(),
                health: health.clone(),
                shutdown: shutdown.clone(),
                instance: Instance::take(settings, kafka),
                joins_by_name: Cell::new(true),
                clock: outside.clock(),
                outside: &outside,
                has_begun: Cell::default(),
            };
            live::run(&plan).map(|()| Finished::Stopped)
        }
        Sources::Files(files) => {
            topics::prepare(settings, program)?;
            let summary = files::run(settings, files, program, metrics, health, shutdown, &sinks.channels)?;
            Ok(if shutdown.is_asked() { Finished::Stopped } else { Finished::Files(summary) })
        }
    }
}

/// Over files the sinks finish what they were given; over topics they stop where they are.
fn end_sinks(
    settings: &Settings,
    runtime: &Runtime,
    sinks: Sinks,
    shutdown: &Shutdown,
    finished: anyhow::Result<Finished>,
) -> anyhow::Result<Finished> {
    if finished.is_err() || matches!(settings.sources, Sources::Topics(_)) {
        shutdown.tell_tasks();
    }
    let joined = runtime.block_on(sinks.join());
    shutdown.tell_tasks();
    let finished = finished?;
    joined?;
    Ok(finished)
}
