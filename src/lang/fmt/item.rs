//! Items and their clauses, one clause a line.

use super::expr;
use super::value::{self, Place, duration, joined, name, path, short_duration, text};
use super::writer::{COLUMNS_MAX, Writer};
use crate::diagnostic::Span;
use crate::lang::ast::{
    Absence, Alert, AllOf, EachPair, Emit, EventDecl, Expect, ExpectCount, Expr, FieldDecl, Held, Item, KeyPart,
    Lookup, Measure, MeasureWindow, Name, Pattern, Risk, Rule, Sequence, Session, Spanned, Step, Test, TestEvent,
    TestLine, Unless,
};

/// All items, with an empty line between them.
pub(super) fn items(w: &mut Writer<'_>, items: &[Spanned<Item>]) {
    for item in items {
        let span = item.span.range();
        w.between_items(span.start);
        match &item.node {
            Item::Event(event) => event_decl(w, event, item.span),
            Item::Rule(rule) => {
                header(w, "rule", &rule.name, rule.description.as_ref(), span.start);
                matching(w, rule);
                alert(w, &rule.alert, span.end);
            }
            Item::Test(test) => test_item(w, test, span.start),
            Item::List(list) => lookup(w, "list", list, span.start),
            Item::Table(table) => lookup(w, "table", table, span.start),
            Item::Risk(risk) => risk_item(w, risk, item.span),
            Item::Measure(measure) => measure_item(w, measure, item.span),
        }
        w.end_item(span.end);
    }
}

/// The clauses that decide whether a rule matches.
pub(super) fn matching(w: &mut Writer<'_>, rule: &Rule) {
    for_each(w, &rule.keys);
    match &rule.pattern {
        Pattern::Sequence(sequence) => write_sequence(w, sequence),
        Pattern::AllOf(all) => write_all_of(w, all),
        Pattern::EachPair(pair) => each_pair(w, pair),
        Pattern::Session(session) => write_session(w, session),
    }
    for clause in &rule.unless {
        write_unless(w, clause);
    }
    if let Some(within) = &rule.within {
        w.line(2, within.span.range().start, &format!("within {}", duration(within.node)));
    }
}

fn header(w: &mut Writer<'_>, word: &str, item: &Name, description: Option<&Spanned<String>>, start: usize) {
    let mut line = format!("{word} {}", name(item, Place::Name));
    if let Some(description) = description {
        line.push(' ');
        line.push_str(&text(description));
    }
    w.line(0, start, &line);
}

/// `event login user_id text, country text` on one line where it fits; else the fields below it.
fn event_decl(w: &mut Writer<'_>, event: &EventDecl, span: Span) {
    let span = span.range();
    let head = format!("event {}", name(&event.name, Place::Name));
    let fields: Vec<String> =
        event.fields.iter().enumerate().map(|(index, field)| field_decl(field, index == 0)).collect();
    let one_line = format!("{head} {}", fields.join(", "));
    // One behind the beginning of the last field follows the last line, however many there are.
    let last = event.fields.last().map_or(span.end, |field| start_of(field.path.span()));
    if w.has_comment(span.start, last) {
        w.line(0, span.start, &head);
        for (index, (field, written)) in event.fields.iter().zip(&fields).enumerate() {
            let comma = if index + 1 == fields.len() { "" } else { "," };
            w.line(2, start_of(field.path.span()), &format!("{written}{comma}"));
        }
    } else if fits(0, &one_line) {
        w.line(0, span.start, one_line.trim_end());
    } else {
        w.line(0, span.start, &head);
        filled(w, 2, &fields);
    }
}

fn field_decl(field: &FieldDecl, first: bool) -> String {
    let place = if first { Place::FirstField } else { Place::Name };
    format!("{} {}", path(&field.path, place), value::kind(&field.kind))
}

/// As many on a line as fit, with commas between them.
fn filled(w: &mut Writer<'_>, indent: usize, parts: &[String]) {
    let mut line = String::new();
    for (index, part) in parts.iter().enumerate() {
        let comma = if index + 1 == parts.len() { "" } else { "," };
        if !line.is_empty() && !fits(indent, &format!("{line} {part}{comma}")) {
            w.raw_line(indent, &line);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(part);
        line.push_str(comma);
    }
    w.raw_line(indent, &line);
}

fn lookup(w: &mut Writer<'_>, word: &str, lookup: &Lookup, start: usize) {
    let topic = if lookup.from_topic { "topic " } else { "" };
    let (from, key) = (text(&lookup.from), path(&lookup.key, Place::Name));
    let head = format!("{word} {} from {topic}{from} key {key}", name(&lookup.name, Place::Name));
    let columns = joined(&lookup.columns, |column| field_decl(column, false));
    let one_line = format!("{head} with {columns}");
    if lookup.columns.is_empty() {
        w.line(0, start, &head);
    } else if fits(0, &one_line) {
        w.line(0, start, &one_line);
    } else {
        w.line(0, start, &head);
        let mut columns: Vec<String> = lookup.columns.iter().map(|column| field_decl(column, false)).collect();
        columns[0].insert_str(0, "with ");
        filled(w, 2, &columns);
    }
}

fn for_each(w: &mut Writer<'_>, parts: &[KeyPart]) {
    let Some(first) = parts.first() else { return };
    w.line(2, start_of(first.path.span()), &keys(parts));
}

/// A key as a clause; nothing where there is none.
pub(super) fn keys(parts: &[KeyPart]) -> String {
    let part = |key: &KeyPart| {
        let own = path(&key.path, Place::Value);
        if key.renamed.is_empty() { own } else { format!("{own} ({})", joined(&key.renamed, |p| path(p, Place::Name))) }
    };
    if parts.is_empty() { String::new() } else { format!("for each {}", joined(parts, part)) }
}

fn write_sequence(w: &mut Writer<'_>, sequence: &Sequence) {
    for (index, step) in sequence.steps.iter().enumerate() {
        let word = match (index, step.next) {
            (0, _) if sequence.every => "on every ",
            (0, _) => "on ",
            (_, true) => "then next ",
            (_, false) => "then ",
        };
        let head = format!("{word}{}", step_head(step));
        with_condition(
            w,
            step_start(step),
            &head,
            step.condition.as_ref(),
            &step.held.as_ref().map_or(String::new(), held),
        );
    }
    if let Some(absence) = &sequence.absence {
        write_absence(w, absence);
    }
}

/// `5 or more purchase small`
fn step_head(step: &Step) -> String {
    let mut head = String::new();
    if let Some(count) = &step.count {
        head = format!("{}{} ", count.n, if count.or_more { " or more" } else { "" });
    }
    head.push_str(&types_and_name(&step.types, step.name.as_ref()));
    head
}

fn types_and_name(types: &[Name], step: Option<&Name>) -> String {
    let mut out = types_of(types);
    if let Some(step) = step {
        out.push(' ');
        out.push_str(&name(step, Place::Step));
    }
    out
}

fn types_of(types: &[Name]) -> String {
    types.iter().map(|t| name(t, Place::Step)).collect::<Vec<_>>().join(" or ")
}

fn step_start(step: &Step) -> usize {
    step.count.as_ref().map_or_else(|| first_start(&step.types), |count| start_of(count.span))
}

fn held(held: &Held) -> String {
    let gap = held.gap.as_ref().map_or(String::new(), |gap| format!(" gap at most {}", duration(gap.node)));
    format!(" for {}{gap}", duration(held.duration.node))
}

/// A clause with its condition: on one line where that fits, else the condition below it.
fn with_condition(w: &mut Writer<'_>, start: usize, head: &str, condition: Option<&Expr>, tail: &str) {
    let Some(condition) = condition else {
        w.line(2, start, &format!("{head}{tail}"));
        return;
    };
    let condition = format!("where {}{tail}", expr::text(condition));
    let line = format!("{head} {condition}");
    if fits(2, &line) {
        w.line(2, start, &line);
    } else {
        w.line(2, start, head);
        w.raw_line(4, &condition);
    }
}

fn write_absence(w: &mut Writer<'_>, absence: &Absence) {
    let head = format!("then no {}", types_and_name(&absence.types, absence.name.as_ref()));
    let within = absence.within.as_ref().map_or(String::new(), |within| format!(" within {}", duration(within.node)));
    with_condition(w, first_start(&absence.types), &head, absence.condition.as_ref(), &within);
}

fn write_unless(w: &mut Writer<'_>, unless: &Unless) {
    let head = format!("unless {}", types_and_name(&unless.types, unless.name.as_ref()));
    with_condition(w, first_start(&unless.types), &head, unless.condition.as_ref(), "");
}

fn write_all_of(w: &mut Writer<'_>, all: &AllOf) {
    let head = if all.every { "on every all of" } else { "on all of" };
    let slot = |slot: &Step| {
        let condition = slot.condition.as_ref().map_or(String::new(), |c| format!(" where {}", expr::text(c)));
        format!("{}{condition}", step_head(slot))
    };
    let slots: Vec<String> = all.slots.iter().map(slot).collect();
    let start = all.slots.first().map_or(0, step_start);
    listed(w, start, head, &slots);
}

/// A clause that is a list: on one line where that fits, else one part a line.
fn listed(w: &mut Writer<'_>, start: usize, head: &str, parts: &[String]) {
    let line = format!("{head} {}", parts.join(", "));
    if fits(2, &line) {
        w.line(2, start, &line);
        return;
    }
    w.line(2, start, head);
    for (index, part) in parts.iter().enumerate() {
        let comma = if index + 1 == parts.len() { "" } else { "," };
        w.raw_line(4, &format!("{part}{comma}"));
    }
}

fn each_pair(w: &mut Writer<'_>, pair: &EachPair) {
    let side = |(types, step): &(Vec<Name>, Option<Name>)| types_and_name(types, step.as_ref());
    let head = format!("on each pair of {}, {}", side(&pair.left), side(&pair.right));
    with_condition(w, first_start(&pair.left.0), &head, pair.condition.as_ref(), "");
}

fn write_session(w: &mut Writer<'_>, session: &Session) {
    let types = joined(&session.types, |t| name(t, Place::Step));
    let at_most = session.at_most.as_ref().map(|most| most.node);
    let head = format!(
        "on session {} of {types} {}",
        name(&session.name, Place::Step),
        after_idle(session.idle.node, at_most)
    );
    with_condition(w, start_of(session.name.span), &head, session.condition.as_ref(), "");
}

fn after_idle(idle: crate::lang::ast::Duration, at_most: Option<crate::lang::ast::Duration>) -> String {
    let most = at_most.map_or(String::new(), |most| format!(" at most {}", duration(most)));
    format!("after {} idle{most}", duration(idle))
}

/// On one line where that fits; else the message, and what follows it, below.
fn alert(w: &mut Writer<'_>, alert: &Alert, end: usize) {
    let mut head = "alert".to_string();
    if let Some(severity) = &alert.severity {
        head.push(' ');
        head.push_str(&name(severity, Place::Step));
    }
    if let Some(score) = &alert.score {
        head.push_str(" score ");
        head.push_str(&value::number(score.node));
    }
    let message = alert.message.as_ref().map(|message| expr::template(message));
    let rest = alert_rest(alert);
    let line =
        [Some(head.as_str()), message.as_deref(), rest.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let start = alert_start(alert).unwrap_or(end);
    if fits(2, &line) {
        w.line(2, start, &line);
    } else {
        w.line(2, start, &head);
        for part in message.iter().chain(&rest) {
            w.raw_line(4, part);
        }
    }
}

fn alert_rest(alert: &Alert) -> Option<String> {
    let mut parts = Vec::new();
    if !alert.targets.is_empty() {
        parts.push(format!("to {}", joined(&alert.targets, |target| name(target, Place::Name))));
    }
    if !alert.tags.is_empty() {
        parts.push(format!("tags {}", joined(&alert.tags, self::tag)));
    }
    if let Some(once) = &alert.at_most_once {
        parts.push(format!("at most once per {}", duration(once.node)));
    }
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A word as it is, anything else as a text.
fn tag(tag: &Name) -> String {
    let word = name(tag, Place::Name);
    if word == tag.node { word } else { text(tag) }
}

/// Where the first thing after `alert` stands.
fn alert_start(alert: &Alert) -> Option<usize> {
    let spans = [
        alert.severity.as_ref().map(|part| part.span),
        alert.score.as_ref().map(|part| part.span),
        alert.message.as_ref().map(|part| part.span),
        alert.targets.first().map(|part| part.span),
        alert.tags.first().map(|part| part.span),
        alert.at_most_once.as_ref().map(|part| part.span),
    ];
    spans.into_iter().flatten().map(start_of).min()
}

fn risk_item(w: &mut Writer<'_>, risk: &Risk, span: Span) {
    header(w, "risk", &risk.name, risk.description.as_ref(), start_of(span));
    for_each(w, &risk.keys);
    w.line(2, start_of(risk.over.span), &format!("over {}", duration(risk.over.node)));
    w.line(2, start_of(risk.condition.span), &format!("where {}", expr::text(&risk.condition)));
    alert(w, &risk.alert, span.range().end);
}

fn measure_item(w: &mut Writer<'_>, measure: &Measure, span: Span) {
    header(w, "measure", &measure.name, measure.description.as_ref(), start_of(span));
    for_each(w, &measure.keys);
    w.line(2, first_start(&measure.types), &format!("on {}", types_of(&measure.types)));
    if let Some(condition) = &measure.condition {
        w.line(2, start_of(condition.span), &format!("where {}", expr::text(condition)));
    }
    w.line(2, start_of(measure.window.span), &measure_window(&measure.window.node));
    let emitted = |emit: &Emit| format!("{} as {}", expr::text(&emit.value), name(&emit.name, Place::Name));
    let start = measure.emit.first().map_or(0, |emit| start_of(emit.value.span));
    listed(w, start, "emit", &measure.emit.iter().map(emitted).collect::<Vec<_>>());
    if let Some(top) = &measure.top {
        w.line(2, start_of(top.by.span), &format!("top {} by {}", top.n, name(&top.by, Place::Name)));
    }
    if let Some(first) = measure.targets.first() {
        let targets = joined(&measure.targets, |target| name(target, Place::Name));
        w.line(2, start_of(first.span), &format!("to {targets}"));
    }
}

/// The window of a measure.
pub(super) fn measure_window(window: &MeasureWindow) -> String {
    match window {
        MeasureWindow::Every { over, every } => format!("over {} every {}", duration(*over), duration(*every)),
        MeasureWindow::Last(n) => format!("over the last {n}"),
        MeasureWindow::Session { idle, at_most } => after_idle(*idle, *at_most),
    }
}

fn test_item(w: &mut Writer<'_>, test: &Test, start: usize) {
    header(w, "test", &test.rule, test.description.as_ref(), start);
    for line in &test.lines {
        let written = match &line.node {
            TestLine::Event(event) => test_event(event),
            TestLine::Expect(expect) => write_expect(expect),
        };
        w.line(2, start_of(line.span), &written);
    }
}

fn test_event(event: &TestEvent) -> String {
    let mut line = format!("at {} {}", short_duration(event.at.node), name(&event.event_type, Place::Step));
    for (field, value) in &event.fields {
        line.push(' ');
        line.push_str(&path(field, Place::TestField));
        line.push(' ');
        line.push_str(&value::literal(value));
    }
    line
}

fn write_expect(expect: &Expect) -> String {
    let mut line = "expect ".to_string();
    if let Some(rule) = &expect.rule {
        line.push_str(&name(rule, Place::Step));
        line.push(' ');
    }
    match expect.count {
        ExpectCount::Nothing => line.push_str("nothing"),
        ExpectCount::Once => line.push_str("once"),
        ExpectCount::Times(n) => line.extend([&*n.to_string(), " times"]),
    }
    if let Some(at) = &expect.at {
        line.extend([" at ", &*short_duration(at.node)]);
    }
    if let Some(with) = &expect.with {
        line.extend([" with ", &*expr::text(with)]);
    }
    line
}

fn fits(indent: usize, line: &str) -> bool {
    indent + line.chars().count() <= COLUMNS_MAX
}

fn start_of(span: Span) -> usize {
    span.range().start
}

fn first_start(names: &[Name]) -> usize {
    names.first().map_or(0, |first| start_of(first.span))
}
