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
