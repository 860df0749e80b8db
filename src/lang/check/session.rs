//! Aggregates over the events of a session: `count(s)`, `count(s.page_view)`, `sum(s.amount)`, `sum(s.purchase.amount)`.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::lang::ast::{Call, Path};
use crate::lang::check::aggregates::aggregate_type;
use crate::lang::check::expr::Typed;
use crate::lang::check::scope::{AtHand, Scope, Who};
use crate::lang::fmt;
use crate::lang::types::Type;
use crate::program::{Aggregate, Expr, SessionFold};
use crate::schema::TypeId;

/// A session as names see it, and what is computed of its events.
#[derive(Clone, Debug)]
pub(super) struct SessionNames {
    pub(super) name: String,
    pub(super) types: Vec<TypeId>,
    /// Each aggregate with its text.
    pub(super) folds: Vec<(String, Type, SessionFold)>,
}

/// Of each type that counts, what is aggregated.
type FoldValues = Vec<(TypeId, Option<Expr>)>;

impl SessionNames {
    pub(super) fn new(name: String, types: Vec<TypeId>) -> SessionNames {
        let values = types.iter().map(|type_id| (*type_id, None)).collect();
        let count = SessionFold { aggregate: Aggregate::Count, values };
        let text = format!("count({name})");
        SessionNames { name, types, folds: vec![(text, Type::Integer, count)] }
    }
}

impl Scope<'_> {
    /// Whether a name begins with that of the session.
    pub(super) fn is_session(&self, path: &Path) -> bool {
        self.session.as_ref().is_some_and(|session| session.name == path.segments[0].node)
    }

    /// An aggregate over the session's events, or over those of one type.
    pub(super) fn session_aggregate(&mut self, aggregate: Aggregate, call: &Call, path: &Path, span: Span) -> Typed {
        let text = fmt::format_call(call);
        let session = self.session.as_ref().expect("only asked for where there is one");
        if let Some(at) = session.folds.iter().position(|(other, ..)| *other == text) {
            return fold(at, session.folds[at].1.clone(), span);
        }
        let (types, field) = self.session_types(path);
        if (aggregate == Aggregate::Count) != field.is_empty() {
            return self.session_form(call, span);
        }
        let Some((ty, values)) = self.session_values(&types, &field, path, span) else { return Typed::unknown(span) };
        let Some(result) = aggregate_type(aggregate, &ty) else {
            self.no_meaning(call, &ty, path.span());
            return Typed::unknown(span);
        };
        let session = self.session.as_mut().expect("only asked for where there is one");
        session.folds.push((text, result.clone(), SessionFold { aggregate, values }));
        fold(session.folds.len() - 1, result, span)
    }

    /// The types whose events count, and the field that is aggregated.
    fn session_types<'p>(&self, path: &'p Path) -> (Vec<TypeId>, Vec<&'p str>) {
        let session = self.session.as_ref().expect("only asked for where there is one");
        let names: Vec<&str> = path.segments[1..].iter().map(|segment| segment.node.as_str()).collect();
        let named = |id: &&TypeId| names.first().is_some_and(|name| self.checker.schema.get(**id).name == *name);
        match session.types.iter().find(named) {
            Some(type_id) => (vec![*type_id], names[1..].to_vec()),
            None => (session.types.clone(), names),
        }
    }

    /// What is aggregated of an event of each type.
    fn session_values(
        &mut self,
        types: &[TypeId],
        field: &[&str],
        path: &Path,
        span: Span,
    ) -> Option<(Type, FoldValues)> {
        if field.is_empty() {
            return Some((Type::Integer, types.iter().map(|type_id| (*type_id, None)).collect()));
        }
        let at_hand = self.at_hand.take();
        let mut common = None;
        let mut values = Vec::new();
        for type_id in types {
            self.at_hand = Some(AtHand { type_id: *type_id, step: None, name: None });
            let Some((ty, expr)) = self.field(Who::AtHand, field, path.span()) else { break };
            if *common.get_or_insert_with(|| ty.clone()) != ty {
                self.checker.report(
                    Diagnostic::new(
                        Code::TypeMismatch,
                        span,
                        format!("`{}` is not of one kind in all types of the session", field.join(".")),
                    )
                    .help("name the type too: `sum(s.purchase.amount)`"),
                );
                break;
            }
            values.push((*type_id, Some(expr)));
        }
        self.at_hand = at_hand;
        (values.len() == types.len()).then_some((common?, values))
    }

    fn session_form(&mut self, call: &Call, span: Span) -> Typed {
        let session = self.session.as_ref().expect("only asked for where there is one").name.clone();
        let name = &call.function.node;
        let form = if name == "count" {
            format!("count({session})` or `count({session}.TYPE)")
        } else {
            format!("{name}({session}.field)` or `{name}({session}.TYPE.field)")
        };
        self.checker.report(
            Diagnostic::new(Code::BadArguments, span, format!("over a session `{name}` is written `{form}`"))
                .help("TYPE is one of the session's event types"),
        );
        Typed::unknown(span)
    }
}

fn fold(at: usize, ty: Type, span: Span) -> Typed {
    let at = u16::try_from(at).expect("a file of 1 MiB holds fewer aggregates");
    Typed { ty, expr: Expr::Aggregate(at), span }
}
