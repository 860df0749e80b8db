//! A page as plain text, for readers without HTML and for those who like it so.

use crate::sink::email::clean::one_line;
use crate::sink::email::page::{Item, Page, Section};

/// The longest line of one value.
const CHARS_MAX: usize = 500;

/// The page as text; each text of it on one line.
pub(super) fn render(page: &Page) -> String {
    let mut text = format!("{} - {}\n{}\n", line(&page.severity).to_uppercase(), line(&page.rule), line(&page.lead));
    if let Some(notice) = &page.notice {
        text.push('\n');
        text.push_str(&line(notice));
        text.push('\n');
    }
    text.push('\n');
    table(&mut text, "", &page.facts);
    for section in &page.sections {
        add_section(&mut text, section);
    }
    text.push_str("\n-- \n");
    text.push_str(&line(&page.footer));
    text.push('\n');
    text
}

fn add_section(text: &mut String, section: &Section) {
    text.push('\n');
    text.push_str(&line(&section.title));
    text.push('\n');
    for item in &section.items {
        add_item(text, item);
    }
}

fn add_item(text: &mut String, item: &Item) {
    text.push_str("  * ");
    text.push_str(&line(&item.head));
    text.push('\n');
    table(text, "      ", &item.details);
}

/// Names and values in two columns.
fn table(text: &mut String, indent: &str, rows: &[(String, String)]) {
    let names: Vec<String> = rows.iter().map(|(name, _)| line(name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(30);
    for (name, (_, value)) in names.iter().zip(rows) {
        text.push_str(format!("{indent}{name:width$}  {}", line(value)).trim_end());
        text.push('\n');
    }
}

fn line(text: &str) -> String {
    one_line(text, CHARS_MAX)
}
