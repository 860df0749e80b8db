//! Which partitions make a shard, and whether every rule is right that way.
//!
//! A shard is one partition number across the topics of a cohort: the topics that declare the same `copartitioned`
//! name, or a topic by itself, or all topics where each has one partition. A rule is right on shards when all events
//! of one of its keys lie in the same one.

use thiserror::Error;

use crate::config::TopicSource;
use crate::program::{Program, Rule, TypePlan};
use crate::schema::TypeId;

/// Which topics stand together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topology {
    /// The cohorts.
    pub(super) cohorts: Vec<Cohort>,
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
    /// A rule's events lie in topics that are not partitioned alike.
    #[error(
        "rule `{rule}` reads the topics {topics}, whose events of one key may lie in different partitions; topics with \
         equal partition counts that are partitioned by the same field can say copartitioned = \"NAME\"; otherwise run \
         this rule over topics with one partition each (repartitioning is not supported yet)"
    )]
    Spans {
        /// The rule.
        rule: String,
        /// The topics.
        topics: String,
    },
    /// A rule's key is not the one by which the topic is partitioned.
    #[error(
        "rule `{rule}` ({for_each}) reads the topic `{topic}`, whose {partitions} partitions are {by}: events of one \
         key of this rule lie in several partitions; run it over a topic with one partition, or over one that is \
         partitioned by {wanted} (repartitioning is not supported yet)"
    )]
    Key {
        /// The rule.
        rule: String,
        /// `for each …`.
        for_each: String,
        /// The topic.
        topic: String,
        /// How many partitions it has.
        partitions: usize,
        /// By which field it is partitioned, in words.
        by: String,
        /// The field or fields that would be right.
        wanted: String,
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
        let topology = Topology { cohorts: cohorts(sources, partitions, &mut errors) };
        for rule in &program.rules {
            errors.extend(topology.check(rule, sources, program));
        }
        if errors.is_empty() { Ok(topology) } else { Err(errors) }
    }

    /// The cohort of a source.
    pub(super) fn cohort_of(&self, source: usize) -> Option<usize> {
        self.cohorts.iter().position(|cohort| cohort.sources.contains(&source))
    }

    fn check(&self, rule: &Rule, sources: &[TopicSource], program: &Program) -> Option<TopologyError> {
        let types = types_of(rule, program);
        let carries = |source: &TopicSource| match &source.fields.event {
            None => true,
            Some(event) => program.schema.type_id(event).is_some_and(|id| types.contains(&id)),
        };
        let reads: Vec<usize> = (0..sources.len()).filter(|source| carries(&sources[*source])).collect();
        let mut cohorts: Vec<usize> = reads.iter().filter_map(|source| self.cohort_of(*source)).collect();
        cohorts.dedup();
        cohorts.sort_unstable();
        cohorts.dedup();
        let [cohort] = cohorts[..] else {
            return (!cohorts.is_empty()).then(|| spans(rule, &reads, sources));
        };
        let partitions = self.cohorts[cohort].partitions;
        let parts = program.keys[rule.key.index()].parts.len();
        let fits = |part| reads.iter().all(|source| is_partitioned_by(&sources[*source], rule, part, program));
        let right = partitions <= 1 || (0..parts).any(fits);
        (!right).then(|| wrong_key(rule, &sources[reads[0]], partitions, program))
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

fn types_of(rule: &Rule, program: &Program) -> Vec<TypeId> {
    let names = |plan: &TypePlan| plan.dispatch.iter().any(|dispatch| dispatch.rules.contains(&rule.id));
    (0..).map(TypeId).zip(&program.types).filter(|(_, plan)| names(plan)).map(|(id, _)| id).collect()
}

/// Whether this part of the rule's key is, in every type that it reads there, the field that partitions the topic.
fn is_partitioned_by(source: &TopicSource, rule: &Rule, part: usize, program: &Program) -> bool {
    let Some(key) = &source.key else { return false };
    let carried = |id: TypeId| source.fields.event.as_ref().is_none_or(|event| program.schema.get(id).name == *event);
    types_of(rule, program).into_iter().filter(|id| carried(*id)).all(|id| {
        let plan = &program.types[id.index()];
        let dispatch = plan.dispatch.iter().find(|dispatch| dispatch.rules.contains(&rule.id));
        let value = dispatch.and_then(|dispatch| dispatch.values.get(part));
        let field = value.and_then(|value| plan.fields.get(usize::from(*value)));
        field.is_some_and(|field| program.schema.get(id).fields[*field].dotted() == *key)
    })
}

fn spans(rule: &Rule, reads: &[usize], sources: &[TopicSource]) -> TopologyError {
    let names: Vec<String> = reads.iter().map(|source| format!("`{}`", sources[*source].topic)).collect();
    TopologyError::Spans { rule: rule.name.to_string(), topics: names.join(", ") }
}

fn wrong_key(rule: &Rule, source: &TopicSource, partitions: usize, program: &Program) -> TopologyError {
    let parts = &program.keys[rule.key.index()].parts;
    TopologyError::Key {
        rule: rule.name.to_string(),
        for_each: if parts.is_empty() {
            "without for each".to_owned()
        } else {
            format!("for each {}", parts.join(", "))
        },
        topic: source.topic.clone(),
        partitions,
        by: match &source.key {
            Some(key) => format!("by `{key}`"),
            None => "by a field that the source does not name (key = \"…\")".to_owned(),
        },
        wanted: if parts.is_empty() { "nothing".to_owned() } else { format!("`{}`", parts.join("` or `")) },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::{EventFields, Late, Start, TimeSettings};
    use crate::ruleset::RuleSet;

    fn topic(name: &str, key: &str, copartitioned: Option<&str>) -> TopicSource {
        TopicSource {
            topic: name.to_owned(),
            fields: EventFields::default(),
            key: Some(key.to_owned()),
            start: Start::Earliest,
            time: TimeSettings { lateness_ms: 0, late: Late::Drop },
            idle_timeout: Duration::from_secs(5),
            max_future_ms: 1,
            copartitioned: copartitioned.map(ToOwned::to_owned),
        }
    }

    fn program(for_each: &str) -> Program {
        let rules = format!(
            "event login user_id text, card_id text\nevent transfer sender_id text, card_id text\n\
             rule r\n  {for_each}\n  on login\n  then transfer\n  within 1 m\n  alert low\n"
        );
        let set = RuleSet::from_texts([("test.rules".to_owned(), rules)]);
        assert!(set.program().is_some(), "{:?}", set.checked.diagnostics);
        set.checked.program
    }

    #[test]
    fn any_rule_is_right_over_one_partition_each() {
        let sources = [topic("a", "x", None), topic("b", "y", None)];
        let topology = Topology::new(&sources, &[1, 1], &program("")).expect("one shard holds all");
        assert_eq!(topology.cohorts, [Cohort { sources: vec![0, 1], partitions: 1 }]);
    }

    #[test]
    fn the_key_has_to_be_the_one_that_partitions() {
        let wrong = |key: &str, for_each: &str| Topology::new(&[topic("a", key, None)], &[4], &program(for_each)).err();
        assert_eq!(wrong("card_id", "for each card_id"), None);
        assert!(wrong("user_id", "for each card_id").is_some());
        assert!(wrong("card_id", "").is_some_and(|errors| errors[0].to_string().contains("without for each")));
        // The key is called otherwise in one type, so no single field of the topic partitions both.
        assert!(wrong("user_id", "for each user_id (transfer.sender_id)").is_some());
        // All events of a pair lie where all events of its card lie.
        assert_eq!(wrong("card_id", "for each user_id (transfer.sender_id), card_id"), None);
    }

    #[test]
    fn a_rule_over_topics_needs_them_partitioned_alike() {
        let program = program("for each card_id");
        let apart = [topic("a", "card_id", None), topic("b", "card_id", None)];
        let errors = Topology::new(&apart, &[4, 4], &program).expect_err("nobody says that they are alike");
        assert!(matches!(errors[..], [TopologyError::Spans { .. }]), "{errors:?}");
        let alike = [topic("a", "card_id", Some("cards")), topic("b", "card_id", Some("cards"))];
        assert_eq!(Topology::new(&alike, &[4, 4], &program).expect("they are alike").cohorts.len(), 1);
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
        assert!(Topology::new(&[logins, transfers, others], &[4, 4, 2], &program).is_ok());
    }
}
