//! Values and conditions, checked and compiled at once.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::event::{Text, Value};
use crate::lang::ast::{self, ExprKind, Number, Unit};
use crate::lang::check::scope::{Meaning, Scope};
use crate::lang::types::{Dimension, Type};
use crate::lang::walk;
use crate::program::{Arithmetic, Condition, Expr};

/// A checked value.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) ty: Type,
    pub(super) expr: Expr,
    pub(super) span: Span,
}

impl Typed {
    /// What stands for a wrong expression: it fits everything, so that its problem is told once.
    pub(super) fn unknown(span: Span) -> Typed {
        Typed { ty: Type::Unknown, expr: Expr::Constant(Value::Missing), span }
    }

    /// Its value, where it is a constant.
    pub(super) fn constant(&self) -> Option<&Value> {
        match &self.expr {
            Expr::Constant(value) if self.ty != Type::Unknown => Some(value),
            _ => None,
        }
    }
}

impl Scope<'_> {
    /// A condition.
    pub(super) fn condition(&mut self, expr: &ast::Expr) -> Condition {
        match &*expr.node {
            ExprKind::And(..) => {
                let parts = walk::conjuncts(expr);
                Condition::All(parts.into_iter().map(|part| self.condition(part)).collect())
            }
            ExprKind::Or(left, right) => Condition::Any(vec![self.condition(left), self.condition(right)]),
            ExprKind::Not(operand) => Condition::Not(Box::new(self.condition(operand))),
            ExprKind::Compare(comparison, left, right) => self.compare(comparison, left, right),
            ExprKind::In { operand, negated, set } => self.is_in(operand, *negated, set),
            ExprKind::IsMissing { operand, negated } => {
                let missing = Condition::IsMissing(self.value(operand).expr);
                if *negated { Condition::Not(Box::new(missing)) } else { missing }
            }
            ExprKind::IsNew { operand, over } => self.is_new(operand, over, expr.span.to(over.span)),
            _ => self.boolean(expr),
        }
    }

    /// A value.
    pub(super) fn value(&mut self, expr: &ast::Expr) -> Typed {
        let span = expr.span;
        let constant = |ty, value| Typed { ty, expr: Expr::Constant(value), span };
        match &*expr.node {
            ExprKind::Number(number, unit) => self.number(*number, unit.as_ref().map(|unit| unit.node), span),
            ExprKind::Text(text) => constant(Type::Text, Value::Text(Text::from(text.as_str()))),
            ExprKind::Boolean(value) => constant(Type::Boolean, Value::Boolean(*value)),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Call(call) => self.call(call, span),
            ExprKind::Lookup { table, key, field } => self.lookup(table, key, field, span),
            ExprKind::Negate(operand) => self.negate(operand, span),
            ExprKind::Arithmetic(operator, left, right) => self.arithmetic(operator.node, left, right, span),
            ExprKind::Not(_)
            | ExprKind::And(..)
            | ExprKind::Or(..)
            | ExprKind::Compare(..)
            | ExprKind::In { .. }
            | ExprKind::IsMissing { .. }
            | ExprKind::IsNew { .. } => {
                Typed { ty: Type::Boolean, expr: Expr::Condition(Box::new(self.condition(expr))), span }
            }
        }
    }

    fn boolean(&mut self, expr: &ast::Expr) -> Condition {
        let value = self.value(expr);
        match value.ty {
            Type::Boolean => Condition::IsTrue(value.expr),
            Type::Unknown => never(),
            other => {
                self.checker.report(
                    Diagnostic::new(Code::NotACondition, expr.span, format!("this is {other}, not true or false"))
                        .help("a condition compares: `amount > 100`, `country is \"DE\"`, `device.id is missing`"),
                );
                never()
            }
        }
    }

    fn path(&mut self, path: &ast::Path) -> Typed {
        let span = path.span();
        match self.resolve(path) {
            Some(Meaning::Value(ty, expr)) => Typed { ty, expr, span },
            Some(Meaning::Event) => {
                let name = path.dotted();
                self.checker.report(
                    Diagnostic::new(Code::EventAsValue, span, format!("`{name}` is an event, not a value"))
                        .help(format!("name one of its fields: `{name}.…`")),
                );
                Typed::unknown(span)
            }
            None => Typed::unknown(span),
        }
    }

    fn number(&mut self, number: Number, unit: Option<Unit>, span: Span) -> Typed {
        let (ty, scale) = match unit {
            None => return Typed { ty: plain_type(number), expr: Expr::Constant(plain_value(number)), span },
            Some(Unit::Percent) => (Type::Number, 0.01),
            Some(Unit::Kilometres) => (Type::Quantity(Dimension::Distance), 1.0),
            Some(Unit::KilometresPerHour) => (Type::Quantity(Dimension::Speed), 1.0),
            Some(time) => (Type::Quantity(Dimension::Duration), ms_of(time)),
        };
        let value = match (number, unit) {
            (Number::Integer(n), Some(Unit::Percent)) => Value::number(n as f64 / 100.0),
            (Number::Float(n), Some(Unit::Percent)) => Value::number(n / 100.0),
            (number, _) => whole(as_float(number) * scale),
        };
        if value.is_missing() {
            self.checker.report(
                Diagnostic::new(Code::NumberRange, span, "the number is too large")
                    .help("with its unit it is more than a number can hold"),
            );
        }
        Typed { ty, expr: Expr::Constant(value), span }
    }

    fn negate(&mut self, operand: &ast::Expr, span: Span) -> Typed {
        let value = self.value(operand);
        if !value.ty.is_numeric() {
            return self.not_a_number(&value, span);
        }
        let expr = match value.expr {
            Expr::Constant(Value::Integer(n)) => Expr::Constant(n.checked_neg().map_or(Value::Missing, Value::Integer)),
            Expr::Constant(Value::Number(n)) => Expr::Constant(Value::Number(-n)),
            other => Expr::Negate(Box::new(other)),
        };
        Typed { ty: value.ty, expr, span }
    }

    fn arithmetic(&mut self, operator: Arithmetic, left: &ast::Expr, right: &ast::Expr, span: Span) -> Typed {
        let (left, right) = (self.value(left), self.value(right));
        if left.ty == Type::Unknown || right.ty == Type::Unknown {
            return Typed::unknown(span);
        }
        for side in [&left, &right] {
            if !side.ty.is_numeric() && side.ty != Type::Time {
                return self.not_a_number(side, span);
            }
        }
        let Some(ty) = arithmetic_type(operator, &left.ty, &right.ty) else {
            self.checker.report(
                Diagnostic::new(
                    Code::UnitMismatch,
                    span,
                    format!("{} and {} cannot be combined like this", left.ty, right.ty),
                )
                .label(left.span, left.ty.to_string())
                .label(right.span, right.ty.to_string())
                .help("add and subtract values of one unit; multiply and divide by plain numbers"),
            );
            return Typed::unknown(span);
        };
        Typed { ty, expr: Expr::Arithmetic(operator, Box::new((left.expr, right.expr))), span }
    }

    fn not_a_number(&mut self, value: &Typed, span: Span) -> Typed {
        if value.ty != Type::Unknown {
            self.checker.report(
                Diagnostic::new(
                    Code::TypeMismatch,
                    value.span,
                    format!("this is {}, and arithmetic needs numbers", value.ty),
                )
                .help("numbers, times and lengths of time can be added, subtracted, multiplied and divided"),
            );
        }
        Typed::unknown(span)
    }
}

/// What stands for a wrong condition.
pub(super) fn never() -> Condition {
    Condition::Any(Vec::new())
}

fn plain_type(number: Number) -> Type {
    match number {
        Number::Integer(_) => Type::Integer,
        Number::Float(_) => Type::Number,
    }
}

fn plain_value(number: Number) -> Value {
    match number {
        Number::Integer(n) => Value::Integer(n),
        Number::Float(n) => Value::number(n),
    }
}

fn as_float(number: Number) -> f64 {
    match number {
        Number::Integer(n) => n as f64,
        Number::Float(n) => n,
    }
}

fn ms_of(unit: Unit) -> f64 {
    match unit {
        Unit::Seconds => 1_000.0,
        Unit::Minutes => 60_000.0,
        Unit::Hours => 3_600_000.0,
        Unit::Days => 86_400_000.0,
        _ => 1.0,
    }
}

/// Lengths of time are whole ms wherever they can be, so that they add to times.
fn whole(n: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if n.fract() == 0.0 && n.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Value::Integer(n as i64);
    }
    Value::number(n)
}

/// The type of a result, if the two can be combined.
fn arithmetic_type(operator: Arithmetic, left: &Type, right: &Type) -> Option<Type> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    const DURATION: Type = Type::Quantity(Dimension::Duration);
    Some(match (operator, left, right) {
        (Subtract, Type::Time, Type::Time) => DURATION,
        (Add | Subtract, Type::Time, Type::Quantity(Dimension::Duration)) => Type::Time,
        (Add | Subtract, Type::Quantity(a), Type::Quantity(b)) if a == b => left.clone(),
        (Divide, Type::Quantity(a), Type::Quantity(b)) if a == b => Type::Number,
        (Multiply | Divide, Type::Quantity(_), Type::Integer | Type::Number) => left.clone(),
        (Multiply, Type::Integer | Type::Number, Type::Quantity(_)) => right.clone(),
        (Add | Subtract | Multiply, Type::Integer, Type::Integer) => Type::Integer,
        (_, Type::Integer | Type::Number, Type::Integer | Type::Number) => Type::Number,
        _ => return None,
    })
}
