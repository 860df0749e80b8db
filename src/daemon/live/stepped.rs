//! The loop over topics turn by turn, for whoever is its own time: the simulator. A process may be killed at any moment:
//! its life is then let go without a word. There is nothing here that the loop does not do itself.

use std::cell::Cell;
use std::sync::Arc;

use super::{Ended, Plan, Session, broker};
use crate::config::{Settings, Sources, TopicSource};
use crate::daemon::health::Health;
use crate::daemon::instance::Instance;
use crate::daemon::outside::Outside;
use crate::daemon::rulebook::Rulebook;
use crate::daemon::shutdown::Shutdown;
use crate::program::Program;
use crate::telemetry::{Metrics, Reason, TopicReason};

/// A copy of the daemon over topics.
pub(crate) struct Process<'a>(Plan<'a>);

/// One life of its clients.
pub(crate) struct Life<'a>(Box<Session<'a>>);

/// How a life ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// It was asked to end.
    Stopped,
    /// Another one is to begin.
    Rebuild(String),
    /// A person has to act.
    Failed(String),
}

impl From<Ended> for Death {
    fn from(ended: Ended) -> Death {
        match ended {
            Ended::Stopped | Ended::GaveUp => Death::Stopped,
            Ended::Rebuild(reason) => Death::Rebuild(reason),
            Ended::Failed(error) => Death::Failed(format!("{error:#}")),
        }
    }
}

impl<'a> Process<'a> {
    /// Over this outside.
    pub(crate) fn new(
        settings: &'a Settings,
        program: &Arc<Program>,
        outside: &'a dyn Outside,
    ) -> anyhow::Result<Process<'a>> {
        let Sources::Topics(sources) = &settings.sources else { anyhow::bail!("it is not over topics") };
        let (kafka, metrics, shutdown) = (broker(settings)?, Metrics::default(), Shutdown::default());
        Ok(Process(Plan {
            settings,
            kafka,
            sources,
            rules: Rulebook::new(settings, program, &metrics, &shutdown)?,
            metrics,
            health: Health::default(),
            shutdown,
            instance: Instance::take(settings, kafka),
            joins_by_name: Cell::new(true),
            clock: outside.clock(),
            outside,
            has_begun: Cell::default(),
        }))
    }

    /// Begins a life.
    pub(crate) fn start(&'a self) -> Result<Life<'a>, Death> {
        Session::open(&self.0).map(|session| Life(Box::new(session))).map_err(Death::from)
    }

    /// How often a snapshot that a commit named was not taken up.
    pub(crate) fn snapshots_refused(&self) -> u64 {
        self.0.metrics.snapshots_refused.get()
    }

    /// How many events were left out because they came behind the watermark.
    pub(crate) fn late(&self) -> u64 {
        let dropped = |source: &TopicSource| {
            let label = TopicReason { topic: source.topic.clone(), reason: Reason("drop") };
            self.0.metrics.late.get_or_create(&label).get()
        };
        self.0.sources.iter().map(dropped).sum()
    }

    /// How many snapshots were written.
    pub(crate) fn snapshots(&self) -> u64 {
        self.0.metrics.snapshots.get()
    }
}

impl<'a> Life<'a> {
    /// One turn of the loop. A life that ends leaves the group.
    pub(crate) fn turn(mut self) -> Result<Life<'a>, Death> {
        match self.0.turn() {
            Ok(()) => Ok(self),
            Err(ended) => {
                self.0.close(&ended);
                Err(ended.into())
            }
        }
    }

    /// Ends as if it was asked to.
    pub(crate) fn stop(self) {
        self.0.close(&Ended::Stopped);
    }
}
