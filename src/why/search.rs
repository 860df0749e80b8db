//! The smallest changes of a rule that would have fired. Each was tried: the rule was changed, checked, and run over the
//! same events.

use std::collections::BTreeMap;

use crate::alert::Alert;
use crate::engine::Judged;
use crate::lang::ast::{Compare, ExprKind, Item, Number, Pattern};
use crate::why::edit::{self, Amount, ComparisonAt, Edit, Length, Past, is_number, pasts_mut};
use crate::why::shown::{self, Leaf};
use crate::why::target::{Clause, PartAt, Target};
use crate::why::trial::Trial;

/// A change of the rule with which it fires.
#[derive(Clone, Debug)]
pub struct Suggestion {
    pub(super) changed: Target,
    /// The lines that it changes, as the formatter writes them.
    pub old: Vec<String>,
    /// What stands there then; nothing where they are left out.
    pub new: Vec<String>,
    /// The alert that comes of it.
    pub alert: Alert,
    /// How large the change is; only to be compared.
    size: f64,
}

impl Suggestion {
    /// The changed rule or risk.
    pub fn item(&self) -> Item {
        self.changed.item()
    }
}

/// How many are shown.
const SHOWN: usize = 3;

/// The sizes of changes that are no numbers. A number that is doubled or halved has the size 0.7.
const SIZE_EVERY: f64 = 2.0;
const SIZE_NEXT: f64 = 2.0;
const SIZE_ONCE: f64 = 2.0;
const SIZE_DROPPED: f64 = 3.0;

/// The smallest changes, the smallest first.
pub(super) fn smallest(trial: &Trial<'_>, target: &Target, judged: &[Judged]) -> Vec<Suggestion> {
    let search = Search { trial, target };
    let mut found = search.lengths();
    found.extend(search.counts());
    found.extend(search.thresholds(judged));
    found.extend(search.dropped());
    found.sort_by(|a, b| a.size.total_cmp(&b.size));
    let mut shown: Vec<Suggestion> = Vec::new();
    for suggestion in found {
        if shown.iter().all(|other| other.changed != suggestion.changed) {
            shown.push(suggestion);
        }
    }
    shown.truncate(SHOWN);
    shown
}

struct Search<'a> {
    trial: &'a Trial<'a>,
    target: &'a Target,
}

/// Whether a number is to grow or to shrink.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Search<'_> {
    /// Tries a change.
    fn attempt(&self, edit: Edit, size: f64) -> Option<Suggestion> {
        let changed = edit.apply(self.target)?;
        let alert = self.trial.fires(&changed)?;
        let (old, new) = self.target.difference(&changed);
        Some(Suggestion { changed, old, new, alert, size })
    }

    /// The first of `most` changes, ordered by their size, that fires, as far as all larger ones do too.
    fn first(&self, most: u64, change: impl Fn(u64) -> (Edit, f64)) -> Option<Suggestion> {
        let attempt = |nth| {
            let (edit, size) = change(nth);
            self.attempt(edit, size)
        };
        let (mut fails, mut nth) = (0, 1);
        let mut found = loop {
            if nth > most {
                return None;
            }
            match attempt(nth) {
                Some(suggestion) => break suggestion,
                None if nth == most => return None,
                None => (fails, nth) = (nth, nth.saturating_mul(2).min(most)),
            }
        };
        while nth - fails > 1 {
            let middle = fails + (nth - fails) / 2;
            match attempt(middle) {
                Some(suggestion) => (found, nth) = (suggestion, middle),
                None => fails = middle,
            }
        }
        Some(found)
    }

    fn lengths(&self) -> Vec<Suggestion> {
        use Way::{Down, Up};
        let mut all = vec![
            (Length::Within, Up),
            (Length::Absence, Down),
            (Length::Held, Down),
            (Length::Gap, Up),
            (Length::Idle, Up),
            (Length::Idle, Down),
            (Length::AtMost, Up),
            (Length::AtMost, Down),
            (Length::Risk, Up),
        ];
        for (clause, nth, is_length) in self.pasts() {
            if is_length {
                all.extend([(Length::Past(clause, nth), Up), (Length::Past(clause, nth), Down)]);
            }
        }
        all.into_iter().filter_map(|(at, way)| self.length(at, way)).collect()
    }

    /// The nearest round length of time that fires: of the unit in which it is written, and where that is too coarse on
    /// the way down, of the next smaller one.
    fn length(&self, at: Length, way: Way) -> Option<Suggestion> {
        let now_ms = edit::length(self.target, at)?;
        // As the formatter writes it: 24 hours, 2 days.
        let is_unit = |unit: i64| now_ms > 0 && now_ms % unit == 0 && (unit < DAY_MS || now_ms > unit);
        let units = UNITS_MS.into_iter().skip_while(|unit| !is_unit(*unit));
        let mut from_ms = now_ms;
        for unit in units {
            let most = match way {
                Way::Up => self.span_ms() / unit + 2,
                Way::Down => from_ms / unit - 1,
            };
            let change = |nth: u64| {
                let steps = i64::try_from(nth).unwrap_or(i64::MAX).saturating_mul(unit);
                let ms = if way == Way::Up { now_ms.saturating_add(steps) } else { from_ms - steps };
                (Edit::Length(at, ms), ratio(now_ms as f64, ms as f64))
            };
            let found = self.first(u64::try_from(most).unwrap_or(0), change);
            if found.is_some() || way == Way::Up {
                return found;
            }
            from_ms = from_ms.min(unit);
        }
        None
    }

    fn counts(&self) -> Vec<Suggestion> {
        let steps = (0..self.target.steps().len()).map(|step| (Amount::Step(step), Way::Down));
        let lasts = self.pasts().into_iter().filter(|(.., is_length)| !is_length);
        let lasts = lasts.flat_map(|(clause, nth, _)| {
            let at = Amount::Last(clause, nth);
            [(at, Way::Up), (at, Way::Down)]
        });
        let all: Vec<_> = steps.chain(lasts).collect();
        all.into_iter().filter_map(|(at, way)| self.count(at, way)).collect()
    }

    fn count(&self, at: Amount, way: Way) -> Option<Suggestion> {
        let now = edit::count(self.target, at)?;
        let most = match way {
            Way::Up => self.trial.gathered.events.len() as u64,
            Way::Down => now.saturating_sub(1),
        };
        self.first(most, |nth| {
            let n = if way == Way::Up { now.saturating_add(nth) } else { now - nth };
            (Edit::Count(at, n), ratio(now as f64, n as f64))
        })
    }

    /// Which clauses look how far back: the clause, the place in it, and whether it is a length of time.
    fn pasts(&self) -> Vec<(Clause, usize, bool)> {
        let mut copy = self.target.clone();
        let mut all = Vec::new();
        for clause in self.target.clauses() {
            let pasts = copy.condition_mut(clause).map_or_else(Vec::new, pasts_mut);
            let is_length = |past: &Past<'_>| matches!(past, Past::Length(_));
            all.extend(pasts.iter().enumerate().map(|(nth, past)| (clause, nth, is_length(past))));
        }
        all
    }

    /// Thresholds moved to where a value lay that was on the wrong side.
    fn thresholds(&self, judged: &[Judged]) -> Vec<Suggestion> {
        let mut seen: BTreeMap<(PartAt, usize), (ComparisonAt, Vec<Moved>)> = BTreeMap::new();
        for one in judged {
            for part in shown::parts(self.target, one) {
                for leaf in part.leaves() {
                    if let Some(moved) = moved(&leaf) {
                        let entry = seen.entry((leaf.at.part, leaf.at.leaf));
                        entry.or_insert_with(|| (leaf.at, Vec::new())).1.push(moved);
                    }
                }
            }
        }
        seen.into_values().filter_map(|(at, moved)| self.threshold(at, moved)).collect()
    }

    fn threshold(&self, at: ComparisonAt, mut moved: Vec<Moved>) -> Option<Suggestion> {
        moved.sort_by(|a, b| a.distance.total_cmp(&b.distance).then(a.to.total_cmp(&b.to)));
        moved.dedup_by(|a, b| a.to.total_cmp(&b.to).is_eq());
        self.first(moved.len() as u64, |nth| {
            let Moved { comparison, to, from, .. } = moved[usize::try_from(nth - 1).expect("an index of the list")];
            (Edit::Threshold(at, comparison, plain(to)), ratio(from, to))
        })
    }

    /// What can be left out or let loose.
    fn dropped(&self) -> Vec<Suggestion> {
        let mut all = vec![(Edit::Every, SIZE_EVERY), (Edit::Once, SIZE_ONCE)];
        for clause in self.target.clauses() {
            // What must not come is looser with more conditions, not with fewer.
            if matches!(clause, Clause::Step(_) | Clause::Whole) {
                let parts = 0..self.target.parts(clause).len();
                all.extend(parts.map(|part| (Edit::Part(PartAt { clause, part }), SIZE_DROPPED)));
            }
        }
        if let Some(rule) = self.target.rule() {
            all.extend((0..rule.unless.len()).map(|at| (Edit::Unless(at), SIZE_DROPPED)));
            if let Pattern::Sequence(sequence) = &rule.pattern {
                let next = sequence.steps.iter().enumerate().filter(|(_, step)| step.next);
                all.extend(next.map(|(at, _)| (Edit::Next(at), SIZE_NEXT)));
            }
        }
        all.into_iter().filter_map(|(edit, size)| self.attempt(edit, size)).collect()
    }

    fn span_ms(&self) -> i64 {
        let gathered = self.trial.gathered;
        match (gathered.events.first(), gathered.last_ms) {
            (Some(first), Some(last_ms)) => last_ms.saturating_sub(first.time_ms),
            _ => 0,
        }
    }
}

const DAY_MS: i64 = 86_400_000;
/// Day, hour, minute, second, ms.
const UNITS_MS: [i64; 5] = [DAY_MS, 3_600_000, 60_000, 1_000, 1];

/// How far one number is from another: the size of the change.
fn ratio(from: f64, to: f64) -> f64 {
    if from * to > 0.0 { (to / from).ln().abs() } else { 1.0 + (to - from).abs().ln_1p() }
}

/// A threshold at the value that was on the wrong side of it.
#[derive(Clone, Copy, Debug)]
struct Moved {
    comparison: Compare,
    from: f64,
    to: f64,
    distance: f64,
}

/// How far the value of a comparison lies on the wrong side of its threshold; none where it does not, or is no number.
pub(super) fn distance(leaf: &Leaf<'_>) -> Option<f64> {
    moved(leaf).map(|moved| moved.distance)
}

/// Where the threshold of a comparison had to lie for the value that it saw; none where it is right as it is, or no
/// number.
fn moved(leaf: &Leaf<'_>) -> Option<Moved> {
    let ExprKind::Compare(written, left, right) = &*leaf.expr.node else { return None };
    let [left_value, right_value] = leaf.values else { return None };
    let (constant, value, threshold, comparison) = match (is_number(left), is_number(right)) {
        (false, true) => (right, left_value, right_value, written.node),
        (true, false) => (left, right_value, left_value, written.node.mirrored()),
        _ => return None,
    };
    let unit = shown::unit_of(constant);
    let (value, from) = (shown::in_unit(value, unit)?, shown::in_unit(threshold, unit)?);
    // What must not come, and what stands below `not`, is to fail where it held.
    let prevents = matches!(leaf.at.part.clause, Clause::Absence | Clause::Unless(_));
    let wanted = prevents == leaf.negated;
    if leaf.holds == wanted {
        return None;
    }
    let (comparison, down) = match (comparison, wanted) {
        (Compare::Less | Compare::LessOrEqual, true) => (Compare::LessOrEqual, false),
        (Compare::Is, true) if value > from => (Compare::LessOrEqual, false),
        (Compare::Is | Compare::Greater | Compare::GreaterOrEqual, true) => (Compare::GreaterOrEqual, true),
        (Compare::Greater | Compare::GreaterOrEqual, false) => (Compare::Greater, false),
        (Compare::Less | Compare::LessOrEqual, false) => (Compare::Less, true),
        (Compare::Is, false) | (Compare::IsNot, _) => return None,
    };
    let to = round(value, down);
    Some(Moved { comparison, from, to, distance: (to - from).abs() })
}

/// A number that a person would write, on the looser side of a long one.
fn round(value: f64, down: bool) -> f64 {
    const LONGEST: usize = 8;
    if value.to_string().len() <= LONGEST {
        return value;
    }
    // Three digits. A power of ten is exact as long as it is no fraction.
    let digits = 2.0 - value.abs().log10().floor();
    let scale = 10_f64.powf(digits.abs());
    let (times, by) = if digits >= 0.0 { (scale, 1.0) } else { (1.0, scale) };
    let whole = value * times / by;
    (if down { whole.floor() } else { whole.ceil() }) * by / times
}

fn plain(number: f64) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range")]
        return Number::Integer(number as i64);
    }
    Number::Float(number)
}
