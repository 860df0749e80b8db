//! The coordinator of a consumer group: who is a member, which partitions each has, and what is committed.
//!
//! The protocol is the eager one: where anything changes all members give up their partitions, and when all have, or
//! are not heard of any more, a new generation shares them out by ranges.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::broker::Offsets;
use super::pulse::Pulse;
use crate::source::kafka::{CommittedOffset, Notice, Partition};

/// A member that is not heard of for so long is none any more, in ms.
const SESSION_MS: u64 = 10_000;

/// A member.
#[derive(Debug)]
struct Member {
    pulse: Arc<Pulse>,
    topics: Vec<String>,
    /// Of its partitions.
    generation: u32,
    partitions: Vec<Partition>,
    /// Whether it waits for the next generation.
    joined: bool,
    silent_since_ms: Option<u64>,
    notices: Vec<Notice>,
}

/// The group.
#[derive(Debug, Default)]
pub(super) struct Group {
    committed: BTreeMap<Partition, CommittedOffset>,
    generation: u32,
    members: BTreeMap<u64, Member>,
    last_member: u64,
    is_balancing: bool,
}

impl Group {
    /// One more member.
    pub(super) fn join(&mut self, pulse: &Arc<Pulse>, topics: &[String]) -> u64 {
        self.last_member += 1;
        self.members.insert(
            self.last_member,
            Member {
                pulse: Arc::clone(pulse),
                topics: topics.to_vec(),
                generation: 0,
                partitions: Vec::new(),
                joined: true,
                silent_since_ms: None,
                notices: Vec::new(),
            },
        );
        self.rebalance();
        self.last_member
    }

    /// A member has given up its partitions. Says whether it is one still.
    pub(super) fn join_again(&mut self, member: u64) -> bool {
        let Some(member) = self.members.get_mut(&member) else { return false };
        member.joined = true;
        member.partitions.clear();
        self.rebalance();
        true
    }

    pub(super) fn leave(&mut self, member: u64) {
        if self.members.remove(&member).is_some() {
            self.rebalance();
        }
    }

    /// Whether it is a member.
    pub(super) fn knows(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    /// Whether it is a member of this generation.
    pub(super) fn is_current(&self, member: u64) -> bool {
        self.members.get(&member).is_some_and(|member| member.generation == self.generation)
    }

    /// What a member is to be told.
    pub(super) fn notices(&mut self, member: u64) -> Vec<Notice> {
        self.members.get_mut(&member).map(|member| std::mem::take(&mut member.notices)).unwrap_or_default()
    }

    pub(super) fn committed(&self, partition: &Partition) -> Option<&CommittedOffset> {
        self.committed.get(partition)
    }

    pub(super) fn store(&mut self, offsets: Offsets) {
        for (partition, offset, metadata) in offsets {
            self.committed.insert(partition, CommittedOffset { offset, metadata });
        }
    }

    /// Takes out who was not heard of for too long.
    pub(super) fn tick(&mut self, now_ms: u64) {
        for member in self.members.values_mut() {
            let silent = member.pulse.is_silent();
            member.silent_since_ms = silent.then(|| member.silent_since_ms.unwrap_or(now_ms));
        }
        let before = self.members.len();
        self.members.retain(|_, member| member.silent_since_ms.is_none_or(|since| now_ms - since < SESSION_MS));
        if self.members.len() < before {
            self.rebalance();
        }
    }

    /// Shares the partitions out where all members wait for it.
    pub(super) fn balance(&mut self, all: &[Partition]) {
        if !self.is_balancing || !self.members.values().all(|member| member.joined) {
            return;
        }
        self.is_balancing = false;
        self.generation += 1;
        let count = self.members.len();
        for (place, member) in self.members.values_mut().enumerate() {
            member.partitions = member.topics.iter().flat_map(|topic| range(all, topic, place, count)).collect();
            member.partitions.sort();
            member.generation = self.generation;
            member.joined = false;
            member.notices.push(Notice::Assigned(member.partitions.clone()));
        }
    }

    fn rebalance(&mut self) {
        if std::mem::replace(&mut self.is_balancing, true) {
            return;
        }
        for member in self.members.values_mut().filter(|member| !member.joined) {
            member.notices.push(Notice::Revoked(member.partitions.clone()));
        }
    }
}

/// The part of a topic that the member at this place has.
fn range(all: &[Partition], topic: &str, place: usize, members: usize) -> Vec<Partition> {
    let of_topic: Vec<&Partition> = all.iter().filter(|partition| partition.topic == topic).collect();
    let (each, more) = (of_topic.len() / members, of_topic.len() % members);
    let begin = place * each + place.min(more);
    let end = begin + each + usize::from(place < more);
    of_topic[begin..end].iter().map(|partition| (*partition).clone()).collect()
}
