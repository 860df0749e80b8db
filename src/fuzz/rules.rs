//! The text of a rule file: whatever it says is checked, and told of in every form; what can be read can be written
//! anew, and that is read as the same.

use crate::diagnostic::{Format, render};
use crate::fuzz::seeds::parsed;
use crate::lang::fmt::format;
use crate::ruleset::RuleSet;

pub(super) fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let set = RuleSet::from_texts([("fuzz.rules".to_owned(), text.clone())]);
    for form in [Format::Full { color: false }, Format::Json, Format::Github] {
        let told = render(&set.checked.diagnostics, &set.sources, form);
        assert_eq!(told.is_empty(), set.checked.diagnostics.is_empty(), "a problem is told, and nothing else");
    }
    let Some(file) = parsed(&text) else { return };
    let once = format(&file, &text);
    let again = parsed(&once).unwrap_or_else(|| panic!("what was formatted is read:\n{once}"));
    assert_eq!(again.items.len(), file.items.len(), "nothing is lost:\n{once}");
    assert_eq!(format(&again, &once), once, "formatting twice changes nothing");
}
