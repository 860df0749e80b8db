//! The syntax tree of a rule file: what was written, with its place, and nothing that follows from it.
//!
//! Made by `parser`, printed by `fmt`, judged by `check`. The reference evaluator starts here too. Everything that
//! the language has is in the tree, also what `check` refuses.

use crate::diagnostic::Span;
/// The operators are the program's own. Reading `==` gives `Is`, `!=` gives `IsNot`.
pub use crate::program::{Arithmetic, Comparison as Compare};

/// A part of the tree with its place in the file. Equality is of the parts alone, so that a tree equals the tree of
/// its formatted text.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The part.
    pub node: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A part and its place.
    pub fn new(node: T, span: Span) -> Self {
        Spanned { node, span }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.node
    }
}

/// A name, without the quotes of `` `name` ``.
pub type Name = Spanned<String>;

/// A dotted name: `amount`, `a.country`, `merchant.location.latitude`. At least one segment.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// The names between the dots.
    pub segments: Vec<Name>,
}

impl Path {
    /// From the first name to the last.
    pub fn span(&self) -> Span {
        let first = self.segments.first().expect("a path has a segment").span;
        let last = self.segments.last().expect("a path has a segment").span;
        first.to(last)
    }

    /// As written, with dots and without quotes.
    pub fn dotted(&self) -> String {
        self.segments.iter().map(|s| s.node.as_str()).collect::<Vec<_>>().join(".")
    }
}

/// A length of time in ms, 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    /// Milliseconds.
    pub ms: i64,
}

/// A file: its items in the order of writing, and its comments.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Declarations, rules, tests. What could not be read is left out; its diagnostics tell of it.
    pub items: Vec<Spanned<Item>>,
    /// Comments in the order of writing.
    pub comments: Vec<Comment>,
    /// The names of what was left out: a use of one is no second error.
    pub dropped: Vec<Name>,
}

/// A comment, from `#` to the end of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// With the `#`, without the line's end.
    pub text: String,
    /// Where it is.
    pub span: Span,
}

/// What stands at the top level of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// `event login user_id text, country text`
    Event(EventDecl),
    /// `rule country_hop for each user_id on …`
    Rule(Rule),
    /// `test country_hop "…" at 0 s login … expect …`
    Test(Test),
    /// `list bad_ips from "bad_ips.csv" key ip`
    List(Lookup),
    /// `table merchants from "merchants.csv" key id`
    Table(Lookup),
    /// `risk account_risk for each user_id over 24 hours where total >= 80 alert critical`
    Risk(Risk),
    /// `measure revenue for each … on purchase over 1 hour every 1 hour emit sum(amount) as revenue`
    Measure(Measure),
}

/// The declaration of an event type.
#[derive(Clone, Debug, PartialEq)]
pub struct EventDecl {
    /// The type's name.
    pub name: Name,
    /// Its fields.
    pub fields: Vec<FieldDecl>,
}

/// A field of a declared event type.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDecl {
    /// Its path in the event's body.
    pub path: Path,
    /// Its kind, as written.
    pub kind: Spanned<KindName>,
}

/// A kind as written; `check` knows which names there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KindName {
    /// `text`, `number`, …
    Named(String),
    /// `list of text`
    ListOf(Box<KindName>),
}

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name.
    pub name: Name,
    /// The text after the name.
    pub description: Option<Spanned<String>>,
    /// `for each …`; empty where there is none.
    pub keys: Vec<KeyPart>,
    /// `on …`
    pub pattern: Pattern,
    /// `unless …`, in order.
    pub unless: Vec<Unless>,
    /// `within …`
    pub within: Option<Spanned<Duration>>,
    /// `alert …`
    pub alert: Alert,
}

/// One part of the key: `user_id (transfer.sender_id)`.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyPart {
    /// The field, and the name of this part.
    pub path: Path,
    /// Event types in which it is called otherwise: the first segment is the type.
    pub renamed: Vec<Path>,
}

/// What a rule waits for.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `on [every] STEP then STEP … [then no …]`
    Sequence(Sequence),
    /// `on [every] all of X x where …, Y y where …`
    AllOf(AllOf),
    /// `on each pair of X x, Y y where …`
    EachPair(EachPair),
    /// `on session s of X, Y after D idle at most M where …`
    Session(Session),
}

/// Steps, one after the other. A single step is a sequence too.
#[derive(Clone, Debug, PartialEq)]
pub struct Sequence {
    /// Whether `every` is written.
    pub every: bool,
    /// The positive steps; at least one.
    pub steps: Vec<Step>,
    /// A final `then no`.
    pub absence: Option<Absence>,
}

/// A positive step: `[then [next]] [N [or more]] TYPE [or TYPE …] [NAME] [where CONDITION [for D [gap at most G]]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Whether it is `then next`.
    pub next: bool,
    /// `5`, `5 or more`.
    pub count: Option<Spanned<Count>>,
    /// The event types; at least one.
    pub types: Vec<Name>,
    /// The step's name.
    pub name: Option<Name>,
    /// `where …`
    pub condition: Option<Expr>,
    /// `for 30 seconds` after the condition.
    pub held: Option<Held>,
}

/// How often a step is to be fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The number written.
    pub n: u64,
    /// Whether `or more` follows.
    pub or_more: bool,
}

/// `for D [gap at most G]` after a condition.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// How long the condition must hold.
    pub duration: Spanned<Duration>,
    /// The longest silence that does not break the streak.
    pub gap: Option<Spanned<Duration>>,
}

/// A final `then no TYPE [or TYPE …] [NAME] [where CONDITION] within D`.
#[derive(Clone, Debug, PartialEq)]
pub struct Absence {
    /// The event types; at least one.
    pub types: Vec<Name>,
    /// The step's name: only its own condition can use it.
    pub name: Option<Name>,
    /// `where …`
    pub condition: Option<Expr>,
    /// How long after the last positive step. Missing in the text is an error that `check` reports.
    pub within: Option<Spanned<Duration>>,
}

/// `unless TYPE [or TYPE …] [NAME] [where CONDITION]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Unless {
    /// The event types; at least one.
    pub types: Vec<Name>,
    /// Its name: only its own condition can use it.
    pub name: Option<Name>,
    /// `where …`
    pub condition: Option<Expr>,
}

/// `all of`: one of each slot, in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct AllOf {
    /// Whether `every` is written.
    pub every: bool,
    /// The slots; two or more. Neither `next` nor a count nor `held` is set.
    pub slots: Vec<Step>,
}

/// `each pair of`: every combination of the two.
#[derive(Clone, Debug, PartialEq)]
pub struct EachPair {
    /// The types of the first event, at least one, and its name.
    pub left: (Vec<Name>, Option<Name>),
    /// The types of the second event, at least one, and its name.
    pub right: (Vec<Name>, Option<Name>),
    /// `where …`
    pub condition: Option<Expr>,
}

/// `session s of X, Y after D idle [at most M] [where …]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// The session's name.
    pub name: Name,
    /// The event types; at least one.
    pub types: Vec<Name>,
    /// The silence that closes it.
    pub idle: Spanned<Duration>,
    /// The longest it may last.
    pub at_most: Option<Spanned<Duration>>,
    /// `where …`
    pub condition: Option<Expr>,
}

/// `alert SEVERITY [score N] ["message"] [to …] [tags …] [at most once per D]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alert {
    /// `low`, `high`, … as written; `check` knows which there are.
    pub severity: Option<Name>,
    /// `score 40`
    pub score: Option<Spanned<Number>>,
    /// The message.
    pub message: Option<Spanned<Template>>,
    /// `to fraud_desk, marketing`
    pub targets: Vec<Name>,
    /// `tags "account takeover", mobile`
    pub tags: Vec<Name>,
    /// `at most once per 1 hour`
    pub at_most_once: Option<Spanned<Duration>>,
}

/// Text with expressions in braces; `{{` and `}}` are braces.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The parts in order; no two texts stand side by side, and no text is empty.
    pub parts: Vec<TemplatePart>,
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub enum TemplatePart {
    /// Text, unescaped.
    Text(String),
    /// `{a.country}`
    Expr(Expr),
}

/// An expression and its place.
pub type Expr = Spanned<Box<ExprKind>>;

/// A number as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Without a point or exponent, in the range of 64 bits.
    Integer(i64),
    /// Any other; finite.
    Float(f64),
}

/// What an expression is. Brackets are not kept: `fmt` writes those that are needed.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `100`, `100 km`, `5 minutes`
    Number(Number, Option<Spanned<Unit>>),
    /// `"DE"`
    Text(String),
    /// `true`, `false`
    Boolean(bool),
    /// `amount`, `a.country`; or a step alone, as an argument.
    Path(Path),
    /// A function or an aggregate: `lower(x)`, `sum(purchase.amount where c) over 10 minutes`.
    Call(Call),
    /// `merchants[merchant.id].risk`
    Lookup {
        /// The table.
        table: Name,
        /// What is looked up.
        key: Expr,
        /// The column.
        field: Path,
    },
    /// `not c`
    Not(Expr),
    /// `-x`
    Negate(Expr),
    /// `a + b`
    Arithmetic(Spanned<Arithmetic>, Expr, Expr),
    /// `a < b`, `a is b`
    Compare(Spanned<Compare>, Expr, Expr),
    /// `a and b`
    And(Expr, Expr),
    /// `a or b`
    Or(Expr, Expr),
    /// `x in (1, 2)`, `x not in (1, 2)`, `x in bad_ips`
    In {
        /// What is looked for.
        operand: Expr,
        /// Whether `not` is written.
        negated: bool,
        /// Where it is looked for.
        set: InSet,
    },
    /// `x is missing`, `x is not missing`
    IsMissing {
        /// What is tested.
        operand: Expr,
        /// Whether `not` is written.
        negated: bool,
    },
    /// `device.id is new over 90 days`
    IsNew {
        /// What is tested.
        operand: Expr,
        /// How far back.
        over: Spanned<Duration>,
    },
}

/// A call of a function or aggregate.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The function's name.
    pub function: Name,
    /// The arguments.
    pub args: Vec<Expr>,
    /// `where c` inside the brackets, of an aggregate.
    pub condition: Option<Expr>,
    /// `over …` after the brackets, of an aggregate.
    pub window: Option<Spanned<Window>>,
}

/// `over 10 minutes`, `over the previous 10 minutes`, `over the last 100`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The event at hand included.
    Over(Duration),
    /// The event at hand left out.
    Previous(Duration),
    /// The newest N events.
    Last(u64),
}

/// What stands after `in`.
#[derive(Clone, Debug, PartialEq)]
pub enum InSet {
    /// `("DE", "FR")`
    Values(Vec<Expr>),
    /// A list by its name.
    List(Name),
}

/// The units of numbers in expressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// `ms`
    Milliseconds,
    /// `s`, `seconds`
    Seconds,
    /// `m`, `minutes`
    Minutes,
    /// `h`, `hours`
    Hours,
    /// `d`, `days`
    Days,
    /// `km`
    Kilometres,
    /// `km/h`
    KilometresPerHour,
    /// `percent`: a hundredth
    Percent,
}

/// `list` and `table`: values by key from a file or a topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// Its name.
    pub name: Name,
    /// Whether `topic` stands before the text.
    pub from_topic: bool,
    /// The file's path or the topic.
    pub from: Spanned<String>,
    /// The key's column.
    pub key: Path,
    /// `with id integer, risk text`: the kinds of the key and of columns.
    pub columns: Vec<FieldDecl>,
}

/// `risk`: the sum of the scores of an entity's alerts.
#[derive(Clone, Debug, PartialEq)]
pub struct Risk {
    /// Its name.
    pub name: Name,
    /// The text after the name.
    pub description: Option<Spanned<String>>,
    /// `for each …`
    pub keys: Vec<KeyPart>,
    /// `over 24 hours`
    pub over: Spanned<Duration>,
    /// `where total >= 80`
    pub condition: Expr,
    /// `alert …`
    pub alert: Alert,
}

/// `measure`: aggregates emitted by window.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name.
    pub name: Name,
    /// The text after the name.
    pub description: Option<Spanned<String>>,
    /// `for each …`; empty where there is none.
    pub keys: Vec<KeyPart>,
    /// `on X or Y`
    pub types: Vec<Name>,
    /// `where …`
    pub condition: Option<Expr>,
    /// `over D every E`, `over the last N`, `after D idle`
    pub window: Spanned<MeasureWindow>,
    /// `emit sum(amount) as revenue, …`
    pub emit: Vec<Emit>,
    /// `top 10 by revenue`
    pub top: Option<Top>,
    /// `to …`
    pub targets: Vec<Name>,
}

/// The windows of a measure.
#[derive(Clone, Debug, PartialEq)]
pub enum MeasureWindow {
    /// `over D every E`
    Every {
        /// The window's length.
        over: Duration,
        /// The distance of their starts.
        every: Duration,
    },
    /// `over the last N`
    Last(u64),
    /// `after D idle [at most M]`
    Session {
        /// The silence that closes it.
        idle: Duration,
        /// The longest it may last.
        at_most: Option<Duration>,
    },
}

/// One emitted value.
#[derive(Clone, Debug, PartialEq)]
pub struct Emit {
    /// What is computed.
    pub value: Expr,
    /// What it is called.
    pub name: Name,
}

/// `top N by name`.
#[derive(Clone, Debug, PartialEq)]
pub struct Top {
    /// How many.
    pub n: u64,
    /// The emitted value that orders them.
    pub by: Name,
}

/// A test: a stream in relative times, and what it must give.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// The rule that `expect nothing` concerns.
    pub rule: Name,
    /// The text after the name.
    pub description: Option<Spanned<String>>,
    /// The lines in order.
    pub lines: Vec<Spanned<TestLine>>,
}

/// A line of a test.
#[derive(Clone, Debug, PartialEq)]
pub enum TestLine {
    /// `at 4 m purchase user_id "u1" country "FR" amount 30`
    Event(TestEvent),
    /// `expect country_hop once at 4 m with a.country is "DE"`
    Expect(Expect),
}

/// An event of a test.
#[derive(Clone, Debug, PartialEq)]
pub struct TestEvent {
    /// Since the test's beginning.
    pub at: Spanned<Duration>,
    /// Its type.
    pub event_type: Name,
    /// Its fields.
    pub fields: Vec<(Path, Spanned<Literal>)>,
}

/// A field's value in a test: JSON, in effect.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// `null`
    Null,
    /// `true`, `false`
    Boolean(bool),
    /// `30`, `-2.5`
    Number(Number),
    /// `"DE"`
    Text(String),
    /// `[13.4, 52.5]`
    List(Vec<Literal>),
    /// `{latitude 52.5, longitude 13.4}`
    Object(Vec<(String, Literal)>),
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// The rule; none in `expect nothing`.
    pub rule: Option<Name>,
    /// How many alerts.
    pub count: ExpectCount,
    /// When, since the test's beginning.
    pub at: Option<Spanned<Duration>>,
    /// What must hold of each.
    pub with: Option<Expr>,
}

/// How many alerts a test expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectCount {
    /// `nothing`
    Nothing,
    /// `once`
    Once,
    /// `3 times`
    Times(u64),
}
