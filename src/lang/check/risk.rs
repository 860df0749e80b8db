//! A risk: the sum of the scores of an entity's alerts, checked as a rule of one step over those scores.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic};
use crate::lang::ast::{self, KeyPart, Pattern, Risk, Sequence, Step};
use crate::lang::check::Checker;
use crate::lang::check::past::PastPlan;
use crate::lang::check::relations::{RULE_FIELD, SCORE_FIELD};
use crate::lang::check::rule::{self, Compiled};
use crate::lang::check::tests::{Collected, Conditions};
use crate::lang::fmt;
use crate::program::{Aggregate, CellId, Expr, KeyId, Window, WindowRange};

/// Compiles a risk; none where it has an error.
pub(super) fn compile(
    checker: &mut Checker,
    risk: &Risk,
    tests: &Collected<'_>,
    conditions: &mut Conditions,
) -> Option<Compiled> {
    checker.check_duration(&risk.over);
    if risk.over.ms == 0 {
        checker.report(
            Diagnostic::new(Code::BadDuration, risk.over.span, "a risk over no time adds nothing up")
                .help("name how far it reaches back: `over 24 hours`"),
        );
    }
    let Some(type_id) = checker.schema.type_id(&risk.name.node).filter(|id| checker.relations.is_risk(*id)) else {
        checker.no_sources(risk);
        return None;
    };
    let score = checker.schema.get(type_id).fields.len() - 1;
    let slot = checker.slots.of(type_id, score);
    let window = PastPlan {
        plan: Window {
            identity: Arc::from(format!("risk {} {} {}", risk.name.node, fmt::format_keys(&risk.keys), risk.over.ms)),
            name: Arc::from("total"),
            key: KeyId(0),
            cell: CellId::default(),
            aggregate: Aggregate::Sum,
            range: WindowRange::Duration(risk.over.ms),
            previous: false,
            value: Some(Expr::Field(slot)),
            condition: None,
        },
        type_id,
        key: None,
        pinned: checker.relations.is_pinned(&risk.name.node),
    };
    let total = checker.past.add_window(format!("risk {}", risk.name.node), window);
    let mut compiled = rule::compile_with(checker, &as_rule(risk), Some(total), tests, conditions)?;
    compiled.rule.match_hash = super::identity::with_part(compiled.rule.match_hash, &risk.over.ms.to_be_bytes());
    compiled.rule.version = super::identity::risk_version(risk);
    Some(compiled)
}

impl Checker {
    fn no_sources(&mut self, risk: &Risk) {
        if risk.keys.is_empty() {
            self.report(
                Diagnostic::new(
                    Code::BadKey,
                    risk.name.span,
                    format!("the risk `{}` does not say whose it is", risk.name.node),
                )
                .help("write `for each user_id`: it adds up the scores of the rules with the same `for each`"),
            );
            return;
        }
        let key = crate::lang::fmt::format_keys(&risk.keys);
        self.report(
            Diagnostic::new(Code::NoScores, risk.name.span, format!("no rule `{}` has a score", key.trim())).help(
                "a risk adds up the scores of the rules with the same `for each`: give one `alert high score 40`",
            ),
        );
    }
}

/// The risk as a rule over its scores.
fn as_rule(risk: &Risk) -> ast::Rule {
    let plain = |part: &KeyPart| KeyPart { path: part.path.clone(), renamed: Vec::new() };
    let step = Step {
        next: false,
        count: None,
        types: vec![risk.name.clone()],
        name: None,
        condition: Some(risk.condition.clone()),
        held: None,
    };
    ast::Rule {
        name: risk.name.clone(),
        description: risk.description.clone(),
        keys: risk.keys.iter().map(plain).collect(),
        pattern: Pattern::Sequence(Sequence { every: false, steps: vec![step], absence: None }),
        unless: Vec::new(),
        within: None,
        alert: risk.alert.clone(),
    }
}

/// What a risk's alert shows of the score that completed it, beside the key.
pub(super) const EVIDENCE: [&str; 2] = [RULE_FIELD, SCORE_FIELD];
