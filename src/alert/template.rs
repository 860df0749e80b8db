//! Messages with values in them, printed for people.

use crate::alert::record::rfc3339;
use crate::event::Value;
use crate::program::{Expr, Part, Template};

/// The longest text that one value adds to a message, in bytes; the rest is cut and marked.
const VALUE_BYTES_MAX: usize = 500;

/// A message: its texts, and its values as `value` gives them.
pub fn render(template: &Template, mut value: impl FnMut(&Expr) -> Value) -> String {
    let mut message = String::new();
    for part in &template.0 {
        match part {
            Part::Text(text) => message.push_str(text),
            Part::Value(expr) => message.push_str(&render_value(&value(expr))),
        }
    }
    message
}

/// A value for people: `12.5`, `DE`, `2026-01-31T08:00:00.000Z`; `?` where it is missing. Control characters are
/// replaced by spaces, so a value from an event can break no line.
pub fn render_value(value: &Value) -> String {
    match value {
        Value::Missing => "?".to_owned(),
        Value::Boolean(b) => b.to_string(),
        Value::Integer(i) => i.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Text(text) => clean(text),
        Value::Time(ms) => rfc3339(*ms),
        Value::Ip(ip) => ip.to_string(),
        Value::Point(p) => format!("{}, {}", p.latitude, p.longitude),
        Value::List(values) => values.iter().map(render_value).collect::<Vec<_>>().join(", "),
    }
}

fn clean(text: &str) -> String {
    let cut = text.floor_char_boundary(VALUE_BYTES_MAX);
    let mut cleaned: String = text[..cut].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if cut < text.len() {
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_breaks_no_line_and_has_a_limit() {
        assert_eq!(render_value(&Value::Text("a\r\nb".into())), "a  b");
        assert!(render_value(&Value::Text("x".repeat(10_000).into())).len() < 600);
        assert_eq!(render_value(&Value::Number(30.0)), "30");
    }
}
