//! Aggregates over the events of a step or of a session. Those over windows stand in `past`.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{Call, Expr as SyntaxExpr, ExprKind, Number, Path};
use crate::lang::check::expr::Typed;
use crate::lang::check::scope::{Scope, Who};
use crate::lang::types::Type;
use crate::program::{Aggregate, Expr, StepId};

impl Scope<'_> {
    /// An aggregate.
    pub(super) fn aggregate(&mut self, call: &Call, span: Span) -> Typed {
        if self.measured.is_some() {
            return self.measured_aggregate(call, span);
        }
        if let Some(window) = &call.window {
            return self.window(call, window, span);
        }
        if let Some(condition) = &call.condition {
            self.checker.report(
                Diagnostic::new(Code::BadArguments, condition.span, "`where` in an aggregate needs a window")
                    .help("the events of a step fulfil its own `where`; over past events write `count(purchase where …) over 10 minutes`"),
            );
            return Typed::unknown(span);
        }
        let Some((aggregate, argument)) = self.aggregate_parts(call, span) else { return Typed::unknown(span) };
        let ExprKind::Path(path) = &*argument.node else {
            return self.aggregate_form(call, span);
        };
        if self.is_session(path) {
            return self.session_aggregate(aggregate, call, path, span);
        }
        self.step_aggregate(aggregate, call, path, span)
    }

    /// Which aggregate it is, and what it is over.
    pub(super) fn aggregate_parts<'c>(&mut self, call: &'c Call, span: Span) -> Option<(Aggregate, &'c SyntaxExpr)> {
        if call.function.node == "percentile" {
            return self.percentile_parts(call, span);
        }
        let aggregate = match call.function.node.as_str() {
            "count" => Aggregate::Count,
            "sum" => Aggregate::Sum,
            "average" => Aggregate::Average,
            "minimum" => Aggregate::Minimum,
            "maximum" => Aggregate::Maximum,
            "distinct" => Aggregate::Distinct,
            "deviation" => Aggregate::Deviation,
            "first" => Aggregate::First,
            _ => Aggregate::Last,
        };
        let [argument] = call.args.as_slice() else {
            self.aggregate_form(call, span);
            return None;
        };
        Some((aggregate, argument))
    }

    fn percentile_parts<'c>(&mut self, call: &'c Call, span: Span) -> Option<(Aggregate, &'c SyntaxExpr)> {
        let [percent, argument] = call.args.as_slice() else {
            self.aggregate_form(call, span);
            return None;
        };
        let value = match &*percent.node {
            ExprKind::Number(Number::Integer(n), None) => *n as f64,
            ExprKind::Number(Number::Float(n), None) => *n,
            _ => f64::NAN,
        };
        if !(0.0..=100.0).contains(&value) {
            self.checker.report(
                Diagnostic::new(Code::BadConstant, percent.span, "a percentile is a number from 0 to 100")
                    .help("the median is `percentile(50, …)`"),
            );
            return None;
        }
        Some((Aggregate::Percentile(value), argument))
    }

    fn step_aggregate(&mut self, aggregate: Aggregate, call: &Call, path: &Path, span: Span) -> Typed {
        let (first, field) = path.segments.split_first().expect("a path has a segment");
        if (aggregate == Aggregate::Count) != field.is_empty() {
            return self.aggregate_form(call, span);
        }
        let of_step = Path { segments: vec![first.clone()] };
        let step = match self.event(&of_step) {
            Some(Who::Step(step)) => Some(step),
            Some(Who::AtHand) => self.at_hand.as_ref().and_then(|at_hand| at_hand.step),
            None => None,
        };
        let Some(step) = step else {
            self.checker.report(
                Diagnostic::new(Code::UnknownStep, first.span, format!("no step before this place is called `{}`", first.node))
                    .help("an aggregate is over the events of a step, `count(small)`, or over a window, `count(purchase) over 10 minutes`"),
            );
            return Typed::unknown(span);
        };
        self.named.insert(step);
        let id = StepId(u8::try_from(step).expect("steps are limited"));
        if aggregate == Aggregate::Count {
            return Typed { ty: Type::Integer, expr: Expr::StepAggregate(aggregate, id, None), span };
        }
        let names: Vec<&str> = field.iter().map(|segment| segment.node.as_str()).collect();
        let field_span = field[0].span.to(path.span());
        let Some((ty, expr)) = self.field(Who::Step(step), &names, field_span) else { return Typed::unknown(span) };
        let Some(result) = aggregate_type(aggregate, &ty) else {
            self.no_meaning(call, &ty, path.span());
            return Typed::unknown(span);
        };
        let Expr::Captured(id, capture) = expr else {
            self.checker.report(
                Diagnostic::new(Code::BadArguments, path.span(), "the event time cannot be aggregated over a step")
                    .help("declare a field that holds the time, or name single steps: `b.time - a.time`"),
            );
            return Typed::unknown(span);
        };
        Typed { ty: result, expr: Expr::StepAggregate(aggregate, id, Some(capture)), span }
    }

    /// Reports an aggregate of a kind that it has no meaning for.
    pub(super) fn no_meaning(&mut self, call: &Call, ty: &Type, span: Span) {
        let name = &call.function.node;
        self.checker.report(
            Diagnostic::new(Code::BadArguments, span, format!("`{name}` of {ty} has no meaning"))
                .help("`first`, `last` and `count` work with every kind of field"),
        );
    }

    /// Reports an aggregate that is written wrongly.
    pub(super) fn aggregate_form(&mut self, call: &Call, span: Span) -> Typed {
        let name = call.function.node.as_str();
        let form = match name {
            "count" => "count(STEP)".to_owned(),
            "percentile" => "percentile(95, STEP.field)".to_owned(),
            _ => format!("{name}(STEP.field)"),
        };
        self.checker.report(Diagnostic::new(Code::BadArguments, span, format!("`{name}` is written `{form}`")).help(
            "STEP is the name of a step, or its event type where it has no name; before `over …` it is an event type",
        ));
        Typed::unknown(span)
    }
}

/// The type of an aggregate's value; none where it has no meaning.
pub(super) fn aggregate_type(aggregate: Aggregate, of: &Type) -> Option<Type> {
    let orderable = of.is_numeric() || matches!(of, Type::Text | Type::Time | Type::Ip);
    match aggregate {
        Aggregate::Count => Some(Type::Integer),
        Aggregate::Distinct => (!matches!(of, Type::Point | Type::List(_))).then_some(Type::Integer),
        Aggregate::Sum => of.is_numeric().then(|| of.clone()),
        Aggregate::Average | Aggregate::Deviation => of.is_numeric().then_some(Type::Number),
        Aggregate::Minimum | Aggregate::Maximum | Aggregate::Percentile(_) => orderable.then(|| of.clone()),
        Aggregate::First | Aggregate::Last => Some(of.clone()),
    }
}
