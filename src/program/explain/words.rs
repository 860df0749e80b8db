//! Conditions and values of a compiled rule in words, with the names that they were compiled from.
//!
//! A compiled number has no unit; the unit is found again from what it is compared or calculated with, so that
//! `distance(a.place, b.place) > 100 km` reads as it was meant. Below the sentence, the plan and the graph.

use jiff::Timestamp;

use crate::event::Value;
use crate::program::{
    Aggregate, Arithmetic, Comparison, Condition, Expr, Measure, MeasureFold, MeasureGuard, Part, Program, Rule,
    StepGuard, StepId, Template, duration,
};
use crate::schema::{Field, Kind, TypeId};

/// The names in whose light a rule's conditions are read.
#[derive(Clone, Copy)]
pub(in crate::program) struct Words<'a> {
    program: &'a Program,
    subject: Subject<'a>,
    hand: Option<Hand<'a>>,
}

/// Whose conditions they are.
#[derive(Clone, Copy)]
enum Subject<'a> {
    Rule(&'a Rule),
    Measure(&'a Measure),
}

/// The event at hand.
#[derive(Clone, Copy)]
struct Hand<'a> {
    type_id: TypeId,
    /// What stands before the dot; nothing where several types share a condition.
    name: Option<&'a str>,
}

/// What a number measures.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    None,
    Milliseconds,
    Instant,
    Kilometres,
    KilometresPerHour,
}

/// How tightly a part of a condition holds together; a looser one inside a tighter one stands in brackets.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Binding {
    Or,
    And,
    Not,
    Add,
    Multiply,
    Tight,
}

impl<'a> Words<'a> {
    /// The words of a rule where no event is at hand: its message, and sessions.
    pub(in crate::program) fn new(program: &'a Program, rule: &'a Rule) -> Words<'a> {
        Words { program, subject: Subject::Rule(rule), hand: None }
    }

    /// The words of a measure.
    pub(in crate::program) fn of_measure(program: &'a Program, measure: &'a Measure) -> Words<'a> {
        Words { program, subject: Subject::Measure(measure), hand: None }
    }

    /// The rule whose words they are.
    pub(in crate::program) fn rule(&self) -> &'a Rule {
        match self.subject {
            Subject::Rule(rule) => rule,
            Subject::Measure(_) => unreachable!("a measure has no steps to name"),
        }
    }

    /// The same words with an event of a type at hand, which goes by this name or by none.
    pub(in crate::program) fn at(self, type_id: TypeId, name: Option<&'a str>) -> Words<'a> {
        Words { hand: Some(Hand { type_id, name }), ..self }
    }

    /// The name of an event type.
    pub(in crate::program) fn type_name(&self, type_id: TypeId) -> &'a str {
        &self.program.schema.get(type_id).name
    }

    /// An event type as a noun: the alerts of rules are called so.
    pub(in crate::program) fn noun(&self, type_id: TypeId) -> String {
        let name = self.type_name(type_id);
        if self.program.types[type_id.index()].derived { format!("alert of {name}") } else { name.to_owned() }
    }

    /// `login or signup`.
    pub(in crate::program) fn nouns(&self, guards: &[StepGuard]) -> String {
        guards.iter().map(|guard| self.noun(guard.type_id)).collect::<Vec<_>>().join(" or ")
    }

    /// The types of a step with what must hold: `purchase where purchase.amount > 100`. Types whose conditions read the
    /// same are told together.
    pub(in crate::program) fn guarded(&self, guards: &[StepGuard], after_noun: &str) -> String {
        let bare: Vec<Option<String>> = match guards {
            [one] => vec![self.guard_condition(one, Some(self.type_name(one.type_id)))],
            several => several.iter().map(|guard| self.guard_condition(guard, None)).collect(),
        };
        let phrase = |nouns: &str, condition: &Option<String>| match condition {
            Some(condition) => format!("{nouns}{after_noun} where {condition}"),
            None => format!("{nouns}{after_noun}"),
        };
        if bare.iter().all(|condition| *condition == bare[0]) {
            return phrase(&self.nouns(guards), &bare[0]);
        }
        let each = guards.iter().map(|guard| {
            phrase(&self.noun(guard.type_id), &self.guard_condition(guard, Some(self.type_name(guard.type_id))))
        });
        each.collect::<Vec<_>>().join(", or ")
    }

    fn guard_condition(&self, guard: &StepGuard, name: Option<&'a str>) -> Option<String> {
        guard.condition.as_ref().map(|condition| self.at(guard.type_id, name).condition(condition))
    }

    /// The conditions of a slot that name other slots, each told once: at the last slot that it names.
    pub(in crate::program) fn links(&self, slot: usize) -> Vec<String> {
        let step = &self.rule().steps[slot];
        let told_here = step.links.iter().filter(|link| link.others.iter().all(|other| other.index() < slot));
        let name = self.step_name(StepId(u8::try_from(slot).expect("steps are limited")));
        let words = told_here.filter_map(|link| {
            Some(self.at(step.guards.first()?.type_id, Some(&name)).condition(link.conditions.first()?))
        });
        words.collect()
    }

    /// What a rule calls a step: its name, its type where only one step without a name has it, or its number.
    pub(in crate::program) fn step_name(&self, id: StepId) -> String {
        let steps = &self.rule().steps;
        if !self.is_unnamed(id.index()) {
            return steps[id.index()].label.to_string();
        }
        let types = |at: usize| steps[at].guards.iter().map(|guard| guard.type_id);
        let shared = |other: usize| self.is_unnamed(other) && types(other).any(|of| types(id.index()).any(|t| t == of));
        let unique = (0..steps.len()).all(|other| other == id.index() || !shared(other));
        match &*steps[id.index()].guards {
            [one] if unique => self.type_name(one.type_id).to_owned(),
            _ => format!("(event {})", steps[id.index()].label),
        }
    }

    /// Whether a step has no name in the rule; then its label is its number.
    pub(in crate::program) fn is_unnamed(&self, at: usize) -> bool {
        *self.rule().steps[at].label == *(at + 1).to_string()
    }

    /// A message, with its values in braces.
    pub(in crate::program) fn message(&self, template: &Template) -> String {
        let part = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Value(expr) => format!("{{{}}}", self.value(expr)),
        };
        template.0.iter().map(part).collect()
    }

    /// A condition.
    pub(in crate::program) fn condition(&self, condition: &Condition) -> String {
        self.condition_in(condition, Binding::Or)
    }

    /// A value.
    pub(in crate::program) fn value(&self, expr: &Expr) -> String {
        self.value_in(expr, Binding::Add, Unit::None)
    }

    fn condition_in(&self, condition: &Condition, outer: Binding) -> String {
        let value = |expr| self.value_in(expr, Binding::Add, Unit::None);
        let not = |negated: bool| if negated { "not " } else { "" };
        let (own, text) = match condition {
            Condition::All(parts) | Condition::Any(parts) if parts.len() == 1 => {
                return self.condition_in(&parts[0], outer);
            }
            Condition::Shared(_, inner) => return self.condition_in(inner, outer),
            Condition::All(parts) => (Binding::And, self.joined(parts, " and ", Binding::And)),
            Condition::Any(parts) => (Binding::Or, self.joined(parts, " or ", Binding::Or)),
            Condition::Not(inner) => match &**inner {
                Condition::IsMissing(expr) => (Binding::Not, format!("{} is not missing", value(expr))),
                inner => (Binding::Not, format!("not {}", self.condition_in(inner, Binding::Tight))),
            },
            Condition::Compare(comparison, left, right) => (Binding::Not, self.compare(*comparison, left, right)),
            Condition::In { operand, negated, values } => {
                let unit = self.unit(operand);
                let values: Vec<String> = values.iter().map(|value| constant(value, unit)).collect();
                (Binding::Not, format!("{} {}in ({})", value(operand), not(*negated), values.join(", ")))
            }
            Condition::InList { operand, negated, list } => {
                let list = &self.program.tables[list.index()].name;
                (Binding::Not, format!("{} {}in {list}", value(operand), not(*negated)))
            }
            Condition::IsMissing(expr) => (Binding::Not, format!("{} is missing", value(expr))),
            Condition::IsTrue(expr) => (Binding::Tight, value(expr)),
            Condition::IsNew(novelty, expr) => {
                let over = duration(self.program.novelties[novelty.index()].over_ms);
                (Binding::Not, format!("{} is new over {over}", value(expr)))
            }
        };
        bracketed(text, own, outer)
    }

    fn joined(&self, parts: &[Condition], word: &str, binding: Binding) -> String {
        // `and` inside `or` needs no brackets to be read right by the language, but people stumble without them.
        let inner = |part: &Condition| match part {
            Condition::All(parts) if parts.len() > 1 && binding == Binding::Or => Binding::Tight,
            _ => binding,
        };
        parts.iter().map(|part| self.condition_in(part, inner(part))).collect::<Vec<_>>().join(word)
    }

    fn compare(&self, comparison: Comparison, left: &Expr, right: &Expr) -> String {
        let word = comparison.as_str();
        let (left_unit, right_unit) = (self.unit(right), self.unit(left));
        let side = |expr, unit| self.value_in(expr, Binding::Add, unit);
        format!("{} {word} {}", side(left, left_unit), side(right, right_unit))
    }

    /// A value; a constant in it has this unit.
    fn value_in(&self, expr: &Expr, outer: Binding, unit: Unit) -> String {
        let (own, text) = match expr {
            Expr::Constant(value) => return constant(value, unit),
            Expr::Field(slot) => return self.of_hand(&self.field(*slot).map(Field::dotted).unwrap_or_default()),
            Expr::Time => return self.of_hand("time"),
            Expr::Captured(step, capture) => {
                let path = &self.rule().steps[step.index()].captures[capture.index()].path;
                return format!("{}.{path}", self.step_name(*step));
            }
            Expr::CapturedTime(step) => return format!("{}.time", self.step_name(*step)),
            Expr::StepAggregate(aggregate, step, capture) => {
                let path = capture.map(|at| &self.rule().steps[step.index()].captures[at.index()].path);
                let field = path.map_or_else(String::new, |path| format!(".{path}"));
                let what = format!("{}{field}", self.step_name(*step));
                return match aggregate {
                    Aggregate::Percentile(p) => format!("percentile({p}, {what})"),
                    other => format!("{}({what})", aggregate_name(*other)),
                };
            }
            Expr::Window(id) => return self.program.windows[id.index()].name.to_string(),
            Expr::Aggregate(at) => return self.aggregate(*at),
            Expr::Key(part) => {
                let key = match self.subject {
                    Subject::Rule(rule) => rule.key,
                    Subject::Measure(measure) => measure.key,
                };
                return self.program.keys[key.index()].parts[usize::from(*part)].clone();
            }
            Expr::Arithmetic(operation, sides) => self.arithmetic(*operation, &sides.0, &sides.1, unit),
            Expr::Negate(inner) => (Binding::Tight, format!("-{}", self.value_in(inner, Binding::Tight, unit))),
            Expr::Call(function, arguments) => return self.call(function.name, arguments, unit),
            Expr::Lookup(table, column, key) => {
                let table = &self.program.tables[table.index()];
                let column = &table.columns[usize::from(*column)].path;
                return format!("{}[{}].{column}", table.name, self.value(key));
            }
            Expr::Condition(condition) => return format!("({})", self.condition(condition)),
        };
        bracketed(text, own, outer)
    }

    fn of_hand(&self, path: &str) -> String {
        match self.hand.and_then(|hand| hand.name) {
            Some(name) => format!("{name}.{path}"),
            None => path.to_owned(),
        }
    }

    fn field(&self, slot: u16) -> Option<&'a Field> {
        let type_id = self.hand?.type_id;
        let at = *self.program.types[type_id.index()].fields.get(usize::from(slot))?;
        self.program.schema.get(type_id).fields.get(at)
    }

    /// An aggregate over a session, which the alert calls by what was written, or over a measure's window.
    fn aggregate(&self, at: u16) -> String {
        match self.subject {
            Subject::Rule(rule) => {
                let is_it = |expr: &Expr| matches!(expr, Expr::Aggregate(other) if *other == at);
                let named = rule.alert.values.iter().find(|(_, expr)| is_it(expr));
                named.map_or_else(|| format!("aggregate {}", at + 1), |(name, _)| name.to_string())
            }
            Subject::Measure(measure) => self.fold(measure, &measure.folds[usize::from(at)]),
        }
    }

    /// An aggregate of a measure: `sum(purchase.amount where purchase.tip > 1)`.
    pub(in crate::program) fn fold(&self, measure: &'a Measure, fold: &'a MeasureFold) -> String {
        let of_all = fold.inputs.len() == measure.guards.len() && fold.inputs.len() > 1;
        let names: Vec<&str> = fold.inputs.iter().map(|input| self.type_name(input.type_id)).collect();
        let one = fold.inputs.first();
        let words = one.map(|input| self.at(input.type_id, (names.len() == 1).then_some(names[0])));
        let value = one.zip(words).and_then(|(input, words)| Some(words.value(input.value.as_ref()?)));
        let value = value.unwrap_or_else(|| if of_all { String::new() } else { names.join(" or ") });
        let condition = one.zip(words).and_then(|(input, words)| Some(words.condition(input.condition.as_ref()?)));
        let condition = condition.map_or_else(String::new, |condition| format!(" where {condition}"));
        let call = format!("{value}{condition}");
        match fold.aggregate {
            Aggregate::Percentile(p) => format!("percentile({p}, {call})"),
            other => format!("{}({})", aggregate_name(other), call.trim_start()),
        }
    }

    /// The types of a measure with what must hold.
    pub(in crate::program) fn measured(&self, guards: &[MeasureGuard]) -> String {
        let guards: Vec<StepGuard> = guards
            .iter()
            .map(|guard| StepGuard { type_id: guard.type_id, condition: guard.condition.clone(), captures: Vec::new() })
            .collect();
        self.guarded(&guards, "")
    }

    fn arithmetic(&self, operation: Arithmetic, left: &Expr, right: &Expr, unit: Unit) -> (Binding, String) {
        let (sign, own, after) = match operation {
            Arithmetic::Add => ("+", Binding::Add, Binding::Add),
            Arithmetic::Subtract => ("-", Binding::Add, Binding::Multiply),
            Arithmetic::Multiply => ("*", Binding::Multiply, Binding::Multiply),
            Arithmetic::Divide => ("/", Binding::Multiply, Binding::Tight),
        };
        // Of a sum both sides measure the same; to an instant a length of time is added.
        let beside = |other: &Expr| match self.unit(other) {
            Unit::Instant => Unit::Milliseconds,
            Unit::None => unit,
            known => known,
        };
        let units = match operation {
            Arithmetic::Add | Arithmetic::Subtract => (beside(right), beside(left)),
            Arithmetic::Multiply if matches!(left, Expr::Constant(_)) => (Unit::None, unit),
            Arithmetic::Multiply => (unit, Unit::None),
            Arithmetic::Divide => (unit, self.unit(left)),
        };
        let divided = operation == Arithmetic::Divide && unit != Unit::None;
        let units = if divided { (unit, Unit::None) } else { units };
        (own, format!("{} {sign} {}", self.value_in(left, own, units.0), self.value_in(right, after, units.1)))
    }

    fn call(&self, name: &str, arguments: &[Expr], unit: Unit) -> String {
        // An event is given to the function as its place and its time.
        if name == "speed" && arguments.len() == 4 {
            return format!("speed({}, {})", self.event(&arguments[1]), self.event(&arguments[3]));
        }
        let known = arguments.iter().map(|argument| self.unit(argument)).find(|unit| *unit != Unit::None);
        let unit = known.unwrap_or(unit);
        let words: Vec<String> = arguments.iter().map(|argument| self.value_in(argument, Binding::Add, unit)).collect();
        format!("{name}({})", words.join(", "))
    }

    /// The event whose time this is.
    fn event(&self, time: &Expr) -> String {
        match time {
            Expr::CapturedTime(step) => self.step_name(*step),
            _ => self.hand.and_then(|hand| hand.name).unwrap_or("the event at hand").to_owned(),
        }
    }

    /// What a value measures.
    fn unit(&self, expr: &Expr) -> Unit {
        let of_kind = |kind: &Kind| if *kind == Kind::Time { Unit::Instant } else { Unit::None };
        match expr {
            Expr::Time | Expr::CapturedTime(_) => Unit::Instant,
            Expr::Field(slot) => self.field(*slot).map_or(Unit::None, |field| of_kind(&field.kind)),
            Expr::Captured(step, capture) => {
                let step = &self.rule().steps[step.index()];
                let path: Vec<&str> = step.captures[capture.index()].path.split('.').collect();
                let event_type = step.guards.first().map(|guard| self.program.schema.get(guard.type_id));
                let field = event_type.and_then(|of| Some(&of.fields[of.field(&path)?]));
                field.map_or(Unit::None, |field| of_kind(&field.kind))
            }
            Expr::Lookup(table, column, _) => {
                of_kind(&self.program.tables[table.index()].columns[usize::from(*column)].kind)
            }
            Expr::Call(function, arguments) => match function.name {
                "distance" => Unit::Kilometres,
                "speed" => Unit::KilometresPerHour,
                "abs" | "round" | "floor" | "ceiling" | "least" | "greatest" => {
                    arguments.first().map_or(Unit::None, |first| self.unit(first))
                }
                _ => Unit::None,
            },
            Expr::Negate(inner) => self.unit(inner),
            Expr::Arithmetic(operation, sides) => combined(*operation, self.unit(&sides.0), self.unit(&sides.1)),
            _ => Unit::None,
        }
    }
}

fn combined(operation: Arithmetic, left: Unit, right: Unit) -> Unit {
    match (operation, left, right) {
        (Arithmetic::Subtract, Unit::Instant, Unit::Instant) => Unit::Milliseconds,
        (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply, Unit::None, right) => right,
        (Arithmetic::Divide, _, Unit::None) | (Arithmetic::Add | Arithmetic::Subtract | Arithmetic::Multiply, ..) => {
            left
        }
        (Arithmetic::Divide, ..) => Unit::None,
    }
}

/// The name of an aggregate in the language.
pub(in crate::program) fn aggregate_name(aggregate: Aggregate) -> &'static str {
    match aggregate {
        Aggregate::Count => "count",
        Aggregate::Sum => "sum",
        Aggregate::Average => "average",
        Aggregate::Minimum => "minimum",
        Aggregate::Maximum => "maximum",
        Aggregate::Distinct => "distinct",
        Aggregate::Percentile(_) => "percentile",
        Aggregate::Deviation => "deviation",
        Aggregate::First => "first",
        Aggregate::Last => "last",
    }
}

fn constant(value: &Value, unit: Unit) -> String {
    let number = match value {
        Value::Integer(ms) if unit == Unit::Milliseconds && *ms > 0 => return duration(*ms),
        Value::Integer(n) => n.to_string(),
        Value::Number(n) => number(*n),
        Value::Text(text) => return format!("{text:?}"),
        Value::Boolean(b) => return b.to_string(),
        Value::Time(ms) => {
            return Timestamp::from_millisecond(*ms).map_or_else(|_| format!("{ms} ms"), |at| format!("\"{at}\""));
        }
        Value::Ip(ip) => return format!("\"{ip}\""),
        Value::Missing => return "missing".to_owned(),
        other @ (Value::Point(_) | Value::List(_)) => return format!("{other:?}"),
    };
    match unit {
        Unit::None | Unit::Instant => number,
        Unit::Milliseconds => format!("{number} ms"),
        Unit::Kilometres => format!("{number} km"),
        Unit::KilometresPerHour => format!("{number} km/h"),
    }
}

/// A number for people: whole ones without a fraction, and the very large with an exponent.
pub(in crate::program) fn number(n: f64) -> String {
    if (1e-6..1e15).contains(&n.abs()) || n == 0.0 { n.to_string() } else { format!("{n:?}") }
}

fn bracketed(text: String, own: Binding, outer: Binding) -> String {
    if own < outer { format!("({text})") } else { text }
}

/// `a login`, `an add_to_cart`.
pub(in crate::program) fn with_article(noun: &str) -> String {
    let article = if noun.starts_with(['a', 'e', 'i', 'o', 'A', 'E', 'I', 'O']) { "an" } else { "a" };
    format!("{article} {noun}")
}

/// `x`, `x and y`, `x, y and z`.
pub(in crate::program) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [before @ .., last] => format!("{} and {last}", before.join(", ")),
    }
}
