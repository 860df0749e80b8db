//! An alert as a mail: no text of an event makes a header of its own, and none stops the mail from being built.

use crate::fuzz::alert;
use crate::sink::{EmailSettings, mail_of};

/// All headers that a mail may have, each once.
const HEADERS: [&str; 11] = [
    "From",
    "To",
    "Date",
    "Message-ID",
    "Subject",
    "Auto-Submitted",
    "X-Tripline-Rule",
    "X-Tripline-Severity",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
];

pub(super) fn target(data: &[u8]) {
    let Some(mut record) = alert::record(data) else { return };
    let text = String::from_utf8_lossy(data);
    // Sinks read what stands on a topic, where others may write too: nothing of a record is taken for granted.
    for (at, field) in text.split('\0').enumerate() {
        let place = match at % 6 {
            0 => &mut record.rule,
            1 => &mut record.severity,
            2 => &mut record.alert_id,
            3 => &mut record.time,
            4 => &mut record.message,
            _ => &mut record.version,
        };
        field.clone_into(place);
    }
    record.tags = text.split(' ').map(ToOwned::to_owned).collect();
    let settings = EmailSettings::new("file:.", "Desk <desk@example.com>", vec!["to@example.com".to_owned()]);
    let mail = String::from_utf8_lossy(&mail_of(&settings, &record)).into_owned();
    let (head, _) = mail.split_once("\r\n\r\n").expect("a mail has a head and a body");
    let mut seen: Vec<&str> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.starts_with([' ', '\t'])) {
        let (name, _) = line.split_once(": ").unwrap_or_else(|| panic!("no header: {line:?}"));
        assert!(HEADERS.contains(&name) && !seen.contains(&name), "a header of its own: {line:?}");
        seen.push(name);
    }
    assert!(!head.replace("\r\n", "").contains(['\r', '\n', '\0']), "a head has whole lines: {head:?}");
}
