//! A simulation from its seed to its judgement: copies of the daemon that take turns while time goes on, events are
//! written and things go wrong; then all is well again, and what was said is judged.

use std::rc::Rc;
use std::sync::Arc;

use super::broker::Broker;
use super::bug::Bug;
use super::chance::Chance;
use super::disk::SimDisk;
use super::judge::judge;
use super::outside::SimOutside;
use super::pulse::{Pulse, Trace};
use super::workload::{ALERTS, LETTERS, REPARTITION, SOURCES, Writer, rules, settings};
use super::world::{Faults, SimClock, World};
use super::{Failure, Report};
use crate::config::Settings;
use crate::daemon::{Death, Life, Process};

/// How long the quiet at the end is, in ms: longer than the lateness, the longest wait of a rule, and what it takes to
/// come back to life.
const QUIET_MS: u64 = 360_000;
/// A copy stands still for up to so long, in ms.
const FROZEN_MS: u64 = 25_000;
/// The broker is away for up to so long, in ms.
const AWAY_MS: u64 = 20_000;
/// A copy that has died comes back after up to so long, in ms.
const DOWN_MS: u64 = 12_000;
/// A life is replaced by another one after so long, in ms.
const REBUILD_MS: u64 = 1_000;
/// One that was replaced goes on for so many turns.
const GHOST_TURNS: u32 = 40;

/// What a seed decides before anything happens.
struct Plan {
    copies: usize,
    partitions: i32,
    /// How many partitions the repartition topic has, where rules are judged behind it.
    apart: Option<i32>,
    exactly_once: bool,
    /// Whether all copies have one disk.
    one_disk: bool,
    snapshot_ms: u64,
    writing_ms: u64,
    faults: Faults,
}

impl Plan {
    fn draw(chance: &Chance, is_apart: bool, harsh: bool) -> Plan {
        let one_disk = chance.one_in(3);
        let few = |low| i32::try_from(chance.between(low, 4)).expect("few");
        Plan {
            copies: chance.at(3) + 1,
            // What lies in one partition is judged there.
            partitions: few(if is_apart { 2 } else { 1 }),
            apart: is_apart.then(|| few(1)),
            exactly_once: !chance.one_in(6),
            one_disk,
            snapshot_ms: chance.between(500, 10_000),
            writing_ms: chance.between(30_000, 150_000),
            faults: Faults::draw(chance, harsh),
        }
    }
}

/// A copy of the daemon.
struct Copy<'a> {
    number: usize,
    process: &'a Process<'a>,
    outside: &'a SimOutside,
    pulse: Arc<Pulse>,
    /// Whether the last life is over, so that the next one has a pulse of its own.
    is_over: bool,
    state: State<'a>,
    frozen_until_ms: u64,
}

enum State<'a> {
    Down { until_ms: u64 },
    Up(Life<'a>),
}

/// A life that was replaced while it stood still, and does not know.
struct Ghost<'a> {
    life: Life<'a>,
    pulse: Arc<Pulse>,
    until_ms: u64,
    turns: u32,
}

struct Stage<'a> {
    world: &'a Rc<World>,
    trace: &'a Arc<Trace>,
    chance: Chance,
    copies: Vec<Copy<'a>>,
    ghosts: Vec<Ghost<'a>>,
    report: Report,
}

/// Runs the simulation of a seed, with a bug or without.
pub(super) fn run(seed: u64, bug: Option<Bug>) -> Result<Report, Failure> {
    let chance = Chance::new(seed);
    // To find a bug that is known to be there takes no variety.
    let is_apart = bug.map_or(seed.is_multiple_of(2), Bug::is_apart);
    let plan = Plan::draw(&chance, is_apart, bug.is_some());
    let trace = Arc::<Trace>::default();
    let [logins, orders] = SOURCES;
    let mut topics =
        vec![(logins, plan.partitions), (orders, plan.partitions), (ALERTS, plan.partitions), (LETTERS, 1)];
    topics.extend(plan.apart.map(|partitions| (REPARTITION, partitions)));
    let broker = Broker::new(&topics, bug);
    let world = Rc::new(World::new(SimClock::new(&trace), chance.split(), plan.faults, broker, bug));
    let disk = || SimDisk::new(chance.split(), plan.faults.full_disk, bug);
    let shared = plan.one_disk.then(disk);
    let outsides: Vec<SimOutside> = (0..plan.copies)
        .map(|number| {
            let disk = shared.clone().unwrap_or_else(disk);
            SimOutside::new(Rc::clone(&world), disk, Pulse::new(number, u64::MAX, &trace))
        })
        .collect();
    let settings: Vec<Settings> =
        (0..plan.copies).map(|number| settings(number, plan.exactly_once, plan.snapshot_ms)).collect();
    let program = rules(is_apart).program().expect("the rules are right");
    let processes: Vec<Process<'_>> = settings
        .iter()
        .zip(&outsides)
        .map(|(settings, outside)| Process::new(settings, &program, outside).expect("it is over topics"))
        .collect();
    let copies = processes.iter().zip(&outsides).enumerate().map(|(number, (process, outside))| Copy {
        number,
        process,
        outside,
        pulse: Pulse::new(number, u64::MAX, &trace),
        is_over: true,
        state: State::Down { until_ms: chance.below(DOWN_MS) },
        frozen_until_ms: 0,
    });
    let mut stage = Stage {
        world: &world,
        trace: &trace,
        chance: chance.split(),
        copies: copies.collect(),
        ghosts: Vec::new(),
        report: Report::default(),
    };
    let mut writer = Writer::new(chance.split(), is_apart, plan.partitions, plan.faults.taken_back);
    let judged = stage.play(&plan, &mut writer).and_then(|()| stage.judge(&plan, &writer));
    judged.map(|()| stage.report).map_err(|what| Failure { seed, bug, what, trace: trace.to_string() })
}

impl<'a> Stage<'a> {
    /// Lets everything happen.
    fn play(&mut self, plan: &Plan, writer: &mut Writer) -> Result<(), String> {
        while self.now_ms() < plan.writing_ms {
            self.pass(if self.chance.one_in(30) { 2_000 } else { 300 });
            if self.chance.one_in(3) {
                writer.write(&mut self.world.broker());
            }
            self.go_wrong();
            self.round()?;
        }
        self.calm();
        let end_ms = self.now_ms() + QUIET_MS;
        while self.now_ms() < end_ms {
            self.pass(1_000);
            self.round()?;
        }
        Ok(())
    }

    fn now_ms(&self) -> u64 {
        self.world.clock.ms()
    }

    fn pass(&self, ms_max: u64) {
        self.world.clock.go_on(self.chance.between(1, ms_max));
        drop(self.world.broker());
    }

    /// What goes wrong that is nobody's doing.
    fn go_wrong(&mut self) {
        let (faults, now_ms) = (self.world.faults, self.now_ms());
        if self.chance.one_in(faults.away) {
            let until_ms = now_ms + self.chance.between(500, AWAY_MS);
            self.trace.tell(0, "the broker is away for so many ms:", i64::try_from(until_ms - now_ms).unwrap_or(0));
            self.world.broker().away_until_ms = until_ms;
            self.report.outages += 1;
        }
        let at = self.chance.at(self.copies.len());
        if self.chance.one_in(faults.freeze) {
            self.freeze(at);
        }
        if self.chance.one_in(faults.stop) && self.copies[at].frozen_until_ms == 0 {
            let until_ms = now_ms + self.chance.below(DOWN_MS);
            let copy = &mut self.copies[at];
            if let State::Up(life) = std::mem::replace(&mut copy.state, State::Down { until_ms }) {
                copy.pulse.tell("is asked to stop", 0);
                life.stop();
                copy.pulse.kill();
                copy.is_over = true;
                self.report.stops += 1;
            }
        }
    }

    fn freeze(&mut self, at: usize) {
        let (now_ms, chance) = (self.world.clock.ms(), &self.chance);
        let copy = &mut self.copies[at];
        let until_ms = now_ms + chance.between(1_000, FROZEN_MS);
        if copy.frozen_until_ms > 0 || !matches!(copy.state, State::Up(_)) {
            return;
        }
        copy.pulse.tell("stands still", 0);
        copy.pulse.freeze(true);
        self.report.frozen += 1;
        if chance.one_in(self.world.faults.replace) {
            let back = State::Down { until_ms: now_ms + chance.below(3_000) };
            if let State::Up(life) = std::mem::replace(&mut copy.state, back) {
                copy.pulse.tell("is replaced", 0);
                copy.is_over = true;
                self.ghosts.push(Ghost { life, pulse: Arc::clone(&copy.pulse), until_ms, turns: GHOST_TURNS });
            }
        } else {
            copy.frozen_until_ms = until_ms;
        }
    }

    /// From now on nothing goes wrong.
    fn calm(&mut self) {
        self.trace.tell(0, "all is well from now on", 0);
        self.world.is_rough.set(false);
        self.trace.calm();
        self.world.broker().away_until_ms = 0;
        for copy in &self.copies {
            copy.pulse.spare();
            copy.outside.disk().spare();
        }
    }

    /// A turn for each copy.
    fn round(&mut self) -> Result<(), String> {
        let first = self.chance.at(self.copies.len());
        for turn in 0..self.copies.len() {
            self.turn((first + turn) % self.copies.len())?;
        }
        for mut ghost in std::mem::take(&mut self.ghosts) {
            if ghost.until_ms <= self.now_ms() {
                ghost.pulse.freeze(false);
                ghost.turns -= 1;
                // It ends where it is shut out.
                let Ok(life) = ghost.life.turn() else { continue };
                ghost.life = life;
            }
            if ghost.turns == 0 || ghost.pulse.is_dead() {
                ghost.pulse.kill();
            } else {
                self.ghosts.push(ghost);
            }
        }
        Ok(())
    }

    fn turn(&mut self, at: usize) -> Result<(), String> {
        let now_ms = self.now_ms();
        let copy = &mut self.copies[at];
        if copy.frozen_until_ms > now_ms {
            return Ok(());
        }
        if std::mem::take(&mut copy.frozen_until_ms) > 0 {
            copy.pulse.tell("goes on", 0);
            copy.pulse.freeze(false);
        }
        let lived = match std::mem::replace(&mut copy.state, State::Down { until_ms: now_ms + REBUILD_MS }) {
            State::Down { until_ms } if until_ms > now_ms => {
                copy.state = State::Down { until_ms };
                return Ok(());
            }
            State::Down { .. } => {
                self.begin(at);
                let copy = &self.copies[at];
                copy.process.start()
            }
            State::Up(life) => life.turn(),
        };
        self.report.turns += 1;
        self.after(at, lived)
    }

    /// A new life, where the last one is over.
    fn begin(&mut self, at: usize) {
        let copy = &mut self.copies[at];
        if std::mem::take(&mut copy.is_over) {
            let faults = self.world.faults;
            let is_spared = !self.world.is_rough.get() || faults.effects_max == 0;
            let left = if is_spared { u64::MAX } else { self.chance.below(2 * faults.effects_max) };
            copy.pulse = Pulse::new(copy.number, left, self.trace);
            copy.outside.begin(&copy.pulse);
        }
        copy.pulse.tell("begins", 0);
        self.report.lives += 1;
    }

    /// What becomes of a copy after its turn.
    fn after(&mut self, at: usize, lived: Result<Life<'a>, Death>) -> Result<(), String> {
        let copy = &mut self.copies[at];
        if copy.pulse.is_dead() {
            drop(lived);
            copy.is_over = true;
            self.report.kills += 1;
            copy.state = State::Down { until_ms: self.world.clock.ms() + self.chance.below(DOWN_MS) };
            if self.world.strikes(self.world.faults.power) {
                copy.pulse.tell("has lost its power", 0);
                copy.outside.disk().lose_power();
                self.report.power_losses += 1;
            }
            if self.world.strikes(self.world.faults.rot) {
                copy.pulse.tell("has a snapshot that rots", 0);
                copy.outside.disk().rot();
            }
            return Ok(());
        }
        match lived {
            Ok(life) => copy.state = State::Up(life),
            Err(Death::Rebuild(_)) => {
                copy.pulse.tell("begins anew", 0);
                self.report.rebuilds += 1;
            }
            Err(Death::Stopped) => return Err(format!("copy {} has stopped, and nobody asked it to", copy.number)),
            Err(Death::Failed(reason)) => return Err(format!("copy {} has failed: {reason}", copy.number)),
        }
        Ok(())
    }

    fn judge(&mut self, plan: &Plan, writer: &Writer) -> Result<(), String> {
        let processes = || self.copies.iter().map(|copy| copy.process);
        let refused: u64 = processes().map(Process::snapshots_refused).sum();
        self.report.snapshots = processes().map(Process::snapshots).sum();
        self.report.simulated_ms = self.now_ms();
        self.report.events = writer.events.len() as u64;
        let late: u64 = processes().map(Process::late).sum();
        let rules = rules(plan.apart.is_some());
        let judged = judge(&self.world.broker(), writer, rules, plan.exactly_once);
        let with_late = |wrong: String| if late > 0 { format!("{late} events were late: {wrong}") } else { wrong };
        let (alerts, apart) = judged.map_err(with_late)?;
        (self.report.alerts, self.report.alerts_apart) = (alerts as u64, apart as u64);
        // What a commit names is there and whole, where the disk is and nothing rots.
        let is_there = (plan.copies == 1 || plan.one_disk) && plan.faults.rot == 0;
        if is_there && refused > 0 {
            return Err(format!("{refused} times a snapshot that a commit named was not taken up"));
        }
        Ok(())
    }
}
