//! The rows of lists and tables as they are now: set from outside, or changed by the events of a topic's table.

use std::sync::Arc;

use crate::event::{Event, Value};
use crate::program::{Change, Program, Rows, TableSource};

/// The rows of all lists and tables, by their number, as they are now.
pub(super) type Tables<'a> = &'a [Arc<Rows>];

/// The rows that a program begins with.
pub(super) fn initial(program: &Program) -> Vec<Arc<Rows>> {
    program.tables.iter().map(|table| Arc::clone(&table.rows)).collect()
}

/// Makes the change that an event is, if it is one. A change without a key changes nothing.
pub(super) fn apply(program: &Program, event: &Event, rows: &mut [Arc<Rows>]) {
    let Some(type_id) = event.type_id else { return };
    for (_, id) in program.changes.iter().filter(|(changes, _)| *changes == type_id) {
        if let TableSource::Topic { change, .. } = &program.tables[id.index()].source {
            let value = |slot: &u16| event.values[usize::from(*slot)].clone();
            let row = (!is_delete(change, event)).then(|| change.columns.iter().map(value).collect());
            update(&mut rows[id.index()], &value(&change.key), row);
        }
    }
}

/// Sets or takes away one row. The rows are copied first where another engine shares them.
pub(super) fn update(rows: &mut Arc<Rows>, key: &Value, row: Option<Box<[Value]>>) {
    let rows = Arc::make_mut(rows);
    match row {
        Some(row) => drop(rows.insert(key, row)),
        None => drop(rows.remove(key)),
    }
}

fn is_delete(change: &Change, event: &Event) -> bool {
    matches!(&event.values[usize::from(change.op)], Value::Text(op) if op == Change::DELETE)
}
