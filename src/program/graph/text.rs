//! The graph as text: for Graphviz (`dot -Tsvg`), and for Mermaid, which many wikis and code hosts draw.

use crate::program::graph::{ENDED, Edge, Graph, To};

impl Graph {
    /// For Graphviz.
    pub fn to_dot(&self) -> String {
        let mut text = format!("digraph {} {{\n", quoted(&self.name));
        text.push_str(&format!(
            "  label={}; labelloc=t; rankdir=TB;\n",
            quoted(&format!("{} {}", self.name, self.key))
        ));
        text.push_str("  node [shape=box, style=rounded, fontname=\"monospace\"];\n  edge [fontname=\"monospace\"];\n");
        let last = self.states.len() - 1;
        for (at, state) in self.states.iter().enumerate() {
            let shape = match at {
                0 => ", shape=circle",
                at if at == last => ", peripheries=2",
                _ => "",
            };
            text.push_str(&format!("  {} [label={}{shape}];\n", id(To::State(at)), quoted(&state.title)));
        }
        if self.has_end() {
            text.push_str(&format!("  {} [label={}, style=dashed];\n", id(To::End), quoted(ENDED)));
        }
        for Edge { from, to, label } in self.edges() {
            let dashed = if to == To::End { ", style=dashed" } else { "" };
            let from = id(To::State(from));
            text.push_str(&format!("  {from} -> {} [label={}{dashed}];\n", id(to), quoted(label)));
        }
        text.push_str("}\n");
        text
    }

    /// For Mermaid.
    pub fn to_mermaid(&self) -> String {
        let mut text = format!("---\ntitle: {}\n---\nflowchart TB\n", yaml(&format!("{} {}", self.name, self.key)));
        let last = self.states.len() - 1;
        for (at, state) in self.states.iter().enumerate() {
            let title = entities(&state.title);
            let node = match at {
                0 => format!("(({title}))"),
                at if at == last => format!("[[{title}]]"),
                _ => format!("({title})"),
            };
            text.push_str(&format!("  {}{node}\n", id(To::State(at))));
        }
        if self.has_end() {
            text.push_str(&format!("  {}({})\n", id(To::End), entities(ENDED)));
        }
        for Edge { from, to, label } in self.edges() {
            let arrow = if to == To::End { "-.->" } else { "-->" };
            text.push_str(&format!("  {} {arrow}|{}| {}\n", id(To::State(from)), entities(label), id(to)));
        }
        text
    }

    pub(super) fn has_end(&self) -> bool {
        self.states.iter().any(|state| !state.ends.is_empty())
    }
}

fn id(to: To) -> String {
    match to {
        To::State(at) => format!("s{at}"),
        To::End => "ended".to_owned(),
    }
}

/// A text of Graphviz.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
}

/// A text of YAML: JSON's form is one of them.
fn yaml(text: &str) -> String {
    quoted(text)
}

/// A text of Mermaid in quotes. What it reads as markup is written as entities, with `#` for `&`.
fn entities(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '<' | '>' | '&' | '#' | '|' | ';' | '`' | '\\' => out.push_str(&format!("#{};", u32::from(c))),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
