//! What occurred in the cases of a property test. Without it, a property could hold because nothing was ever tested.

use std::collections::BTreeMap;

use super::{Case, lookups, rules, types};
use crate::lang::ast::{
    AllOf, Arithmetic, EachPair, Expr, ExprKind, InSet, Item, Measure, MeasureWindow, Name, Pattern, Rule, Sequence,
    Session, Step, Unit, Window,
};
use crate::testing::oracle::{Match, Source};

/// Counts the cases that alert, and the constructs that occurred.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    cases: u64,
    alerting: u64,
    occurred: BTreeMap<String, u64>,
}

/// Everything that must occur. A function is counted under its name.
const CONSTRUCTS: [&str; 88] = [
    "no key",
    "one key",
    "two keys",
    "nested key",
    "renamed key",
    "every",
    "first come",
    "one step",
    "three steps",
    "named step",
    "unnamed step",
    "either type",
    "N X",
    "N or more X",
    "then next",
    "then next N X",
    "then next N or more X",
    "then next after or more",
    "unless",
    "several unless",
    "unless with condition",
    "then no",
    "then no with condition",
    "then no and unless",
    "within",
    "then no without within",
    "at most once",
    "is",
    "is not",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not in",
    "is missing",
    "is not missing",
    "and",
    "or",
    "not",
    "+",
    "-",
    "*",
    "/",
    "negate",
    "percent",
    "km",
    "km/h",
    "bare time",
    "step field",
    "step by type",
    "lower",
    "upper",
    "length",
    "contains",
    "starts_with",
    "ends_with",
    "matches",
    "abs",
    "round",
    "floor",
    "ceiling",
    "least",
    "greatest",
    "hour",
    "weekday",
    "time zone",
    "in_network",
    "distance",
    "speed",
    "count",
    "sum",
    "average",
    "minimum",
    "maximum",
    "distinct",
    "first",
    "last",
    "empty stream",
    "tie",
    "undeclared type",
    "unnamed type",
    "event without id",
    "event without key",
    "null",
    "wrong type",
    "alert",
    "no alert",
];

/// What must occur beside in rules that look at windows.
const WINDOWS: [&str; 8] =
    ["over", "over the previous", "over the last", "percentile", "deviation", "is new", "for", "gap"];

/// What must occur in cases of `all of` and `each pair of`.
const UNORDERED: [&str; 14] = [
    "all of",
    "all of every",
    "all of three",
    "all of with unless",
    "all of across",
    "each pair of",
    "each pair of one type",
    "each pair of either type",
    "each pair of with condition",
    "each pair of without condition",
    "over",
    "at most once",
    "alert",
    "no alert",
];

/// What must occur in cases of sessions.
const SESSIONS: [&str; 10] = [
    "session",
    "session of two types",
    "session at most",
    "session without condition",
    "count",
    "sum",
    "percentile",
    "session of one type's",
    "alert",
    "no alert",
];

/// What must occur in cases of rules over alerts.
const DERIVED: [&str; 12] = [
    "step of alerts",
    "unless of alerts",
    "then no of alerts",
    "unordered alerts",
    "session of alerts",
    "window of alerts",
    "chain",
    "alert of alerts",
    "risk",
    "risk of key",
    "risk alert",
    "no alert",
];

/// What must occur in cases of measures.
const MEASURES: [&str; 14] = [
    "tumbling",
    "hopping",
    "over the last events",
    "session window",
    "session window at most",
    "top",
    "measure without key",
    "measure of alerts",
    "measure with condition",
    "measure of two types",
    "aggregate where",
    "rank",
    "percentile",
    "/",
];

/// What must occur in cases of lists and tables.
const LOOKUPS: [&str; 7] =
    ["in list", "not in list", "lookup", "lookup of a lookup", "change", "rule over changes", "alert"];

impl Tally {
    /// Counts a case that gave these alerts.
    pub fn add(&mut self, case: &Case, alerts: &[Match]) {
        self.cases += 1;
        self.alerting += u64::from(!alerts.is_empty());
        self.see(if alerts.is_empty() { "no alert" } else { "alert" });
        for said in alerts {
            self.see_if(said.rule.starts_with("risk"), "risk alert");
            let of_alert = said.events.iter().any(|(_, source)| matches!(source, Source::Alert { .. }));
            self.see_if(of_alert && said.rule.starts_with("rule"), "alert of alerts");
            self.see_if(said.values.iter().any(|(name, _)| name == "rank"), "rank");
        }
        for item in &case.file.items {
            match &item.node {
                Item::Rule(rule) => self.add_rule(rule),
                Item::Measure(measure) => self.add_measure(measure),
                Item::Risk(risk) => {
                    self.see("risk");
                    self.see_if(matches!(*risk.condition.node, ExprKind::And(..)), "risk of key");
                }
                Item::Event(_) | Item::Test(_) | Item::List(_) | Item::Table(_) => {}
            }
        }
        self.add_stream(case);
    }

    /// The constructs of `all of` and `each pair of` that no case had.
    pub fn absent_unordered(&self) -> Vec<&'static str> {
        self.absent_of(&UNORDERED)
    }

    /// The constructs of sessions that no case had.
    pub fn absent_sessions(&self) -> Vec<&'static str> {
        self.absent_of(&SESSIONS)
    }

    /// The constructs of rules over alerts that no case had.
    pub fn absent_derived(&self) -> Vec<&'static str> {
        self.absent_of(&DERIVED)
    }

    /// The constructs of measures that no case had.
    pub fn absent_measures(&self) -> Vec<&'static str> {
        self.absent_of(&MEASURES)
    }

    /// The constructs of lists and tables that no case had.
    pub fn absent_lookups(&self) -> Vec<&'static str> {
        self.absent_of(&LOOKUPS)
    }

    fn absent_of(&self, all: &[&'static str]) -> Vec<&'static str> {
        all.iter().copied().filter(|construct| !self.occurred.contains_key(*construct)).collect()
    }

    /// The constructs that no case had.
    pub fn absent(&self) -> Vec<&'static str> {
        self.absent_of(&CONSTRUCTS)
    }

    /// The constructs of windows that no case had.
    pub fn absent_windows(&self) -> Vec<&'static str> {
        self.absent_of(&WINDOWS)
    }

    /// The share of cases that alert, 0 to 1.
    pub fn share_alerting(&self) -> f64 {
        self.alerting as f64 / self.cases.max(1) as f64
    }

    fn see(&mut self, construct: &str) {
        *self.occurred.entry(construct.to_owned()).or_default() += 1;
    }

    fn see_if(&mut self, occurs: bool, construct: &str) {
        if occurs {
            self.see(construct);
        }
    }

    fn add_rule(&mut self, rule: &Rule) {
        self.see(["no key", "one key", "two keys"][rule.keys.len().min(2)]);
        self.see_if(rule.keys.iter().any(|key| key.path.segments.len() > 1), "nested key");
        self.see_if(rule.keys.iter().any(|key| !key.renamed.is_empty()), "renamed key");
        self.see_if(!rule.unless.is_empty(), "unless");
        self.see_if(rule.unless.len() > 1, "several unless");
        self.see_if(rule.within.is_some(), "within");
        self.see_if(rule.alert.at_most_once.is_some(), "at most once");
        for unless in &rule.unless {
            self.see_if(unless.condition.is_some(), "unless with condition");
            self.see_if(of_alerts(&unless.types), "unless of alerts");
            self.add_condition(unless.condition.as_ref());
        }
        match &rule.pattern {
            Pattern::Sequence(sequence) => self.add_sequence(rule, sequence),
            Pattern::AllOf(all) => self.add_all_of(rule, all),
            Pattern::EachPair(pair) => self.add_pair(pair),
            Pattern::Session(session) => self.add_session(session),
        }
    }

    fn add_all_of(&mut self, rule: &Rule, all: &AllOf) {
        self.see("all of");
        self.see_if(all.every, "all of every");
        self.see_if(all.slots.len() > 2, "all of three");
        self.see_if(!rule.unless.is_empty(), "all of with unless");
        for slot in &all.slots {
            self.see_if(of_alerts(&slot.types), "unordered alerts");
            self.see_if(slot.condition.as_ref().is_some_and(|c| matches!(*c.node, ExprKind::And(..))), "all of across");
            self.add_condition(slot.condition.as_ref());
        }
    }

    fn add_pair(&mut self, pair: &EachPair) {
        self.see("each pair of");
        self.see_if(pair.left.0 == pair.right.0, "each pair of one type");
        self.see_if(pair.left.0.len() > 1, "each pair of either type");
        self.see_if(of_alerts(pair.left.0.iter().chain(&pair.right.0)), "unordered alerts");
        let with = if pair.condition.is_some() { "with" } else { "without" };
        self.see(&format!("each pair of {with} condition"));
        self.add_condition(pair.condition.as_ref());
    }

    fn add_session(&mut self, session: &Session) {
        self.see("session");
        self.see_if(session.types.len() > 1, "session of two types");
        self.see_if(of_alerts(&session.types), "session of alerts");
        self.see_if(session.at_most.is_some(), "session at most");
        self.see_if(session.condition.is_none(), "session without condition");
        self.add_condition(session.condition.as_ref());
    }

    fn add_measure(&mut self, measure: &Measure) {
        self.see(match measure.window.node {
            MeasureWindow::Every { over, every } if over == every => "tumbling",
            MeasureWindow::Every { .. } => "hopping",
            MeasureWindow::Last(_) => "over the last events",
            MeasureWindow::Session { at_most: None, .. } => "session window",
            MeasureWindow::Session { .. } => "session window at most",
        });
        self.see_if(measure.top.is_some(), "top");
        self.see_if(measure.keys.is_empty(), "measure without key");
        self.see_if(measure.condition.is_some(), "measure with condition");
        self.see_if(measure.types.len() > 1, "measure of two types");
        self.see_if(of_alerts(&measure.types), "measure of alerts");
        self.add_condition(measure.condition.as_ref());
        for emit in &measure.emit {
            self.add_expr(&emit.value);
        }
    }

    fn add_sequence(&mut self, rule: &Rule, sequence: &Sequence) {
        if let Some(absence) = &sequence.absence {
            self.see("then no");
            self.see_if(absence.condition.is_some(), "then no with condition");
            self.see_if(!rule.unless.is_empty(), "then no and unless");
            self.see_if(rule.within.is_none(), "then no without within");
            self.see_if(of_alerts(&absence.types), "then no of alerts");
            self.add_condition(absence.condition.as_ref());
        }
        self.see(if sequence.every { "every" } else { "first come" });
        self.see_if(sequence.steps.len() == 1, "one step");
        self.see_if(sequence.steps.len() >= 3, "three steps");
        for step in &sequence.steps {
            self.add_step(step);
            self.see_if(of_alerts(&step.types), "step of alerts");
            self.see_if(of_alerts(&step.types) && rule.name.node == "rule_3", "chain");
            self.see_if(step.types.iter().any(|name| name.node == lookups::LANDS), "rule over changes");
        }
        let or_more = |step: &Step| step.count.as_ref().is_some_and(|count| count.or_more);
        let next_after = sequence.steps.windows(2).any(|pair| or_more(&pair[0]) && pair[1].next);
        self.see_if(next_after, "then next after or more");
    }

    fn add_step(&mut self, step: &Step) {
        self.see(if step.name.is_some() { "named step" } else { "unnamed step" });
        self.see_if(step.types.len() > 1, "either type");
        let count = step.count.as_ref().map(|count| if count.or_more { "N or more X" } else { "N X" });
        match (step.next, count) {
            (true, Some(count)) => self.see(&format!("then next {count}")),
            (true, None) => self.see("then next"),
            (false, Some(count)) => self.see(count),
            (false, None) => {}
        }
        self.see_if(step.held.is_some(), "for");
        self.see_if(step.held.as_ref().is_some_and(|held| held.gap.is_some()), "gap");
        self.add_condition(step.condition.as_ref());
    }

    fn add_condition(&mut self, condition: Option<&Expr>) {
        if let Some(condition) = condition {
            self.add_expr(condition);
        }
    }

    fn add_expr(&mut self, expr: &Expr) {
        let parts: Vec<&Expr> = match &*expr.node {
            ExprKind::Number(_, unit) => {
                self.add_unit(unit.as_ref().map(|unit| unit.node));
                Vec::new()
            }
            ExprKind::Path(path) => {
                self.add_path(&path.segments);
                Vec::new()
            }
            ExprKind::Call(call) => {
                self.see(&call.function.node);
                let zone = ["hour", "weekday"].contains(&call.function.node.as_str()) && call.args.len() > 1;
                self.see_if(zone, "time zone");
                self.add_window(call.window.as_ref().map(|window| window.node));
                self.see_if(call.window.is_none() && call.condition.is_some(), "aggregate where");
                let over = call.args.last().filter(|_| call.window.is_some()).map(|argument| &*argument.node);
                let of_alert = matches!(over, Some(ExprKind::Path(path)) if of_alerts(path.segments.first()));
                self.see_if(of_alert, "window of alerts");
                call.args.iter().collect()
            }
            ExprKind::Not(c) => self.with("not", &[c]),
            ExprKind::Negate(x) => self.with("negate", &[x]),
            ExprKind::Arithmetic(operator, a, b) => self.with(arithmetic(operator.node), &[a, b]),
            ExprKind::Compare(operator, a, b) => self.with(operator.node.as_str(), &[a, b]),
            ExprKind::And(a, b) => self.with("and", &[a, b]),
            ExprKind::Or(a, b) => self.with("or", &[a, b]),
            ExprKind::In { operand, negated, set: InSet::List(_) } => {
                self.with(if *negated { "not in list" } else { "in list" }, &[operand])
            }
            ExprKind::In { operand, negated, .. } => self.with(if *negated { "not in" } else { "in" }, &[operand]),
            ExprKind::IsMissing { operand, negated } => {
                self.with(if *negated { "is not missing" } else { "is missing" }, &[operand])
            }
            ExprKind::Lookup { key, .. } => {
                self.see_if(matches!(*key.node, ExprKind::Lookup { .. }), "lookup of a lookup");
                self.with("lookup", &[key])
            }
            ExprKind::Text(_) | ExprKind::Boolean(_) => Vec::new(),
            ExprKind::IsNew { operand, .. } => self.with("is new", &[operand]),
        };
        for part in parts {
            self.add_expr(part);
        }
    }

    fn with<'a>(&mut self, construct: &str, parts: &[&'a Expr]) -> Vec<&'a Expr> {
        self.see(construct);
        parts.to_vec()
    }

    fn add_window(&mut self, window: Option<Window>) {
        match window {
            Some(Window::Over(_)) => self.see("over"),
            Some(Window::Previous(_)) => self.see("over the previous"),
            Some(Window::Last(_)) => self.see("over the last"),
            None => {}
        }
    }

    fn add_unit(&mut self, unit: Option<Unit>) {
        match unit {
            Some(Unit::Percent) => self.see("percent"),
            Some(Unit::Kilometres) => self.see("km"),
            Some(Unit::KilometresPerHour) => self.see("km/h"),
            _ => {}
        }
    }

    fn add_path(&mut self, segments: &[Name]) {
        let first = segments[0].node.as_str();
        self.see_if(segments.len() == 1 && first == "time", "bare time");
        self.see_if(segments.len() > 1 && first.len() == 1, "step field");
        self.see_if(segments.len() > 2 && first == "s", "session of one type's");
        self.see_if(segments.len() > 1 && types::RULED.contains(&first), "step by type");
    }

    fn add_stream(&mut self, case: &Case) {
        let events = &case.events;
        self.see_if(events.is_empty(), "empty stream");
        self.see_if(events.windows(2).any(|pair| pair[0].time_ms == pair[1].time_ms), "tie");
        for event in events {
            self.see_if(event.event_type == types::UNDECLARED, "undeclared type");
            self.see_if(event.event_type == types::UNRULED, "unnamed type");
            self.see_if(event.event_type == lookups::LANDS, "change");
            self.see_if(event.id.is_none(), "event without id");
            let of_user = |field: &str| event.body.pointer(field).is_some_and(serde_json::Value::is_string);
            self.see_if(!of_user("/user") && !of_user("/sender/id"), "event without key");
            self.see_if(event.body.get("amount").is_some_and(serde_json::Value::is_null), "null");
            self.see_if(event.body.get("amount").is_some_and(serde_json::Value::is_string), "wrong type");
        }
    }
}

/// Whether one of the types is a rule's name.
fn of_alerts<'a>(types: impl IntoIterator<Item = &'a Name>) -> bool {
    types.into_iter().any(|name| rules::NAMES.contains(&name.node.as_str()))
}

fn arithmetic(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
    }
}
