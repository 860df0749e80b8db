//! `explain`: the twelve rules of the language's first page and those that are harder to say, read back; their graphs.

use super::tripline;

const TWELVE: &str = "tests/cli/explain/twelve.rules";
const MORE: &str = "tests/cli/explain/more.rules";

/// The rules of a file of this test, in its order.
fn rules(file: &str) -> Vec<String> {
    named(file, false)
}

fn named(file: &str, measures: bool) -> Vec<String> {
    let text = std::fs::read_to_string(file).expect("the file is there");
    let words = if measures { &["measure "][..] } else { &["rule ", "risk "] };
    let named = text.lines().filter_map(|line| words.iter().find_map(|word| line.strip_prefix(word)));
    named.filter_map(|rest| rest.split_whitespace().next()).map(str::to_owned).collect()
}

fn explained(file: &str, arguments: &[&str]) -> String {
    let ran = tripline(&[&["explain", "--rules", file], arguments].concat()).expect(0);
    assert_eq!(ran.err, "");
    ran.out
}

#[test]
fn every_rule_reads_back() {
    for (file, count) in [(TWELVE, 14), (MORE, 15)] {
        let rules = [rules(file), named(file, true)].concat();
        assert_eq!(rules.len(), count, "{rules:?}");
        for rule in rules {
            let text = explained(file, &[&rule]);
            assert!(text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line), "{text}");
            insta::assert_snapshot!(rule.clone(), text);
        }
    }
}

#[test]
fn the_bill_tells_of_whole_events() {
    let line = "  text        of each kept event its whole text beside it, since alerts carry it\n";
    for (rule, kept) in [("takeover", true), ("cart_abandoned", true), ("blocked", false)] {
        let full = explained(TWELVE, &[rule, "--evidence", "full"]);
        assert_eq!(full.contains(line), kept, "{full}");
        assert_eq!(full.replace(line, ""), explained(TWELVE, &[rule]));
    }
}

#[test]
fn graphs_are_as_recorded() {
    for (file, rule) in [(TWELVE, "card_testing"), (TWELVE, "new_device_takeover"), (MORE, "any_of_two")] {
        for form in ["dot", "mermaid", "svg"] {
            insta::assert_snapshot!(format!("{rule}_{form}"), explained(file, &[rule, "--graph", form]));
        }
    }
}

#[test]
fn every_svg_is_well_formed_and_no_text_lies_on_another() {
    for file in [TWELVE, MORE] {
        for rule in rules(file) {
            let svg = explained(file, &[&rule, "--graph", "svg"]);
            let texts = read(&svg).unwrap_or_else(|problem| panic!("{rule}: {problem}\n{svg}"));
            assert!(texts.len() > 2, "{svg}");
            for (at, one) in texts.iter().enumerate() {
                for other in &texts[at + 1..] {
                    assert!(!one.overlaps(other), "{rule}: {one:?} lies on {other:?}");
                }
            }
        }
    }
}

#[test]
fn an_unknown_rule_is_told_with_the_nearest() {
    let ran = tripline(&["explain", "--rules", TWELVE, "takover"]).expect(3);
    assert_eq!(
        (ran.out.as_str(), ran.err.as_str()),
        ("", "error: no rule is called `takover`: did you mean `takeover`?\n")
    );
    let ran = tripline(&["explain", "--rules", TWELVE, "zzz"]).expect(3);
    assert!(ran.err.contains("the rules are account_risk, blocked"), "{ran:#?}");
}

#[test]
fn a_measure_has_no_graph() {
    let ran = tripline(&["explain", "--rules", TWELVE, "revenue", "--graph", "svg"]).expect(3);
    assert!(ran.out.is_empty() && ran.err.contains("no states"), "{ran:#?}");
}

#[test]
fn bad_rules_are_told_before() {
    let folder = super::Folder::new();
    let ran = tripline(&["explain", "--rules", &folder.file("bad.rules", super::BAD), "any_login"]).expect(2);
    assert!(ran.out.is_empty() && ran.err.contains("user"), "{ran:#?}");
}

// ---- a reader of as much XML as is written

/// A text that is drawn.
#[derive(Debug)]
struct Drawn {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Drawn {
    fn overlaps(&self, other: &Drawn) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.y + other.height
            && other.y < self.y + self.height
    }
}

/// The texts of a drawing, or why it is no well-formed XML.
fn read(xml: &str) -> Result<Vec<Drawn>, String> {
    let mut open: Vec<(&str, Vec<(String, String)>)> = Vec::new();
    let (mut texts, mut rest) = (Vec::new(), xml);
    while let Some(at) = rest.find('<') {
        let (content, tag) = rest.split_at(at);
        let content = unescaped(content)?;
        let end = tag.find('>').ok_or("a tag without end")?;
        let (tag, after) = (&tag[1..end], &tag[end + 1..]);
        rest = after;
        if let Some((name, attributes)) = open.last() {
            if *name == "text" {
                texts.push(drawn(attributes, &content)?);
            }
        } else if !content.trim().is_empty() {
            return Err(format!("text outside: {content}"));
        }
        if let Some(name) = tag.strip_prefix('/') {
            let (opened, _) = open.pop().ok_or("closed and never opened")?;
            if opened != name {
                return Err(format!("{opened} is closed by {name}"));
            }
            continue;
        }
        let empty = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let name = tag.split_whitespace().next().ok_or("a tag without name")?;
        let attributes = attributes(&tag[name.len()..])?;
        if !empty {
            open.push((name, attributes));
        }
    }
    if open.is_empty() && rest.trim().is_empty() { Ok(texts) } else { Err(format!("left open: {open:?}{rest}")) }
}

/// The attributes of a tag.
fn attributes(mut text: &str) -> Result<Vec<(String, String)>, String> {
    let mut found: Vec<(String, String)> = Vec::new();
    while !text.trim().is_empty() {
        let (name, rest) = text.split_once("=\"").ok_or_else(|| format!("no attribute: {text}"))?;
        let (value, rest) = rest.split_once('"').ok_or_else(|| format!("no end: {rest}"))?;
        let name = name.trim();
        if name.contains(char::is_whitespace) || found.iter().any(|(other, _)| other == name) {
            return Err(format!("bad or repeated attribute {name}"));
        }
        found.push((name.to_owned(), unescaped(value)?));
        text = rest;
    }
    Ok(found)
}

fn unescaped(text: &str) -> Result<String, String> {
    if let Some(c) = text.chars().find(|c| (c.is_control() && *c != '\n') || *c == '<') {
        return Err(format!("{c:?} in {text}"));
    }
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (entity, rest) = part.split_once(';').ok_or_else(|| format!("a bare & in {text}"))?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            other => return Err(format!("the unknown entity {other}")),
        });
        out.push_str(rest);
    }
    Ok(out)
}

/// Where a text lies, by the width of a letter of the font that the drawing asks for: 0.6 of 13 pixels.
fn drawn(attributes: &[(String, String)], content: &str) -> Result<Drawn, String> {
    let value = |name: &str| attributes.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str());
    let number = |name| value(name).and_then(|text| text.parse::<f64>().ok()).ok_or(format!("no {name}"));
    let (x, y, length) = (number("x")?, number("y")?, content.chars().count() as f64 * 7.8);
    Ok(match value("transform") {
        Some(_) => Drawn { x: x - 3.0, y, width: 13.0, height: length },
        None => Drawn { x, y: y - 10.0, width: length, height: 13.0 },
    })
}

#[test]
fn the_reader_refuses_what_is_no_xml() {
    assert_eq!(read("<a><text x=\"1\" y=\"2\">x &lt; y</text></a>").unwrap().len(), 1);
    for bad in ["<a>", "<a></b>", "<a b=c/>", "<a>&nbsp;</a>", "<a> & </a>", "x<a/>", "<a b=\"1\" b=\"2\"/>"] {
        assert!(read(bad).is_err(), "{bad}");
    }
}
