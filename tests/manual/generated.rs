//! The pages of functions and of messages, made from the definitions that the checker uses.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use tripline::diagnostic::{Code, Severity};
use tripline::lang::aggregates;
use tripline::lang::functions::{self, Accepts, Definition, Group, Occurs, Param, ResultType};

use super::{folder, settle};

#[test]
fn the_functions_are_as_defined() {
    compare("functions.md", &functions_page());
}

#[test]
fn the_messages_are_as_they_come() {
    compare("messages.md", &messages_page());
}

fn compare(name: &str, wanted: &str) {
    let path = folder().join(name);
    settle(&path, &std::fs::read_to_string(&path).unwrap_or_default(), wanted);
}

const MADE: &str = "<!-- Made by tests/manual/generated.rs: TRIPLINE_UPDATE=1 cargo test --test tests -- manual -->\n";

fn functions_page() -> String {
    let mut page = format!(
        "{MADE}# Functions and aggregates

A function takes values and gives a value. It is written wherever a value stands: in conditions, in messages, in what a
measure emits. If an argument is missing, the result is missing. A function keeps no state and reads no clock.

An aggregate takes many events and gives one value. See [windows](windows.md) for aggregates over the past,
[sequences](sequences.md) for those over a repeated step, [sessions](sessions.md) and [measures](measures.md).

| | |
|---|---|
"
    );
    for group in groups() {
        let names: Vec<String> = of_group(group).map(|function| format!("[`{0}`](#{0})", function.name)).collect();
        writeln!(page, "| {} | {} |", heading(group), names.join(", ")).expect("a string takes it");
    }
    let names: Vec<String> = aggregates::ALL.iter().map(|one| format!("[`{0}`](#{0})", one.name)).collect();
    writeln!(page, "| Aggregates | {} |", names.join(", ")).expect("a string takes it");
    for group in groups() {
        writeln!(page, "\n## {}", heading(group)).expect("a string takes it");
        of_group(group).for_each(|function| write_function(&mut page, function));
    }
    page.push_str(AGGREGATES);
    for one in aggregates::ALL {
        write!(
            page,
            "\n### {}\n\n`{}({})` takes {}; gives {}.\n\n{}\n\n```\n{}\n```\n",
            one.name,
            one.name,
            one.arguments,
            one.takes,
            with_article(one.result),
            one.doc,
            one.example
        )
        .expect("a string takes it");
    }
    page
}

const AGGREGATES: &str = "
## Aggregates

All skip missing values; only `count` counts events and not values. An aggregate of no value is missing, `count` and
`distinct` are 0. What stands between the brackets depends on the place:

| place | events | value |
|---|---|---|
| a window, `… over 10 minutes` | an event type: `count(purchase)` | begins with the type: `sum(purchase.amount)`; bare names after that are fields of the same event |
| a repeated step | the step: `count(small)` | the step's field: `sum(small.amount)` |
| a session `s` | `count(s)`, `count(s.purchase)` | `sum(s.amount)`, `sum(s.purchase.amount)` |
| a measure | `count()`, `count(purchase)` | `sum(amount)`, `sum(purchase.amount)` |

`where` between the brackets leaves events out: `count(purchase where amount > 100) over 1 day`. It is allowed in windows
and measures.
";

fn groups() -> Vec<Group> {
    let mut groups: Vec<Group> = functions::ALL.iter().map(|function| function.group).collect();
    groups.dedup();
    groups
}

fn of_group(group: Group) -> impl Iterator<Item = &'static Definition> {
    functions::ALL.iter().copied().filter(move |function| function.group == group)
}

fn heading(group: Group) -> &'static str {
    match group {
        Group::Text => "Text",
        Group::Number => "Numbers",
        Group::Time => "Time",
        Group::Network => "Addresses",
        Group::Geo => "Places",
    }
}

fn write_function(page: &mut String, function: &Definition) {
    let params: Vec<String> = function.params.iter().map(written).collect();
    let takes: Vec<String> =
        function.params.iter().map(|param| format!("`{}` {}", param.name, taken(param.accepts))).collect();
    let gives = match &function.result {
        ResultType::Of(ty) => ty.to_string(),
        ResultType::LikeFirst => "a number of the first argument's kind".to_owned(),
    };
    write!(
        page,
        "\n### {}\n\n`{}({})`: {}; gives {gives}.\n\n{}\n\n| expression | gives |\n|---|---|\n",
        function.name,
        function.name,
        params.join(", "),
        takes.join(", "),
        function.doc
    )
    .expect("a string takes it");
    for (expression, result) in function.examples {
        writeln!(page, "| `{}` | `{}` |", cell(expression), cell(result)).expect("a string takes it");
    }
}

/// A parameter in the form of a call.
fn written(param: &Param) -> String {
    match param.occurs {
        Occurs::Once => param.name.to_owned(),
        Occurs::Optional => format!("[{}]", param.name),
        Occurs::Repeated => format!("{}, …", param.name),
    }
}

fn taken(accepts: Accepts) -> &'static str {
    match accepts {
        Accepts::Text => "text",
        Accepts::TextConstant => "a text constant",
        Accepts::Numeric => "a number, with a unit or without",
        Accepts::Time => "a time",
        Accepts::Ip => "an ip address",
        Accepts::Point => "a point",
        Accepts::TextOrList => "text or a list",
        Accepts::ElementOfFirst => "what the first argument can hold",
        Accepts::LikeFirst => "a number of the same unit",
        Accepts::Event => "a step whose event has just one point field",
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "integer" => "an integer".to_owned(),
        "number" => "a number".to_owned(),
        _ => kind.replace("as its values", "a value of the same kind"),
    }
}

/// Text inside a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn messages_page() -> String {
    let mut page = format!(
        "{MADE}# Messages by code

`tripline check` tells all problems of all files at once. Each has a code, a place, and a help line that says what to do;
where there is one right correction, it is shown as an edit. A code keeps its meaning for ever. `E` is an error: nothing
runs before it is mended. `W` is a warning: the rules run, and `check --strict` ends with exit code 1.

Below, each code has its meaning, a rule file with the mistake, and what is printed. The numbers before `:` are line and
column.

| code | meaning |
|---|---|
"
    );
    for code in Code::ALL {
        let name = code.as_str();
        writeln!(page, "| [{name}](#{}) | {} |", name.to_lowercase(), cell(code.meaning())).expect("a string takes it");
    }
    for (digit, title) in CHAPTERS {
        writeln!(page, "\n## {title}").expect("a string takes it");
        Code::ALL.iter().filter(|code| chapter(**code) == *digit).for_each(|code| write_code(&mut page, *code));
    }
    page
}

const CHAPTERS: &[(char, &str)] = &[
    ('0', "Reading the text"),
    ('1', "Names and declarations"),
    ('2', "Types of values"),
    ('3', "The shape of rules"),
    ('4', "Tests"),
    ('6', "Lists and tables"),
    ('W', "Warnings"),
];

fn chapter(code: Code) -> char {
    match code.severity() {
        Severity::Warning => 'W',
        Severity::Error => code.as_str().chars().nth(1).expect("a code has digits"),
    }
}

#[test]
fn every_code_has_a_chapter() {
    for code in Code::ALL {
        assert!(CHAPTERS.iter().any(|(digit, _)| *digit == chapter(*code)), "{code:?} is in no chapter");
    }
}

fn write_code(page: &mut String, code: Code) {
    let name = code.as_str();
    write!(page, "\n### {name}\n\n{}\n", code.meaning()).expect("a string takes it");
    let examples = examples(name);
    if examples.is_empty() {
        page.push_str("\nAn example would be too large to show.\n");
    }
    for (rules, message) in examples.values() {
        write!(page, "\n```\n{}\n```\n\n```text\n{}\n```\n", rules.trim_end(), message.trim_end())
            .expect("a string takes it");
    }
}

/// The fixtures of a code by name: their text, and the recorded message.
fn examples(code: &str) -> BTreeMap<String, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diagnostics");
    let mut examples = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).expect("the fixtures are there") {
        let path = entry.expect("readable").path();
        let name = path.file_stem().expect("a file").to_string_lossy().into_owned();
        let is_rules = path.extension().is_some_and(|extension| extension == "rules");
        if is_rules && (name == code || name.starts_with(&format!("{code}-"))) {
            let snapshot = folder.join(format!("snapshots/{name}.snap"));
            let snapshot = std::fs::read_to_string(snapshot).expect("each fixture has a snapshot");
            let message = snapshot.splitn(3, "---\n").nth(2).expect("a head and a body").to_owned();
            let text = String::from_utf8_lossy(&std::fs::read(&path).expect("readable")).into_owned();
            examples.insert(name, (text, message));
        }
    }
    examples
}
