//! Short ways to write parts of a syntax tree. Nothing has a place in a file.

use crate::diagnostic::Span;
use crate::lang::ast::{
    Arithmetic, Call, Compare, Duration, Expr, ExprKind, InSet, Name, Number, Path, Spanned, Unit, Window,
};

pub(super) fn spanned<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

pub(super) fn name(text: &str) -> Name {
    spanned(text.to_owned())
}

pub(super) fn path(dotted: &str) -> Path {
    Path { segments: dotted.split('.').map(name).collect() }
}

pub(super) fn duration(ms: i64) -> Spanned<Duration> {
    spanned(Duration { ms })
}

pub(super) fn expr(kind: ExprKind) -> Expr {
    spanned(Box::new(kind))
}

pub(super) fn field(dotted: &str) -> Expr {
    expr(ExprKind::Path(path(dotted)))
}

pub(super) fn text(constant: &str) -> Expr {
    expr(ExprKind::Text(constant.to_owned()))
}

pub(super) fn boolean(constant: bool) -> Expr {
    expr(ExprKind::Boolean(constant))
}

pub(super) fn integer(constant: i64) -> Expr {
    expr(ExprKind::Number(Number::Integer(constant), None))
}

/// `5 minutes`, `100 km`.
pub(super) fn measured(constant: i64, unit: Unit) -> Expr {
    expr(ExprKind::Number(Number::Integer(constant), Some(spanned(unit))))
}

pub(super) fn number(constant: f64) -> Expr {
    expr(ExprKind::Number(Number::Float(constant), None))
}

pub(super) fn call(function: &str, args: Vec<Expr>) -> Expr {
    expr(ExprKind::Call(Call { function: name(function), args, condition: None, window: None }))
}

/// `sum(purchase.amount where c) over 10 minutes`.
pub(super) fn over_window(function: &str, arg: Expr, condition: Option<Expr>, window: Window) -> Expr {
    let window = Some(spanned(window));
    expr(ExprKind::Call(Call { function: name(function), args: vec![arg], condition, window }))
}

/// `count(purchase where c)`, `count()`.
pub(super) fn aggregate(function: &str, args: Vec<Expr>, condition: Option<Expr>) -> Expr {
    expr(ExprKind::Call(Call { function: name(function), args, condition, window: None }))
}

/// `percentile(90, purchase.amount) over 10 minutes`.
pub(super) fn percentile(p: i64, arg: Expr, window: Window) -> Expr {
    let window = Some(spanned(window));
    expr(ExprKind::Call(Call { function: name("percentile"), args: vec![integer(p), arg], condition: None, window }))
}

pub(super) fn compare(left: Expr, operator: Compare, right: Expr) -> Expr {
    expr(ExprKind::Compare(spanned(operator), left, right))
}

pub(super) fn calculate(left: Expr, operator: Arithmetic, right: Expr) -> Expr {
    expr(ExprKind::Arithmetic(spanned(operator), left, right))
}

pub(super) fn negate(x: Expr) -> Expr {
    expr(ExprKind::Negate(x))
}

pub(super) fn not(c: Expr) -> Expr {
    expr(ExprKind::Not(c))
}

pub(super) fn among(operand: Expr, negated: bool, values: Vec<Expr>) -> Expr {
    expr(ExprKind::In { operand, negated, set: InSet::Values(values) })
}

pub(super) fn in_list(operand: Expr, negated: bool, list: &str) -> Expr {
    expr(ExprKind::In { operand, negated, set: InSet::List(name(list)) })
}

/// `merchants[merchant.id].risk`.
pub(super) fn lookup(table: &str, key: Expr, column: &str) -> Expr {
    expr(ExprKind::Lookup { table: name(table), key, field: path(column) })
}

pub(super) fn is_missing(operand: Expr, negated: bool) -> Expr {
    expr(ExprKind::IsMissing { operand, negated })
}
