//! Expressions and templates on one line, with the brackets that are needed and those that help.

use super::value::{self, Place, joined, name, path};
use crate::lang::ast::{Arithmetic, Call, Expr, ExprKind, InSet, Number, Spanned, Template, TemplatePart, Window};

/// How tightly an expression holds together, the loosest first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Or,
    And,
    Not,
    Compare,
    Sum,
    Product,
    Sign,
    Value,
}

/// An expression.
pub(super) fn text(expr: &Expr) -> String {
    let mut out = String::new();
    write(&mut out, expr);
    out
}

fn bond(expr: &Expr) -> Bond {
    match &*expr.node {
        ExprKind::Or(..) => Bond::Or,
        ExprKind::And(..) => Bond::And,
        ExprKind::Not(_) => Bond::Not,
        ExprKind::Compare(..) | ExprKind::In { .. } | ExprKind::IsMissing { .. } | ExprKind::IsNew { .. } => {
            Bond::Compare
        }
        ExprKind::Arithmetic(op, ..) => match op.node {
            Arithmetic::Add | Arithmetic::Subtract => Bond::Sum,
            Arithmetic::Multiply | Arithmetic::Divide => Bond::Product,
        },
        ExprKind::Negate(_) => Bond::Sign,
        ExprKind::Number(..)
        | ExprKind::Text(_)
        | ExprKind::Boolean(_)
        | ExprKind::Path(_)
        | ExprKind::Call(_)
        | ExprKind::Lookup { .. } => Bond::Value,
    }
}

/// An operand that must hold together at least so tightly.
fn operand(out: &mut String, expr: &Expr, least: Bond) {
    bracketed(out, expr, bond(expr) < least);
}

fn bracketed(out: &mut String, expr: &Expr, brackets: bool) {
    if brackets {
        out.push('(');
    }
    write(out, expr);
    if brackets {
        out.push(')');
    }
}

fn write(out: &mut String, expr: &Expr) {
    match &*expr.node {
        ExprKind::Number(number, unit) => quantity(out, *number, unit.as_ref()),
        ExprKind::Text(text) => out.push_str(&value::text(text)),
        ExprKind::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        ExprKind::Path(p) => out.push_str(&path(p, Place::Value)),
        ExprKind::Call(call) => write_call(out, call),
        ExprKind::Lookup { table, key, field } => {
            out.push_str(&name(table, Place::Value));
            out.push('[');
            write(out, key);
            out.push_str("].");
            out.push_str(&path(field, Place::Name));
        }
        ExprKind::Not(inner) => {
            out.push_str("not ");
            operand(out, inner, Bond::Not);
        }
        ExprKind::Negate(inner) => {
            out.push('-');
            operand(out, inner, Bond::Sign);
        }
        ExprKind::Arithmetic(op, left, right) => {
            let (sign, least, right_least) = match op.node {
                Arithmetic::Add => (" + ", Bond::Sum, Bond::Product),
                Arithmetic::Subtract => (" - ", Bond::Sum, Bond::Product),
                Arithmetic::Multiply => (" * ", Bond::Product, Bond::Sign),
                Arithmetic::Divide => (" / ", Bond::Product, Bond::Sign),
            };
            operand(out, left, least);
            out.push_str(sign);
            operand(out, right, right_least);
        }
        ExprKind::Compare(op, left, right) => {
            operand(out, left, Bond::Sum);
            out.push(' ');
            out.push_str(op.node.as_str());
            out.push(' ');
            operand(out, right, Bond::Sum);
        }
        ExprKind::And(left, right) => {
            operand(out, left, Bond::And);
            out.push_str(" and ");
            operand(out, right, Bond::Not);
        }
        ExprKind::Or(left, right) => {
            // Few people know which of the two binds tighter: the brackets say it.
            bracketed(out, left, bond(left) == Bond::And);
            out.push_str(" or ");
            bracketed(out, right, bond(right) <= Bond::And);
        }
        ExprKind::In { operand: value, negated, set } => {
            operand(out, value, Bond::Sum);
            out.push_str(if *negated { " not in " } else { " in " });
            match set {
                InSet::Values(values) => {
                    out.push('(');
                    out.push_str(&joined(values, text));
                    out.push(')');
                }
                InSet::List(list) => out.push_str(&name(list, Place::Value)),
            }
        }
        ExprKind::IsMissing { operand: value, negated } => {
            operand(out, value, Bond::Sum);
            out.push_str(if *negated { " is not missing" } else { " is missing" });
        }
        ExprKind::IsNew { operand: value, over } => {
            operand(out, value, Bond::Sum);
            out.push_str(" is new over ");
            out.push_str(&value::duration(over.node));
        }
    }
}

fn quantity(out: &mut String, number: Number, unit: Option<&Spanned<crate::lang::ast::Unit>>) {
    out.push_str(&value::number(number));
    if let Some(unit) = unit {
        out.push(' ');
        out.push_str(value::unit(unit.node, number == Number::Integer(1)));
    }
}

/// A call on one line.
pub(super) fn call(call: &Call) -> String {
    let mut out = String::new();
    write_call(&mut out, call);
    out
}

fn write_call(out: &mut String, call: &Call) {
    out.push_str(&name(&call.function, Place::Value));
    out.push('(');
    out.push_str(&joined(&call.args, text));
    if let Some(condition) = &call.condition {
        out.push_str(if call.args.is_empty() { "where " } else { " where " });
        write(out, condition);
    }
    out.push(')');
    match call.window.as_ref().map(|w| w.node) {
        None => {}
        Some(Window::Over(duration)) => {
            out.push_str(" over ");
            out.push_str(&value::duration(duration));
        }
        Some(Window::Previous(duration)) => {
            out.push_str(" over the previous ");
            out.push_str(&value::duration(duration));
        }
        Some(Window::Last(n)) => {
            out.push_str(" over the last ");
            out.push_str(&n.to_string());
        }
    }
}

/// A template in quotes.
pub(super) fn template(template: &Template) -> String {
    let mut out = String::from("\"");
    for part in &template.parts {
        match part {
            // Braces are doubled before the escapes bring their own.
            TemplatePart::Text(text) => {
                for piece in text.split_inclusive(['{', '}']) {
                    let brace = piece.chars().next_back().filter(|c| matches!(c, '{' | '}'));
                    out.push_str(&value::escaped(piece));
                    out.extend(brace);
                }
            }
            TemplatePart::Expr(expr) => {
                out.push('{');
                write(&mut out, expr);
                out.push('}');
            }
        }
    }
    out.push('"');
    out
}
