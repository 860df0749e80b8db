//! From the syntax tree to text, in the one form.
//!
//! - `writer` lines, indentation, and the comments between them;
//! - `item`   items and clauses;
//! - `expr`   expressions, with the brackets that are needed;
//! - `value`  names, numbers, durations, texts.
//!
//! What is written is read as the same tree, and written again as the same text. Nothing is judged here.

mod expr;
mod item;
mod value;
mod writer;

use crate::lang::ast::{Call, Duration, Expr, File, Item, KeyPart, Measure, MeasureWindow, Risk, Rule, Spanned};
use writer::Writer;

/// A file in the one form. `source` is the text from which the tree was read: it tells where comments stand alone.
pub fn format(file: &File, source: &str) -> String {
    let mut writer = Writer::new(&file.comments, source);
    item::items(&mut writer, &file.items);
    writer.finish()
}

/// An expression on one line.
pub fn format_expr(expr: &Expr) -> String {
    expr::text(expr)
}

/// A call on one line.
pub fn format_call(call: &Call) -> String {
    expr::call(call)
}

/// A length of time: `5 minutes`.
pub fn format_duration(length: Duration) -> String {
    value::duration(length)
}

/// A `for each` on one line; nothing where there is none.
pub fn format_keys(keys: &[KeyPart]) -> String {
    item::keys(keys)
}

/// The window of a measure: `over 1 hour every 5 minutes`.
pub fn format_measure_window(window: &MeasureWindow) -> String {
    item::measure_window(window)
}

/// What decides whether a rule matches: from `for each` to `within`, without comments, name, description and alert.
pub fn format_rule_matching(rule: &Rule) -> String {
    let mut writer = Writer::new(&[], "");
    item::matching(&mut writer, rule);
    writer.finish()
}

/// A risk alone, without comments.
pub fn format_risk(risk: &Risk) -> String {
    let mut writer = Writer::new(&[], "");
    item::items(&mut writer, &[Spanned::new(Item::Risk(risk.clone()), risk.name.span)]);
    writer.finish()
}

/// A measure alone, without comments.
pub fn format_measure(measure: &Measure) -> String {
    let mut writer = Writer::new(&[], "");
    item::items(&mut writer, &[Spanned::new(Item::Measure(measure.clone()), measure.name.span)]);
    writer.finish()
}

/// A rule alone, without comments.
pub fn format_rule(rule: &Rule) -> String {
    let span = rule.name.span;
    let mut writer = Writer::new(&[], "");
    item::items(&mut writer, &[Spanned::new(Item::Rule(rule.clone()), span)]);
    writer.finish()
}
