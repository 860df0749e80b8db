//! The rules that run, and the wish to run others: shared by the loop and by those who ask it to change them, by signal or
//! over HTTP.
//!
//! Who asks reads and checks the files, in a thread of his own; only rules that are right reach the loop, which takes
//! them up between two batches and answers. Until then, and where anything is wrong, the old rules run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::config::Settings;
use crate::daemon::rule_plan::{RulePlan, set_hash};
use crate::daemon::shutdown::Shutdown;
use crate::daemon::table_files::FileTables;
use crate::diagnostic::{Format, render};
use crate::program::{Evidence, Program};
use crate::ruleset::RuleSet;
use crate::telemetry::{Metrics, RulesChanged, RulesRefused};

/// How long the loop may take to come to a wish: it may be reading back, or wait for the broker.
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// What runs.
#[derive(Clone)]
pub(super) struct Active {
    /// The rules.
    pub(super) program: Arc<Program>,
    /// The files of their lists and tables.
    pub(super) tables: Arc<FileTables>,
}

/// A wish for other rules, which are right by themselves.
pub(super) struct Wish {
    /// What is to run.
    pub(super) active: Active,
    answer: SyncSender<Result<Swapped, String>>,
}

impl Wish {
    /// The loop cannot run it.
    pub(super) fn refuse(&self, reason: String) {
        // Who asked may have given up; the log tells him.
        drop(self.answer.send(Err(reason)));
    }
}

/// What the loop did.
#[derive(Clone, Debug, Default)]
pub(super) struct Swapped {
    /// Open runs that go on.
    pub(super) kept: usize,
    /// Of rules and measures that are gone or changed, how many were dropped.
    pub(super) dropped: BTreeMap<String, usize>,
    /// How long detection stood still.
    pub(super) pause: Duration,
}

/// What became of a wish.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// These rules run already.
    Unchanged(RulePlan),
    /// They run now.
    Changed(RulePlan),
    /// They do not run, and why.
    Refused(String),
}

/// Shared: clones are the same book.
#[derive(Clone)]
pub(super) struct Rulebook(Arc<Shared>);

struct Shared {
    paths: Vec<PathBuf>,
    evidence: Evidence,
    metrics: Metrics,
    shutdown: Shutdown,
    active: Mutex<Active>,
    /// By rule and measure, as last counted.
    open: Mutex<BTreeMap<String, usize>>,
    wish: Mutex<Option<Wish>>,
    /// One change after the other.
    changing: Mutex<()>,
}

impl Rulebook {
    /// These rules run.
    pub(super) fn new(
        settings: &Settings,
        program: &Arc<Program>,
        metrics: &Metrics,
        shutdown: &Shutdown,
    ) -> std::io::Result<Rulebook> {
        let active = Active { program: Arc::clone(program), tables: FileTables::watch(program, metrics, shutdown)? };
        Ok(Rulebook(Arc::new(Shared {
            paths: settings.rules.clone(),
            evidence: settings.evidence,
            metrics: metrics.clone(),
            shutdown: shutdown.clone(),
            active: Mutex::new(active),
            open: Mutex::default(),
            wish: Mutex::default(),
            changing: Mutex::default(),
        })))
    }

    /// What runs.
    pub(super) fn active(&self) -> Active {
        lock(&self.0.active).clone()
    }

    /// So much is open.
    pub(super) fn set_open(&self, open: BTreeMap<String, usize>) {
        *lock(&self.0.open) = open;
    }

    /// The wish that waits, if one does.
    pub(super) fn take_wish(&self) -> Option<Wish> {
        lock(&self.0.wish).take()
    }

    /// The loop runs what was wished for.
    pub(super) fn grant(&self, wish: Wish, swapped: Swapped) {
        *lock(&self.0.active) = wish.active;
        drop(wish.answer.send(Ok(swapped)));
    }

    /// What the files would change as they are now; an error tells what is wrong with them.
    pub(super) fn plan(&self) -> Result<RulePlan, String> {
        let plan = RulePlan::between(&self.active().program, &*self.read()?);
        Ok(plan.with_open(&lock(&self.0.open)))
    }

    /// Reads the files and has the loop run what they say. `who` asks, for the log.
    pub(super) fn reload(&self, who: &str) -> Answer {
        let _one_after_the_other = lock(&self.0.changing);
        let before = self.active().program;
        let refused = |reason: String| {
            RulesRefused { who, rules: &set_hash(&before), reason: &reason }.emit(&self.0.metrics);
            Answer::Refused(reason)
        };
        let program = match self.read() {
            Ok(program) => program,
            Err(reason) => return refused(reason),
        };
        let plan = RulePlan::between(&before, &program);
        if plan.is_empty() {
            tracing::info!(who, rules = plan.after, "the rules are those that run");
            return Answer::Unchanged(plan.with_open(&lock(&self.0.open)));
        }
        match self.wish(program).and_then(|answer| self.wait(&answer)) {
            Ok(Swapped { kept, dropped, pause }) => {
                let plan = RulePlan { kept_runs: kept, dropped_runs: dropped, ..plan };
                let RulePlan { before, after, added, removed, changed, reworded, .. } = &plan;
                RulesChanged { who, before, after, added, removed, changed, reworded, kept, pause }
                    .emit(&self.0.metrics);
                Answer::Changed(plan)
            }
            Err(reason) => refused(reason),
        }
    }

    /// The program of the files as they are now.
    fn read(&self) -> Result<Arc<Program>, String> {
        let set = RuleSet::load(&self.0.paths).map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
        if !set.checked.is_ok() {
            return Err(render(&set.checked.diagnostics, &set.sources, Format::Full { color: false }));
        }
        let mut program = set.checked.program;
        program.carry(self.0.evidence);
        Ok(Arc::new(program))
    }

    fn wish(&self, program: Arc<Program>) -> Result<Receiver<Result<Swapped, String>>, String> {
        let tables =
            FileTables::watch(&program, &self.0.metrics, &self.0.shutdown).map_err(|error| error.to_string())?;
        let (answer, answered) = sync_channel(1);
        *lock(&self.0.wish) = Some(Wish { active: Active { program, tables }, answer });
        Ok(answered)
    }

    fn wait(&self, answer: &Receiver<Result<Swapped, String>>) -> Result<Swapped, String> {
        let gave_up = || {
            let seconds = ANSWER_MAX.as_secs();
            Err(format!("detection did not come to it within {seconds} s: it reads back, or waits for the broker"))
        };
        match answer.recv_timeout(ANSWER_MAX) {
            // What the loop has not taken by now it is not to take later; what it has taken it answers.
            Err(RecvTimeoutError::Timeout) if self.take_wish().is_none() => answer.recv().unwrap_or_else(|_| gave_up()),
            answered => answered.unwrap_or_else(|_| gave_up()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
