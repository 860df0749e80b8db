//! Every code that a diagnostic can carry. A code keeps its meaning for ever and is never used again.

use crate::diagnostic::Severity;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal $severity:ident,)*) => {
        /// The kind of a problem. Each has a fixture `tests/diagnostics/CODE.rules` and a snapshot.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name,)* }

        impl Code {
            /// All codes in order.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// As it is printed: `E101`.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code,)* }
            }

            /// What it means, for the manual.
            pub fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+).trim_ascii_start(),)* }
            }

            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Code::$name => Severity::$severity,)* }
            }
        }
    };
}

codes! {
    // 0xx: reading the text.
    /// The text does not follow the language's form at this place.
    Syntax = "E001" Error,
    /// A word stands where a keyword was expected and looks like a misspelt one.
    MisspeltKeyword = "E002" Error,
    /// A single `=` compares nothing; `is` does.
    SingleEquals = "E003" Error,
    /// Brackets nest deeper than the limit.
    TooDeep = "E004" Error,
    /// The file is larger than the limit.
    TooLarge = "E005" Error,
    /// A text, a quoted name or a bracket is not closed before the file or line ends.
    Unclosed = "E006" Error,
    /// A number is followed by a word that is no unit, or by a unit that does not fit here.
    UnknownUnit = "E007" Error,
    /// A number does not fit its range.
    NumberRange = "E008" Error,
    /// The file is not UTF-8 or holds control characters.
    NotText = "E009" Error,

    // 1xx: names and declarations.
    /// No event type of this name is declared.
    UnknownEvent = "E101" Error,
    /// The event type has no field of this name.
    UnknownField = "E102" Error,
    /// No kind of field of this name exists.
    UnknownKind = "E103" Error,
    /// No function or aggregate of this name exists.
    UnknownFunction = "E104" Error,
    /// No step of this name stands before this place.
    UnknownStep = "E105" Error,
    /// No rule of this name exists.
    UnknownRule = "E106" Error,
    /// The name is given twice.
    DuplicateName = "E107" Error,
    /// The severity is none of the known ones.
    UnknownSeverity = "E108" Error,
    /// A step is called like an event type, a declared field or a keyword.
    StepName = "E109" Error,
    /// No list or table of this name exists.
    UnknownList = "E110" Error,

    // 2xx: types of values.
    /// Two values of different kinds are compared or combined.
    TypeMismatch = "E201" Error,
    /// A condition is not true or false.
    NotACondition = "E202" Error,
    /// A function is called with the wrong number or kinds of arguments.
    BadArguments = "E203" Error,
    /// A number with a unit meets one with another unit or with none.
    UnitMismatch = "E204" Error,
    /// A constant text is no address, time, time zone, network or pattern.
    BadConstant = "E205" Error,
    /// A field of a repeated step is used as if there were one event.
    RepeatedStep = "E206" Error,
    /// An event where a value is needed, or a value where an event is needed.
    EventAsValue = "E207" Error,

    // 3xx: the shape of rules.
    /// A sequence of two or more events has no `within`.
    MissingWithin = "E301" Error,
    /// `N or more` is the last step.
    OpenEndedLast = "E302" Error,
    /// A `then no` has no `within` of its own.
    AbsenceWithin = "E303" Error,
    /// A `then no` is not the last step.
    AbsenceNotLast = "E304" Error,
    /// A count is 0 or beyond the limit.
    BadCount = "E305" Error,
    /// A key is missing from an event type, or differs in kind between types, or cannot be a key.
    BadKey = "E306" Error,
    /// A rule has no alert, or an alert without severity.
    MissingAlert = "E307" Error,
    /// `within` or another duration is zero or beyond the limit.
    BadDuration = "E308" Error,
    /// Clauses are not in their fixed order, or one stands twice.
    ClauseOrder = "E309" Error,
    /// A rule or the set of rules is larger than a limit.
    RuleLimit = "E310" Error,
    /// A clause has no meaning in this rule.
    Meaningless = "E312" Error,
    /// Rules wait for each other's alerts in a circle.
    RuleCycle = "E313" Error,
    /// A window or `is new` stands where no event is at hand.
    BadWindow = "E314" Error,
    /// A risk has no rule whose scores it could add up.
    NoScores = "E315" Error,

    // 4xx: tests in rule files.
    /// A test's value does not fit the declared kind of the field.
    TestValue = "E401" Error,
    /// A test's events are not in order of time.
    TestOrder = "E402" Error,
    /// A test expects nothing at all: it has no `expect`.
    TestWithoutExpect = "E403" Error,

    // 6xx: lists and tables.
    /// The file of a list or table cannot be read: it is not there, of a form that is not known, or beyond a limit.
    TableFile = "E601" Error,
    /// The file of a list or table has no column of this name.
    MissingColumn = "E602" Error,
    /// A row in the file of a list or table is broken.
    TableRow = "E603" Error,
    /// A value in the file of a list or table is not of its column's kind.
    TableValue = "E604" Error,
    /// A list or table from a topic does not say the kinds of its columns.
    TableKinds = "E605" Error,
    /// A list is used as a table, or a table as a list.
    TableUse = "E606" Error,
    /// The table has no column of this name.
    UnknownColumn = "E607" Error,

    // W: warnings.
    /// A condition is always false or always true.
    ConstantCondition = "W501" Warning,
    /// Parts of a condition can never hold together, so the rule never fires there.
    NeverHolds = "W502" Warning,
    /// An `every` gives an alert for each of many events at once.
    Flood = "W503" Warning,
    /// A step has the name of a rule, a list, a table, a function or an aggregate.
    ShadowedName = "W504" Warning,
    /// Two rows in the file of a list or table have the same key.
    DuplicateKey = "W601" Warning,
}
