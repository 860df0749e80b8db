//! Puts the clauses of rules, risks and measures together, and sees to their order.

use super::build::{Builder, Clause, Next, Over, Parts};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{Absence, Alert, Emit, Measure, MeasureWindow, Name, Pattern, Risk, Rule, Sequence, Spanned};

/// The clauses of a rule in their order.
const RULE_ORDER: &[&str] = &["for each", "on", "then", "where", "unless", "within", "alert"];
/// The clauses of a risk in their order.
const RISK_ORDER: &[&str] = &["for each", "over", "where", "alert"];
/// The clauses of a measure in their order; `after` stands for `over`.
const MEASURE_ORDER: &[&str] = &["for each", "on", "where", "over", "emit", "top", "to"];

impl Clause {
    /// How it begins, as the orders above call it.
    fn word(&self) -> &'static str {
        match self {
            Clause::ForEach(_) => "for each",
            Clause::On(_) | Clause::OnTypes(_) => "on",
            Clause::Then(_) => "then",
            Clause::Where(_) => "where",
            Clause::Unless(_) => "unless",
            Clause::Within(_) => "within",
            Clause::Over(_) | Clause::AfterIdle(_) => "over",
            Clause::Emit(_) => "emit",
            Clause::Top(_) => "top",
            Clause::To(_) => "to",
            Clause::Alert(_) => "alert",
        }
    }

    /// Whether several may stand in a row.
    fn repeats(&self) -> bool {
        matches!(self, Clause::Then(_) | Clause::Unless(_))
    }
}

impl Builder<'_> {
    pub(super) fn rule(&mut self, parts: Parts) -> Option<Rule> {
        let Parts { name, description, clauses } = parts;
        let clauses = self.in_order(clauses, RULE_ORDER);
        let (mut keys, mut pattern, mut unless, mut within, mut alert) = (Vec::new(), None, Vec::new(), None, None);
        for Spanned { node, span } in clauses {
            match node {
                Clause::ForEach(parts) => keys = parts,
                Clause::On(on) => pattern = Some(on),
                Clause::Then(next) => match &mut pattern {
                    Some(pattern) => self.then_follows(pattern, next, span),
                    None => self.damaged = true,
                },
                Clause::Where(_) => self.stray_where(span),
                Clause::Unless(clause) => unless.push(clause),
                Clause::Within(duration) => within = Some(duration),
                Clause::Alert(clause) => alert = Some(clause),
                _ => {}
            }
        }
        if let Some(Pattern::Sequence(Sequence { absence: Some(absence @ Absence { within: None, .. }), .. })) =
            &mut pattern
        {
            // The first `within` after a `then no` is its own, also where `unless` stands between them.
            absence.within = within.take();
        }
        let pattern = self.demand(&name, pattern, "rule", "on", "it tells what the rule waits for: `on login`");
        let alert = self.demand_alert(&name, alert, "rule");
        Some(Rule { name, description, keys, pattern: pattern?, unless, within, alert: alert? })
    }

    fn then_follows(&mut self, pattern: &mut Pattern, next: Next, span: Span) {
        let Pattern::Sequence(sequence) = pattern else {
            self.refuse(
                Diagnostic::new(Code::Meaningless, span, "`then` follows a step, and this rule waits for no steps")
                    .at("no step stands before it")
                    .help("`all of`, `each pair of` and `session` stand alone; use this rule's name as an event type in a rule of steps"),
            );
            return;
        };
        if sequence.absence.is_some() {
            self.refuse(
                Diagnostic::new(Code::AbsenceNotLast, span, "`then no` must be the last step")
                    .at("a step after `then no`")
                    .help("to forbid an event between two steps, write `unless` after the steps"),
            );
            return;
        }
        match next {
            Next::Step(step) => sequence.steps.push(step),
            Next::Absence(absence) => sequence.absence = Some(absence),
        }
    }

    fn stray_where(&mut self, span: Span) {
        self.refuse(
            Diagnostic::new(Code::ClauseOrder, span, "this `where` follows no step")
                .at("a step has one `where`, right after it")
                .help("join conditions of the same step with `and`"),
        );
    }

    pub(super) fn risk(&mut self, parts: Parts) -> Option<Risk> {
        let Parts { name, description, clauses } = parts;
        let (mut keys, mut over, mut condition, mut alert) = (Vec::new(), None, None, None);
        for Spanned { node, span } in self.in_order(clauses, RISK_ORDER) {
            match node {
                Clause::ForEach(parts) => keys = parts,
                Clause::Over(Over::Duration(duration)) => over = Some(duration),
                Clause::Over(_) => {
                    self.refuse(
                        Diagnostic::new(Code::Meaningless, span, "a risk is summed over a duration")
                            .at("not just a duration")
                            .help("write `over 24 hours`"),
                    );
                    return None;
                }
                Clause::Where(expr) => condition = Some(expr),
                Clause::Alert(clause) => alert = Some(clause),
                _ => {}
            }
        }
        let over = self.demand(&name, over, "risk", "over", "it tells how far back scores count: `over 24 hours`");
        let condition =
            self.demand(&name, condition, "risk", "where", "it tells when the sum is too high: `where total >= 80`");
        let alert = self.demand_alert(&name, alert, "risk");
        Some(Risk { name, description, keys, over: over?, condition: condition?, alert: alert? })
    }

    pub(super) fn measure(&mut self, parts: Parts) -> Option<Measure> {
        let Parts { name, description, clauses } = parts;
        let (mut keys, mut types, mut condition, mut window) = (Vec::new(), None, None, None);
        let (mut emit, mut top, mut targets): (Option<Vec<Emit>>, _, Vec<Name>) = (None, None, Vec::new());
        for Spanned { node, span } in self.in_order(clauses, MEASURE_ORDER) {
            match node {
                Clause::ForEach(parts) => keys = parts,
                Clause::OnTypes(names) => types = Some(names),
                Clause::Where(expr) => condition = Some(expr),
                Clause::Over(over) => window = Some(Spanned::new(self.measure_window(&over), span)),
                Clause::AfterIdle(session) => window = Some(Spanned::new(session, span)),
                Clause::Emit(values) => emit = Some(values),
                Clause::Top(clause) => top = Some(clause),
                Clause::To(names) => targets = names,
                _ => {}
            }
        }
        let types = self.demand(&name, types, "measure", "on", "it tells which events are measured: `on purchase`");
        let window = self.demand(&name, window, "measure", "over", "it tells the windows: `over 1 hour every 1 hour`");
        let emit = self.demand(&name, emit, "measure", "emit", "it tells the values: `emit count() as orders`");
        Some(Measure { name, description, keys, types: types?, condition, window: window?, emit: emit?, top, targets })
    }

    fn measure_window(&mut self, over: &Over) -> MeasureWindow {
        match *over {
            Over::Last(n) => MeasureWindow::Last(n),
            Over::Every(over, every) => MeasureWindow::Every { over, every },
            Over::Duration(Spanned { node: over, span }) => {
                let written = self.written(span).to_string();
                self.report(
                    Diagnostic::new(Code::Syntax, span, "the windows of a measure need an `every`")
                        .at("how often does a window begin?")
                        .help("windows side by side begin as often as they are long")
                        .fix(Span { start: span.end, ..span }, format!(" every {written}")),
                );
                MeasureWindow::Every { over, every: over }
            }
        }
    }

    /// The clauses that stand where they may; of a clause that stands twice, the first.
    fn in_order(&mut self, clauses: Vec<Spanned<Clause>>, order: &'static [&'static str]) -> Vec<Spanned<Clause>> {
        let rank = |clause: &Clause| order.iter().position(|word| *word == clause.word()).unwrap_or(order.len());
        let mut kept: Vec<Spanned<Clause>> = Vec::new();
        for clause in clauses {
            let word = clause.node.word();
            let twice = kept.iter().find(|k| k.node.word() == word && !clause.node.repeats()).map(|k| k.span);
            let later = kept.iter().find(|k| rank(&k.node) > rank(&clause.node)).map(|k| (k.node.word(), k.span));
            if let Some(first) = twice {
                self.report(
                    Diagnostic::new(Code::ClauseOrder, clause.span, format!("`{word}` stands twice"))
                        .at("the second")
                        .label(first, "the first")
                        .help("keep one of the two"),
                );
                continue;
            }
            if let Some((other, span)) =
                later.filter(|_| !matches!(clause.node, Clause::Where(_)) || order != RULE_ORDER)
            {
                let message = format!("`{word}` must stand before `{other}`");
                self.report(
                    out_of_order(clause.span, message, order).label(span, format!("`{word}` belongs before this")),
                );
            }
            kept.push(clause);
        }
        kept.sort_by_key(|clause| rank(&clause.node));
        kept
    }

    fn demand<T>(&mut self, name: &Name, part: Option<T>, item: &str, word: &str, why: &str) -> Option<T> {
        // An item that is damaged already may have lost the clause by that.
        if part.is_none() && !self.damaged {
            self.report(
                Diagnostic::new(Code::Syntax, name.span, format!("the {item} `{}` has no `{word}`", name.node))
                    .at(format!("`{word}` is missing"))
                    .help(why),
            );
        }
        part
    }

    fn demand_alert(&mut self, name: &Name, alert: Option<Alert>, item: &str) -> Option<Alert> {
        if alert.is_none() && !self.damaged {
            self.report(
                Diagnostic::new(Code::MissingAlert, name.span, format!("the {item} `{}` has no `alert`", name.node))
                    .at("gives no alert")
                    .help("end it with what it reports: `alert high`"),
            );
        }
        alert
    }
}

fn out_of_order(span: Span, message: String, order: &[&str]) -> Diagnostic {
    let order: Vec<_> = order.iter().map(|word| format!("`{word}`")).collect();
    Diagnostic::new(Code::ClauseOrder, span, message)
        .at("out of order")
        .help(format!("the order is: {}", order.join(", ")))
}
