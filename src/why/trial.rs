//! The same events once more, with the rule changed.

use std::cell::Cell;
use std::sync::Arc;

use crate::alert::Alert;
use crate::engine::{AlertOrder, End};
use crate::event::{Event, Key, KeyBuilder, Value};
use crate::lang::ast::{File, Item, Spanned};
use crate::lang::{self, FileRead, Lookups, file_lookups};
use crate::program::{Contents, Program, Rows, TableSource};
use crate::why::gathered::Gathered;
use crate::why::target::Target;

/// The events of a question, and the declarations that a changed rule is checked with.
pub(super) struct Trial<'a> {
    pub(super) program: &'a Arc<Program>,
    pub(super) gathered: &'a Gathered,
    pub(super) rule: &'a str,
    pub(super) end: End,
    /// The time that an alert must cover, in ms.
    pub(super) at_ms: Option<i64>,
    /// The items with the rule among them, and where it stands.
    items: Vec<Spanned<Item>>,
    own: usize,
    /// How many events may still be judged: a question ends, however much was read.
    budget: Cell<u64>,
}

/// Some seconds of work.
const EVENTS_MAX: u64 = 30_000_000;
/// What checking a rule costs, in events judged.
const CHECK_COST: u64 = 2_000;
/// How exactly people know times: an alert covers a time that lies in the same second.
pub(super) const SECOND_MS: i64 = 999;

impl<'a> Trial<'a> {
    pub(super) fn new(
        files: &[File],
        program: &'a Arc<Program>,
        gathered: &'a Gathered,
        rule: &'a str,
        end: End,
        at_ms: Option<i64>,
    ) -> Trial<'a> {
        let alone = !gathered.all();
        let is_own = |item: &Item| match item {
            Item::Rule(one) => one.name.node == rule,
            Item::Risk(one) => one.name.node == rule,
            _ => false,
        };
        let needed = |item: &&Spanned<Item>| match &item.node {
            Item::Event(_) | Item::List(_) | Item::Table(_) => true,
            Item::Rule(_) | Item::Risk(_) => !alone || is_own(&item.node),
            Item::Test(_) | Item::Measure(_) => false,
        };
        let items: Vec<_> = files.iter().flat_map(|file| &file.items).filter(needed).cloned().collect();
        let own = items.iter().position(|item| is_own(&item.node)).unwrap_or_default();
        Trial { program, gathered, rule, end, at_ms, items, own, budget: Cell::new(EVENTS_MAX) }
    }

    /// The alerts of a changed rule for the key, in order; none where the checker refuses it or the budget is spent.
    pub(super) fn alerts(&self, target: &Target) -> Option<Vec<Alert>> {
        let cost = self.gathered.events.len() as u64 + CHECK_COST;
        self.budget.set(self.budget.get().checked_sub(cost)?);
        let mut file = File { items: self.items.clone(), ..File::default() };
        file.items[self.own].node = target.item();
        let files = [file];
        let checked = lang::check_with(&files, lookups(&files, self.program));
        if !checked.is_ok() {
            return None;
        }
        Some(self.run(&Arc::new(checked.program)))
    }

    /// The first alert that answers the question, if there is one.
    pub(super) fn fires(&self, target: &Target) -> Option<Alert> {
        self.alerts(target)?.into_iter().find(|alert| self.answers(alert))
    }

    /// Whether an alert is at the time that was asked for.
    pub(super) fn answers(&self, alert: &Alert) -> bool {
        self.at_ms.is_none_or(|at_ms| covers(alert, at_ms))
    }

    fn run(&self, program: &Arc<Program>) -> Vec<Alert> {
        let mut engine = self.gathered.engine(program);
        for (at, table) in (0..).map(crate::program::TableId).zip(&program.tables) {
            if let Some(known) = self.program.tables.iter().find(|known| known.name == table.name) {
                engine.replace_table(at, Arc::clone(&known.rows));
            }
        }
        let plans = Plans::new(self.program, program);
        let mut alerts = Vec::new();
        let mut remade = Event::default();
        for event in &self.gathered.events {
            plans.remake(event, &mut remade);
            engine.on_event(&remade, &mut alerts);
        }
        engine.finish(self.end, self.gathered.last_ms, &mut alerts);
        own_alerts(alerts, self.rule, &self.gathered.key)
    }
}

/// The alerts of a rule for a key, in order.
pub(super) fn own_alerts(alerts: Vec<Alert>, rule: &str, key: &Key) -> Vec<Alert> {
    let mut order = AlertOrder::default();
    order.extend(alerts.into_iter().filter(|alert| *alert.rule_name == *rule && key_of(alert) == *key));
    order.finish()
}

/// Whether a time lies between the first event of an alert and the alert.
pub(super) fn covers(alert: &Alert, at_ms: i64) -> bool {
    alert.started_ms <= at_ms.saturating_add(SECOND_MS) && at_ms <= alert.time_ms
}

fn key_of(alert: &Alert) -> Key {
    let mut builder = KeyBuilder::default();
    for (_, value) in &alert.key {
        builder.push(value);
    }
    builder.key()
}

/// What the files of lists and tables hold, as far as the checker looks: their columns. The rows come later, shared.
fn lookups(files: &[File], program: &Program) -> Lookups {
    let mut lookups = Lookups::default();
    for declared in file_lookups(files) {
        let Some(table) = program.tables.iter().find(|table| *table.name == *declared.name) else { continue };
        let path = match &table.source {
            TableSource::File(path) => path.clone(),
            TableSource::Topic { .. } => continue,
        };
        let columns = table.columns.clone();
        let contents = Contents { path, key: Some(table.key.kind.clone()), columns, rows: Rows::default() };
        lookups.0.insert(declared.place, FileRead::Contents(contents));
    }
    lookups
}

/// Where the values of an event decoded for one program stand in another that reads no more of it.
struct Plans {
    /// By the type's number in the first program: its number in the second, and of each of its values the place.
    types: Vec<Option<(crate::schema::TypeId, Vec<Option<usize>>)>>,
}

impl Plans {
    fn new(from: &Program, to: &Program) -> Plans {
        let plan = |(plan, of): (&crate::program::TypePlan, &crate::schema::EventType)| {
            let id = to.schema.type_id(&of.name)?;
            let wanted = to.types[id.index()].fields.iter();
            Some((id, wanted.map(|field| plan.fields.iter().position(|known| known == field)).collect()))
        };
        Plans { types: from.types.iter().zip(&from.schema.types).map(plan).collect() }
    }

    fn remake(&self, event: &Event, remade: &mut Event) {
        let plan = event.type_id.and_then(|id| self.types.get(id.index())?.as_ref());
        remade.type_id = plan.map(|(id, _)| *id);
        remade.time_ms = event.time_ms;
        remade.position = event.position;
        remade.id.clone_from(&event.id);
        remade.values.clear();
        let value = |at: &Option<usize>| at.map_or(Value::Missing, |at| event.values[at].clone());
        remade.values.extend(plan.iter().flat_map(|(_, values)| values.iter().map(value)));
    }
}
