//! From pairs to expressions and templates.

use super::build::{Builder, Pair, only};
use super::grammar::Rule;
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{
    Arithmetic, Call, Compare, Duration, Expr, ExprKind, InSet, Number, Path, Spanned, Template, TemplatePart, Window,
};

/// How deep the tree of one expression may be, and so how many operators may stand in a row: whoever walks a tree
/// does so by recursion.
pub(super) const TREE_DEPTH_MAX: usize = 256;

impl Builder<'_> {
    /// A whole expression.
    pub(super) fn expr(&mut self, pair: Pair<'_>) -> Expr {
        self.expr_at(pair, 0)
    }

    fn expr_at(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        self.logical(pair, depth, ExprKind::Or, Self::conjunction)
    }

    fn conjunction(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        self.logical(pair, depth, ExprKind::And, Self::negation)
    }

    /// Operands joined by one word: a tree that leans to the left.
    fn logical(
        &mut self,
        pair: Pair<'_>,
        depth: usize,
        join: fn(Expr, Expr) -> ExprKind,
        operand: fn(&mut Self, Pair<'_>, usize) -> Expr,
    ) -> Expr {
        let span = self.span(&pair);
        let operands: Vec<_> =
            pair.into_inner().filter(|p| !matches!(p.as_rule(), Rule::kw_or | Rule::kw_and)).collect();
        let Some(depth) = self.deeper(span, depth, operands.len() - 1) else { return placeholder(span) };
        let mut operands = operands.into_iter();
        let first = operand(self, operands.next().expect("a chain has an operand"), depth);
        operands.fold(first, |left, right| {
            let right = operand(self, right, depth);
            let span = left.span.to(right.span);
            Spanned::new(Box::new(join(left, right)), span)
        })
    }

    fn negation(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut nots: Vec<Span> = Vec::new();
        let mut operand = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_not => nots.push(self.span(&part)),
                _ => operand = Some(part),
            }
        }
        let Some(depth) = self.deeper(span, depth, nots.len()) else { return placeholder(span) };
        let operand = self.comparison(operand.expect("the grammar puts a comparison last"), depth);
        nots.into_iter().rev().fold(operand, |inner, not| {
            let span = not.to(inner.span);
            Spanned::new(Box::new(ExprKind::Not(inner)), span)
        })
    }

    fn comparison(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        let mut parts = pair.into_inner();
        let left = self.sum(parts.next().expect("the grammar puts a value first"), depth + 1);
        let Some(tail) = parts.next() else { return left };
        if let Some(second) = parts.next() {
            self.chained(&tail, &second);
        }
        let span = left.span.to(self.span(&tail));
        let kind = match tail.as_rule() {
            Rule::is_missing => {
                let negated = tail.into_inner().any(|p| p.as_rule() == Rule::kw_not);
                ExprKind::IsMissing { operand: left, negated }
            }
            Rule::is_new => {
                let over = tail.into_inner().last().expect("the grammar puts a duration last");
                ExprKind::IsNew { operand: left, over: self.duration(over) }
            }
            Rule::is_in => self.is_in(left, tail, depth + 1),
            _ => self.compare(left, tail, depth + 1),
        };
        Spanned::new(Box::new(kind), span)
    }

    /// `a < b < c`
    fn chained(&mut self, first: &Pair<'_>, second: &Pair<'_>) {
        let span = self.span(second);
        let problem =
            Diagnostic::new(Code::Syntax, span, "comparisons do not chain").at("a second comparison of the same value");
        let middle = first.clone().into_inner().find(|p| p.as_rule() == Rule::sum);
        self.report(match middle.map(|m| m.as_str().trim_ascii_end().to_string()) {
            Some(middle) => problem
                .help("join two comparisons with `and`")
                .fix(Span { end: span.start, ..span }, format!("and {middle} ")),
            None => problem.help("join two comparisons with `and`, or put one in brackets"),
        });
    }

    fn compare(&mut self, left: Expr, tail: Pair<'_>, depth: usize) -> ExprKind {
        let mut parts = tail.into_inner();
        let sign = parts.next().expect("the grammar puts the sign first");
        let right = self.sum(parts.next().expect("the grammar puts a value second"), depth);
        let span = self.span(&sign);
        let op = match sign.as_str().trim_ascii_end() {
            "==" => Compare::Is,
            "!=" => Compare::IsNot,
            "<" => Compare::Less,
            "<=" => Compare::LessOrEqual,
            ">" => Compare::Greater,
            ">=" => Compare::GreaterOrEqual,
            "=" => {
                self.report(
                    Diagnostic::new(Code::SingleEquals, span, "a single `=` compares nothing")
                        .at("not a comparison")
                        .help("write `is`")
                        .fix(span, "is"),
                );
                Compare::Is
            }
            _ if sign.into_inner().any(|word| word.as_rule() == Rule::kw_not) => Compare::IsNot,
            _ => Compare::Is,
        };
        ExprKind::Compare(Spanned::new(op, span), left, right)
    }

    fn is_in(&mut self, operand: Expr, tail: Pair<'_>, depth: usize) -> ExprKind {
        let mut negated = false;
        let mut set = InSet::Values(Vec::new());
        for part in tail.into_inner() {
            match part.as_rule() {
                Rule::kw_not => negated = true,
                Rule::in_values => {
                    set = InSet::Values(part.into_inner().map(|value| self.expr_at(value, depth)).collect());
                }
                Rule::list_name => set = InSet::List(self.name(&part)),
                _ => {}
            }
        }
        ExprKind::In { operand, negated, set }
    }

    fn sum(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        self.arithmetic(pair, depth, Self::product)
    }

    fn product(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        self.arithmetic(pair, depth, Self::unary)
    }

    fn arithmetic(&mut self, pair: Pair<'_>, depth: usize, operand: fn(&mut Self, Pair<'_>, usize) -> Expr) -> Expr {
        let span = self.span(&pair);
        let parts: Vec<_> = pair.into_inner().collect();
        let Some(depth) = self.deeper(span, depth, parts.len() / 2) else { return placeholder(span) };
        let mut parts = parts.into_iter();
        let mut left = operand(self, parts.next().expect("a chain has an operand"), depth);
        while let (Some(sign), Some(right)) = (parts.next(), parts.next()) {
            let op = Spanned::new(arithmetic(sign.as_str()), self.span(&sign));
            let right = operand(self, right, depth);
            let span = left.span.to(right.span);
            left = Spanned::new(Box::new(ExprKind::Arithmetic(op, left, right)), span);
        }
        left
    }

    fn unary(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let mut parts: Vec<_> = pair.into_inner().collect();
        let primary = parts.pop().expect("the grammar puts a value last");
        let Some(depth) = self.deeper(span, depth, parts.len()) else { return placeholder(span) };
        let operand = self.primary(primary, depth + 1);
        parts.into_iter().rev().fold(operand, |inner, sign| {
            let span = self.span(&sign).to(inner.span);
            Spanned::new(Box::new(ExprKind::Negate(inner)), span)
        })
    }

    fn primary(&mut self, pair: Pair<'_>, depth: usize) -> Expr {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::expr => return self.expr_at(pair, depth),
            Rule::quantity => self.quantity(pair),
            Rule::text => ExprKind::Text(self.text(pair).node),
            Rule::boolean => ExprKind::Boolean(pair.as_str() == "true"),
            Rule::call => ExprKind::Call(self.call(pair, depth)),
            Rule::lookup => self.lookup(pair, depth),
            _ => ExprKind::Path(self.path(pair)),
        };
        Spanned::new(Box::new(kind), span)
    }

    fn quantity(&mut self, pair: Pair<'_>) -> ExprKind {
        let mut parts = pair.into_inner();
        let number = self.number(&parts.next().expect("the grammar puts a number first"));
        let unit = parts.next().and_then(|word| self.unit(&word));
        ExprKind::Number(number.node, unit)
    }

    fn call(&mut self, pair: Pair<'_>, depth: usize) -> Call {
        let mut parts = pair.into_inner();
        let function = self.name(&parts.next().expect("the grammar puts the name first"));
        let mut call = Call { function, args: Vec::new(), condition: None, window: None };
        for part in parts {
            match part.as_rule() {
                Rule::expr => call.args.push(self.expr_at(part, depth)),
                Rule::condition => {
                    let condition = part.into_inner().last().expect("the grammar puts the expression last");
                    call.condition = Some(self.expr_at(condition, depth));
                }
                _ => call.window = Some(self.window(part)),
            }
        }
        call
    }

    fn window(&mut self, pair: Pair<'_>) -> Spanned<Window> {
        let span = self.span(&pair);
        let what = pair.into_inner().last().expect("the grammar puts the extent last");
        let window = match what.as_rule() {
            Rule::previous => {
                let duration = what.into_inner().last().expect("the grammar puts a duration last");
                Window::Previous(self.duration(duration).node)
            }
            Rule::last_n => Window::Last(self.last_n(what)),
            _ => {
                let Duration { ms } = self.duration(what).node;
                Window::Over(Duration { ms })
            }
        };
        Spanned::new(window, span)
    }

    pub(super) fn last_n(&mut self, pair: Pair<'_>) -> u64 {
        let n = pair.into_inner().last().expect("the grammar puts a number last");
        self.integer(&n).node
    }

    fn lookup(&mut self, pair: Pair<'_>, depth: usize) -> ExprKind {
        let mut parts = pair.into_inner();
        let table = self.name(&parts.next().expect("the grammar puts the table first"));
        let key = self.expr_at(parts.next().expect("the grammar puts the key second"), depth);
        let field: Path = self.path(parts.next().expect("the grammar puts the column third"));
        ExprKind::Lookup { table, key, field }
    }

    /// The depth below so many operators, unless that is beyond the limit.
    fn deeper(&mut self, span: Span, depth: usize, operators: usize) -> Option<usize> {
        let below = depth + operators;
        if below <= TREE_DEPTH_MAX {
            return Some(below);
        }
        self.refuse(
            Diagnostic::new(Code::TooDeep, span, format!("more than {TREE_DEPTH_MAX} operators build on each other"))
                .at("this expression is too long")
                .help("compare with many values by `in (…)` or `in LIST`"),
        );
        None
    }

    pub(super) fn template(&mut self, pair: Pair<'_>) -> Spanned<Template> {
        let span = self.span(&pair);
        let mut parts: Vec<TemplatePart> = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::hole => parts.push(TemplatePart::Expr(self.expr(only(part)))),
                Rule::stray_brace => {
                    let at = self.span(&part);
                    self.report(
                        Diagnostic::new(Code::Syntax, at, "this `}` closes nothing")
                            .at("no expression is open here")
                            .help("write `}}` for a brace in the text")
                            .fix(at, "}}"),
                    );
                }
                _ => {
                    let text = self.characters(&part);
                    match parts.last_mut() {
                        Some(TemplatePart::Text(before)) => before.push_str(&text),
                        _ => parts.push(TemplatePart::Text(text)),
                    }
                }
            }
        }
        parts.retain(|part| !matches!(part, TemplatePart::Text(text) if text.is_empty()));
        Spanned::new(Template { parts }, span)
    }
}

fn arithmetic(sign: &str) -> Arithmetic {
    match sign {
        "+" => Arithmetic::Add,
        "-" => Arithmetic::Subtract,
        "*" => Arithmetic::Multiply,
        _ => Arithmetic::Divide,
    }
}

/// What stands for an expression that was refused.
fn placeholder(span: Span) -> Expr {
    Spanned::new(Box::new(ExprKind::Number(Number::Integer(0), None)), span)
}
