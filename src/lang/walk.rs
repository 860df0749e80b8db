//! Ways through an expression, for those who look at its parts and not at its value.

use crate::lang::ast::{Expr, ExprKind, InSet, Name, Spanned};

/// The expressions that an expression is made of, in the order of writing.
pub fn children(expr: &Expr) -> Vec<&Expr> {
    match &*expr.node {
        ExprKind::Number(..) | ExprKind::Text(_) | ExprKind::Boolean(_) | ExprKind::Path(_) => Vec::new(),
        ExprKind::Call(call) => call.args.iter().chain(&call.condition).collect(),
        ExprKind::Lookup { key, .. } => vec![key],
        ExprKind::Not(a) | ExprKind::Negate(a) => vec![a],
        ExprKind::In { operand, set: InSet::Values(values), .. } => std::iter::once(operand).chain(values).collect(),
        ExprKind::In { operand, .. } | ExprKind::IsMissing { operand, .. } | ExprKind::IsNew { operand, .. } => {
            vec![operand]
        }
        ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::And(a, b) | ExprKind::Or(a, b) => {
            vec![a, b]
        }
    }
}

/// A condition split at its top-level `and`s, in the order of writing.
pub fn conjuncts(condition: &Expr) -> Vec<&Expr> {
    match &*condition.node {
        ExprKind::And(left, right) => [conjuncts(left), conjuncts(right)].concat(),
        _ => vec![condition],
    }
}

/// What [`conjuncts`] has split, one condition again; nothing of nothing.
pub fn all_of(parts: impl IntoIterator<Item = Expr>) -> Option<Expr> {
    parts.into_iter().reduce(|left, right| {
        let span = left.span.to(right.span);
        Spanned::new(Box::new(ExprKind::And(left, right)), span)
    })
}

/// The first names of all dotted names in an expression, in the order of writing.
pub fn first_names(expr: &Expr) -> Vec<&Name> {
    match &*expr.node {
        ExprKind::Path(path) => path.segments.first().into_iter().collect(),
        _ => children(expr).into_iter().flat_map(first_names).collect(),
    }
}

/// Whether an expression or one within it is such.
pub fn any(expr: &Expr, is_such: &impl Fn(&ExprKind) -> bool) -> bool {
    is_such(&expr.node) || children(expr).into_iter().any(|child| any(child, is_such))
}
