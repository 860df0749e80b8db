//! The engine against the reference evaluator: generated rules over generated streams, through every way of running.

use std::sync::Arc;

use proptest::strategy::BoxedStrategy;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value as Json, json};
use tripline::alert::{Alert, AlertRecord, Kind, WholeEvent};
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder, TypeSource};
use tripline::diagnostic::FileId;
use tripline::engine::{AlertOrder, End, Engine, InputSettings, Limits, Stream, WhenFull};
use tripline::event::Event;
use tripline::lang;
use tripline::lang::ast::{Item, Lookup, Pattern};
use tripline::program::{Dispatch, Evidence, Found, Program};
use tripline::ruleset::RuleSet;
use tripline::testing::generate::{
    Case, Tally, capped_case, case, crowd_case, derived_case, lookup_case, measure_case, session_case, two_step_case,
    unordered_case, waiting_case, windowed_case,
};
use tripline::testing::oracle::{self, Match, Source, TestEvent};

/// How many cases a run judges; more by `TRIPLINE_CASES`.
const CASES: usize = 2_000;
/// How often the state is saved and taken up in a case.
const SAVED_TIMES: usize = 4;
/// How far out of order the events of a stream come: two steps of the generated times.
const LATENESS_MS: i64 = 120_000;
/// An alert carries this many events from each end of an `N or more` step.
const EVENTS_AT_EACH_END: usize = 20;

#[test]
fn sequences() {
    let tally = agrees(&case().boxed());
    assert_eq!(tally.absent(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn many_rules() {
    let _ = agrees(&crowd_case().boxed());
}

/// The cases of [`many_rules`] say something only if their rules are found in every way, and several at one place.
#[test]
fn many_rules_are_found_in_every_way() {
    let mut runner = TestRunner::deterministic();
    let mut seen = [0; 5];
    for _ in 0..200 {
        let case = crowd_case().new_tree(&mut runner).expect("the generator makes a case").current();
        let program = check(&case).program;
        let dispatches = program.types.iter().flat_map(|plan| &plan.dispatch);
        let ways = dispatches.map(|dispatch| {
            let found: Vec<Found> =
                dispatch.rules.iter().flat_map(|rule| dispatch.entries.found(*rule)).copied().collect();
            let crowded =
                found.iter().any(|way| *way != Found::Always && found.iter().filter(|o| *o == way).count() > 1);
            let has = |is: fn(&Found) -> bool| found.iter().any(is);
            [
                has(|way| matches!(way, Found::Always)),
                has(|way| matches!(way, Found::Equality(_))),
                has(|way| matches!(way, Found::Threshold(_))),
                has(|way| matches!(way, Found::Condition(_))),
                crowded,
            ]
        });
        let in_case = ways.fold([false; 5], |all, one| std::array::from_fn(|at| all[at] || one[at]));
        seen.iter_mut().zip(in_case).for_each(|(seen, has)| *seen += u32::from(has));
    }
    assert!(seen.iter().all(|cases| *cases >= 60), "always, equality, threshold, condition, several at one: {seen:?}");
}

#[test]
fn windows() {
    let tally = agrees(&windowed_case().boxed());
    assert_eq!(tally.absent_windows(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn any_order() {
    let tally = agrees(&unordered_case().boxed());
    assert_eq!(tally.absent_unordered(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn two_steps() {
    agrees(&two_step_case().boxed());
}

#[test]
fn many_open_runs() {
    agrees(&waiting_case().boxed());
}

#[test]
fn few_open_runs() {
    agrees(&capped_case().boxed());
}

#[test]
fn rules_over_alerts() {
    let tally = agrees(&derived_case().boxed());
    assert_eq!(tally.absent_derived(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn sessions() {
    let tally = agrees(&session_case().boxed());
    assert_eq!(tally.absent_sessions(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn measures() {
    let tally = agrees(&measure_case().boxed());
    assert_eq!(tally.absent_measures(), Vec::<&str>::new(), "constructs that no case had");
}

#[test]
fn lists_and_tables() {
    let tally = agrees(&lookup_case().boxed());
    assert_eq!(tally.absent_lookups(), Vec::<&str>::new(), "constructs that no case had");
}

/// Judges generated cases in every way, and gives what occurred in them.
fn agrees(strategy: &BoxedStrategy<Case>) -> Tally {
    let cases = std::env::var("TRIPLINE_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES);
    let mut tally = Tally::default();
    let seed: u64 = std::env::var("TRIPLINE_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    for number in 0..cases {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&(number as u64).to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let mut tree = strategy.new_tree(&mut runner).expect("the generator makes a case");
        let case = tree.current();
        let Ok(alerts) = judge(&case) else {
            let failure = judge(&shrink(&mut tree)).expect_err("a shrunk case still fails");
            panic!("case {number} of seed {seed}:\n{failure}");
        };
        tally.add(&case, &alerts);
    }
    assert!(tally.share_alerting() >= 0.3, "only {:.0} % of the cases alert", tally.share_alerting() * 100.0);
    tally
}

fn shrink(tree: &mut impl ValueTree<Value = Case>) -> Case {
    for _ in 0..2_000 {
        let moved = if judge(&tree.current()).is_err() { tree.simplify() } else { tree.complicate() };
        if !moved {
            break;
        }
    }
    while judge(&tree.current()).is_ok() && tree.complicate() {}
    tree.current()
}

/// Runs a case in every way and compares. Gives what the reference says, or what differs.
fn judge(case: &Case) -> Result<Vec<Match>, String> {
    let files = std::slice::from_ref(&case.file);
    let checked = check(case);
    if !checked.is_ok() {
        return Err(format!("{case:?}\nrefused: {:#?}", checked.diagnostics));
    }
    let mut full = checked.program.clone();
    full.carry(Evidence::Full);
    let others = Arc::new(check(&with_more(case)).program);
    let (program, full) = (Arc::new(checked.program), Arc::new(full));
    let mut longest = Vec::new();
    for (end, oracle_end) in [(End::LastEvent, oracle::End::LastEvent), (End::Flush, oracle::End::Flush)] {
        let matches = oracle::evaluate_capped(files, &case.events, &case.tables, oracle_end, case.cap);
        let expected = unordered_ties(matches.iter().map(|said| Said::expected(said, case)).collect());
        let one = run(&program, case, end, 1);
        let plain = run_plainly(&program, case, end);
        let stream = |lateness_ms| run_stream(&program, case, end, lateness_ms);
        let (in_order, out_of_order) = (stream(0), stream(LATENESS_MS));
        let ways =
            [("stream", &in_order), ("out of order", &out_of_order), ("1 shard", &one), ("state machines", &plain)];
        for (way, alerts) in ways {
            let said = unordered_ties(alerts.iter().map(|alert| Said::of(alert, case)).collect());
            if said != expected {
                return Err(report(case, way, &expected, &said));
            }
        }
        let lines = |alerts: &[Alert]| -> Vec<String> {
            alerts.iter().map(|alert| AlertRecord::new(alert, &[]).to_json()).collect()
        };
        // It takes as long as all other ways together, so a third of the cases is enough.
        let is_saved = end == End::Flush && case.events.len().is_multiple_of(3);
        let saved = is_saved.then(|| run_saved([&program, &others], case, end));
        if let Some(saved) = saved.filter(|saved| lines(saved) != lines(&out_of_order)) {
            return Err(format!(
                "{case:?}\nsaved and taken up now and then: {:#?}\ninstead of {:#?}",
                lines(&saved),
                lines(&out_of_order)
            ));
        }
        for (way, many) in [("4 shards", run(&program, case, end, 4)), ("partitions", run_apart(&program, case, end))] {
            if lines(&many) != lines(&one) {
                return Err(format!("{case:?}\n{way} differ from one"));
            }
        }
        let whole = run(&full, case, end, 3);
        if let Some(problem) = differs_by_more_than_whole_events(case, &program, &one, &whole) {
            return Err(format!("{case:?}\nwith whole events: {problem}"));
        }
        if matches.len() > longest.len() {
            longest = matches;
        }
    }
    Ok(longest)
}

/// The case with another type and rule, which no event of it means anything to: all others get other numbers.
fn with_more(case: &Case) -> Case {
    let more = "event aa_more aa_text text\nrule aa_more_rule\n  for each aa_text\n  on aa_more\n  alert low\n";
    let mut case = case.clone();
    let (file, problems) = lang::parse(FileId(0), more);
    assert!(problems.is_empty(), "{problems:?}");
    case.file.items.splice(0..0, file.items);
    case
}

/// What is wrong with alerts that carry whole events: they are the others and the events as they came.
fn differs_by_more_than_whole_events(
    case: &Case,
    program: &Program,
    alerts: &[Alert],
    whole: &[Alert],
) -> Option<String> {
    let lines = lines(&case.events);
    let mut without = Vec::new();
    for alert in whole {
        let mut record = AlertRecord::new(alert, &[]);
        let read: AlertRecord = serde_json::from_str(&record.to_json()).expect("our own form");
        // The figures beside them are floats, whose last digit does not survive every parser.
        let wholes = |record: &AlertRecord| record.events.iter().map(|event| event.event.clone()).collect::<Vec<_>>();
        if wholes(&read) != wholes(&record) {
            return Some(format!("{record:?} does not read back"));
        }
        for (event, shown) in alert.events.iter().zip(&mut record.events) {
            let came = (!program.types[event.type_id.index()].derived)
                .then(|| lines[usize::try_from(event.position.offset).expect("small")].as_str());
            let shown = shown.event.take();
            if shown.as_ref().map(WholeEvent::as_str) != came {
                return Some(format!("{shown:?} instead of {came:?}"));
            }
        }
        without.push(record);
    }
    let fields: Vec<_> = alerts.iter().map(|alert| AlertRecord::new(alert, &[])).collect();
    (without != fields).then(|| format!("{without:#?}\ninstead of {fields:#?}"))
}

/// Checks the case's file; where it has lists and tables, as text beside the files that hold them.
fn check(case: &Case) -> lang::Checked {
    if case.tables.is_empty() {
        return lang::check(std::slice::from_ref(&case.file));
    }
    let folder = tempfile::tempdir().expect("a folder for the case");
    for item in &case.file.items {
        let (Item::List(lookup) | Item::Table(lookup)) = &item.node else { continue };
        if let Some(rows) = case.tables.get(&lookup.name.node) {
            std::fs::write(folder.path().join(&lookup.from.node), csv(lookup, rows)).expect("writable");
        }
    }
    let text = lang::fmt::format(&case.file, "");
    RuleSet::from_texts_in(folder.path(), [("case.rules".to_owned(), text)]).checked
}

fn csv(lookup: &Lookup, rows: &[(Json, Json)]) -> String {
    let columns: Vec<String> = lookup.columns.iter().map(|column| column.path.dotted()).collect();
    let cell = |json: &Json| json.as_str().map_or_else(|| json.to_string().replace("null", ""), str::to_owned);
    let line = |(key, row): &(Json, Json)| {
        let of = |column: &String| cell(if *column == lookup.key.dotted() { key } else { &row[column] });
        columns.iter().map(of).collect::<Vec<_>>().join(",")
    };
    let lines = std::iter::once(columns.join(",")).chain(rows.iter().map(line));
    lines.map(|line| line + "\n").collect()
}

/// Brings alerts that only their ids order into an order of their own; all others stay where they are.
fn unordered_ties(mut said: Vec<Said>) -> Vec<Said> {
    let place = |said: &Said| {
        let position = |event: Option<&(String, String, u64)>| event.map(|(.., position)| *position);
        (said.time_ms, position(said.events.last()), said.rule.clone(), position(said.events.first()))
    };
    for tied in said.chunk_by_mut(|a, b| place(a) == place(b)) {
        tied.sort_by_cached_key(|said| format!("{said:?}"));
    }
    said
}

fn report(case: &Case, way: &str, expected: &[Said], said: &[Said]) -> String {
    format!("{case:?}\n{way} differs from the reference\nreference: {expected:#?}\nengine: {said:#?}")
}

/// What an alert says, in a form that both sides can be brought to.
#[derive(Debug, PartialEq)]
struct Said {
    rule: String,
    key: Json,
    time_ms: i64,
    started_ms: i64,
    /// Step, type and position.
    events: Vec<(String, String, u64)>,
    /// Of a measure.
    window: Option<(i64, i64)>,
    values: Json,
    suppressed: u64,
}

impl Said {
    fn of(alert: &Alert, case: &Case) -> Said {
        let record = AlertRecord::new(alert, &[]);
        // What windows and other aggregates came to is not the reference's to tell.
        let mut named: Vec<String> =
            trimmed(case, &record.rule).iter().map(|label| format!("count({label})")).collect();
        named.extend(record.rule.starts_with("risk").then(|| "total".to_owned()));
        let window = match alert.kind {
            Kind::Alert => None,
            Kind::Measure(emission) => Some((emission.start_ms, emission.end_ms)),
        };
        let values = record.values.iter().filter(|(name, _)| window.is_some() || named.contains(name));
        Said {
            rule: record.rule,
            key: Json::Object(record.key),
            time_ms: alert.time_ms,
            started_ms: alert.started_ms,
            events: alert
                .events
                .iter()
                .map(|event| (event.step.to_string(), event.type_name.to_string(), event.position.offset))
                .collect(),
            window,
            values: Json::Object(values.map(|(name, value)| (name.clone(), number(value))).collect()),
            suppressed: alert.suppressed,
        }
    }

    fn expected(said: &Match, case: &Case) -> Said {
        let trimmed = trimmed(case, &said.rule);
        let of_type = |source: &Source| match source {
            // A risk's event is the alert at hand, as one of its own.
            Source::Alert { .. } if said.rule.starts_with("risk") => said.rule.clone(),
            Source::Alert { rule, .. } => rule.clone(),
            Source::Event(event) => case.events[*event].event_type.clone(),
        };
        let mut events = Vec::new();
        for (at, (label, source)) in said.events.iter().enumerate() {
            let of_label = |events: &[(String, Source)]| events.iter().filter(|(other, _)| other == label).count();
            let (before, after) = (of_label(&said.events[..at]), of_label(&said.events[at + 1..]));
            if !trimmed.contains(label) || before < EVENTS_AT_EACH_END || after < EVENTS_AT_EACH_END {
                events.push((label.clone(), of_type(source), source.event() as u64));
            }
        }
        Said {
            rule: said.rule.clone(),
            key: Json::Object(said.key.iter().cloned().collect::<Map<_, _>>()),
            time_ms: said.time_ms,
            started_ms: said.started_ms,
            events,
            window: said.window,
            values: Json::Object(said.values.iter().map(|(name, value)| (name.clone(), number(value))).collect()),
            suppressed: said.suppressed_before,
        }
    }
}

/// The labels of the steps of which an alert carries the first and the last events only.
fn trimmed(case: &Case, rule: &str) -> Vec<String> {
    let rules = case.file.items.iter().filter_map(|item| match &item.node {
        Item::Rule(of) if of.name.node == rule => Some(&of.pattern),
        _ => None,
    });
    let labels = rules.flat_map(|pattern| match pattern {
        Pattern::Sequence(sequence) => {
            let steps = sequence.steps.iter().enumerate();
            let or_more = steps.filter(|(_, step)| step.count.as_ref().is_some_and(|count| count.or_more));
            or_more
                .map(|(at, step)| step.name.as_ref().map_or_else(|| (at + 1).to_string(), |name| name.node.clone()))
                .collect()
        }
        Pattern::Session(session) => vec![session.name.node.clone()],
        Pattern::AllOf(_) | Pattern::EachPair(_) => Vec::new(),
    });
    labels.collect()
}

/// A value with its numbers as floats: a sum of whole numbers may be written with a point or without. The reference
/// adds floats up as they come, so the last digits of a deviation are not compared.
fn number(value: &Json) -> Json {
    value.as_f64().map_or_else(|| value.clone(), |n| json!(format!("{n:.9e}")))
}

/// The events as a source would give them: decoded from JSON, numbered by their place.
pub(super) fn decoded(program: &Program, events: &[TestEvent]) -> Vec<Event> {
    let names = FieldNames {
        event_type: TypeSource::Fields(vec!["@type".to_owned()]),
        time: vec!["@time".to_owned()],
        id: vec!["@id".to_owned()],
    };
    let mut decoder = JsonDecoder::new(program, &names, DecodeLimits::default());
    let decode = |(offset, line): (u64, String)| {
        let mut decoded = Event::default();
        decoder.decode(line.as_bytes(), &mut decoded).expect("a generated event decodes");
        decoded.position.offset = offset;
        decoded
    };
    (0..).zip(lines(events)).map(decode).collect()
}

/// The events as lines of JSON.
fn lines(events: &[TestEvent]) -> Vec<String> {
    let line = |event: &TestEvent| {
        let mut body = event.body.as_object().cloned().unwrap_or_default();
        body.insert("@type".to_owned(), json!(event.event_type));
        body.insert("@time".to_owned(), json!(event.time_ms));
        if let Some(id) = &event.id {
            body.insert("@id".to_owned(), json!(id));
        }
        Json::Object(body).to_string()
    };
    events.iter().map(line).collect()
}

/// The events through a stream, in order of time or up to so many ms out of it.
fn run_stream(program: &Arc<Program>, case: &Case, end: End, lateness_ms: i64) -> Vec<Alert> {
    let mut stream = new_stream(program, case, lateness_ms);
    let mut alerts = Vec::new();
    for (at, mut event) in out_of_order(program, case, lateness_ms).into_iter().enumerate() {
        stream.push(0, &mut event, &mut alerts);
        if at % 7 == 0 {
            stream.release(&mut alerts);
        }
    }
    finish_stream(stream, end, alerts)
}

/// As [`run_stream`], out of order, but after each few events the state is saved and taken up by a new stream: by turns
/// of one program and the other.
fn run_saved(programs: [&Arc<Program>; 2], case: &Case, end: End) -> Vec<Alert> {
    let mut events = programs.map(|program| out_of_order(program, case, LATENESS_MS));
    let mut stream = new_stream(programs[0], case, LATENESS_MS);
    let (mut alerts, mut saved, mut turn) = (Vec::new(), Vec::new(), 0);
    // In the cases together at each event.
    let every = case.events.len() / SAVED_TIMES + 1;
    for at in 0..case.events.len() {
        stream.push(0, &mut events[turn][at], &mut alerts);
        if at % 7 == 0 {
            stream.release(&mut alerts);
        }
        if at % every != case.file.items.len() % every {
            continue;
        }
        let open = stream.open_runs();
        saved.clear();
        stream.save(&mut saved);
        turn = 1 - turn;
        stream = new_stream(programs[turn], case, LATENESS_MS);
        let carried = stream.load(&saved).expect("it was saved just now");
        assert_eq!((carried.kept, stream.open_runs()), (open, open), "{case:?}");
    }
    finish_stream(stream, end, alerts)
}

fn new_stream(program: &Arc<Program>, case: &Case, lateness_ms: i64) -> Stream {
    let mut stream = Stream::new(Arc::clone(program), &[InputSettings { lateness_ms, ..InputSettings::default() }]);
    stream.set_limits(limits(case));
    stream
}

/// Each event comes later than its time by something of its own, so that neighbours change places.
fn out_of_order(program: &Program, case: &Case, lateness_ms: i64) -> Vec<Event> {
    let mut events = decoded(program, &case.events);
    let delay = |at: u64| i64::try_from(at * 7919 % 1000).expect("a small number") * lateness_ms / 1000;
    events.sort_by_key(|event| (event.time_ms + delay(event.position.offset), event.position.offset));
    events
}

fn finish_stream(mut stream: Stream, end: End, mut alerts: Vec<Alert>) -> Vec<Alert> {
    stream.finish(end, &mut alerts);
    let mut order = AlertOrder::default();
    order.extend(alerts);
    order.finish()
}

fn run(program: &Arc<Program>, case: &Case, end: End, shards: usize) -> Vec<Alert> {
    run_engines(program, case, end, Engine::sharded(program, shards))
}

/// As copies of the daemon judge it over topics with partitions: some keys where they are, the others behind the topic
/// that brings their events together, in three partitions. What `top` compares is never parted.
fn run_apart(program: &Arc<Program>, case: &Case, end: End) -> Vec<Alert> {
    const PARTITIONS: usize = 3;
    let is_here = |dispatch: &Dispatch| {
        let compared = program.measures.iter().any(|measure| measure.top.is_some() && measure.key == dispatch.key);
        !dispatch.pinned && (dispatch.key.0.is_multiple_of(2) || compared)
    };
    let there = Arc::new(program.part(|dispatch| !is_here(dispatch)));
    let behind = |partition| {
        let mut engine = Engine::new(Arc::clone(&there));
        engine.judge_partition(partition, PARTITIONS);
        engine
    };
    let here = Engine::new(Arc::new(program.part(is_here)));
    run_engines(program, case, end, std::iter::once(here).chain((0..PARTITIONS).map(behind)).collect())
}

/// With all sequences run by state machines, also those that are run otherwise where nobody asks how runs end.
fn run_plainly(program: &Arc<Program>, case: &Case, end: End) -> Vec<Alert> {
    let mut engine = Engine::new(Arc::clone(program));
    engine.keep_history();
    run_engines(program, case, end, vec![engine])
}

fn limits(case: &Case) -> Limits {
    case.cap.map_or(Limits::NONE, |cap| Limits {
        open_runs_per_key: cap.open_runs_per_key,
        when_full: if cap.drop_new { WhenFull::DropNew } else { WhenFull::DropOldest },
        ..Limits::NONE
    })
}

fn run_engines(program: &Program, case: &Case, end: End, engines: Vec<Engine>) -> Vec<Alert> {
    let events = decoded(program, &case.events);
    let last_ms = events.iter().map(|event| event.time_ms).max();
    let mut order = AlertOrder::default();
    for mut engine in engines {
        engine.set_limits(limits(case));
        let mut alerts = Vec::new();
        for event in &events {
            engine.on_event(event, &mut alerts);
        }
        engine.finish(end, last_ms, &mut alerts);
        order.extend(alerts);
    }
    order.finish()
}
