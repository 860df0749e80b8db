//! The coordinator of a consumer group: who is a member, which partitions each has, and what is committed.
//!
//! The protocol is the eager one: where anything changes all members give up their partitions, and when all have, or
//! are not heard of any more, a new generation shares them out by ranges. A member with a name that comes again takes
//! its own place, with the partitions that it had, and shuts out who had it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::broker::Offsets;
use super::pulse::Pulse;
use crate::source::kafka::{CommittedOffset, Notice, Partition};

/// A member that is not heard of for so long is none any more, in ms.
const SESSION_MS: u64 = 10_000;

/// A client that is to join.
#[derive(Clone, Debug)]
pub(super) struct Joining {
    /// The life that it is of.
    pub(super) pulse: Arc<Pulse>,
    /// Whether it is there at all any more.
    pub(super) is_gone: Arc<AtomicBool>,
    pub(super) name: Option<String>,
    pub(super) topics: Vec<String>,
}

impl Joining {
    fn is_silent(&self) -> bool {
        self.pulse.is_silent() || self.is_gone.load(Ordering::Relaxed)
    }
}

/// A member.
#[derive(Debug)]
struct Member {
    client: Joining,
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
    shut_out: BTreeSet<u64>,
    is_balancing: bool,
}

impl Group {
    /// One more member.
    pub(super) fn join(&mut self, client: &Joining) -> u64 {
        self.last_member += 1;
        let mut member = Member {
            client: client.clone(),
            generation: 0,
            partitions: Vec::new(),
            joined: true,
            silent_since_ms: None,
            notices: Vec::new(),
        };
        let is_same = |(_, other): &(&u64, &Member)| client.name.is_some() && other.client.name == client.name;
        let before = self.members.iter().find(is_same).map(|(number, _)| *number);
        self.shut_out.extend(before);
        match before.and_then(|before| self.members.remove(&before)) {
            Some(before) if !self.is_balancing => {
                member.joined = false;
                member.generation = before.generation;
                member.notices.push(Notice::Assigned(before.partitions.clone()));
                member.partitions = before.partitions;
            }
            _ => self.rebalance(),
        }
        self.members.insert(self.last_member, member);
        self.last_member
    }

    /// Whether another one has its place.
    pub(super) fn is_shut_out(&self, member: u64) -> bool {
        self.shut_out.contains(&member)
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
            let silent = member.client.is_silent();
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
            member.partitions = member.client.topics.iter().flat_map(|topic| range(all, topic, place, count)).collect();
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
