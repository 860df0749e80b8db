//! Functions.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::event::Value;
use crate::lang::aggregates;
use crate::lang::ast::{Call, Expr as SyntaxExpr, ExprKind};
use crate::lang::check::expr::Typed;
use crate::lang::check::scope::{Scope, Who};
use crate::lang::functions::{self, Accepts, Definition, Occurs, Param, ResultType};
use crate::lang::types::Type;
use crate::program::{Expr, Function, StepId};

/// Other languages' words for our functions and aggregates.
const SYNONYMS: [(&str, &str); 16] = [
    ("avg", "average"),
    ("mean", "average"),
    ("min", "minimum"),
    ("max", "maximum"),
    ("count_distinct", "distinct"),
    ("nunique", "distinct"),
    ("median", "percentile"),
    ("stddev", "deviation"),
    ("len", "length"),
    ("ceil", "ceiling"),
    ("startswith", "starts_with"),
    ("endswith", "ends_with"),
    ("tolower", "lower"),
    ("toupper", "upper"),
    ("regex", "matches"),
    ("cidr", "in_network"),
];

impl Scope<'_> {
    /// A call of a function or an aggregate.
    pub(super) fn call(&mut self, call: &Call, span: Span) -> Typed {
        let name = call.function.node.as_str();
        if aggregates::is_one(name) {
            return self.aggregate(call, span);
        }
        let Some(definition) = functions::find(name) else {
            self.unknown_function(call);
            return Typed::unknown(span);
        };
        if let Some(window) = &call.window {
            self.checker.report(
                Diagnostic::new(
                    Code::BadArguments,
                    window.span,
                    format!("`{name}` is no aggregate, so `over` does not apply"),
                )
                .help("leave `over …` out, or use an aggregate such as `count` or `sum`"),
            );
            return Typed::unknown(span);
        }
        self.function(definition, call, span)
    }

    fn unknown_function(&mut self, call: &Call) {
        let (written, span) = (&call.function.node, call.function.span);
        let names = functions::ALL
            .iter()
            .map(|definition| definition.name)
            .chain(aggregates::ALL.iter().map(|definition| definition.name));
        let diagnostic = Diagnostic::new(Code::UnknownFunction, span, format!("no function is called `{written}`"));
        let synonym = SYNONYMS.iter().find(|(other, _)| other.eq_ignore_ascii_case(written));
        self.checker.report(match synonym {
            Some((_, ours)) => diagnostic.help(format!("did you mean `{ours}`?")).fix(span, *ours),
            None => diagnostic.did_you_mean(span, written, names),
        });
    }

    fn function(&mut self, definition: &'static Definition, call: &Call, span: Span) -> Typed {
        if call.condition.is_some() || !accepts_count(definition, call.args.len()) {
            self.checker.report(
                Diagnostic::new(
                    Code::BadArguments,
                    span,
                    format!("`{}` is written `{}`", definition.name, usage(definition)),
                )
                .help(definition.doc),
            );
            return Typed::unknown(span);
        }
        let mut args: Vec<Typed> = Vec::new();
        for (at, arg) in call.args.iter().enumerate() {
            let param = &definition.params[at.min(definition.params.len() - 1)];
            let typed = self.argument(definition, param, arg, &mut args);
            args.extend(typed);
        }
        if args.iter().any(|arg| arg.ty == Type::Unknown) {
            return Typed::unknown(span);
        }
        let constants: Vec<Option<&Value>> = args.iter().map(Typed::constant).collect();
        match (definition.prepare)(&constants) {
            Ok(prepared) => {
                let ty = match &definition.result {
                    ResultType::Of(ty) => ty.clone(),
                    // The winner of `least(integer, number)` may be either.
                    ResultType::LikeFirst if args.iter().any(|arg| arg.ty == Type::Number) => Type::Number,
                    ResultType::LikeFirst => args[0].ty.clone(),
                };
                let function = Function { name: definition.name, call: prepared };
                Typed { ty, expr: Expr::Call(function, args.into_iter().map(|arg| arg.expr).collect()), span }
            }
            Err(bad) => {
                let place = args.get(bad.index).map_or(span, |arg| arg.span);
                self.checker.report(Diagnostic::new(Code::BadConstant, place, bad.reason).help(format!(
                    "`{}`: {}",
                    usage(definition),
                    definition.doc
                )));
                Typed::unknown(span)
            }
        }
    }

    /// An argument; an event becomes two: its place and its time.
    fn argument(
        &mut self,
        definition: &Definition,
        param: &Param,
        arg: &SyntaxExpr,
        before: &mut [Typed],
    ) -> Vec<Typed> {
        if param.accepts == Accepts::Event {
            return self.event_argument(arg);
        }
        let mut value = self.value(arg);
        match (param.accepts, before.first().map(|first| &first.ty)) {
            (Accepts::Time, _) => self.read_as(&mut value, &Type::Time),
            (Accepts::Ip, _) => self.read_as(&mut value, &Type::Ip),
            (Accepts::ElementOfFirst, Some(Type::List(of))) => self.read_as(&mut value, &of.clone()),
            _ => {}
        }
        if value.ty == Type::Unknown {
            return vec![value];
        }
        let fits = match param.accepts {
            Accepts::Text => value.ty == Type::Text,
            Accepts::TextConstant => matches!(value.constant(), Some(Value::Text(_))),
            Accepts::Numeric => value.ty.is_numeric(),
            Accepts::Time => value.ty == Type::Time,
            Accepts::Ip => value.ty == Type::Ip,
            Accepts::Point => value.ty == Type::Point,
            Accepts::TextOrList => matches!(value.ty, Type::Text | Type::List(_)),
            Accepts::ElementOfFirst => element_fits(before.first().map(|first| &first.ty), &value.ty),
            Accepts::LikeFirst => before.first().is_none_or(|first| alike(&first.ty, &value.ty)),
            Accepts::Event => true,
        };
        if fits {
            return vec![value];
        }
        let wanted = match param.accepts {
            Accepts::TextConstant => "a constant text".to_owned(),
            _ => wanted(param.accepts, before).to_string(),
        };
        self.checker.report(
            Diagnostic::new(
                Code::BadArguments,
                value.span,
                format!("this is {}, and `{}` takes {wanted} here", value.ty, definition.name),
            )
            .help(format!("`{}`: {}", usage(definition), definition.doc)),
        );
        vec![Typed::unknown(value.span)]
    }

    fn event_argument(&mut self, arg: &SyntaxExpr) -> Vec<Typed> {
        let who = match &*arg.node {
            ExprKind::Path(path) => self.event(path),
            _ => None,
        };
        let Some(who) = who else {
            self.checker.report(
                Diagnostic::new(Code::EventAsValue, arg.span, "this is no event")
                    .help("name a step: in `on every login a then next login b where speed(a, b) > 900 km/h` they are `a` and `b`"),
            );
            return vec![Typed::unknown(arg.span)];
        };
        if let Who::Step(step) = who
            && self.steps.0[step].repeated
        {
            self.checker.report(
                Diagnostic::new(Code::RepeatedStep, arg.span, "this step is several events")
                    .help("compare steps that take one event each"),
            );
            return vec![Typed::unknown(arg.span)];
        }
        if self.types(who).is_empty() {
            return vec![Typed::unknown(arg.span)];
        }
        let Some(point) = self.point_field(who) else {
            let message = format!("{} does not have exactly one point field", self.describe(who));
            self.checker.report(
                Diagnostic::new(Code::BadArguments, arg.span, message)
                    .help("declare one field of the event as `point`, or use `distance(a.place, b.place)`"),
            );
            return vec![Typed::unknown(arg.span)];
        };
        let path: Vec<&str> = point.iter().map(String::as_str).collect();
        let place = self.read(who, &path);
        let time = match who {
            Who::AtHand => Expr::Time,
            Who::Step(step) => Expr::CapturedTime(StepId(u8::try_from(step).expect("steps are limited"))),
        };
        vec![
            Typed { ty: Type::Point, expr: place, span: arg.span },
            Typed { ty: Type::Time, expr: time, span: arg.span },
        ]
    }

    /// The one point field that all types of an event have.
    fn point_field(&self, who: Who) -> Option<Vec<String>> {
        let mut found = None;
        for type_id in self.types(who) {
            let fields = &self.checker.schema.get(type_id).fields;
            let mut points = fields.iter().filter(|field| field.kind == crate::schema::Kind::Point);
            let (Some(point), None) = (points.next(), points.next()) else { return None };
            if *found.get_or_insert_with(|| point.path.clone()) != point.path {
                return None;
            }
        }
        found
    }
}

fn accepts_count(definition: &Definition, given: usize) -> bool {
    let least = definition.params.iter().filter(|param| param.occurs != Occurs::Optional).count();
    let repeats = definition.params.iter().any(|param| param.occurs == Occurs::Repeated);
    given >= least && (repeats || given <= definition.params.len())
}

/// As it is written: `hour(time [, zone])`.
fn usage(definition: &Definition) -> String {
    let mut usage = format!("{}(", definition.name);
    for (at, param) in definition.params.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        match param.occurs {
            Occurs::Once => usage.push_str(&format!("{comma}{}", param.name)),
            Occurs::Optional => usage.push_str(&format!(" [{comma}{}]", param.name)),
            Occurs::Repeated => usage.push_str(&format!("{comma}{}, …", param.name)),
        }
    }
    usage.push(')');
    usage
}

fn alike(a: &Type, b: &Type) -> bool {
    a == b || matches!((a, b), (Type::Integer | Type::Number, Type::Integer | Type::Number))
}

fn element_fits(first: Option<&Type>, element: &Type) -> bool {
    match first {
        Some(Type::List(of)) => alike(of, element),
        _ => *element == Type::Text,
    }
}

fn wanted(accepts: Accepts, before: &[Typed]) -> Type {
    match (accepts, before.first().map(|first| &first.ty)) {
        (Accepts::Numeric, _) => Type::Number,
        (Accepts::Time, _) => Type::Time,
        (Accepts::Ip, _) => Type::Ip,
        (Accepts::Point, _) => Type::Point,
        (Accepts::ElementOfFirst, Some(Type::List(of))) => (**of).clone(),
        (Accepts::LikeFirst, Some(first)) => first.clone(),
        _ => Type::Text,
    }
}
