//! Lists and tables with their contents, and rules that look them up.

use serde_json::json;

use super::rules::{self, Form, Manner, with_declarations};
use super::streams::UNIT_MS;
use super::tape::Tape;
use super::tree::{compare, duration, field, integer, name, path, spanned, text};
use super::types::kind_name;
use crate::lang::ast::{Compare, Expr, FieldDecl, File, Item, Lookup, Pattern, Rule, Sequence, Step};
use crate::testing::oracle::Tables;

/// A list of texts, from a file.
pub(super) const CARDS: &str = "cards";
/// A list of addresses, from a file.
pub(super) const IPS: &str = "ips";
/// A table by device, from a file.
pub(super) const SHOPS: &str = "shops";
/// A table by country, from a topic: also the type of its changes.
pub(super) const LANDS: &str = "lands";

/// What a change of [`LANDS`] holds.
pub(super) const CHANGE: [(&str, &str); 4] =
    [("code", "text"), ("rank", "integer"), ("op", "text"), ("before.rank", "integer")];

/// The declarations, one or two rules that look up, and sometimes one that sees the changes.
pub(super) fn file(tape: &mut Tape) -> File {
    let changes = tape.percent(30).then(|| Item::Rule(over_changes(tape)));
    let manner = Manner { lookups: true, form: Form::Short, windows: tape.percent(20), ..Manner::plain() };
    let count = tape.pick(&[1, 2]);
    let rules: Vec<Item> =
        rules::NAMES[..count].iter().map(|name| Item::Rule(rules::rule(tape, name, &manner))).collect();
    with_declarations(declarations().into_iter().chain(rules).chain(changes))
}

/// What the lists and tables from files hold.
pub(super) fn contents(tape: &mut Tape) -> Tables {
    let cards = if tape.percent(50) { json!("c2") } else { json!("c1") };
    let ips = if tape.percent(50) { json!("2001:db8::1") } else { json!("10.0.0.1") };
    let mut shop = |device: &str| {
        let risk = tape.pick(&[json!("high"), json!("low"), json!(null)]);
        let limit = tape.pick(&[json!(1), json!(0.5), json!(null)]);
        (json!(device), json!({ "id": device, "risk": risk, "limit": limit, "land": tape.pick(&["DE", "FR"]) }))
    };
    let mut shops = vec![shop("d1")];
    if tape.percent(60) {
        let mut shop = |device: &str| {
            (json!(device), json!({ "id": device, "risk": "high", "limit": 1.5, "land": tape.pick(&["FR", "xx"]) }))
        };
        shops.push(shop("d2"));
    }
    Tables::from([
        (CARDS.to_owned(), vec![(cards, json!({})), (json!("FR"), json!({}))]),
        (IPS.to_owned(), vec![(ips, json!({}))]),
        (SHOPS.to_owned(), shops),
    ])
}

fn declarations() -> [Item; 4] {
    let lookup = |called: &str, topic: bool, columns: &[(&str, &str)]| Lookup {
        name: name(called),
        from_topic: topic,
        from: spanned(if topic { called.to_owned() } else { format!("{called}.csv") }),
        key: path(columns[0].0),
        columns: columns.iter().map(|(column, kind)| column_of(column, kind)).collect(),
    };
    [
        Item::List(lookup(CARDS, false, &[("card", "text")])),
        Item::List(lookup(IPS, false, &[("ip", "ip")])),
        Item::Table(lookup(SHOPS, false, &[("id", "text"), ("risk", "text"), ("limit", "number"), ("land", "text")])),
        Item::Table(lookup(LANDS, true, &CHANGE[..2])),
    ]
}

fn column_of(column: &str, kind: &str) -> FieldDecl {
    FieldDecl { path: path(column), kind: spanned(kind_name(kind)) }
}

/// `on lands where op is "delete"`, `on every lands l then purchase where country is l.code`.
fn over_changes(tape: &mut Tape) -> Rule {
    let condition = match tape.below(3) {
        0 => compare(field("op"), Compare::Is, text("delete")),
        1 => compare(field("before.rank"), Compare::Less, field("rank")),
        _ => compare(field("rank"), Compare::Is, integer(2)),
    };
    let mut steps = vec![step(LANDS, Some("l"), tape.percent(70).then_some(condition))];
    let followed = tape.percent(50);
    if followed {
        let same = compare(field("country"), Compare::Is, field("l.code"));
        steps.push(step(tape.pick(&["purchase", "login", "failed"]), None, Some(same)));
    }
    Rule {
        name: name(rules::NAMES[2]),
        description: None,
        keys: Vec::new(),
        pattern: Pattern::Sequence(Sequence { every: followed, steps, absence: None }),
        unless: Vec::new(),
        within: followed.then(|| duration(5 * UNIT_MS)),
        alert: rules::alert(None),
    }
}

fn step(event_type: &str, called: Option<&str>, condition: Option<Expr>) -> Step {
    let called = called.map(name);
    Step { next: false, count: None, types: vec![name(event_type)], name: called, condition, held: None }
}
