//! The graph as a drawing. Its layout is fixed: the states stand below each other, what keeps a match in a state stands
//! at its left, and what ends it leads to one bar at the right. Each row is as high as its texts need, so that no text
//! ever lies on another. All text is of one width a letter, so its size is known without a font.

use crate::program::graph::{ENDED, Graph, State};
use crate::xml::escaped;

/// A letter, in pixels; a wide one, as of Chinese, takes two of them.
const LETTER: usize = 8;
const LINE: usize = 18;
const MARGIN: usize = 20;
/// The most letters in a line of each column.
const STAY_LETTERS: usize = 30;
const STATE_LETTERS: usize = 30;
const END_LETTERS: usize = 38;
/// The width of the bar at the right.
const BAR: usize = 30;
/// The length of an arrow.
const ARROW: usize = 36;
/// The room beside a text in a box.
const PADDING: usize = 12;
const GAP: usize = 14;

/// Where the columns stand.
struct Columns {
    state: usize,
    state_width: usize,
    end: usize,
    bar: usize,
    width: usize,
}

/// A state with its texts broken into lines.
struct Row {
    title: Vec<String>,
    stays: Vec<Vec<String>>,
    ends: Vec<Vec<String>>,
    next: Vec<String>,
}

impl Graph {
    /// As SVG: one element that stands alone as a file or within a page.
    pub fn to_svg(&self) -> String {
        let rows: Vec<Row> = self.states.iter().map(Row::new).collect();
        let columns = Columns::new(&rows);
        let title = format!("{} {}", self.name, self.key);
        let heading = wrapped(&title, (columns.width - 2 * MARGIN) / LETTER);
        let mut drawing = String::new();
        let mut y = MARGIN + LINE;
        for line in &heading {
            text(&mut drawing, MARGIN, y, "title", line);
            y += LINE;
        }
        let top = y;
        let last = rows.len() - 1;
        for (at, row) in rows.iter().enumerate() {
            y = row.draw(&mut drawing, &columns, y, at == last);
        }
        if self.has_end() {
            bar(&mut drawing, &columns, top, y);
            y = y.max(top + ENDED.len() * LETTER + 2 * PADDING);
        }
        let (width, height) = (columns.width, y + MARGIN);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\">\n<title>{}</title>\n{STYLE}{drawing}</svg>\n",
            escaped(&title)
        )
    }
}

const STYLE: &str = "\
<style>
text { font: 13px monospace; fill: #222; }
.title { font-weight: bold; }
rect, path { fill: #fff; stroke: #444; stroke-width: 1.3; }
.alert { fill: #fde8e8; stroke: #b00; stroke-width: 2.5; }
.bar { fill: #eee; }
path { fill: none; }
.end { stroke: #888; stroke-dasharray: 5 4; }
</style>
<defs><marker id=\"arrow\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
<polygon points=\"0,0 10,5 0,10\" fill=\"#444\"/></marker></defs>
<rect x=\"0\" y=\"0\" width=\"100%\" height=\"100%\" style=\"stroke: none\"/>
";

impl Columns {
    fn new(rows: &[Row]) -> Columns {
        let widest =
            |texts: &mut dyn Iterator<Item = &String>| texts.map(|line| letters(line)).max().unwrap_or(0) * LETTER;
        let stays = widest(&mut rows.iter().flat_map(|row| row.stays.iter().flatten()));
        let ends = widest(&mut rows.iter().flat_map(|row| row.ends.iter().flatten()));
        let state_width = widest(&mut rows.iter().flat_map(|row| &row.title)).max(8 * LETTER) + 2 * PADDING;
        let next = widest(&mut rows.iter().flat_map(|row| &row.next));
        let state = MARGIN + if stays > 0 { stays + ARROW + PADDING } else { 0 };
        // What leads to the next state stands at the right of its arrow, which leaves the middle of the box.
        let right = state + state_width.max(state_width / 2 + PADDING + next);
        let end = right + ARROW;
        let bar = end + ends + ARROW;
        let has_ends = ends > 0;
        let width = if has_ends { bar + BAR + MARGIN } else { right + MARGIN };
        Columns { state, state_width, end, bar, width: width.max(40 * LETTER) }
    }
}

impl Row {
    fn new(state: &State) -> Row {
        let all = |texts: &[String], letters| texts.iter().map(|text| wrapped(text, letters)).collect();
        Row {
            title: wrapped(&state.title, STATE_LETTERS),
            stays: all(&state.stays, STAY_LETTERS),
            ends: all(&state.ends, END_LETTERS),
            next: state.next.as_ref().map(|text| wrapped(text, END_LETTERS)).unwrap_or_default(),
        }
    }

    /// Draws the state from `top` on, and what leads to the next. Gives where the next one begins.
    fn draw(&self, out: &mut String, columns: &Columns, top: usize, is_alert: bool) -> usize {
        let side = |texts: &[Vec<String>]| texts.iter().map(|lines| lines.len() * LINE + GAP).sum::<usize>();
        let own = self.title.len() * LINE + 2 * PADDING;
        let height = own.max(side(&self.stays)).max(side(&self.ends));
        let class = if is_alert { " class=\"alert\"" } else { "" };
        let Columns { state, state_width, .. } = *columns;
        out.push_str(&format!(
            "<rect x=\"{state}\" y=\"{top}\" width=\"{state_width}\" height=\"{height}\" rx=\"8\"{class}/>\n"
        ));
        for (at, line) in self.title.iter().enumerate() {
            text(out, state + PADDING, top + PADDING + baseline(at), "state", line);
        }
        self.draw_stays(out, columns, top);
        self.draw_ends(out, columns, top);
        let bottom = top + height;
        if self.next.is_empty() {
            return bottom;
        }
        let below = bottom + (self.next.len() * LINE + 2 * GAP).max(ARROW);
        let middle = state + state_width / 2;
        out.push_str(&format!("<path d=\"M {middle} {bottom} V {below}\" marker-end=\"url(#arrow)\"/>\n"));
        for (at, line) in self.next.iter().enumerate() {
            text(out, middle + PADDING, bottom + GAP + baseline(at), "next", line);
        }
        below
    }

    /// A loop at the left, with its text beside it.
    fn draw_stays(&self, out: &mut String, columns: &Columns, top: usize) {
        let mut y = top;
        let right = columns.state;
        let left = right - ARROW.min(right);
        for lines in &self.stays {
            let (from, to) = (y + LINE / 2, y + LINE / 2 + LINE * lines.len().max(2) / 2 + 2);
            out.push_str(&format!(
                "<path d=\"M {right} {from} H {left} V {to} H {right}\" marker-end=\"url(#arrow)\"/>\n"
            ));
            for (at, line) in lines.iter().enumerate() {
                text(out, MARGIN, y + baseline(at), "stay", line);
            }
            y += lines.len() * LINE + GAP;
        }
    }

    /// An arrow to the bar, from the state to the text and from the text on.
    fn draw_ends(&self, out: &mut String, columns: &Columns, top: usize) {
        let mut y = top;
        let Columns { state, state_width, end, bar, .. } = *columns;
        for lines in &self.ends {
            let middle = y + lines.len() * LINE / 2 + 2;
            let (from, to) = (state + state_width, end - PADDING / 2);
            out.push_str(&format!("<path class=\"end\" d=\"M {from} {middle} H {to}\"/>\n"));
            let from = end + lines.iter().map(|line| letters(line)).max().unwrap_or(0) * LETTER + PADDING / 2;
            out.push_str(&format!(
                "<path class=\"end\" d=\"M {from} {middle} H {bar}\" marker-end=\"url(#arrow)\"/>\n"
            ));
            for (at, line) in lines.iter().enumerate() {
                text(out, end, y + baseline(at), "exit", line);
            }
            y += lines.len() * LINE + GAP;
        }
    }
}

/// The end of all matches without an alert, written from top to bottom.
fn bar(out: &mut String, columns: &Columns, top: usize, bottom: usize) {
    let height = (bottom - top).max(ENDED.len() * LETTER + 2 * PADDING);
    let (x, middle) = (columns.bar, columns.bar + BAR / 2 - 4);
    out.push_str(&format!(
        "<rect class=\"bar\" x=\"{x}\" y=\"{top}\" width=\"{BAR}\" height=\"{height}\" rx=\"8\"/>\n"
    ));
    let from = top + PADDING;
    out.push_str(&format!(
        "<text x=\"{middle}\" y=\"{from}\" transform=\"rotate(90 {middle} {from})\">{}</text>\n",
        escaped(ENDED)
    ));
}

fn text(out: &mut String, x: usize, y: usize, class: &str, line: &str) {
    out.push_str(&format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>\n", escaped(line)));
}

/// Where the letters of a line stand, below the top of its text.
fn baseline(line: usize) -> usize {
    line * LINE + 13
}

/// A text in lines of at most so many letters, broken between words, and within one that is too long.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let fits = |line: &String| letters(line) + 1 + letters(word) <= most;
        match lines.last_mut().filter(|line| fits(line)) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.extend(broken(word, most)),
        }
    }
    lines
}

fn broken(word: &str, most: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in word.chars() {
        let part = parts.last_mut().expect("there is one");
        if letters(part) + width(c) > most {
            parts.push(c.to_string());
        } else {
            part.push(c);
        }
    }
    parts
}

fn letters(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Beyond Latin, Greek, Cyrillic and their like a letter may be wide; it is given the room.
fn width(c: char) -> usize {
    if u32::from(c) < 0x1100 { 1 } else { 2 }
}
