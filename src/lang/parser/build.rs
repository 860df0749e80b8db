//! From pairs to items, clauses and the lines of tests.
//!
//! What the grammar reads more loosely than the language is put in order by `assemble`.

use pest::iterators;

use super::grammar::Rule;
use crate::diagnostic::{Code, Diagnostic, FileId, Span};
use crate::lang::ast::{
    Absence, Alert, AllOf, Comment, Count, Duration, EachPair, Emit, EventDecl, Expect, ExpectCount, Expr, FieldDecl,
    Held, Item, KeyPart, Lookup, MeasureWindow, Name, Path, Pattern, Sequence, Session, Spanned, Step, Template, Test,
    TestEvent, TestLine, Top, Unless,
};

/// What pest gives.
pub(super) type Pair<'a> = iterators::Pair<'a, Rule>;

/// The one part of a rule that holds just that.
pub(super) fn only(pair: Pair<'_>) -> Pair<'_> {
    pair.into_inner().next().expect("the grammar puts one part here")
}

/// Builds the tree of one item, and notes what is wrong with it.
pub(super) struct Builder<'a> {
    file: FileId,
    /// Where the text that pest was given begins in the file.
    pub(super) base: usize,
    text: &'a str,
    comments: &'a [Comment],
    /// What is wrong.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether a part has no sensible value, so that the item is of no use.
    pub(super) damaged: bool,
}

/// A clause, before the clauses are put together.
pub(super) enum Clause {
    ForEach(Vec<KeyPart>),
    On(Pattern),
    OnTypes(Vec<Name>),
    Then(Next),
    Where(Expr),
    Unless(Unless),
    Within(Spanned<Duration>),
    Over(Over),
    AfterIdle(MeasureWindow),
    Emit(Vec<Emit>),
    Top(Top),
    To(Vec<Name>),
    Alert(Alert),
}

/// What follows `then`.
pub(super) enum Next {
    Step(Step),
    Absence(Absence),
}

/// `over D`, `over D every E`, `over the last N`.
pub(super) enum Over {
    Duration(Spanned<Duration>),
    Every(Duration, Duration),
    Last(u64),
}

/// The name and the description of an item, and its clauses.
pub(super) struct Parts {
    pub(super) name: Name,
    pub(super) description: Option<Spanned<String>>,
    pub(super) clauses: Vec<Spanned<Clause>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: FileId, base: usize, text: &'a str, comments: &'a [Comment]) -> Builder<'a> {
        Builder { file, base, text, comments, diagnostics: Vec::new(), damaged: false }
    }

    pub(super) fn report(&mut self, problem: Diagnostic) {
        self.diagnostics.push(problem);
    }

    /// Reports what leaves the item without meaning.
    pub(super) fn refuse(&mut self, problem: Diagnostic) {
        self.damaged = true;
        self.report(problem);
    }

    /// Where a pair stands, without the white space and comments that pest counts to its end.
    pub(super) fn span(&self, pair: &Pair<'_>) -> Span {
        let span = pair.as_span();
        let (start, mut end) = (self.base + span.start(), self.base + span.end());
        loop {
            end = start + self.text[start..end].trim_end_matches([' ', '\t', '\r', '\n', '\u{FEFF}']).len();
            let comment = self.comments.binary_search_by_key(&end, |c| c.span.range().end);
            match comment.map(|at| self.comments[at].span.range().start) {
                Ok(comment) if comment > start => end = comment,
                _ => return Span::new(self.file, start..end),
            }
        }
    }

    /// The text of a place.
    pub(super) fn written(&self, span: Span) -> &str {
        &self.text[span.range()]
    }

    /// An item; none where it has no meaning.
    pub(super) fn item(&mut self, pair: Pair<'_>) -> Option<Spanned<Item>> {
        let span = self.span(&pair);
        let item = match pair.as_rule() {
            Rule::event => Some(Item::Event(self.event(pair))),
            Rule::list => Some(Item::List(self.lookup_decl(pair))),
            Rule::table => Some(Item::Table(self.lookup_decl(pair))),
            Rule::test => Some(Item::Test(self.test(pair))),
            Rule::risk => self.parts(pair).and_then(|parts| self.risk(parts)).map(Item::Risk),
            Rule::measure => self.parts(pair).and_then(|parts| self.measure(parts)).map(Item::Measure),
            _ => self.parts(pair).and_then(|parts| self.rule(parts)).map(Item::Rule),
        };
        item.filter(|_| !self.damaged).map(|item| Spanned::new(item, span))
    }

    fn event(&mut self, pair: Pair<'_>) -> EventDecl {
        let mut name = None;
        let mut fields = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::field => fields.push(self.field(part)),
                _ => {}
            }
        }
        EventDecl { name: name.expect("the grammar demands a name"), fields }
    }

    fn field(&mut self, pair: Pair<'_>) -> FieldDecl {
        let mut parts = pair.into_inner();
        let path = self.path(parts.next().expect("the grammar puts the path first"));
        FieldDecl { path, kind: self.kind(parts.next().expect("the grammar puts the kind second")) }
    }

    fn lookup_decl(&mut self, pair: Pair<'_>) -> Lookup {
        let (mut name, mut from, mut key, mut from_topic) = (None, None, None, false);
        let mut columns = Vec::new();
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::kw_topic => from_topic = true,
                Rule::text => from = Some(self.text(part)),
                Rule::path => key = Some(self.path(part)),
                Rule::field => columns.push(self.field(part)),
                _ => {}
            }
        }
        Lookup {
            name: name.expect("the grammar demands a name"),
            from_topic,
            from: from.expect("the grammar demands a text"),
            key: key.expect("the grammar demands a key"),
            columns,
        }
    }

    /// Name, description and clauses; the name is missing in what is left of a damaged item.
    pub(super) fn parts(&mut self, pair: Pair<'_>) -> Option<Parts> {
        let (mut name, mut description, mut clauses) = (None, None, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.name(&part)),
                Rule::description => description = Some(self.text(part)),
                _ => clauses.extend(self.clause(part)),
            }
        }
        name.map(|name| Parts { name, description, clauses })
    }

    fn clause(&mut self, pair: Pair<'_>) -> Option<Spanned<Clause>> {
        let span = self.span(&pair);
        let clause = match pair.as_rule() {
            Rule::for_each => Clause::ForEach(self.each(pair, Rule::key_part, Self::key_part)),
            Rule::on => Clause::On(self.on(pair)),
            Rule::on_types => {
                Clause::OnTypes(self.types(pair.into_inner().last().expect("the grammar puts types last")))
            }
            Rule::then => Clause::Then(self.then(pair)),
            Rule::stray_where | Rule::item_where => Clause::Where(self.condition(pair)),
            Rule::unless => Clause::Unless(self.unless(pair)),
            Rule::within => Clause::Within(self.last_duration(pair)),
            Rule::over => Clause::Over(self.over(pair)),
            Rule::after_idle => {
                let (idle, at_most) = self.after_idle(pair);
                Clause::AfterIdle(MeasureWindow::Session { idle: idle.node, at_most: at_most.map(|d| d.node) })
            }
            Rule::emit => Clause::Emit(self.each(pair, Rule::emitted, Self::emitted)),
            Rule::top => Clause::Top(self.top(pair)),
            Rule::targets => Clause::To(self.each(pair, Rule::target, |b, target| b.name(&target))),
            Rule::alert => Clause::Alert(self.alert(pair)),
            _ => return None,
        };
        Some(Spanned::new(clause, span))
    }

    /// All parts of one rule, built.
    fn each<T>(&mut self, pair: Pair<'_>, form: Rule, build: fn(&mut Self, Pair<'_>) -> T) -> Vec<T> {
        pair.into_inner().filter(|part| part.as_rule() == form).map(|part| build(self, part)).collect()
    }

    fn key_part(&mut self, pair: Pair<'_>) -> KeyPart {
        let mut paths = pair.into_inner().map(|path| self.path(path));
        KeyPart { path: paths.next().expect("the grammar puts the key first"), renamed: paths.collect() }
    }

    fn on(&mut self, pair: Pair<'_>) -> Pattern {
        let every = pair.clone().into_inner().any(|part| part.as_rule() == Rule::kw_every);
        let body = pair.into_inner().last().expect("the grammar puts the pattern last");
        match body.as_rule() {
            Rule::each_pair => Pattern::EachPair(self.each_pair(body)),
            Rule::session => Pattern::Session(self.session(body)),
            Rule::all_of => Pattern::AllOf(self.all_of(body, every)),
            _ => Pattern::Sequence(Sequence { every, steps: vec![self.step(body, false)], absence: None }),
        }
    }

    fn each_pair(&mut self, pair: Pair<'_>) -> EachPair {
        let mut sides = Vec::new();
        let mut condition = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::pair_side => {
                    let side = self.step(part, false);
                    sides.push((side.types, side.name));
                }
                Rule::condition => condition = Some(self.condition(part)),
                _ => {}
            }
        }
        let mut sides = sides.into_iter();
        let mut side = || sides.next().expect("the grammar demands two");
        EachPair { left: side(), right: side(), condition }
    }

    fn session(&mut self, pair: Pair<'_>) -> Session {
        let (mut name, mut types, mut idle, mut condition) = (None, Vec::new(), None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::step_name => name = Some(self.name(&part)),
                Rule::type_name => types.push(self.name(&part)),
                Rule::after_idle => idle = Some(self.after_idle(part)),
                Rule::condition => condition = Some(self.condition(part)),
                _ => {}
            }
        }
        let (idle, at_most) = idle.expect("the grammar demands it");
        Session { name: name.expect("the grammar demands a name"), types, idle, at_most, condition }
    }

    fn after_idle(&mut self, pair: Pair<'_>) -> (Spanned<Duration>, Option<Spanned<Duration>>) {
        let mut durations = self.each(pair, Rule::duration, Self::duration).into_iter();
        (durations.next().expect("the grammar demands it"), durations.next())
    }

    fn all_of(&mut self, pair: Pair<'_>, every: bool) -> AllOf {
        let span = self.span(&pair);
        let slots = self.each(pair, Rule::slot, |b, slot| b.step(slot, false));
        if slots.len() < 2 {
            self.refuse(
                Diagnostic::new(Code::Syntax, span, "`all of` needs two or more")
                    .at("one alone has no order to leave open")
                    .help("separate them by commas: `all of login a, purchase b`"),
            );
        }
        AllOf { every, slots }
    }

    /// `step` or `slot`.
    fn step(&mut self, pair: Pair<'_>, next: bool) -> Step {
        let mut step = Step { next, count: None, types: Vec::new(), name: None, condition: None, held: None };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::count => step.count = Some(self.count(part)),
                Rule::types => step.types = self.types(part),
                Rule::step_name => step.name = Some(self.name(&part)),
                Rule::condition => step.condition = Some(self.condition(part)),
                Rule::condition_held => {
                    let held = part.clone().into_inner().find(|p| p.as_rule() == Rule::held);
                    step.condition = Some(self.condition(part));
                    step.held = held.map(|held| self.held(held));
                }
                _ => {}
            }
        }
        step
    }

    fn count(&mut self, pair: Pair<'_>) -> Spanned<Count> {
        let span = self.span(&pair);
        let or_more = pair.clone().into_inner().any(|part| part.as_rule() == Rule::kw_more);
        let n = self.integer(&only(pair)).node;
        Spanned::new(Count { n, or_more }, span)
    }

    fn types(&mut self, pair: Pair<'_>) -> Vec<Name> {
        self.each(pair, Rule::type_name, |b, name| b.name(&name))
    }

    /// The expression of any rule that holds one.
    fn condition(&mut self, pair: Pair<'_>) -> Expr {
        let expr = pair.into_inner().find(|part| part.as_rule() == Rule::expr);
        self.expr(expr.expect("the grammar demands an expression"))
    }

    fn held(&mut self, pair: Pair<'_>) -> Held {
        let mut durations = self.each(pair, Rule::duration, Self::duration).into_iter();
        Held { duration: durations.next().expect("the grammar demands it"), gap: durations.next() }
    }

    fn then(&mut self, pair: Pair<'_>) -> Next {
        let next = pair.clone().into_inner().any(|part| part.as_rule() == Rule::kw_next);
        let body = pair.into_inner().last().expect("the grammar puts the step last");
        if body.as_rule() == Rule::step {
            return Next::Step(self.step(body, next));
        }
        let mut absence = Absence { types: Vec::new(), name: None, condition: None, within: None };
        for part in body.into_inner() {
            match part.as_rule() {
                Rule::types => absence.types = self.types(part),
                Rule::step_name => absence.name = Some(self.name(&part)),
                Rule::condition => absence.condition = Some(self.condition(part)),
                Rule::within => absence.within = Some(self.last_duration(part)),
                _ => {}
            }
        }
        Next::Absence(absence)
    }

    fn unless(&mut self, pair: Pair<'_>) -> Unless {
        let mut unless = Unless { types: Vec::new(), name: None, condition: None };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::types => unless.types = self.types(part),
                Rule::step_name => unless.name = Some(self.name(&part)),
                Rule::condition => unless.condition = Some(self.condition(part)),
                _ => {}
            }
        }
        unless
    }

    fn last_duration(&mut self, pair: Pair<'_>) -> Spanned<Duration> {
        self.duration(pair.into_inner().last().expect("the grammar puts a duration last"))
    }

    fn over(&mut self, pair: Pair<'_>) -> Over {
        let mut parts = pair.into_inner().filter(|part| matches!(part.as_rule(), Rule::last_n | Rule::duration));
        let first = parts.next().expect("the grammar demands an extent");
        if first.as_rule() == Rule::last_n {
            return Over::Last(self.last_n(first));
        }
        let over = self.duration(first);
        match parts.next() {
            Some(every) => Over::Every(over.node, self.duration(every).node),
            None => Over::Duration(over),
        }
    }

    fn emitted(&mut self, pair: Pair<'_>) -> Emit {
        let name = pair.clone().into_inner().last().expect("the grammar puts the name last");
        Emit { value: self.condition(pair), name: self.name(&name) }
    }

    fn top(&mut self, pair: Pair<'_>) -> Top {
        let mut n = 1;
        let mut by = None;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::integer => n = self.integer(&part).node,
                Rule::name => by = Some(self.name(&part)),
                _ => {}
            }
        }
        Top { n, by: by.expect("the grammar demands a name") }
    }

    fn alert(&mut self, pair: Pair<'_>) -> Alert {
        let mut alert = Alert::default();
        let mut last = (0, "");
        for part in pair.into_inner() {
            let Some(place) = alert_place(part.as_rule()) else { continue };
            self.alert_order(&part, place, last);
            last = last.max(place);
            match part.as_rule() {
                Rule::severity => alert.severity = Some(self.name(&part)),
                Rule::score => {
                    let number = part.into_inner().last().expect("the grammar puts the number last");
                    alert.score = Some(self.number(&number));
                }
                Rule::message => alert.message = Some(self.message(part)),
                Rule::targets => alert.targets = self.each(part, Rule::target, |b, target| b.name(&target)),
                Rule::tags => alert.tags = self.each(part, Rule::tag, Self::tag),
                Rule::once_per => alert.at_most_once = Some(self.last_duration(part)),
                _ => {}
            }
        }
        alert
    }

    fn message(&mut self, pair: Pair<'_>) -> Spanned<Template> {
        self.template(only(pair))
    }

    fn tag(&mut self, pair: Pair<'_>) -> Name {
        let tag = only(pair);
        if tag.as_rule() == Rule::text { self.text(tag) } else { self.name(&tag) }
    }

    fn alert_order(&mut self, part: &Pair<'_>, place: (u8, &str), last: (u8, &str)) {
        if place.0 > last.0 {
            return;
        }
        let what = place.1;
        let message = if place.0 == last.0 {
            format!("{what} stands twice in this alert")
        } else {
            format!("{what} must stand before {} in an alert", last.1)
        };
        let span = self.span(part);
        self.report(
            Diagnostic::new(Code::ClauseOrder, span, message)
                .at("out of order")
                .help("the order is: severity, `score`, the message, `to`, `tags`, `at most once per`"),
        );
    }

    fn test(&mut self, pair: Pair<'_>) -> Test {
        let (mut rule, mut description, mut lines) = (None, None, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => rule = Some(self.name(&part)),
                Rule::description => description = Some(self.text(part)),
                _ => lines.extend(self.test_line(part)),
            }
        }
        Test { rule: rule.expect("the grammar demands a name"), description, lines }
    }

    /// A line; none for the words around it.
    pub(super) fn test_line(&mut self, pair: Pair<'_>) -> Option<Spanned<TestLine>> {
        let span = self.span(&pair);
        let line = match pair.as_rule() {
            Rule::at_line => TestLine::Event(self.at_line(pair)),
            Rule::expect_line => TestLine::Expect(self.expect_line(pair)),
            _ => return None,
        };
        Some(Spanned::new(line, span))
    }

    fn at_line(&mut self, pair: Pair<'_>) -> TestEvent {
        let (mut at, mut event_type, mut fields) = (None, None, Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::duration => at = Some(self.duration(part)),
                Rule::without_unit => at = Some(self.without_unit(&part)),
                Rule::test_type => event_type = Some(self.name(&part)),
                Rule::test_field => fields.push(self.test_field(part)),
                _ => {}
            }
        }
        TestEvent {
            at: at.expect("the grammar demands a time"),
            event_type: event_type.expect("the grammar demands a type"),
            fields,
        }
    }

    fn test_field(&mut self, pair: Pair<'_>) -> (Path, Spanned<crate::lang::ast::Literal>) {
        let mut parts = pair.into_inner();
        let path = self.path(parts.next().expect("the grammar puts the path first"));
        (path, self.literal(parts.next().expect("the grammar puts the value second")))
    }

    fn expect_line(&mut self, pair: Pair<'_>) -> Expect {
        let mut expect = Expect { rule: None, count: ExpectCount::Nothing, at: None, with: None };
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => expect.rule = Some(self.name(&part)),
                Rule::expect_count => expect.count = self.expect_count(part),
                Rule::expect_at => {
                    let at = part.into_inner().find(|p| p.as_rule() == Rule::duration);
                    expect.at = at.map(|at| self.duration(at));
                }
                Rule::expect_with => expect.with = Some(self.condition(part)),
                _ => {}
            }
        }
        expect
    }

    fn expect_count(&mut self, pair: Pair<'_>) -> ExpectCount {
        let first = only(pair);
        match first.as_rule() {
            Rule::kw_once => ExpectCount::Once,
            Rule::integer => ExpectCount::Times(self.integer(&first).node),
            _ => ExpectCount::Nothing,
        }
    }
}

/// The place of an alert's part in their order, and what it is called.
fn alert_place(part: Rule) -> Option<(u8, &'static str)> {
    Some(match part {
        Rule::severity => (1, "the severity"),
        Rule::score => (2, "`score`"),
        Rule::message | Rule::late_message => (3, "the message"),
        Rule::targets => (4, "`to`"),
        Rule::tags => (5, "`tags`"),
        Rule::once_per => (6, "`at most once per`"),
        _ => return None,
    })
}
