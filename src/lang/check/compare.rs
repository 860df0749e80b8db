//! Comparisons: what can be compared with what.

use jiff::Timestamp;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::event::Value;
use crate::lang::ast::{self, InSet, Spanned};
use crate::lang::check::expr::{Typed, never};
use crate::lang::check::scope::Scope;
use crate::lang::types::{Dimension, Type};
use crate::program::{Comparison, Condition, Expr};

impl Scope<'_> {
    /// `a < b`, `a is b`.
    pub(super) fn compare(
        &mut self,
        comparison: &Spanned<Comparison>,
        left: &ast::Expr,
        right: &ast::Expr,
    ) -> Condition {
        let (mut left, mut right) = (self.value(left), self.value(right));
        self.read_as(&mut left, &right.ty);
        self.read_as(&mut right, &left.ty);
        if !self.comparable(&left, &right) {
            return never();
        }
        let is_equality = matches!(comparison.node, Comparison::Is | Comparison::IsNot);
        if !is_equality && !self.ordered(&left, comparison.span) {
            return never();
        }
        if left.constant().is_some() && right.constant().is_some() {
            self.checker.report(
                Diagnostic::new(Code::ConstantCondition, left.span.to(right.span), "two constants are compared")
                    .help("the result is always the same; compare a field"),
            );
        }
        Condition::Compare(comparison.node, left.expr, right.expr)
    }

    /// `x in (…)`, `x not in (…)`.
    pub(super) fn is_in(&mut self, operand: &ast::Expr, negated: bool, set: &InSet) -> Condition {
        let operand = self.value(operand);
        let values = match set {
            InSet::List(name) => return self.in_list(operand, negated, name),
            InSet::Values(values) => values,
        };
        let values = values.iter().filter_map(|value| self.member(&operand, value)).collect();
        Condition::In { operand: operand.expr, negated, values }
    }

    fn member(&mut self, operand: &Typed, value: &ast::Expr) -> Option<Value> {
        let mut member = self.value(value);
        self.read_as(&mut member, &operand.ty);
        if member.ty == Type::Unknown || !self.comparable(operand, &member) {
            return None;
        }
        let constant = member.constant().cloned();
        if constant.is_none() {
            self.checker.report(
                Diagnostic::new(Code::BadConstant, value.span, "the values of `in (…)` are constants")
                    .help("compare with a field by `is`, and join comparisons with `or`"),
            );
        }
        constant
    }

    /// Reads a text constant as what it is compared with: an address or a time.
    pub(super) fn read_as(&mut self, value: &mut Typed, other: &Type) {
        let (Some(Value::Text(text)), Type::Ip | Type::Time) = (value.constant(), other) else { return };
        let read = if *other == Type::Ip {
            text.parse::<std::net::IpAddr>().ok().map(|ip| Value::Ip(ip.to_canonical()))
        } else {
            text.parse::<Timestamp>().ok().map(|instant| Value::Time(instant.as_millisecond()))
        };
        match read {
            Some(read) => {
                value.expr = Expr::Constant(read);
                value.ty = other.clone();
            }
            None => {
                let form = if *other == Type::Ip { "\"192.0.2.1\"" } else { "\"2026-01-31T08:00:00Z\"" };
                self.checker.report(
                    Diagnostic::new(Code::BadConstant, value.span, format!("\"{text}\" is not {other}"))
                        .help(format!("write it like {form}")),
                );
                *value = Typed::unknown(value.span);
            }
        }
    }

    /// Whether two values can be equal at all. Reports where they cannot.
    pub(super) fn comparable(&mut self, left: &Typed, right: &Typed) -> bool {
        match (&left.ty, &right.ty) {
            (Type::Unknown, _) | (_, Type::Unknown) => false,
            (Type::Integer | Type::Number, Type::Integer | Type::Number) => true,
            (a, b) if a.is_numeric() && b.is_numeric() && a != b => {
                self.unit_mismatch(left, right);
                false
            }
            (a, b) if compatible(a, b) => true,
            _ => {
                self.type_mismatch(left, right);
                false
            }
        }
    }

    fn ordered(&mut self, value: &Typed, span: Span) -> bool {
        let ordered = value.ty.is_numeric() || matches!(value.ty, Type::Text | Type::Time | Type::Ip);
        if !ordered {
            self.checker.report(
                Diagnostic::new(Code::TypeMismatch, span, format!("{} has no order", value.ty))
                    .label(value.span, value.ty.to_string())
                    .help("compare with `is` or `is not`"),
            );
        }
        ordered
    }

    fn unit_mismatch(&mut self, left: &Typed, right: &Typed) {
        let diagnostic = Diagnostic::new(
            Code::UnitMismatch,
            left.span.to(right.span),
            format!("{} is compared with {}", left.ty, right.ty),
        )
        .label(left.span, left.ty.to_string())
        .label(right.span, right.ty.to_string());
        let bare = [(left, right), (right, left)]
            .into_iter()
            .find(|(bare, _)| bare.constant().is_some() && !matches!(bare.ty, Type::Quantity(_)));
        self.checker.report(match bare {
            Some((bare, measured)) => {
                let units = units(&measured.ty);
                let end = Span { start: bare.span.end, ..bare.span };
                diagnostic
                    .help(format!("give the number its unit: {units}"))
                    .fix(end, format!(" {}", first_unit(&measured.ty)))
            }
            None => diagnostic.help("compare numbers of one unit; a number times a unit has it: `seconds * 1 s`"),
        });
    }

    fn type_mismatch(&mut self, left: &Typed, right: &Typed) {
        let diagnostic = Diagnostic::new(
            Code::TypeMismatch,
            left.span.to(right.span),
            format!("{} is compared with {}", left.ty, right.ty),
        )
        .label(left.span, left.ty.to_string())
        .label(right.span, right.ty.to_string());
        let quoted = [(left, right), (right, left)].into_iter().find_map(|(text, number)| match text.constant() {
            Some(Value::Text(constant)) if number.ty.is_numeric() && constant.parse::<f64>().is_ok() => {
                Some((text.span, constant.to_string()))
            }
            _ => None,
        });
        self.checker.report(match quoted {
            Some((span, number)) => diagnostic.help("a number stands without quotes").fix(span, number),
            None => diagnostic.help("such a comparison could never be true; compare values of one kind"),
        });
    }
}

/// Whether values of two types other than numbers can be equal.
fn compatible(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::List(a), Type::List(b)) => compatible(a, b),
        (a, b) if a.is_numeric() && b.is_numeric() => true,
        _ => a == b,
    }
}

fn units(ty: &Type) -> &'static str {
    match ty {
        Type::Quantity(Dimension::Duration) => "`ms`, `s`, `m` (minutes), `h` or `d`",
        Type::Quantity(Dimension::Distance) => "`km`",
        _ => "`km/h`",
    }
}

fn first_unit(ty: &Type) -> &'static str {
    match ty {
        Type::Quantity(Dimension::Duration) => "s",
        Type::Quantity(Dimension::Distance) => "km",
        _ => "km/h",
    }
}
