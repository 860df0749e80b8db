//! Which partitions make a shard, and which rules are right that way.
//!
//! A shard is one partition number across the topics of a cohort: the topics that declare the same `copartitioned`
//! name, or a topic by itself, or all topics where each has one partition. A rule or a measure is right on shards when
//! all events of one of its keys lie in the same one; a measure that compares keys needs all of them in one. The keys of
//! the others are judged behind the repartition topic (`repartition`).

use std::collections::BTreeSet;

use thiserror::Error;

use crate::config::TopicSource;
use crate::daemon::repartition::Apart;
use crate::program::{Dispatch, KeyId, Program, Rule, TableSource, WindowId};
use crate::schema::TypeId;

/// Which topics stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// The cohorts; the last one is of the repartition topic, where there is one.
    pub(super) cohorts: Vec<Cohort>,
    /// What no cohort of the sources judges right.
    pub(super) apart: Apart,
}

impl Topology {
    /// How many shards there are, in all copies together.
    pub(super) fn shards(&self) -> usize {
        self.cohorts.iter().map(|cohort| cohort.partitions).sum()
    }

    /// Adds the shards behind the repartition topic, which is the last source, of so many partitions.
    pub(super) fn add_repartition(&mut self, source: usize, partitions: usize) {
        self.cohorts.push(Cohort { sources: vec![source], partitions });
    }
}

/// Topics whose equal partition numbers make a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cohort {
    /// Their places among the sources, in order.
    pub(super) sources: Vec<usize>,
    /// How many partitions each of them has.
    pub(super) partitions: usize,
}

/// Why topics and rules do not fit together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub(super) enum TopologyError {
    /// Topics of one `copartitioned` group differ in size.
    #[error("the topics of the group copartitioned = \"{group}\" have different numbers of partitions: {counts}")]
    Unequal {
        /// The group.
        group: String,
        /// Topic by topic.
        counts: String,
    },
}

impl Topology {
    /// The cohorts of topics with these numbers of partitions; everything that is wrong with them and the rules.
    pub(super) fn new(
        sources: &[TopicSource],
        partitions: &[usize],
        program: &Program,
    ) -> Result<Topology, Vec<TopologyError>> {
        debug_assert_eq!(sources.len(), partitions.len(), "one count a topic");
        let mut errors = Vec::new();
        let cohorts = cohorts(sources, partitions, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut topology = Topology { cohorts, apart: Apart::default() };
        topology.apart = topology.apart(sources, program);
        Ok(topology)
    }

    /// What has to be judged elsewhere. Rules of one key go together: they share what is remembered of it. So do all that
    /// use alerts of rules with other keys.
    fn apart(&self, sources: &[TopicSource], program: &Program) -> Apart {
        let mut apart = Apart::default();
        for judged in judged(program) {
            let pinned = types_of(&judged, program).iter().any(|(_, dispatch)| dispatch.pinned);
            if self.is_right(&judged, sources, program) {
                continue;
            }
            if pinned {
                apart.pinned = true;
            } else {
                apart.keys.insert(judged.key);
            }
        }
        let compared = judged(program).filter(|judged| judged.compares_keys).map(|judged| judged.key);
        let keyless = judged(program).map(|judged| judged.key).filter(|key| program.keys[key.index()].parts.is_empty());
        apart.together = compared.chain(keyless).filter(|key| apart.keys.contains(key)).collect();
        apart
    }

    /// The cohort of a source.
    pub(super) fn cohort_of(&self, source: usize) -> Option<usize> {
        self.cohorts.iter().position(|cohort| cohort.sources.contains(&source))
    }

    /// Whether the shards of the sources judge it right.
    fn is_right(&self, rule: &Judged, sources: &[TopicSource], program: &Program) -> bool {
        let types = sources_of(rule, program);
        let carries = |source: &TopicSource| types.iter().any(|id| may_carry(source, *id, program));
        let reads: Vec<usize> = (0..sources.len()).filter(|source| carries(&sources[*source])).collect();
        let cohorts: BTreeSet<usize> = reads.iter().filter_map(|source| self.cohort_of(*source)).collect();
        let mut cohorts = cohorts.into_iter();
        let (Some(cohort), None) = (cohorts.next(), cohorts.next()) else { return reads.is_empty() };
        // What compares keys is right nowhere but on one partition.
        let parts = if rule.compares_keys { 0 } else { program.keys[rule.key.index()].parts.len() };
        let fits = |part| reads.iter().all(|source| is_partitioned_by(&sources[*source], rule, part, program));
        self.cohorts[cohort].partitions <= 1 || (0..parts).any(fits)
    }
}

fn cohorts(sources: &[TopicSource], partitions: &[usize], errors: &mut Vec<TopologyError>) -> Vec<Cohort> {
    if partitions.iter().all(|count| *count == 1) {
        return vec![Cohort { sources: (0..sources.len()).collect(), partitions: 1 }];
    }
    let mut cohorts: Vec<Cohort> = Vec::new();
    for (source, settings) in sources.iter().enumerate() {
        let alike = |cohort: &&mut Cohort| {
            settings.copartitioned.is_some() && sources[cohort.sources[0]].copartitioned == settings.copartitioned
        };
        match cohorts.iter_mut().find(alike) {
            Some(cohort) => cohort.sources.push(source),
            None => cohorts.push(Cohort { sources: vec![source], partitions: partitions[source] }),
        }
    }
    for cohort in &cohorts {
        if cohort.sources.iter().any(|source| partitions[*source] != cohort.partitions) {
            let count = |source: &usize| format!("`{}` has {}", sources[*source].topic, partitions[*source]);
            errors.push(TopologyError::Unequal {
                group: sources[cohort.sources[0]].copartitioned.clone().unwrap_or_default(),
                counts: cohort.sources.iter().map(count).collect::<Vec<_>>().join(", "),
            });
        }
    }
    cohorts
}

/// A rule or a measure.
struct Judged {
    key: KeyId,
    compares_keys: bool,
    /// Whether it listens.
    listens: Box<dyn Fn(&Dispatch) -> bool>,
}

impl Judged {
    fn rule(rule: &Rule) -> Judged {
        let id = rule.id;
        let listens = Box::new(move |dispatch: &Dispatch| dispatch.rules.contains(&id));
        Judged { key: rule.key, compares_keys: false, listens }
    }
}

fn judged(program: &Program) -> impl Iterator<Item = Judged> {
    let rules = program.rules.iter().map(Judged::rule);
    let measures = program.measures.iter().map(|measure| {
        let id = measure.id;
        let listens = Box::new(move |dispatch: &Dispatch| dispatch.measures.contains(&id));
        let compares_keys = measure.top.is_some();
        Judged { key: measure.key, compares_keys, listens }
    });
    rules.chain(measures)
}

/// The types that a rule judges, and those that its windows are over, each with the place of its key.
fn types_of<'a>(rule: &Judged, program: &'a Program) -> Vec<(TypeId, &'a Dispatch)> {
    let all = || program.types.iter().flat_map(|plan| &plan.dispatch);
    let judged = all().filter(|dispatch| (rule.listens)(dispatch));
    let read: BTreeSet<WindowId> = judged.flat_map(|dispatch| &dispatch.reads).copied().collect();
    let is_fed = |dispatch: &Dispatch| {
        dispatch.windows.iter().chain(&dispatch.windows_after).any(|window| read.contains(window))
    };
    let concerns = |dispatch: &&Dispatch| (rule.listens)(dispatch) || (dispatch.key == rule.key && is_fed(dispatch));
    let types = (0..).map(TypeId).zip(&program.types);
    types.filter_map(|(id, plan)| Some((id, plan.dispatch.iter().find(concerns)?))).collect()
}

/// The types of the sources' events that decide a rule: its own, and those of the rules whose alerts it uses.
fn sources_of(rule: &Judged, program: &Program) -> BTreeSet<TypeId> {
    let mut types = BTreeSet::new();
    let mut waiting: Vec<TypeId> = types_of(rule, program).into_iter().map(|(id, _)| id).collect();
    while let Some(id) = waiting.pop() {
        if types.insert(id) {
            let makes = |other: &&Rule| other.derived.iter().any(|derived| derived.type_id == id);
            let makers = program.rules.iter().filter(makes).map(Judged::rule);
            waiting.extend(makers.flat_map(|maker| types_of(&maker, program)).map(|(id, _)| id));
        }
    }
    types
}

/// Whether this part of the rule's key is, in every type that it reads there, the field that partitions the topic.
fn is_partitioned_by(source: &TopicSource, rule: &Judged, part: usize, program: &Program) -> bool {
    let Some(key) = &source.key else { return false };
    // What becomes of alerts lies where their rule is judged, so its key has to be the topic's too.
    let carried = |id: TypeId| program.types[id.index()].derived || may_carry(source, id, program);
    types_of(rule, program).into_iter().filter(|(id, _)| carried(*id)).all(|(id, dispatch)| {
        let plan = &program.types[id.index()];
        let value = dispatch.values.get(part);
        let field = value.and_then(|value| plan.fields.get(usize::from(*value)));
        field.is_some_and(|field| program.schema.get(id).fields[*field].dotted() == *key)
    })
}

/// Whether events of a type may come from a source: those that it is said to hold, or else any, except the changes of a
/// table, which come from the table's own topic.
pub(super) fn may_carry(source: &TopicSource, id: TypeId, program: &Program) -> bool {
    let of_table = program.changes.iter().find(|(change, _)| *change == id);
    let of_table = of_table.map(|(_, table)| &program.tables[table.index()].source);
    match (&source.fields.event, of_table) {
        (Some(event), _) => program.schema.get(id).name == *event,
        (None, Some(TableSource::Topic { topic, .. })) => source.topic == *topic,
        (None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::config::{Delivery, EventFields, Late, Limits, Start, TimeSettings};
    use crate::daemon::repartition::Repartition;
    use crate::ruleset::RuleSet;

    const LIMITS: Limits =
        Limits { event_bytes_max: 1_000, event_depth_max: 8, remembered_ids_max: 1, open: crate::engine::Limits::NONE };

    fn topic(name: &str, key: &str, copartitioned: Option<&str>) -> TopicSource {
        TopicSource {
            topic: name.to_owned(),
            fields: EventFields::default(),
            key: Some(key.to_owned()),
            start: Start::Earliest,
            time: TimeSettings { lateness_ms: 0, late: Late::Drop, drop_duplicates_ms: None },
            idle_timeout: Duration::from_secs(5),
            max_future_ms: 1,
            copartitioned: copartitioned.map(ToOwned::to_owned),
        }
    }

    fn program(for_each: &str) -> Program {
        checked(&format!("rule r\n  {for_each}\n  on login\n  then transfer\n  within 1 m\n  alert low\n"))
    }

    fn checked(rules: &str) -> Program {
        let events = "event login user_id text, card_id text\nevent transfer sender_id text, card_id text\n";
        let set = RuleSet::from_texts([("test.rules".to_owned(), format!("{events}{rules}"))]);
        assert!(set.program().is_some(), "{:?}", set.checked.diagnostics);
        set.checked.program
    }

    /// Over one topic of four partitions: what is judged apart.
    fn apart(key: &str, program: &Program) -> Apart {
        Topology::new(&[topic("a", key, None)], &[4], program).expect("one topic").apart
    }

    fn behind(apart: &Apart, program: &Program) -> Arc<Program> {
        let sources = [topic("a", "card_id", None)];
        Repartition::new(("t".to_owned(), 4), (apart, program), (&sources, &[4]), (LIMITS, Delivery::ExactlyOnce))
            .program
    }

    #[test]
    fn any_rule_is_right_over_one_partition_each() {
        let sources = [topic("a", "x", None), topic("b", "y", None)];
        let topology = Topology::new(&sources, &[1, 1], &program("")).expect("one shard holds all");
        assert_eq!(topology.cohorts, [Cohort { sources: vec![0, 1], partitions: 1 }]);
        assert!(topology.apart.is_empty());
    }

    #[test]
    fn the_key_has_to_be_the_one_that_partitions() {
        let apart = |key: &str, for_each: &str| apart(key, &program(for_each));
        assert!(apart("card_id", "for each card_id").is_empty());
        assert_eq!(apart("user_id", "for each card_id").keys.len(), 1);
        assert!(apart("user_id", "for each card_id").together.is_empty());
        assert_eq!(apart("card_id", "").together.len(), 1, "without a key all is in one place");
        // The key is called otherwise in one type, so no single field of the topic partitions both.
        assert!(!apart("user_id", "for each user_id (transfer.sender_id)").is_empty());
        // All events of a pair lie where all events of its card lie.
        assert!(apart("card_id", "for each user_id (transfer.sender_id), card_id").is_empty());
    }

    #[test]
    fn what_a_rule_asks_of_the_past_and_of_other_rules_lies_in_its_shard_too() {
        let window =
            |key| format!("rule r\n  for each {key}\n  on login where count(transfer) over 1 h > 2\n  alert low\n");
        assert!(apart("card_id", &checked(&window("card_id"))).is_empty());
        // The key of the windowed type is called otherwise than the topic's.
        assert!(!apart("user_id", &checked(&window("user_id (transfer.sender_id)"))).is_empty());
        let over = "rule by_card\n  for each card_id\n  on login\n  alert low\nrule r\n  for each user_id\n  on by_card\n  alert low\n";
        let program = checked(over);
        let found = apart("card_id", &program);
        assert!(found.pinned && found.keys.is_empty(), "alerts of one user come from several shards: {found:?}");
        let part = behind(&found, &program);
        assert!(part.elsewhere.rules.is_empty(), "both are judged there");
        assert!(apart("card_id", &checked(&over.replace("for each user_id", "for each card_id"))).is_empty());
    }

    #[test]
    fn rules_of_one_key_go_together_and_others_stay() {
        let rules = "rule wrong\n  for each user_id\n  on login\n  then transfer where card_id is not missing\n  within 1 m\n  alert low\n";
        let rules = rules.replace("for each user_id", "for each user_id (transfer.sender_id)");
        let right = "rule right\n  for each card_id\n  on login\n  alert low\n";
        let program = checked(&format!("{rules}{right}"));
        let found = apart("card_id", &program);
        let here = found.here(&Arc::new(program.clone()));
        let names = |ids: &BTreeSet<crate::program::RuleId>| -> Vec<String> {
            ids.iter().map(|id| program.rules[id.index()].name.to_string()).collect()
        };
        assert_eq!(names(&here.elsewhere.rules), ["wrong"]);
        let there = behind(&found, &program);
        assert_eq!(names(&there.elsewhere.rules), ["right"]);
    }

    #[test]
    fn a_rule_over_topics_needs_them_partitioned_alike() {
        let program = program("for each card_id");
        let differing = [topic("a", "card_id", None), topic("b", "card_id", None)];
        let topology = Topology::new(&differing, &[4, 4], &program).expect("nobody says that they are alike");
        assert_eq!(topology.apart.keys.len(), 1);
        let alike = [topic("a", "card_id", Some("cards")), topic("b", "card_id", Some("cards"))];
        let topology = Topology::new(&alike, &[4, 4], &program).expect("they are alike");
        assert!(topology.cohorts.len() == 1 && topology.apart.is_empty());
        let errors = Topology::new(&alike, &[4, 6], &program).expect_err("they are not");
        assert!(matches!(errors[..], [TopologyError::Unequal { .. }]), "{errors:?}");
    }

    #[test]
    fn a_topic_of_one_type_is_read_by_the_rules_that_name_it() {
        let mut logins = topic("logins", "user_id", Some("users"));
        logins.fields.event = Some("login".to_owned());
        let mut transfers = topic("transfers", "sender_id", Some("users"));
        transfers.fields.event = Some("transfer".to_owned());
        let program = program("for each user_id (transfer.sender_id)");
        let mut others = topic("others", "x", None);
        others.fields.event = Some("unknown".to_owned());
        let topology = Topology::new(&[logins, transfers, others], &[4, 4, 2], &program).expect("they fit");
        assert!(topology.apart.is_empty());
    }

    #[test]
    fn the_changes_of_a_table_come_from_its_own_topic() {
        let rules = "event login user_id text\ntable users from topic \"users\" key user_id with user_id text, n number\n\
                     rule changes\n  for each user_id\n  on users\n  alert low\n";
        let both = "rule both\n  for each user_id\n  on users\n  then login\n  within 1 m\n  alert low\n";
        let checked = |rules: &str| {
            let set = RuleSet::from_texts([("test.rules".to_owned(), rules.to_owned())]);
            set.program().expect("it is right")
        };
        let differing = [topic("events", "user_id", None), topic("users", "user_id", None)];
        let apart = |rules: &str| Topology::new(&differing, &[3, 2], &checked(rules)).expect("they fit").apart;
        assert!(apart(rules).is_empty());
        assert!(!apart(&format!("{rules}{both}")).is_empty(), "`both` reads both topics");
        let alike = [topic("events", "user_id", Some("u")), topic("users", "user_id", Some("u"))];
        let topology = Topology::new(&alike, &[3, 3], &checked(&format!("{rules}{both}"))).expect("they fit");
        assert!(topology.apart.is_empty());
    }
}
