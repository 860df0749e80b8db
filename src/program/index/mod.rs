//! Which rules an event can mean anything to, found by the event's values.
//!
//! A rule of which a key has nothing open looks at an event only if that can begin something: what must hold for that
//! is the condition of its first step. Of a condition joined by `and` one part is chosen that the event alone decides,
//! and the rule is kept where the values that fulfil that part lead:
//!
//! - `country is "DE"`, `country in ("DE", "FR")`: in a hash table, by the value;
//! - `amount > 100`, `amount <= 5`: in an order of all such bounds, of which an event fulfils those up to its value;
//! - any other part: beside the condition, which is judged once for all rules that have it.
//!
//! So what an event costs grows with the rules that it fulfils such a part of, and with the different values that are
//! asked for, not with the rules. The engine judges the whole condition of what is found: an index leaves out, and
//! decides nothing. What has no such part is found by every event.
//!
//! What is asked of the event need not be a field: `hour(time) is 3` is found as well.

mod ways;

use std::cmp::Ordering;
use std::hash::{BuildHasher, Hash, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use smallvec::SmallVec;

use crate::event::{Value, equal, order, whole};
use crate::program::index::ways::{Atom, Crowds, Subjects, Way, ways_of};
use crate::program::shared::identity;
use crate::program::{Comparison, Condition, Dispatch, Expr, Program, Rule, Strategy};
use crate::schema::TypeId;

/// Who is to look at an event.
#[derive(Clone, Debug)]
pub struct Index<T> {
    /// Who looks at every event.
    pub always: Vec<T>,
    /// Who is found by an equal value.
    pub equalities: Vec<Equality<T>>,
    /// Who is found by the order of values.
    pub thresholds: Vec<Thresholds<T>>,
    /// Who is found by a condition.
    pub conditions: Vec<Judged<T>>,
    /// By what each is found, in order.
    found: Vec<(T, SmallVec<[Found; 1]>)>,
}

/// By what something is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// By every event.
    Always,
    /// By [`Index::equalities`], of this number.
    Equality(usize),
    /// By [`Index::thresholds`], of this number.
    Threshold(usize),
    /// By [`Index::conditions`], of this number.
    Condition(usize),
}

/// Who asks for something to have one of some values.
#[derive(Clone, Debug)]
pub struct Equality<T> {
    /// What is asked for.
    pub subject: Expr,
    hasher: DefaultHashBuilder,
    by_value: HashTable<(Value, Vec<T>)>,
}

/// Who asks for something to lie above or below a constant.
#[derive(Clone, Debug)]
pub struct Thresholds<T> {
    /// What is asked for.
    pub subject: Expr,
    /// Those who ask for it to be greater, the smallest bound first.
    pub least: Bounds<T>,
    /// Those who ask for it to be less, the greatest bound first.
    pub most: Bounds<T>,
}

/// Bounds, each with who has it, in an order in which a value fulfils the first of them up to some place.
#[derive(Clone, Debug)]
pub struct Bounds<T> {
    /// How the value stands to a bound that it fulfils.
    side: Ordering,
    /// Each with whether an equal value fulfils it; of equal bounds those come first.
    all: Vec<(Value, bool)>,
    listeners: Vec<T>,
}

/// A condition with those who ask for it.
#[derive(Clone, Debug)]
pub struct Judged<T> {
    /// The condition, on the event alone.
    pub condition: Condition,
    /// Who asks, in order.
    pub listeners: Vec<T>,
}

impl<T> Default for Index<T> {
    fn default() -> Self {
        Index {
            always: Vec::new(),
            equalities: Vec::new(),
            thresholds: Vec::new(),
            conditions: Vec::new(),
            found: Vec::new(),
        }
    }
}

impl<T: Copy + Ord> Index<T> {
    /// An index of these, in order; with each the conditions of which one must hold. One that is not there always holds.
    fn new(listeners: &[(T, Vec<Option<&Condition>>)]) -> Index<T> {
        let mut subjects = Subjects::default();
        let mut ways = Vec::new();
        for (listener, conditions) in listeners {
            for condition in conditions {
                let ways_in = condition.map_or_else(Vec::new, |condition| ways_of(condition, &mut subjects));
                ways.push((*listener, ways_in));
            }
        }
        let crowds = Crowds::of(ways.iter().flat_map(|(_, ways)| ways));
        let mut made = Index::default();
        let mut places = Places::default();
        for (listener, ways) in ways {
            let best = ways.into_iter().min_by_key(|way| crowds.cost(way));
            made.add(listener, best, &subjects, &mut places);
        }
        made.thresholds.iter_mut().for_each(Thresholds::sort);
        made
    }

    /// By what something is found; nothing where it is not in the index.
    pub fn found(&self, listener: T) -> &[Found] {
        self.found.binary_search_by_key(&listener, |(of, _)| *of).map_or(&[], |at| &self.found[at].1)
    }

    fn add(&mut self, listener: T, way: Option<Way<'_>>, subjects: &Subjects<'_>, places: &mut Places) {
        let Some(way) = way else {
            push_new(&mut self.always, listener);
            self.note(listener, Found::Always);
            return;
        };
        for atom in way.0 {
            let found = match atom {
                Atom::Equal(subject, values) => {
                    let at = places.equality(subject, &mut self.equalities, subjects);
                    for value in values {
                        self.equalities[at].insert(value, listener);
                    }
                    Found::Equality(at)
                }
                Atom::Bound(subject, comparison, bound) => {
                    let at = places.threshold(subject, &mut self.thresholds, subjects);
                    self.thresholds[at].push(comparison, bound, listener);
                    Found::Threshold(at)
                }
                Atom::Holds(condition) => {
                    let at = places.condition(condition, &mut self.conditions);
                    push_new(&mut self.conditions[at].listeners, listener);
                    Found::Condition(at)
                }
            };
            self.note(listener, found);
        }
    }

    fn note(&mut self, listener: T, found: Found) {
        match self.found.last_mut() {
            Some((last, by)) if *last == listener => {
                if !by.contains(&found) {
                    by.push(found);
                }
            }
            _ => self.found.push((listener, SmallVec::from_slice(&[found]))),
        }
    }
}

/// Adds to a list in order what it does not end with.
fn push_new<T: Copy + Eq>(list: &mut Vec<T>, listener: T) {
    if list.last() != Some(&listener) {
        list.push(listener);
    }
}

impl<T: Copy + Eq> Equality<T> {
    fn new(subject: Expr) -> Equality<T> {
        Equality { subject, hasher: DefaultHashBuilder::default(), by_value: HashTable::new() }
    }

    /// Who asks for this value, in order.
    #[inline]
    pub fn find(&self, value: &Value) -> &[T] {
        let Some(hash) = hash_of(&self.hasher, value) else { return &[] };
        let found = self.by_value.find(hash, |(other, _)| equal(other, value) == Some(true));
        found.map_or(&[], |(_, listeners)| listeners)
    }

    fn insert(&mut self, value: &Value, listener: T) {
        let Equality { hasher, by_value, .. } = self;
        let hash = hash_of(hasher, value).expect("only values that can be found are asked for");
        let same = |(other, _): &(Value, Vec<T>)| equal(other, value) == Some(true);
        let rehash = |(other, _): &(Value, Vec<T>)| hash_of(hasher, other).expect("it was found before");
        let entry = by_value.entry(hash, same, rehash).or_insert_with(|| (value.clone(), Vec::new()));
        push_new(&mut entry.into_mut().1, listener);
    }
}

/// The hash of a value, the same for all values that are equal; none of a value that no constant is equal to.
#[inline]
fn hash_of(hasher: &DefaultHashBuilder, value: &Value) -> Option<u64> {
    let mut hasher = hasher.build_hasher();
    match value {
        Value::Text(text) => hasher.write(text.as_bytes()),
        Value::Boolean(b) => hasher.write_u8(u8::from(*b)),
        Value::Integer(n) | Value::Time(n) => hasher.write_i64(*n),
        Value::Number(n) => match whole(*n) {
            Some(n) => hasher.write_i64(n),
            None => hasher.write_u64(n.to_bits()),
        },
        Value::Ip(ip) => ip.hash(&mut hasher),
        Value::Missing | Value::Point(_) | Value::List(_) => return None,
    }
    Some(hasher.finish())
}

impl<T: Copy> Thresholds<T> {
    fn new(subject: Expr) -> Thresholds<T> {
        let bounds = |side| Bounds { side, all: Vec::new(), listeners: Vec::new() };
        Thresholds { subject, least: bounds(Ordering::Greater), most: bounds(Ordering::Less) }
    }

    fn push(&mut self, comparison: Comparison, bound: &Value, listener: T) {
        let upward = matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual);
        let inclusive = matches!(comparison, Comparison::GreaterOrEqual | Comparison::LessOrEqual);
        let side = if upward { &mut self.least } else { &mut self.most };
        side.all.push((bound.clone(), inclusive));
        side.listeners.push(listener);
    }

    fn sort(&mut self) {
        self.least.sort();
        self.most.sort();
    }
}

impl<T: Copy> Bounds<T> {
    /// Who has a bound that a value fulfils.
    #[inline]
    pub fn find(&self, value: &Value) -> &[T] {
        let fulfils = |(bound, inclusive): &(Value, bool)| match order(value, bound) {
            Some(Ordering::Equal) => *inclusive,
            standing => standing == Some(self.side),
        };
        &self.listeners[..self.all.partition_point(fulfils)]
    }

    fn sort(&mut self) {
        let mut all: Vec<_> = self.all.drain(..).zip(self.listeners.drain(..)).collect();
        all.sort_by(|((a, a_inclusive), _), ((b, b_inclusive), _)| {
            // What is compared with one thing is of one kind.
            let ascending = order(a, b).unwrap_or(Ordering::Equal);
            let own = if self.side == Ordering::Greater { ascending } else { ascending.reverse() };
            own.then(b_inclusive.cmp(a_inclusive))
        });
        (self.all, self.listeners) = all.into_iter().unzip();
    }
}

/// Where each subject and condition stands in an index that is being made.
#[derive(Default)]
struct Places {
    equalities: HashMap<usize, usize>,
    thresholds: HashMap<usize, usize>,
    conditions: HashMap<String, usize>,
}

impl Places {
    fn equality<T: Copy + Eq>(&mut self, subject: usize, all: &mut Vec<Equality<T>>, subjects: &Subjects<'_>) -> usize {
        *self.equalities.entry(subject).or_insert_with(|| {
            all.push(Equality::new(subjects.all[subject].clone()));
            all.len() - 1
        })
    }

    fn threshold<T: Copy>(&mut self, subject: usize, all: &mut Vec<Thresholds<T>>, subjects: &Subjects<'_>) -> usize {
        *self.thresholds.entry(subject).or_insert_with(|| {
            all.push(Thresholds::new(subjects.all[subject].clone()));
            all.len() - 1
        })
    }

    fn condition<T>(&mut self, condition: &Condition, all: &mut Vec<Judged<T>>) -> usize {
        *self.conditions.entry(identity(condition)).or_insert_with(|| {
            all.push(Judged { condition: condition.clone(), listeners: Vec::new() });
            all.len() - 1
        })
    }
}

impl Program {
    /// Makes the indexes of all dispatches.
    pub(crate) fn index(&mut self) {
        let Program { types, rules, two_steps, measures, .. } = self;
        let stands_for_all =
            |rule: &&Rule| rule.two_step.is_none_or(|id| two_steps[id.index()].members[0].rule == rule.id);
        for (type_id, plan) in (0..).map(TypeId).zip(types) {
            for dispatch in &mut plan.dispatch {
                let Dispatch { rules: listeners, entries, measures: measuring, measured, .. } = dispatch;
                let entering = listeners.iter().map(|id| &rules[id.index()]).filter(stands_for_all);
                let entering = entering.map(|rule| (rule.id, entry_conditions(rule, type_id)));
                *entries = Index::new(&entering.collect::<Vec<_>>());
                let counting = measuring.iter().map(|id| {
                    let guard = measures[id.index()].guards.iter().find(|guard| guard.type_id == type_id);
                    (*id, guard.map(|guard| guard.condition.as_ref()).into_iter().collect())
                });
                *measured = Index::new(&counting.collect::<Vec<_>>());
            }
        }
    }
}

/// The conditions of which one must hold if an event of a type is to begin something; none where it can begin nothing.
fn entry_conditions(rule: &Rule, type_id: TypeId) -> Vec<Option<&Condition>> {
    let steps = match rule.strategy {
        // An event that does not fit ends what is held, so it means something too.
        Strategy::Held(_) => return vec![None],
        Strategy::AllOf | Strategy::EachPair => rule.steps.as_slice(),
        Strategy::Filter | Strategy::SequenceNfa | Strategy::Session(_) => &rule.steps[..1],
    };
    let guards = steps.iter().filter_map(|step| step.guards.iter().find(|guard| guard.type_id == type_id));
    guards.map(|guard| guard.condition.as_ref()).collect()
}

#[cfg(test)]
mod tests;
