//! What a rule asks for beside its own events: windows, first-seen values, lists and tables.

use std::collections::BTreeSet;

use crate::program::{
    Condition, Expr, Measure, NoveltyId, Part, Program, Rule, StepGuard, Strategy, TableId, WindowId,
};

/// The windows, novelties and tables that a rule reads.
#[derive(Debug, Default)]
pub(super) struct Uses {
    pub(super) windows: BTreeSet<WindowId>,
    pub(super) novelties: BTreeSet<NoveltyId>,
    pub(super) tables: BTreeSet<TableId>,
}

impl Uses {
    /// All that stands in the rule's conditions, its message and its alert's values, and in the windows that it reads.
    pub(super) fn of(program: &Program, rule: &Rule) -> Uses {
        let mut uses = Uses::default();
        for step in &rule.steps {
            uses.guards(&step.guards);
            step.links.iter().flat_map(|link| &link.conditions).for_each(|condition| uses.condition(condition));
        }
        rule.unless.iter().for_each(|unless| uses.guards(&unless.guards));
        rule.absence.iter().for_each(|absence| uses.guards(&absence.guards));
        if let Strategy::Session(session) = &rule.strategy {
            session.condition.iter().for_each(|condition| uses.condition(condition));
            let values = session.folds.iter().flat_map(|fold| &fold.values);
            values.filter_map(|(_, value)| value.as_ref()).for_each(|value| uses.expr(value));
        }
        for part in &rule.alert.message.0 {
            if let Part::Value(expr) = part {
                uses.expr(expr);
            }
        }
        rule.alert.values.iter().for_each(|(_, expr)| uses.expr(expr));
        for id in uses.windows.clone() {
            let window = &program.windows[id.index()];
            window.condition.iter().for_each(|condition| uses.condition(condition));
            window.value.iter().for_each(|value| uses.expr(value));
        }
        uses
    }

    /// What a measure reads.
    pub(super) fn of_measure(measure: &Measure) -> Uses {
        let mut uses = Uses::default();
        let conditions = measure.guards.iter().filter_map(|guard| guard.condition.as_ref());
        conditions.for_each(|condition| uses.condition(condition));
        for input in measure.folds.iter().flat_map(|fold| &fold.inputs) {
            input.value.iter().for_each(|value| uses.expr(value));
            input.condition.iter().for_each(|condition| uses.condition(condition));
        }
        measure.emitted.iter().for_each(|(_, expr)| uses.expr(expr));
        uses
    }

    fn guards(&mut self, guards: &[StepGuard]) {
        guards.iter().filter_map(|guard| guard.condition.as_ref()).for_each(|condition| self.condition(condition));
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::All(parts) | Condition::Any(parts) => parts.iter().for_each(|part| self.condition(part)),
            Condition::Not(inner) => self.condition(inner),
            Condition::Shared(_, inner) => self.condition(inner),
            Condition::Compare(_, left, right) => {
                self.expr(left);
                self.expr(right);
            }
            Condition::In { operand, .. } | Condition::IsMissing(operand) | Condition::IsTrue(operand) => {
                self.expr(operand);
            }
            Condition::InList { operand, list, .. } => {
                self.tables.insert(*list);
                self.expr(operand);
            }
            Condition::IsNew(id, operand) => {
                self.novelties.insert(*id);
                self.expr(operand);
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Window(id) => drop(self.windows.insert(*id)),
            Expr::Arithmetic(_, sides) => {
                self.expr(&sides.0);
                self.expr(&sides.1);
            }
            Expr::Negate(inner) => self.expr(inner),
            Expr::Call(_, arguments) => arguments.iter().for_each(|argument| self.expr(argument)),
            Expr::Lookup(table, _, key) => {
                self.tables.insert(*table);
                self.expr(key);
            }
            Expr::Condition(condition) => self.condition(condition),
            Expr::Constant(_)
            | Expr::Field(_)
            | Expr::Time
            | Expr::Captured(..)
            | Expr::CapturedTime(_)
            | Expr::StepAggregate(..)
            | Expr::Aggregate(_)
            | Expr::Key(_) => {}
        }
    }
}
