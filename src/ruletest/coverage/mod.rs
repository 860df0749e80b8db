//! What the tests of a rule, risk or measure would not notice: changes to it, one at a time, that no test fails.
//!
//! - `mutants` an item with one change each: `picker` which one is made, `exprs` those to conditions and values;
//! - `trials`  the tests of an item, run with each of its forms;
//! - `notes`   comments that explain what no test can notice.
//!
//! A condition counts as exercised by what it decides: it is true somewhere if some alert is gone when it never is, and
//! false somewhere if some alert is new when it is left out. So nothing is counted while rules run.

mod exprs;
mod mutants;
mod notes;
mod picker;
mod trials;

use crate::diagnostic::{FileId, Span};
use crate::lang::ast::Item;
use crate::program::{Program, Strategy};
use crate::ruleset::RuleSet;
use crate::ruletest::Fixture;
use notes::Notes;
pub use notes::StaleNote;
use picker::{Change, Made};
use trials::{Run, Trials, name_of};

/// What the tests of a rule set show of its rules, risks and measures.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// Of each item, in the order of files.
    pub reports: Vec<Report>,
    /// Explanations that explain nothing.
    pub stale: Vec<StaleNote>,
}

/// What the tests of one item show.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The rule, risk or measure.
    pub name: String,
    /// How many tests concern it.
    pub tests: usize,
    /// Steps that were taken, and all; none of a measure.
    pub steps: (usize, usize),
    /// Conditions that decided both ways, and all: the parts of `and` count each.
    pub conditions: (usize, usize),
    /// How many changes were tried.
    pub mutants: usize,
    /// How many of them a test noticed.
    pub noticed: usize,
    /// How many of them are explained.
    pub explained: usize,
    /// What is to be done, in the order of the text.
    pub findings: Vec<Finding>,
}

/// Something that the tests do not show.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The file.
    pub file: FileId,
    /// The line on which the clause begins, from 1.
    pub line: usize,
    /// The change that no test notices; nothing where it is not about a change.
    pub change: Option<String>,
    /// What a test would have to show.
    pub wanted: String,
}

impl Coverage {
    /// Tries all changes of the items whose names are selected. `progress` hears of each item before it is tried.
    pub fn measure(
        set: &RuleSet,
        fixtures: &[Fixture],
        selects: &dyn Fn(&str) -> bool,
        progress: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Coverage> {
        let mut coverage = Coverage::default();
        let mut notes = Notes::collect(set);
        let mut looked_at = Vec::new();
        for (file_at, file) in set.files.iter().enumerate() {
            for (at, item) in file.items.iter().enumerate() {
                let is_judged = matches!(item.node, Item::Rule(_) | Item::Risk(_) | Item::Measure(_));
                let Some(name) = name_of(&item.node).filter(|name| is_judged && selects(name)) else { continue };
                progress(name);
                let trials = Trials::new(set, (file_at, at), name, fixtures)?;
                coverage.reports.push(Subject { set, place: (file_at, at), name }.report(trials, &mut notes));
                let end = item.span.range().end;
                let (first, _) = set.sources.line_column(item.span);
                let (last, _) = set.sources.line_column(Span::new(item.span.file, end..end));
                looked_at.push((item.span.file, first, last));
            }
        }
        let is_in = |file: FileId, line: usize| {
            looked_at.iter().any(|(of, first, last)| *of == file && (*first..=*last).contains(&line))
        };
        let items = set.files.iter().flat_map(|file| &file.items);
        let everything = items.filter_map(|item| name_of(&item.node)).all(selects);
        coverage.stale = notes.stale(|file, line| everything || is_in(file, line));
        Ok(coverage)
    }

    /// Whether nothing is to be done.
    pub fn is_complete(&self) -> bool {
        self.stale.is_empty() && self.reports.iter().all(|report| report.findings.is_empty())
    }
}

/// The item that is tried.
struct Subject<'a> {
    set: &'a RuleSet,
    place: (usize, usize),
    name: &'a str,
}

/// A change that was tried.
struct Tried {
    made: Made,
    noticed: bool,
    /// The first test whose alerts differ.
    differs: Option<String>,
}

impl Subject<'_> {
    fn report(&self, mut trials: Trials<'_>, notes: &mut Notes) -> Report {
        let item = &self.set.files[self.place.0].items[self.place.1];
        let checked = trials.check(item.clone()).expect("the rule set is right, and so is what an item of it needs");
        let written = trials.run(checked, None);
        let mut report = Report {
            name: self.name.to_owned(),
            tests: written.tests.len(),
            steps: written.steps,
            ..Report::default()
        };
        if !written.fires() {
            report.findings.push(self.never_fires(&written));
            return report;
        }
        let tried = self.try_all(&mut trials, &written);
        let mut clauses: Vec<usize> = tried.iter().map(|tried| self.line(&tried.made)).collect();
        clauses.sort_unstable();
        for tried in &tried {
            report.mutants += 1;
            if tried.noticed {
                report.noticed += 1;
            } else if notes.explain(item.span.file, self.line(&tried.made), &clauses, &tried.made.label) {
                report.explained += 1;
            } else {
                report.findings.push(self.survivor(tried));
            }
        }
        report.conditions = both_ways(&tried);
        report
    }

    fn try_all(&self, trials: &mut Trials<'_>, written: &Run) -> Vec<Tried> {
        let item = &self.set.files[self.place.0].items[self.place.1];
        let mut all = Vec::new();
        let mut number = 0;
        while let Some((made, changed)) = mutants::mutant(item, number) {
            number += 1;
            if made.change == Change::Every && !self.keeps_runs() {
                continue;
            }
            let is_key = made.change == Change::Key;
            let (checked, tells) = match trials.check(changed.clone()) {
                Some(checked) => (checked, false),
                // The tests name the part of the key that is gone, so each difference fails them.
                None if is_key => match trials.check_without_with(changed) {
                    Some(checked) => (checked, true),
                    None => continue,
                },
                None => continue,
            };
            let key = is_key.then(|| self.gone(&checked.program));
            let view = written.view(&checked.program, self.name, key.flatten());
            let run = trials.run(checked, Some(&view));
            let differs = run.difference(written, &view).map(|test| test.name.clone());
            // A test that fails as written tells nothing.
            let fails = run.failure().is_some() || (tells && differs.is_some());
            let noticed = fails && written.failure().is_none();
            all.push(Tried { made, noticed, differs });
        }
        all
    }

    /// Whether completing drops other runs, unless `every` is written.
    fn keeps_runs(&self) -> bool {
        let rule = self.set.checked.program.rule(self.name);
        rule.is_some_and(|rule| matches!(rule.strategy, Strategy::SequenceNfa | Strategy::AllOf))
    }

    /// The part of the key that a changed form lacks.
    fn gone(&self, changed: &Program) -> Option<String> {
        let parts = |program: &Program| {
            let key = program.rule(self.name).map(|rule| rule.key);
            let key = key.or_else(|| program.measure(self.name).map(|measure| measure.key));
            key.map_or_else(Vec::new, |key| program.keys[key.index()].parts.clone())
        };
        let left = parts(changed);
        parts(&self.set.checked.program).into_iter().find(|part| !left.contains(part))
    }

    fn line(&self, made: &Made) -> usize {
        self.set.sources.line_column(made.clause).0
    }

    fn never_fires(&self, written: &Run) -> Finding {
        let item = &self.set.files[self.place.0].items[self.place.1];
        let (line, _) = self.set.sources.line_column(item.span);
        let wanted = match (written.tests.is_empty(), written.steps) {
            (true, _) => "no test speaks of it".to_owned(),
            (_, (_, 0)) => "no test makes it emit anything".to_owned(),
            (_, (reached, all)) if reached < all => {
                format!("no test makes it alert: step {} of {all} is never taken", reached + 1)
            }
            _ => "no test makes it alert".to_owned(),
        };
        Finding { file: item.span.file, line, change: None, wanted }
    }

    fn survivor(&self, tried: &Tried) -> Finding {
        let wanted = match (&tried.differs, tried.made.change) {
            (Some(test), _) => {
                format!("the alerts of {test} differ, but it expects nothing that tells: say more there")
            }
            (None, Change::NeverTrue) => "a test has to depend on its being true".to_owned(),
            (None, Change::Dropped) => "a test has to fail only it, so that its being false decides".to_owned(),
            (None, Change::Type) => "a test has to need an event of this type".to_owned(),
            (None, Change::Key) => "a test has to mix events that differ only in this part of the key".to_owned(),
            (None, Change::Bound) => "a test has to lie between the two: one alerts and the other does not".to_owned(),
            (None, Change::Every) => "a test has to open two runs of a key and complete both".to_owned(),
            (None, Change::Clause) => "a test has to depend on this".to_owned(),
        };
        Finding {
            file: tried.made.clause.file,
            line: self.line(&tried.made),
            change: Some(tried.made.label.clone()),
            wanted,
        }
    }
}

/// How many conditions decided both ways, and how many there are. A condition's two changes follow each other.
fn both_ways(tried: &[Tried]) -> (usize, usize) {
    let (mut both, mut all) = (0, 0);
    for (at, never_true) in tried.iter().enumerate().filter(|(_, tried)| tried.made.change == Change::NeverTrue) {
        all += 1;
        let dropped = tried.get(at + 1).filter(|next| next.made.change == Change::Dropped);
        let decides = |tried: &Tried| tried.noticed || tried.differs.is_some();
        both += usize::from(decides(never_true) && dropped.is_none_or(decides));
    }
    (both, all)
}
