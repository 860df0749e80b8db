//! The `alert` clause: what is said when a rule completes, or a risk is reached.

use crate::diagnostic::{Code, Diagnostic};
use crate::lang::ast::{Number, Spanned, TemplatePart};
use crate::lang::check::past::PastAllowed;
use crate::lang::check::rule::Builder;
use crate::program::{AlertSpec, Part, Severity, Template};

impl Builder<'_> {
    /// The alert; none where it has no severity.
    pub(super) fn compile_alert(&mut self) -> Option<AlertSpec> {
        let written = &self.rule.alert;
        if let Some(at_most_once) = &written.at_most_once {
            self.checker.check_duration(at_most_once);
            if at_most_once.ms == 0 {
                self.checker.report(
                    Diagnostic::new(
                        Code::BadDuration,
                        at_most_once.span,
                        "`at most once per` nothing holds nothing back",
                    )
                    .help("name a length of time, or remove the clause"),
                );
            }
        }
        let message = self.compile_message();
        let score = written.score.as_ref().and_then(|score| self.compile_score(score));
        Some(AlertSpec {
            severity: self.compile_severity()?,
            score,
            message,
            targets: written.targets.iter().map(|name| name.node.clone()).collect(),
            tags: written.tags.iter().map(|name| name.node.clone()).collect(),
            at_most_once_ms: written.at_most_once.as_ref().map(|duration| duration.ms),
            values: Vec::new(),
        })
    }

    fn compile_severity(&mut self) -> Option<Severity> {
        let names = Severity::ALL.map(Severity::as_str);
        let Some(written) = &self.rule.alert.severity else {
            self.checker.report(
                Diagnostic::new(
                    Code::MissingAlert,
                    self.rule.name.span,
                    format!("the alert of `{}` has no severity", self.rule.name.node),
                )
                .help(format!("write `alert high`; the severities are {}", names.join(", "))),
            );
            return None;
        };
        let known = Severity::ALL.into_iter().find(|severity| severity.as_str() == written.node);
        if known.is_none() {
            let diagnostic =
                Diagnostic::new(Code::UnknownSeverity, written.span, format!("`{}` is no severity", written.node));
            let diagnostic = diagnostic.did_you_mean(written.span, &written.node, names);
            let help = diagnostic.help.clone().unwrap_or(format!("the severities are {}", names.join(", ")));
            self.checker.report(diagnostic.help(help));
        }
        known
    }

    fn compile_score(&mut self, score: &Spanned<Number>) -> Option<f64> {
        let value = match score.node {
            Number::Integer(n) => n as f64,
            Number::Float(n) => n,
        };
        if !(0.0..=1e9).contains(&value) {
            self.checker.report(
                Diagnostic::new(Code::NumberRange, score.span, "a score is from 0 to 1,000,000,000")
                    .help("a score adds to the risk of its key; leave it out where it should add nothing"),
            );
            return None;
        }
        Some(value)
    }

    /// The message; the description where there is none, and else the rule's name.
    fn compile_message(&mut self) -> Template {
        let Some(written) = &self.rule.alert.message else {
            let text = self.rule.description.as_ref().unwrap_or(&self.rule.name);
            return Template(vec![Part::Text(text.node.clone())]);
        };
        let completes_later = self.completes_later();
        let bound = self.steps.0.len();
        let mut scope = self.scope(None, bound);
        if let Some(why) = completes_later {
            scope.past_allowed = PastAllowed::No(why);
        }
        let part = |part: &TemplatePart| match part {
            TemplatePart::Text(text) => Part::Text(text.clone()),
            TemplatePart::Expr(expr) => Part::Value(scope.value(expr).expr),
        };
        Template(written.parts.iter().map(part).collect())
    }
}
