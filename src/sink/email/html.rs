//! A page as HTML: tables and inline styles only, because mail programs drop the rest. No link, image or script.

use std::fmt::Write as _;

use crate::program::Severity;
use crate::sink::email::clean::{escape, one_line};
use crate::sink::email::page::{Item, Page, Section};
use crate::sink::filter::parse_severity;

/// The longest text of one value.
const CHARS_MAX: usize = 500;

/// The page as HTML; each text of it cleaned and escaped.
pub(super) fn render(page: &Page) -> String {
    let mut html = String::with_capacity(4096);
    let colour = colour(&page.severity);
    add(
        &mut html,
        format_args!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body style=\"margin:0;padding:16px;background:#f4f5f7;color:#1f2933;\
         font:14px/1.5 -apple-system,'Segoe UI',Helvetica,Arial,sans-serif\">\n\
         <table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" style=\"width:100%;max-width:680px;margin:0 auto;\
         background:#ffffff;border:1px solid #dde1e6;border-top:4px solid {colour};border-radius:4px\">\n\
         <tr><td style=\"padding:20px 24px 4px\">\n\
         <span style=\"color:{colour};font-weight:600;text-transform:uppercase;letter-spacing:.04em\">{severity}</span>\n\
         <span style=\"color:#616e7c\">&middot; {rule}</span>\n\
         <h1 style=\"margin:6px 0 0;font-size:18px;line-height:1.35;font-weight:600\">{lead}</h1>\n</td></tr>\n",
            title = text(&page.subject),
            severity = text(&page.severity),
            rule = text(&page.rule),
            lead = text(&page.lead),
        ),
    );
    if let Some(notice) = &page.notice {
        add(
            &mut html,
            format_args!(
                "<tr><td style=\"padding:8px 24px 0\"><div style=\"padding:8px 12px;background:#f4f5f7;\
             border-left:3px solid #9aa5b1\">{}</div></td></tr>\n",
                text(notice)
            ),
        );
    }
    html.push_str("<tr><td style=\"padding:12px 24px 0\">\n");
    add_table(&mut html, &page.facts);
    html.push_str("</td></tr>\n");
    for section in &page.sections {
        add_section(&mut html, section);
    }
    add(
        &mut html,
        format_args!(
            "<tr><td style=\"padding:20px 24px 16px;color:#7b8794;font-size:12px\">{}</td></tr>\n</table>\n</body></html>\n",
            text(&page.footer)
        ),
    );
    html
}

fn add_section(html: &mut String, section: &Section) {
    add(
        html,
        format_args!(
            "<tr><td style=\"padding:18px 24px 0\">\n\
         <h2 style=\"margin:0 0 6px;font-size:13px;color:#52606d;font-weight:600\">{}</h2>\n",
            text(&section.title)
        ),
    );
    for item in &section.items {
        add_item(html, item);
    }
    html.push_str("</td></tr>\n");
}

fn add_item(html: &mut String, item: &Item) {
    html.push_str("<div style=\"padding:6px 0;border-top:1px solid #eceff2\">\n");
    add(html, format_args!("<div style=\"font-weight:500\">{}</div>\n", text(&item.head)));
    add_table(html, &item.details);
    html.push_str("</div>\n");
}

fn add_table(html: &mut String, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    html.push_str("<table cellspacing=\"0\" cellpadding=\"0\" style=\"border-collapse:collapse\">\n");
    for (name, value) in rows {
        add(
            html,
            format_args!(
                "<tr><td style=\"padding:1px 16px 1px 0;color:#616e7c;vertical-align:top\">{}</td>\
             <td style=\"padding:1px 0;word-break:break-word\">{}</td></tr>\n",
                text(name),
                text(value)
            ),
        );
    }
    html.push_str("</table>\n");
}

fn add(html: &mut String, part: std::fmt::Arguments<'_>) {
    html.write_fmt(part).expect("writing to a string cannot fail");
}

fn text(text: &str) -> String {
    escape(&one_line(text, CHARS_MAX))
}

/// Dark enough for white ground, grey where the severity is none of ours.
fn colour(severity: &str) -> &'static str {
    match parse_severity(severity) {
        Some(Severity::Critical) => "#b3001b",
        Some(Severity::High) => "#c2410c",
        Some(Severity::Medium) => "#a16207",
        Some(Severity::Low) => "#1d6fb8",
        Some(Severity::Info) | None => "#52606d",
    }
}
