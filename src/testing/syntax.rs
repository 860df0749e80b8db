//! Syntax trees of any shape that the parser can give, for property tests.
//!
//! What the trees say makes no sense: names are unknown, kinds do not fit. Only their form is right.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

use crate::diagnostic::Span;
use crate::lang::ast::{
    Absence, Alert, AllOf, Arithmetic, Call, Compare, Count, Duration, EachPair, Emit, EventDecl, Expect, ExpectCount,
    Expr, ExprKind, FieldDecl, File, Held, InSet, Item, KeyPart, KindName, Literal, Lookup, Measure, MeasureWindow,
    Name, Number, Path, Pattern, Risk, Rule, Sequence, Session, Spanned, Step, Template, TemplatePart, Test, TestEvent,
    TestLine, Top, Unit, Unless, Window,
};
use crate::lang::words::KEYWORDS;

fn spanned<T>(node: T) -> Spanned<T> {
    Spanned::new(node, Span::default())
}

fn boxed(kind: ExprKind) -> Expr {
    spanned(Box::new(kind))
}

/// A file of up to five items.
pub fn file() -> impl Strategy<Value = File> {
    vec(item().prop_map(spanned), 0..5).prop_map(|items| File { items, ..File::default() })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        2 => event().prop_map(Item::Event),
        6 => rule().prop_map(Item::Rule),
        2 => test().prop_map(Item::Test),
        1 => lookup().prop_map(Item::List),
        1 => lookup().prop_map(Item::Table),
        1 => risk().prop_map(Item::Risk),
        2 => measure().prop_map(Item::Measure),
    ]
}

/// Plain words, keywords, and names that need quotes.
fn name() -> impl Strategy<Value = Name> {
    prop_oneof![
        4 => "[a-z_][a-z0-9_]{0,6}",
        2 => proptest::sample::select(KEYWORDS).prop_map(str::to_string),
        1 => proptest::sample::select(&["missing", "new", "nothing", "once", "more", "the", "m", "s", "km", "e", "first"][..])
            .prop_map(str::to_string),
        1 => "[a-zA-Z #\"{}(é-]{1,6}",
    ]
    .prop_map(spanned)
}

fn path() -> impl Strategy<Value = Path> {
    vec(name(), 1..4).prop_map(|segments| Path { segments })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z {}\"\\\\\n\t#é(\\[]{0,8}", any::<String>()]
}

fn description() -> impl Strategy<Value = Option<Spanned<String>>> {
    of(text().prop_map(spanned))
}

fn duration() -> impl Strategy<Value = Duration> {
    let unit = proptest::sample::select(&[1, 1_000, 60_000, 3_600_000, 86_400_000][..]);
    prop_oneof![4 => (0..100_i64, unit).prop_map(|(n, unit)| n * unit), 1 => 0..=i64::MAX]
        .prop_map(|ms| Duration { ms })
}

fn span_of_time() -> impl Strategy<Value = Spanned<Duration>> {
    duration().prop_map(spanned)
}

/// A number without sign: the sign is an operator.
fn number() -> impl Strategy<Value = Number> {
    prop_oneof![
        3 => (0..1000_i64).prop_map(Number::Integer),
        1 => (0..=i64::MAX).prop_map(Number::Integer),
        2 => any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(|x| Number::Float(x.abs())),
    ]
}

fn signed() -> impl Strategy<Value = Number> {
    prop_oneof![
        any::<i64>().prop_map(Number::Integer),
        any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Number::Float)
    ]
}

fn unit() -> impl Strategy<Value = Unit> {
    proptest::sample::select(
        &[
            Unit::Milliseconds,
            Unit::Seconds,
            Unit::Minutes,
            Unit::Hours,
            Unit::Days,
            Unit::Kilometres,
            Unit::KilometresPerHour,
            Unit::Percent,
        ][..],
    )
}

fn arithmetic() -> impl Strategy<Value = Arithmetic> {
    use Arithmetic::{Add, Divide, Multiply, Subtract};
    proptest::sample::select(&[Add, Subtract, Multiply, Divide][..])
}

fn compare() -> impl Strategy<Value = Compare> {
    use Compare::{Greater, GreaterOrEqual, Is, IsNot, Less, LessOrEqual};
    proptest::sample::select(&[Is, IsNot, Less, LessOrEqual, Greater, GreaterOrEqual][..])
}

fn window() -> impl Strategy<Value = Window> {
    prop_oneof![
        duration().prop_map(Window::Over),
        duration().prop_map(Window::Previous),
        (0..1000_u64).prop_map(Window::Last)
    ]
}

/// Any expression.
pub fn expr() -> impl Strategy<Value = Expr> {
    let leaf = prop_oneof![
        (number(), of(unit().prop_map(spanned))).prop_map(|(n, unit)| ExprKind::Number(n, unit)),
        text().prop_map(ExprKind::Text),
        any::<bool>().prop_map(ExprKind::Boolean),
        path().prop_map(ExprKind::Path),
    ]
    .prop_map(boxed);
    leaf.prop_recursive(5, 24, 3, |inner| {
        let i = || inner.clone();
        let set = prop_oneof![vec(i(), 1..3).prop_map(InSet::Values), name().prop_map(InSet::List)];
        let call = (name(), vec(i(), 0..3), of(i()), of(window().prop_map(spanned)));
        prop_oneof![
            call.prop_map(|(function, args, condition, window)| ExprKind::Call(Call {
                function,
                args,
                condition,
                window
            })),
            (name(), i(), path()).prop_map(|(table, key, field)| ExprKind::Lookup { table, key, field }),
            i().prop_map(ExprKind::Not),
            i().prop_map(ExprKind::Negate),
            (arithmetic(), i(), i()).prop_map(|(op, a, b)| ExprKind::Arithmetic(spanned(op), a, b)),
            (compare(), i(), i()).prop_map(|(op, a, b)| ExprKind::Compare(spanned(op), a, b)),
            (i(), i()).prop_map(|(a, b)| ExprKind::And(a, b)),
            (i(), i()).prop_map(|(a, b)| ExprKind::Or(a, b)),
            (i(), any::<bool>(), set).prop_map(|(operand, negated, set)| ExprKind::In { operand, negated, set }),
            (i(), any::<bool>()).prop_map(|(operand, negated)| ExprKind::IsMissing { operand, negated }),
            (i(), span_of_time()).prop_map(|(operand, over)| ExprKind::IsNew { operand, over }),
        ]
        .prop_map(boxed)
    })
}

fn template() -> impl Strategy<Value = Template> {
    vec((text(), of(expr())), 0..4).prop_map(|pieces| {
        let mut parts: Vec<TemplatePart> = Vec::new();
        for (text, expr) in pieces {
            match parts.last_mut() {
                Some(TemplatePart::Text(before)) => before.push_str(&text),
                _ if text.is_empty() => {}
                _ => parts.push(TemplatePart::Text(text)),
            }
            parts.extend(expr.map(TemplatePart::Expr));
        }
        Template { parts }
    })
}

fn event() -> impl Strategy<Value = EventDecl> {
    (name(), vec(field(), 0..8)).prop_map(|(name, fields)| EventDecl { name, fields })
}

fn field() -> impl Strategy<Value = FieldDecl> {
    let kind = ("[a-z]{1,8}", 0..3)
        .prop_map(|(name, lists)| (0..lists).fold(KindName::Named(name), |kind, _| KindName::ListOf(Box::new(kind))));
    (path(), kind).prop_map(|(path, kind)| FieldDecl { path, kind: spanned(kind) })
}

fn lookup() -> impl Strategy<Value = Lookup> {
    (name(), any::<bool>(), text(), path(), vec(field(), 0..6)).prop_map(|(name, from_topic, from, key, columns)| {
        Lookup { name, from_topic, from: spanned(from), key, columns }
    })
}

fn keys() -> impl Strategy<Value = Vec<KeyPart>> {
    vec((path(), vec(path(), 0..3)).prop_map(|(path, renamed)| KeyPart { path, renamed }), 0..3)
}

/// Any rule.
pub fn rule() -> impl Strategy<Value = Rule> {
    let watched = (types(), of(name()), of(expr()));
    let unless = watched.prop_map(|(types, name, condition)| Unless { types, name, condition });
    (name(), description(), keys(), pattern(), vec(unless, 0..3), of(span_of_time()), alert()).prop_map(
        |(name, description, keys, pattern, unless, mut within, alert)| {
            // The first `within` after a `then no` is its own.
            if matches!(&pattern, Pattern::Sequence(Sequence { absence: Some(Absence { within: None, .. }), .. })) {
                within = None;
            }
            Rule { name, description, keys, pattern, unless, within, alert }
        },
    )
}

fn types() -> impl Strategy<Value = Vec<Name>> {
    vec(name(), 1..3)
}

fn step() -> impl Strategy<Value = Step> {
    let count = (any::<u64>(), any::<bool>()).prop_map(|(n, or_more)| spanned(Count { n, or_more }));
    let held = (span_of_time(), of(span_of_time())).prop_map(|(duration, gap)| Held { duration, gap });
    (any::<bool>(), of(count), types(), of(name()), of((expr(), of(held)))).prop_map(
        |(next, count, types, name, condition)| {
            let (condition, held) = condition.map_or((None, None), |(condition, held)| (Some(condition), held));
            Step { next, count, types, name, condition, held }
        },
    )
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let absence = (types(), of(name()), of(expr()), of(span_of_time()))
        .prop_map(|(types, name, condition, within)| Absence { types, name, condition, within });
    let sequence = (any::<bool>(), vec(step(), 1..4), of(absence)).prop_map(|(every, mut steps, absence)| {
        steps[0].next = false;
        Sequence { every, steps, absence }
    });
    let slot = (types(), of(name()), of(expr())).prop_map(|(types, name, condition)| Step {
        next: false,
        count: None,
        types,
        name,
        condition,
        held: None,
    });
    let all = (any::<bool>(), vec(slot, 2..4)).prop_map(|(every, slots)| AllOf { every, slots });
    let pair = ((types(), of(name())), (types(), of(name())), of(expr()))
        .prop_map(|(left, right, condition)| EachPair { left, right, condition });
    let session = (name(), types(), span_of_time(), of(span_of_time()), of(expr()))
        .prop_map(|(name, types, idle, at_most, condition)| Session { name, types, idle, at_most, condition });
    prop_oneof![
        4 => sequence.prop_map(Pattern::Sequence),
        1 => all.prop_map(Pattern::AllOf),
        1 => pair.prop_map(Pattern::EachPair),
        1 => session.prop_map(Pattern::Session),
    ]
}

fn alert() -> impl Strategy<Value = Alert> {
    let tag = prop_oneof![name(), text().prop_map(spanned)];
    (
        of(name()),
        of(signed().prop_map(spanned)),
        of(template().prop_map(spanned)),
        vec(name(), 0..3),
        vec(tag, 0..3),
        of(span_of_time()),
    )
        .prop_map(|(severity, score, message, targets, tags, at_most_once)| Alert {
            severity,
            score,
            message,
            targets,
            tags,
            at_most_once,
        })
}

fn risk() -> impl Strategy<Value = Risk> {
    (name(), description(), keys(), span_of_time(), expr(), alert()).prop_map(
        |(name, description, keys, over, condition, alert)| Risk { name, description, keys, over, condition, alert },
    )
}

fn measure() -> impl Strategy<Value = Measure> {
    let window = prop_oneof![
        (duration(), duration()).prop_map(|(over, every)| MeasureWindow::Every { over, every }),
        any::<u64>().prop_map(MeasureWindow::Last),
        (duration(), of(duration())).prop_map(|(idle, at_most)| MeasureWindow::Session { idle, at_most }),
    ];
    let emit = vec((expr(), name()).prop_map(|(value, name)| Emit { value, name }), 1..3);
    let top = of((any::<u64>(), name()).prop_map(|(n, by)| Top { n, by }));
    (name(), description(), keys(), types(), of(expr()), window.prop_map(spanned), emit, top, vec(name(), 0..3))
        .prop_map(|(name, description, keys, types, condition, window, emit, top, targets)| Measure {
            name,
            description,
            keys,
            types,
            condition,
            window,
            emit,
            top,
            targets,
        })
}

fn literal() -> impl Strategy<Value = Literal> {
    let leaf = prop_oneof![
        Just(Literal::Null),
        any::<bool>().prop_map(Literal::Boolean),
        signed().prop_map(Literal::Number),
        text().prop_map(Literal::Text),
    ];
    let key = prop_oneof![text(), name().prop_map(|name| name.node)];
    leaf.prop_recursive(3, 8, 3, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Literal::List),
            vec((key.clone(), inner), 0..3).prop_map(Literal::Object)
        ]
    })
}

fn test() -> impl Strategy<Value = Test> {
    let event = (span_of_time(), name(), vec((path(), literal().prop_map(spanned)), 0..4))
        .prop_map(|(at, event_type, fields)| TestLine::Event(TestEvent { at, event_type, fields }));
    let count =
        prop_oneof![Just(ExpectCount::Nothing), Just(ExpectCount::Once), any::<u64>().prop_map(ExpectCount::Times)];
    let expect = (name(), count, of(span_of_time()), of(expr()))
        .prop_map(|(rule, count, at, with)| TestLine::Expect(Expect { rule: Some(rule), count, at, with }));
    let nothing = Just(TestLine::Expect(Expect { rule: None, count: ExpectCount::Nothing, at: None, with: None }));
    let line = prop_oneof![3 => event, 2 => expect, 1 => nothing].prop_map(spanned);
    (name(), description(), vec(line, 0..5)).prop_map(|(rule, description, lines)| Test { rule, description, lines })
}
