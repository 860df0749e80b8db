//! Functions and aggregates.

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::event::Value;
use crate::lang::ast::{Call, Expr as SyntaxExpr, ExprKind, Path};
use crate::lang::check::expr::Typed;
use crate::lang::check::scope::{Scope, Who};
use crate::lang::functions::{self, Accepts, Definition, Occurs, Param, ResultType};
use crate::lang::types::Type;
use crate::program::{Aggregate, Expr, Function, StepId};

/// The aggregates of the language.
const AGGREGATES: [&str; 10] =
    ["count", "sum", "average", "minimum", "maximum", "distinct", "percentile", "deviation", "first", "last"];

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
        if AGGREGATES.contains(&name) {
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
        let names = functions::ALL.iter().map(|definition| definition.name).chain(AGGREGATES);
        let diagnostic = Diagnostic::new(Code::UnknownFunction, span, format!("no function is called `{written}`"));
        let synonym = SYNONYMS.iter().find(|(other, _)| other.eq_ignore_ascii_case(written));
        self.checker.report(match synonym {
            Some((_, ours)) => diagnostic.help(format!("did you mean `{ours}`?")).fix(span, *ours),
            None => diagnostic.did_you_mean(span, written, names),
        });
    }

    /// An aggregate over the events of a step.
    fn aggregate(&mut self, call: &Call, span: Span) -> Typed {
        if let Some(window) = &call.window {
            self.checker.not_yet(call.function.span.to(window.span), "windows (`over …`) are");
            return Typed::unknown(span);
        }
        if let Some(condition) = &call.condition {
            self.checker.not_yet(condition.span, "`where` in an aggregate is");
            return Typed::unknown(span);
        }
        let aggregate = match call.function.node.as_str() {
            "count" => Aggregate::Count,
            "sum" => Aggregate::Sum,
            "average" => Aggregate::Average,
            "minimum" => Aggregate::Minimum,
            "maximum" => Aggregate::Maximum,
            "distinct" => Aggregate::Distinct,
            "first" => Aggregate::First,
            "last" => Aggregate::Last,
            other => {
                self.checker.not_yet(call.function.span, &format!("`{other}` is"));
                return Typed::unknown(span);
            }
        };
        let [argument] = call.args.as_slice() else {
            return self.aggregate_form(aggregate, call, span);
        };
        let ExprKind::Path(path) = &*argument.node else {
            return self.aggregate_form(aggregate, call, span);
        };
        self.step_aggregate(aggregate, call, path, span)
    }

    fn step_aggregate(&mut self, aggregate: Aggregate, call: &Call, path: &Path, span: Span) -> Typed {
        let (first, field) = path.segments.split_first().expect("a path has a segment");
        if (aggregate == Aggregate::Count) != field.is_empty() {
            return self.aggregate_form(aggregate, call, span);
        }
        let of_step = Path { segments: vec![first.clone()] };
        let step = match self.event(&of_step) {
            Some(Who::Step(step)) => step,
            Some(Who::AtHand) if self.at_hand.as_ref().is_some_and(|at_hand| at_hand.step.is_some()) => {
                self.at_hand.as_ref().and_then(|at_hand| at_hand.step).expect("just seen")
            }
            _ => {
                self.checker.report(
                    Diagnostic::new(Code::UnknownStep, first.span, format!("no step before this place is called `{}`", first.node))
                        .help("an aggregate is over the events of a step, `count(small)`, or over a window, `count(purchase) over 10 minutes`"),
                );
                return Typed::unknown(span);
            }
        };
        self.names_steps = true;
        let id = StepId(u8::try_from(step).expect("steps are limited"));
        if aggregate == Aggregate::Count {
            return Typed { ty: Type::Integer, expr: Expr::StepAggregate(aggregate, id, None), span };
        }
        let names: Vec<&str> = field.iter().map(|segment| segment.node.as_str()).collect();
        let field_span = field[0].span.to(path.span());
        let Some((ty, expr)) = self.field(Who::Step(step), &names, field_span) else { return Typed::unknown(span) };
        let Some(result) = aggregate_type(aggregate, &ty) else {
            self.checker.report(
                Diagnostic::new(
                    Code::BadArguments,
                    path.span(),
                    format!("`{}` of {ty} has no meaning", call.function.node),
                )
                .help("`first`, `last` and `count` work with every kind of field"),
            );
            return Typed::unknown(span);
        };
        let Expr::Captured(id, capture) = expr else {
            self.checker.not_yet(path.span(), "an aggregate of the event time is");
            return Typed::unknown(span);
        };
        Typed { ty: result, expr: Expr::StepAggregate(aggregate, id, Some(capture)), span }
    }

    fn aggregate_form(&mut self, aggregate: Aggregate, call: &Call, span: Span) -> Typed {
        let name = &call.function.node;
        let form = if aggregate == Aggregate::Count { "count(STEP)".to_owned() } else { format!("{name}(STEP.field)") };
        self.checker.report(
            Diagnostic::new(Code::BadArguments, span, format!("`{name}` is written `{form}`"))
                .help("STEP is the name of a step, or its event type where it has no name"),
        );
        Typed::unknown(span)
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

fn aggregate_type(aggregate: Aggregate, of: &Type) -> Option<Type> {
    let orderable = of.is_numeric() || matches!(of, Type::Text | Type::Time | Type::Ip);
    match aggregate {
        Aggregate::Count => Some(Type::Integer),
        Aggregate::Distinct => (!matches!(of, Type::Point | Type::List(_))).then_some(Type::Integer),
        Aggregate::Sum => of.is_numeric().then(|| of.clone()),
        Aggregate::Average => of.is_numeric().then_some(Type::Number),
        Aggregate::Minimum | Aggregate::Maximum => orderable.then(|| of.clone()),
        Aggregate::First | Aggregate::Last => Some(of.clone()),
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
