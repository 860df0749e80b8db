//! The tests of one rule, risk or measure, run again and again with changed forms of it.
//!
//! The item stands alone with what it needs: the event types, the rules whose alerts it uses, the lists and tables that
//! are named, and the test blocks that speak of it. Alerts are compared without what changes with the text of the rule
//! though the match is the same: ids, versions, and the fields and values that are shown because a condition reads them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use serde_json::Value as Json;

use crate::alert::{Alert, AlertRecord};
use crate::decode::{DecodeLimits, Decoder, FieldNames, Format};
use crate::engine::{AlertOrder, End, InputSettings, Limits, Stream};
use crate::event::{Event, Position};
use crate::lang::ast::{self, Expect, Item, Spanned, TestLine};
use crate::lang::{Checked, fmt};
use crate::program::Program;
use crate::replay;
use crate::ruleset::RuleSet;
use crate::ruletest::fixture::{EVENTS, differences};
use crate::ruletest::{Fixture, block};

/// The tests of an item, with the item's place among the files that it needs.
pub(super) struct Trials<'a> {
    set: &'a RuleSet,
    name: &'a str,
    files: Vec<ast::File>,
    place: (usize, usize),
    fixtures: Vec<FixtureTrial>,
}

/// A fixture, read once.
struct FixtureTrial {
    name: String,
    lines: Vec<Vec<u8>>,
    /// The lines of `alerts.ndjson` that are of the item.
    expected: Vec<Json>,
    sources: Arc<[String]>,
    /// Its events, by what is read of each event type.
    decoded: BTreeMap<Layout, Vec<Event>>,
}

type Layout = Vec<Vec<usize>>;

/// How the tests went with one form of the item.
pub(super) struct Run {
    pub(super) tests: Vec<Ran>,
    /// How many steps were taken in the furthest run, and how many there are.
    pub(super) steps: (usize, usize),
    /// The names of the values that its alerts show.
    shown: Vec<String>,
}

/// How one test went.
pub(super) struct Ran {
    pub(super) name: String,
    pub(super) passed: bool,
    alerts: Vec<Json>,
}

/// What an alert's comparison leaves out.
pub(super) struct View {
    /// The names of values, as they are now and as they were.
    values: Vec<(String, String)>,
    /// The part of the key that is gone.
    key: Option<String>,
}

impl<'a> Trials<'a> {
    /// The tests of the item at this place of the rule set.
    pub(super) fn new(
        set: &'a RuleSet,
        place: (usize, usize),
        name: &'a str,
        fixtures: &[Fixture],
    ) -> anyhow::Result<Trials<'a>> {
        let (files, place) = needed(set, place, name);
        let is_measure = matches!(files[place.0].items[place.1].node, Item::Measure(_));
        let mut trials = Vec::new();
        for fixture in fixtures {
            trials.extend(FixtureTrial::read(fixture, name, is_measure)?);
        }
        Ok(Trials { set, name, files, place, fixtures: trials })
    }

    /// The program with another form of the item, if the checker lets it pass.
    pub(super) fn check(&mut self, item: Spanned<Item>) -> Option<Checked> {
        let slot = &mut self.files[self.place.0].items[self.place.1];
        let original = std::mem::replace(slot, item);
        let checked = self.set.check_again(&self.files);
        self.files[self.place.0].items[self.place.1] = original;
        checked.is_ok().then_some(checked)
    }

    /// As [`Trials::check`], for a form in which the tests' `with` may name what is gone: they are left out.
    pub(super) fn check_without_with(&mut self, item: Spanned<Item>) -> Option<Checked> {
        let written = self.files.clone();
        let tests = self.files.iter_mut().flat_map(|file| &mut file.items).filter_map(|item| match &mut item.node {
            Item::Test(test) => Some(test),
            _ => None,
        });
        for line in tests.flat_map(|test| &mut test.lines) {
            if let TestLine::Expect(expect) = &mut line.node {
                expect.with = None;
            }
        }
        let checked = self.check(item);
        self.files = written;
        checked
    }

    /// Runs all tests. `view` leaves out of the comparison what only the form of the item decides.
    pub(super) fn run(&mut self, checked: Checked, view: Option<&View>) -> Run {
        let program = Arc::new(checked.program);
        let rule = program.rule(self.name);
        let mut run = Run { tests: Vec::new(), steps: (0, rule.map_or(0, |rule| rule.steps.len())), shown: Vec::new() };
        run.shown = rule.into_iter().flat_map(|rule| &rule.alert.values).map(|(name, _)| name.to_string()).collect();
        for test in &checked.tests {
            let judged = block::judge(&program, test);
            let alerts = self.records(&judged.alerts, &[], view);
            let furthest = rule.into_iter().flat_map(|rule| judged.engine.history(rule.id));
            let furthest = furthest.map(|run| run.step.index() + usize::from(run.taken > 0)).max();
            run.reached(furthest.unwrap_or_default(), &alerts);
            let name = format!("{:?}", test.description);
            run.tests.push(Ran { name, passed: judged.failures.is_empty(), alerts });
        }
        for at in 0..self.fixtures.len() {
            let alerts = self.fixtures[at].alerts(&program);
            let fixture = &self.fixtures[at];
            let alerts = self.records(&alerts, &fixture.sources, view);
            run.reached(0, &alerts);
            run.tests.push(Ran { name: fixture.name.clone(), passed: fixture.is_met(&alerts, view), alerts });
        }
        run
    }

    /// The item's alerts as they are compared.
    fn records(&self, alerts: &[Alert], sources: &[String], view: Option<&View>) -> Vec<Json> {
        let own = alerts.iter().filter(|alert| *alert.rule_name == *self.name);
        let record = |alert| serde_json::to_value(AlertRecord::new(alert, sources)).expect("an alert is JSON");
        own.map(|alert| View::of_made(view, record(alert))).collect()
    }
}

impl Run {
    fn reached(&mut self, furthest: usize, alerts: &[Json]) {
        let (reached, all) = &mut self.steps;
        *reached = (*reached).max(if alerts.is_empty() { furthest.min(*all) } else { *all });
    }

    /// Whether any test gives an alert.
    pub(super) fn fires(&self) -> bool {
        self.tests.iter().any(|test| !test.alerts.is_empty())
    }

    /// What can be compared between this, the item as written, and a changed form of it, which lacks this part of the
    /// key.
    pub(super) fn view(&self, changed: &Program, name: &str, key: Option<String>) -> View {
        let now: Vec<String> = changed
            .rule(name)
            .map_or_else(Vec::new, |rule| rule.alert.values.iter().map(|(name, _)| name.to_string()).collect());
        let same = |name: &String| now.contains(name).then(|| (name.clone(), name.clone()));
        let values = if now.len() == self.shown.len() {
            now.iter().cloned().zip(self.shown.iter().cloned()).collect()
        } else {
            self.shown.iter().filter_map(same).collect()
        };
        View { values, key }
    }

    /// The first test that fails now.
    pub(super) fn failure(&self) -> Option<&Ran> {
        self.tests.iter().find(|test| !test.passed)
    }

    /// The first test whose alerts were others when the item was as written.
    pub(super) fn difference<'r>(&'r self, written: &Run, view: &View) -> Option<&'r Ran> {
        let differs = |(now, written): (&'r Ran, &Ran)| {
            let before: Vec<Json> = written.alerts.iter().map(|alert| view.of_written(alert.clone())).collect();
            (now.alerts != before).then_some(now)
        };
        self.tests.iter().zip(&written.tests).find_map(differs)
    }
}

impl View {
    fn of_made(view: Option<&View>, mut alert: Json) -> Json {
        strip(&mut alert);
        let Some(view) = view else { return alert };
        if alert["kind"] != "measure"
            && let Some(values) = alert["values"].as_object_mut()
        {
            let named = |(now, before): &(String, String)| Some((before.clone(), values.get(now)?.clone()));
            *values = view.values.iter().filter_map(named).collect();
        }
        view.without_key(alert)
    }

    /// An alert, or a line of `alerts.ndjson`, that is of the item as written.
    fn of_written(&self, mut alert: Json) -> Json {
        strip(&mut alert);
        if alert["kind"] != "measure"
            && let Some(values) = alert.get_mut("values").and_then(Json::as_object_mut)
        {
            values.retain(|name, _| self.values.iter().any(|(_, before)| before == name));
        }
        self.without_key(alert)
    }

    fn without_key(&self, mut alert: Json) -> Json {
        if let Some(part) = &self.key {
            alert.as_object_mut().and_then(|alert| alert.remove("message"));
            if let Some(key) = alert.get_mut("key").and_then(Json::as_object_mut) {
                key.remove(part);
            }
        }
        alert
    }
}

/// Takes out what follows from the text of the rule and not from the match.
fn strip(alert: &mut Json) {
    if let Some(alert) = alert.as_object_mut() {
        alert.remove("alert_id");
        alert.remove("version");
    }
    for event in alert.get_mut("events").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(event) = event.as_object_mut() {
            event.remove("fields");
        }
    }
}

impl FixtureTrial {
    /// The fixture, if it is a test of the item: that of a measure must be about it.
    fn read(fixture: &Fixture, item: &str, is_measure: bool) -> anyhow::Result<Option<FixtureTrial>> {
        let all = fixture.expected().with_context(|| format!("fixture {}", fixture.folder.display()))?;
        if is_measure && !fixture.is_about(&Json::from(item), &all) {
            return Ok(None);
        }
        let path = fixture.folder.join(EVENTS);
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Some(FixtureTrial {
            name: fixture.folder.display().to_string(),
            lines: bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect(),
            expected: all.into_iter().filter(|line| line["rule"] == item).collect(),
            sources: replay::source_names(&[path]),
            decoded: BTreeMap::new(),
        }))
    }

    fn alerts(&mut self, program: &Arc<Program>) -> Vec<Alert> {
        let layout: Layout = program.types.iter().map(|plan| plan.fields.clone()).collect();
        let lines = &self.lines;
        let events = self.decoded.entry(layout).or_insert_with(|| decode(program, lines));
        let mut stream = Stream::new(Arc::clone(program), &[InputSettings::default()]);
        stream.name_sources(Arc::clone(&self.sources));
        stream.set_limits(Limits::default());
        let mut alerts = Vec::new();
        for event in events.iter() {
            stream.push(0, &mut event.clone(), &mut alerts);
        }
        stream.finish(End::Flush, &mut alerts);
        let mut order = AlertOrder::default();
        order.extend(alerts);
        order.finish()
    }

    fn is_met(&self, alerts: &[Json], view: Option<&View>) -> bool {
        let line = |line: &Json| match view {
            Some(view) => view.of_written(line.clone()),
            None => View { values: Vec::new(), key: None }.stripped(line.clone()),
        };
        let contains = |(expected, alert): (&Json, &Json)| differences("", &line(expected), alert).is_empty();
        self.expected.len() == alerts.len() && self.expected.iter().zip(alerts).all(contains)
    }
}

impl View {
    fn stripped(&self, mut line: Json) -> Json {
        strip(&mut line);
        self.without_key(line)
    }
}

/// The lines that hold events of declared types.
fn decode(program: &Program, lines: &[Vec<u8>]) -> Vec<Event> {
    let mut decoder = Decoder::new(program, Format::Json, &FieldNames::default(), DecodeLimits::default());
    let mut events = Vec::new();
    for (number, line) in (1..).zip(lines) {
        let mut event = Event::default();
        if decoder.decode(line, &mut event).is_ok() {
            event.position = Position { offset: number, ..Position::default() };
            events.push(event);
        }
    }
    events
}

/// The files with only what an item needs, and the item's place in them.
fn needed(set: &RuleSet, place: (usize, usize), name: &str) -> (Vec<ast::File>, (usize, usize)) {
    let all: Vec<&Spanned<Item>> = set.files.iter().flat_map(|file| &file.items).collect();
    let mut names = BTreeSet::from([name.to_owned()]);
    let mut open = vec![&set.files[place.0].items[place.1]];
    while let Some(item) = open.pop() {
        let words = words_of(&item.node);
        let is_risk = matches!(item.node, Item::Risk(_));
        for other in &all {
            let scores = is_risk && matches!(&other.node, Item::Rule(rule) if rule.alert.score.is_some());
            let Some(named) = name_of(&other.node).filter(|name| scores || words.contains(*name)) else { continue };
            if names.insert(named.to_owned()) {
                open.push(other);
            }
        }
    }
    let mut own_place = place;
    let mut files = Vec::new();
    for (file_at, file) in set.files.iter().enumerate() {
        let mut items = Vec::new();
        for (at, item) in file.items.iter().enumerate() {
            if (file_at, at) == place {
                own_place = (file_at, items.len());
            }
            items.extend(kept(item, &names, name));
        }
        files.push(ast::File { items, ..ast::File::default() });
    }
    (files, own_place)
}

/// The item, if it is needed; of a test the lines that are about the item in question.
fn kept(item: &Spanned<Item>, names: &BTreeSet<String>, name: &str) -> Option<Spanned<Item>> {
    match &item.node {
        Item::Event(_) => Some(item.clone()),
        Item::Test(test) => {
            let speaks = |expect: &Expect| match &expect.rule {
                Some(rule) => rule.node == name,
                None => test.rule.node == name,
            };
            let about = |line: &Spanned<TestLine>| match &line.node {
                TestLine::Event(_) => true,
                TestLine::Expect(expect) => speaks(expect),
            };
            let expects = |line: &Spanned<TestLine>| matches!(line.node, TestLine::Expect(_)) && about(line);
            if !test.lines.iter().any(expects) {
                return None;
            }
            let mut test = test.clone();
            name.clone_into(&mut test.rule.node);
            test.lines.retain(about);
            Some(Spanned::new(Item::Test(test), item.span))
        }
        other => name_of(other).filter(|name| names.contains(*name)).map(|_| item.clone()),
    }
}

/// The name of what others can name, except that of an event type.
pub(super) fn name_of(item: &Item) -> Option<&str> {
    match item {
        Item::Rule(rule) => Some(&rule.name.node),
        Item::Risk(risk) => Some(&risk.name.node),
        Item::Measure(measure) => Some(&measure.name.node),
        Item::List(lookup) | Item::Table(lookup) => Some(&lookup.name.node),
        Item::Event(_) | Item::Test(_) => None,
    }
}

/// All words in the text of an item; among them are the names that it uses.
fn words_of(item: &Item) -> BTreeSet<String> {
    let text = match item {
        Item::Rule(rule) => fmt::format_rule(rule),
        Item::Risk(risk) => fmt::format_risk(risk),
        Item::Measure(measure) => fmt::format_measure(measure),
        _ => String::new(),
    };
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).map(str::to_owned).collect()
}
