//! Declarations as text. Every name is written in quotes and the formatter takes away those that are not needed, so
//! that what is a plain name is known in one place.

use crate::decode::TypeSource;
use crate::diagnostic::SourceMap;
use crate::infer::sample::{FIELDS_MAX, Fields, PATH_MAX, Sample, SeenType, Summary, TYPES_MAX};
use crate::lang::{self, words};
use crate::schema::Kind;

/// The longest name, in bytes.
const NAME_MAX: usize = 128;

/// A line of a type: a field, or a note in place of one.
enum Line {
    Field { path: String, kind: Kind, note: String },
    Note(String),
}

/// The declarations of a sample.
pub(super) fn declarations(sample: &Sample) -> String {
    let mut text = head(sample);
    for event_type in &sample.types {
        text.push('\n');
        match quoted(&event_type.name) {
            Some(name) => write_type(&mut text, &name, event_type),
            None => text.push_str(&format!(
                "# {} of a type whose name rules cannot write: {}\n",
                counted(event_type.events, "event"),
                readable(&event_type.name)
            )),
        }
    }
    formatted(&text)
}

fn head(sample: &Sample) -> String {
    let Summary { events, beyond_types, beyond_fields, beyond_depth, .. } = sample.summary;
    let names = sample.names();
    let of_type = match &names.event_type {
        TypeSource::Fixed(name) => format!("is always {}", readable(name)),
        TypeSource::Fields(fields) => format!("stands in {}", listed(fields)),
    };
    let mut text = format!(
        "# Inferred from {}. Keep the fields that your rules use; correct what a sample cannot show.\n",
        counted(events, "event")
    );
    text.push_str(&format!(
        "# The type {of_type}, the time in {}, the id in {}: these are not declared.\n",
        listed(&names.time),
        listed(&names.id)
    ));
    let beyond = [
        (beyond_types, format!("events were left out: more than {TYPES_MAX} types")),
        (beyond_fields, format!("values were left out: more than {FIELDS_MAX} fields")),
        (beyond_depth, format!("values were left out: nested more than {PATH_MAX} deep")),
    ];
    for (count, what) in beyond.iter().filter(|(count, _)| *count > 0) {
        text.push_str(&format!("# {count} {what}.\n"));
    }
    text
}

fn listed(paths: &[String]) -> String {
    paths.iter().map(|path| readable(path)).collect::<Vec<_>>().join(", ")
}

fn write_type(text: &mut String, name: &str, event_type: &SeenType) {
    let mut lines = Vec::new();
    collect(&event_type.fields, "", event_type.events, &mut lines);
    text.push_str(&format!("# {}\nevent {name}\n", counted(event_type.events, "event")));
    let last = lines.iter().rposition(|line| matches!(line, Line::Field { .. }));
    for (at, line) in lines.iter().enumerate() {
        match line {
            Line::Field { path, kind, note } => {
                let comma = if Some(at) == last { "" } else { "," };
                text.push_str(&format!("  {path} {kind}{comma}  # {note}\n"));
            }
            Line::Note(note) => text.push_str(&format!("  # {note}\n")),
        }
    }
}

/// The lines of all fields, those of nested objects where they stand.
fn collect(fields: &Fields, above: &str, events: u64, lines: &mut Vec<Line>) {
    for field in &fields.all {
        let often =
            if field.present == events { "always".to_owned() } else { format!("{} of {events}", field.present) };
        let Some(name) = quoted(&field.name) else {
            lines
                .push(Line::Note(format!("{often}: a field whose name rules cannot write: {}", readable(&field.name))));
            continue;
        };
        let path = if above.is_empty() { name } else { format!("{above}.{name}") };
        let verdict = field.seen.verdict(&field.name);
        match (verdict.kind, verdict.note) {
            (Some(kind), note) => {
                let note = note.map_or_else(String::new, |note| format!("; {note}"));
                lines.push(Line::Field { path: path.clone(), kind, note: format!("{often}{note}") });
            }
            (None, Some(note)) => {
                lines.push(Line::Note(format!("{often}: {}: {note}", readable(&path.replace('`', "")))));
            }
            (None, None) if field.below.all.is_empty() && !field.holds_role => {
                lines.push(Line::Note(format!(
                    "{often}: {}: an object without fields",
                    readable(&path.replace('`', ""))
                )));
            }
            (None, None) => {}
        }
        let before = lines.len();
        collect(&field.below, &path, events, lines);
        if field.seen.is_place() {
            // The two are the point; what stands beside them is declared.
            let parts = ["latitude", "longitude"].map(|part| format!("{path}.`{part}`"));
            let is_part = |line: &Line| matches!(line, Line::Field { path, .. } if parts.contains(path));
            let kept: Vec<Line> = lines.drain(before..).filter(|line| !is_part(line)).collect();
            lines.extend(kept);
        }
    }
}

/// A name in quotes; none where quotes do not help. A dot in a name reads as two names.
fn quoted(name: &str) -> Option<String> {
    let fits = (1..=NAME_MAX).contains(&name.len());
    let plain = |c: char| !matches!(c, '`' | '\n' | '\r' | '\t' | '.') && !words::is_unreadable(c);
    (fits && name.chars().all(plain)).then(|| format!("`{name}`"))
}

/// A name in a comment, shortened where it is long.
fn readable(name: &str) -> String {
    const SHOWN: usize = 60;
    let plain = |c: char| if words::is_unreadable(c) || matches!(c, '\n' | '\r' | '\t') { '\u{b7}' } else { c };
    let shown: String = name.chars().take(SHOWN).map(plain).collect();
    if name.chars().count() > SHOWN { format!("{shown}…") } else { shown }
}

fn counted(n: u64, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn formatted(text: &str) -> String {
    let mut sources = SourceMap::default();
    let id = sources.add("inferred", text);
    let (file, problems) = lang::parse(id, text);
    debug_assert!(problems.is_empty(), "what is written here can be read: {problems:?}");
    lang::fmt::format(&file, text)
}
