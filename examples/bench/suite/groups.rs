//! The rows, in groups, each with what others reach and what is wanted beside it.
//!
//! What others reach was measured on one machine with 2 cores, on a million events of this shape.

use tripline::workload::{self, MEASURE, RULES, Settings};

use super::task::{Task, Work};
use super::yardstick::Reader;

/// Rows that are read together.
pub(crate) struct Group {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What its rows have in common.
    pub(crate) title: &'static str,
    /// The rows, in order. Each name occurs once.
    pub(crate) rows: Vec<Row>,
}

/// One thing that is measured.
pub(crate) struct Row {
    /// What it is called in its group.
    pub(crate) name: String,
    /// What is run.
    pub(crate) task: Task,
    /// The row of the group that it is compared with.
    pub(crate) against: Against,
    /// The row of the group that must find the same.
    pub(crate) same_as: Option<&'static str>,
    /// What others reach, and what is wanted.
    pub(crate) beside: &'static str,
}

/// How a row is compared with another of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// Not at all.
    Nothing,
    /// How many times the processor time an event costs.
    Cost(&'static str),
    /// How many times as many events a second of wall-clock time.
    Speed(&'static str),
}

/// All groups, where a long row has so many events. Rows with many rules have fewer, but at least a hundred: an engine
/// that tries each rule by itself is to end too.
pub(crate) fn groups(events: u64) -> Vec<Group> {
    let share = |parts: u64| (events / parts).max(100);
    vec![
        decode(events),
        rules(events),
        threads(events),
        filters(share(4)),
        variants(share(4)),
        thresholds(share(40)),
        hot(share(2)),
        keys(events),
        state(events),
        check((events / 1_000).clamp(10, 1_000)),
    ]
}

fn row(name: impl Into<String>, work: Work, rules: impl Into<String>, events: u64, beside: &'static str) -> Row {
    let task = Task { work, rules: rules.into(), input: Settings::default(), events };
    Row { name: name.into(), task, against: Against::Nothing, same_as: None, beside }
}

impl Row {
    fn against(self, against: Against) -> Row {
        Row { against, ..self }
    }

    fn same_as(self, other: &'static str) -> Row {
        Row { same_as: Some(other), ..self }
    }

    fn over(mut self, input: Settings) -> Row {
        self.task.input = input;
        self
    }
}

const R1: &str = "country_hop";

fn r1_to_r4() -> String {
    RULES.split("\nrule spend_velocity").next().unwrap_or_default().to_owned()
}

fn decode(events: u64) -> Group {
    let rows = vec![
        row(
            "all fields of R1-R5",
            Work::Decode,
            RULES,
            events,
            "by hand 95-137 ns; serde derive over sonic-rs 220-234, serde_json struct 280-300, serde_json::Value 805-842",
        ),
        row("the fields of R1", Work::Decode, workload::rule_alone(R1), events, ""),
        row("by hand", Work::DecodeByHand, "", events, "").against(Against::Cost("the fields of R1")),
    ];
    Group { name: "decode", title: "lines of a file to events, one thread", rows }
}

fn rules(events: u64) -> Group {
    let measure = format!("{}{MEASURE}", workload::declarations());
    let mut rows = Vec::new();
    for (name, rules, beside) in [
        (
            "R1",
            workload::rule_alone(R1),
            "goal 3.0 M/s; Flink CEP 0.11, Flink SQL 0.06-0.12, Siddhi 0.18, Esper 0.37; by hand 5.5-6.2",
        ),
        ("R2", workload::rule_alone("failed_burst"), ""),
        ("R3", workload::rule_alone("cart_abandoned"), ""),
        ("R4", workload::rule_alone("takeover"), ""),
        ("R5", workload::rule_alone("spend_velocity"), ""),
        ("R1-R5", RULES.to_owned(), "goal 2.0 M/s; by hand 4.2-4.5"),
    ] {
        rows.push(row(name, Work::Replay(1), rules.clone(), events, beside));
        for (how, reader) in [("by hand", Reader::Own), ("by hand, tripline's decoder", Reader::Tripline)] {
            let by_hand = row(format!("  {name} {how}"), Work::ReplayByHand(reader), rules.clone(), events, "");
            rows.push(by_hand.against(Against::Cost(name)).same_as(name));
        }
    }
    rows.push(row("R6", Work::Replay(1), measure, events, ""));
    rows.push(row("R1-R4", Work::Replay(1), r1_to_r4(), events, "Flink CEP 0.05-0.06 M/s"));
    rows.push(row("R1-R6", Work::Replay(1), format!("{RULES}{MEASURE}"), events, "Esper 0.19 M/s (8.3 CPU s)"));
    Group { name: "rules", title: "a file to alerts, one thread", rows }
}

fn threads(events: u64) -> Group {
    let hop = workload::rule_alone(R1);
    let two = "goal 1.8 times one thread, the same alerts";
    let rows = vec![
        row("R1, 1 thread", Work::Replay(1), hop.clone(), events, ""),
        row("R1, 2 threads", Work::Replay(2), hop, events, two)
            .against(Against::Speed("R1, 1 thread"))
            .same_as("R1, 1 thread"),
        row("R1-R5, 1 thread", Work::Replay(1), RULES, events, ""),
        row("R1-R5, 2 threads", Work::Replay(2), RULES, events, two)
            .against(Against::Speed("R1-R5, 1 thread"))
            .same_as("R1-R5, 1 thread"),
    ];
    Group { name: "threads", title: "a file to alerts, one thread and two", rows }
}

fn filters(events: u64) -> Group {
    let judge = |count: usize, beside| {
        // Nothing is open, so that fewer events cost as much each.
        let events = if count > 1_000 { (events / 10).max(100) } else { events };
        let row = row(counted(count, "rules"), Work::Judge, workload::filters(count), events, beside);
        if count > 1 { row.against(Against::Cost("10 rules")) } else { row }
    };
    let replay = |count: usize| {
        let name = format!("{}, from a file", counted(count, "rules"));
        let row = row(name, Work::Replay(1), workload::filters(count), events, "");
        row.against(Against::Cost("10 rules, from a file"))
    };
    let rows = vec![
        judge(1, "Esper 243 ns, Siddhi 150; indexed by hand 3"),
        judge(10, "Esper 249 ns, Siddhi 423; indexed by hand 5"),
        judge(100, "Esper 300 ns, Siddhi 4,000; indexed by hand 5"),
        judge(1_000, "goal 1.5 times 10 rules; Esper 391 ns, Siddhi 54,000; indexed by hand 10"),
        judge(10_000, "indexed by hand 15 ns"),
        replay(10),
        replay(1_000),
    ];
    Group { name: "filters", title: "rules of one event, each with its own constants; decoded events to alerts", rows }
}

fn variants(events: u64) -> Group {
    let variants = |count: usize, beside| {
        // With fewer countries than these hardly anybody would travel.
        let input = Settings { countries: (count as u64).max(10), ..Settings::default() };
        let row = row(counted(count, "variants"), Work::Judge, workload::hops_from(count), events, beside);
        let row = row.over(input);
        if count > 1 { row.against(Against::Cost("10 variants")) } else { row }
    };
    let rows = vec![
        variants(1, "Esper 370 ns"),
        variants(10, "Esper 940 ns"),
        variants(100, "Esper 950 ns"),
        variants(1_000, "goal 1.5 times 10 variants; Esper 915 ns"),
    ];
    Group { name: "variants", title: "R1 with a constant of its own on the login; decoded events to alerts", rows }
}

fn thresholds(events: u64) -> Group {
    let variants = |count: usize, beside| {
        let row = row(counted(count, "thresholds"), Work::Judge, workload::hops_over(count), events, beside);
        // A tenth of the users in ten times the time: as many events of each, and the first runs end within the row.
        let row = row.over(Settings { users: 10_000, events_per_second: 50, ..Settings::default() });
        if count > 1 { row.against(Against::Cost("10 thresholds")) } else { row }
    };
    let rows = vec![
        variants(1, ""),
        variants(10, "Esper 750 ns, Flink 58,000"),
        variants(100, "Esper 8,100 ns, Flink 824,000"),
        variants(1_000, "goal 3 times 10 thresholds; Esper 119,000 ns"),
    ];
    let title = "R1 with an amount of its own on the purchase: every login starts all; decoded events to alerts";
    Group { name: "thresholds", title, rows }
}

/// Open transfers of a hot user pile up: few purchases are larger than one.
const OUTSPENT: &str = "rule outspent\n  for each user_id\n  on every transfer a\n  \
                        then purchase b where amount > a.amount\n  within 30 minutes\n  alert low\n";

/// No login of a hot user is ever followed by a purchase from there where the user is not.
const ELSEWHERE: &str = "rule elsewhere\n  for each user_id\n  on every page_view a\n  then login_failed f\n  \
                         then purchase b where country is not a.country\n  within 5 minutes\n  alert low\n";

fn hot(events: u64) -> Group {
    let hot = Settings { hot_percent: 10, ..Settings::default() };
    let pair = |name: &'static str, rules: String, beside| {
        let normal = row(name, Work::Judge, rules.clone(), events, "");
        let hot_name = format!("{name}, hot user");
        [normal, row(hot_name, Work::Judge, rules, events, beside).over(hot).against(Against::Cost(name))]
    };
    let with = |rule: &str| format!("{}{rule}", workload::declarations());
    let rows = [
        pair(
            "R1",
            workload::rule_alone(R1),
            "goal about 1; Flink 3 times; by hand 41 ns grouped by country, 535 naive",
        ),
        pair("three steps", with(ELSEWHERE), "goal about 1"),
        pair("amount > a.amount", with(OUTSPENT), "goal about 1"),
    ];
    let title = "one user with 10 % of the events who stays in one country; decoded events to alerts";
    Group { name: "hot", title, rows: rows.into_iter().flatten().collect() }
}

fn keys(events: u64) -> Group {
    let open = |count: u64, beside| {
        let name = format!("{} keys", grouped(count));
        row(name, Work::OpenRuns, workload::rule_alone(R1), count, beside)
    };
    let rows = vec![
        open(events, "goal 100 bytes; Flink 1,500, Siddhi 1,102, Esper 808 and the event 244; by hand 69-73"),
        open(10 * events, ""),
        row(format!("{} keys by hand", grouped(events)), Work::OpenRunsByHand, workload::rule_alone(R1), events, ""),
    ];
    Group { name: "keys", title: "R1 with one open login a user; bytes are those of a run with its key", rows }
}

fn state(events: u64) -> Group {
    let r1 = || workload::rule_alone(R1);
    let name = |what: &str, keys: u64| format!("{what} {} keys", grouped(keys));
    let rows = vec![
        row(name("write down", events / 10), Work::Save, r1(), events / 10, "goal 20 ms for 100,000"),
        row(name("write down", events), Work::Save, r1(), events, ""),
        row(
            name("take up", events),
            Work::TakeUp,
            r1(),
            events,
            "goal 600 ms for 1,000,000; Kafka Streams reads a changelog",
        ),
    ];
    Group { name: "state", title: "R1 with one open login a user, as for a snapshot; an event is a key here", rows }
}

fn check(rules: u64) -> Group {
    let check = |name: String, text: fn(usize) -> String, rules: u64, beside| {
        let count = usize::try_from(rules).expect("at most ten thousand");
        row(name, Work::Check, text(count), rules, beside)
    };
    let filters = |rules: u64| format!("{} filters", grouped(rules));
    let rows = vec![
        check(filters(rules), workload::filters, rules, "goal 100 ms; Esper 9 ms for each rule"),
        check("variants of R1".to_owned(), workload::hops_from, rules, "goal 100 ms"),
        check("thresholds of R1".to_owned(), workload::hops_over, rules, "goal 100 ms"),
        check(filters(10 * rules), workload::filters, 10 * rules, ""),
    ];
    Group { name: "check", title: "the text of 1,000 rules, or so many, to a program; an event is a rule here", rows }
}

fn counted(count: usize, what: &str) -> String {
    let what = if count == 1 { what.trim_end_matches('s') } else { what };
    format!("{} {what}", grouped(count as u64))
}

/// A number with a comma between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
