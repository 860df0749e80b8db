//! What the parser reads, and what it says of what it cannot read.

use super::*;

const TWELVE: &str = include_str!("../../../tests/lang/twelve.rules");

fn read(text: &str) -> File {
    let (file, problems) = parse(FileId(0), text);
    assert_eq!(problems, [], "{text}");
    file
}

#[test]
fn reads_the_twelve_rules() {
    let file = read(TWELVE);
    assert_eq!(file.items.len(), 21);
}
