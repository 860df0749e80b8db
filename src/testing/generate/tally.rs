//! What occurred in the cases of a property test. Without it, a property could hold because nothing was ever tested.

use std::collections::BTreeMap;

use super::{Case, types};
use crate::lang::ast::{Arithmetic, Compare, Expr, ExprKind, Item, Name, Pattern, Rule, Sequence, Step, Unit, Window};

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
const WINDOWS: [&str; 7] = ["over", "over the previous", "over the last", "deviation", "is new", "for", "gap"];

impl Tally {
    /// Counts a case that gave so many alerts.
    pub fn add(&mut self, case: &Case, alerts: usize) {
        self.cases += 1;
        self.alerting += u64::from(alerts > 0);
        self.see(if alerts > 0 { "alert" } else { "no alert" });
        for item in &case.file.items {
            if let Item::Rule(rule) = &item.node {
                self.add_rule(rule);
            }
        }
        self.add_stream(case);
    }

    /// The constructs that no case had.
    pub fn absent(&self) -> Vec<&'static str> {
        CONSTRUCTS.into_iter().filter(|construct| !self.occurred.contains_key(*construct)).collect()
    }

    /// The constructs of windows that no case had.
    pub fn absent_windows(&self) -> Vec<&'static str> {
        WINDOWS.into_iter().filter(|construct| !self.occurred.contains_key(*construct)).collect()
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
        let Pattern::Sequence(sequence) = &rule.pattern else { return };
        self.see(["no key", "one key", "two keys"][rule.keys.len().min(2)]);
        self.see_if(rule.keys.iter().any(|key| key.path.segments.len() > 1), "nested key");
        self.see_if(rule.keys.iter().any(|key| !key.renamed.is_empty()), "renamed key");
        self.see_if(!rule.unless.is_empty(), "unless");
        self.see_if(rule.unless.len() > 1, "several unless");
        self.see_if(rule.within.is_some(), "within");
        self.see_if(rule.alert.at_most_once.is_some(), "at most once");
        for unless in &rule.unless {
            self.see_if(unless.condition.is_some(), "unless with condition");
            self.add_condition(unless.condition.as_ref());
        }
        self.add_sequence(sequence);
        if let Some(absence) = &sequence.absence {
            self.see("then no");
            self.see_if(absence.condition.is_some(), "then no with condition");
            self.see_if(!rule.unless.is_empty(), "then no and unless");
            self.see_if(rule.within.is_none(), "then no without within");
            self.add_condition(absence.condition.as_ref());
        }
    }

    fn add_sequence(&mut self, sequence: &Sequence) {
        self.see(if sequence.every { "every" } else { "first come" });
        self.see_if(sequence.steps.len() == 1, "one step");
        self.see_if(sequence.steps.len() >= 3, "three steps");
        for step in &sequence.steps {
            self.add_step(step);
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
                call.args.iter().collect()
            }
            ExprKind::Not(c) => self.with("not", &[c]),
            ExprKind::Negate(x) => self.with("negate", &[x]),
            ExprKind::Arithmetic(operator, a, b) => self.with(arithmetic(operator.node), &[a, b]),
            ExprKind::Compare(operator, a, b) => self.with(comparison(operator.node), &[a, b]),
            ExprKind::And(a, b) => self.with("and", &[a, b]),
            ExprKind::Or(a, b) => self.with("or", &[a, b]),
            ExprKind::In { operand, negated, .. } => self.with(if *negated { "not in" } else { "in" }, &[operand]),
            ExprKind::IsMissing { operand, negated } => {
                self.with(if *negated { "is not missing" } else { "is missing" }, &[operand])
            }
            ExprKind::Text(_) | ExprKind::Boolean(_) | ExprKind::Lookup { .. } => Vec::new(),
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
        self.see_if(segments.len() > 1 && types::RULED.contains(&first), "step by type");
    }

    fn add_stream(&mut self, case: &Case) {
        let events = &case.events;
        self.see_if(events.is_empty(), "empty stream");
        self.see_if(events.windows(2).any(|pair| pair[0].time_ms == pair[1].time_ms), "tie");
        for event in events {
            self.see_if(event.event_type == types::UNDECLARED, "undeclared type");
            self.see_if(event.event_type == types::UNRULED, "unnamed type");
            self.see_if(event.id.is_none(), "event without id");
            let of_user = |field: &str| event.body.pointer(field).is_some_and(serde_json::Value::is_string);
            self.see_if(!of_user("/user") && !of_user("/sender/id"), "event without key");
            self.see_if(event.body.get("amount").is_some_and(serde_json::Value::is_null), "null");
            self.see_if(event.body.get("amount").is_some_and(serde_json::Value::is_string), "wrong type");
        }
    }
}

fn arithmetic(operator: Arithmetic) -> &'static str {
    match operator {
        Arithmetic::Add => "+",
        Arithmetic::Subtract => "-",
        Arithmetic::Multiply => "*",
        Arithmetic::Divide => "/",
    }
}

fn comparison(operator: Compare) -> &'static str {
    match operator {
        Compare::Is => "is",
        Compare::IsNot => "is not",
        Compare::Less => "<",
        Compare::LessOrEqual => "<=",
        Compare::Greater => ">",
        Compare::GreaterOrEqual => ">=",
    }
}
