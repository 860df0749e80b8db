//! Where what is kept of a key has its place: a cell in the key's row for each that keeps something.

use std::collections::BTreeMap;

use crate::program::{CellId, KeyId, MeasureWindow, Program, RuleId, Strategy};

/// Gives all that keep something of keys a cell. First come those whose cells are used; then the rules that run as
/// two-step sequences, which need their own only where they are run by state machines to be looked at.
pub(super) fn assign(program: &mut Program) {
    let mut owners: BTreeMap<KeyId, Vec<Option<RuleId>>> = BTreeMap::new();
    let mut next = |key: KeyId, owner: Option<RuleId>| {
        let owners = owners.entry(key).or_default();
        owners.push(owner);
        CellId::from_index(owners.len() - 1)
    };
    let Program { keys, rules, two_steps, windows, measures, .. } = program;
    for two_step in two_steps {
        let first = two_step.members[0].rule;
        two_step.cell = next(rules[first.index()].key, Some(first));
    }
    for rule in rules.iter_mut().filter(|rule| rule.two_step.is_none()) {
        match rule.strategy {
            Strategy::Filter => {}
            Strategy::SequenceNfa | Strategy::AllOf => rule.cell = next(rule.key, Some(rule.id)),
            // An event that its index does not lead there means nothing to what is open.
            Strategy::EachPair | Strategy::Session(_) | Strategy::Held(_) => rule.cell = next(rule.key, None),
        }
    }
    for window in windows {
        window.cell = next(window.key, None);
    }
    for measure in measures.iter_mut().filter(|measure| !matches!(measure.window, MeasureWindow::Every { .. })) {
        measure.cell = next(measure.key, None);
    }
    for (key, plan) in (0..).map(KeyId).zip(keys.iter_mut()) {
        plan.cells = owners.remove(&key).unwrap_or_default();
        plan.usual_cells = plan.cells.len();
    }
    for rule in rules.iter_mut().filter(|rule| rule.two_step.is_some()) {
        let plan = &mut keys[rule.key.index()];
        rule.cell = CellId::from_index(plan.cells.len());
        plan.cells.push(Some(rule.id));
    }
}
