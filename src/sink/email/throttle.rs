//! Which alert gets a mail of its own, which goes into a digest, and when digests are due. Pure: the time is given.
//!
//! - A rule's alerts get their own mails until there were `digest_after` of them within a minute; the next open a
//!   digest, which is due a minute later. So in a storm a rule gives one mail a minute.
//! - Within any hour at most `max_per_hour` mails are sent. When all but a tenth of them are used up, alerts of all
//!   rules are gathered, and what is left is spread evenly over combined digests, which say that the limit is reached.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::sink::email::digest::Digest;
use crate::sink::ledger::Held;

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
/// When so many rules are remembered, those that are calm are forgotten.
const RULES_BEFORE_PRUNING: usize = 1_000;

/// The two limits, in mails.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) digest_after: usize,
    pub(super) max_per_hour: usize,
}

impl Limits {
    /// Mails an hour that only combined digests may use.
    fn reserve(self) -> usize {
        (self.max_per_hour / 10).max(1)
    }

    /// The time between two combined digests, so that the reserve lasts for an hour.
    pub(super) fn combined_every(self) -> Duration {
        HOUR / u32::try_from(self.reserve()).unwrap_or(u32::MAX)
    }
}

/// Digests that go out as one mail.
#[derive(Debug)]
pub(super) struct Bundle {
    pub(super) digests: Vec<Digest>,
    /// Whether the hourly limit is the reason.
    pub(super) capped: bool,
}

/// The state of the limits.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: Limits,
    rules: BTreeMap<String, Rule>,
    /// When the mails of the last hour were delivered.
    delivered: VecDeque<Instant>,
    combined_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Rule {
    /// The last `digest_after` alerts.
    arrivals: VecDeque<Instant>,
    pending: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    digest: Digest,
    due: Instant,
}

impl Throttle {
    /// Nothing sent yet.
    pub(super) fn new(limits: Limits) -> Throttle {
        Throttle { limits, rules: BTreeMap::new(), delivered: VecDeque::new(), combined_at: None }
    }

    /// The digest that an alert of this rule goes into; `None` where it gets a mail of its own. `queued` mails are
    /// not delivered yet and count as if they were.
    pub(super) fn admit(&mut self, rule: &str, now: Instant, queued: usize) -> Option<&mut Digest> {
        self.prune(now);
        let capped = self.used(now, queued) + self.limits.reserve() >= self.limits.max_per_hour;
        let state = self.rules.entry(rule.to_owned()).or_default();
        let crowded = state.arrive(now, self.limits.digest_after);
        if !capped && !crowded && state.pending.is_none() {
            return None;
        }
        let pending = state.pending.get_or_insert_with(|| Pending { digest: Digest::new(rule), due: now + MINUTE });
        Some(&mut pending.digest)
    }

    /// The digests to send now.
    pub(super) fn due(&mut self, now: Instant, queued: usize) -> Vec<Bundle> {
        if self.earliest_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let used = self.used(now, queued);
        let room = self.limits.max_per_hour.saturating_sub(self.limits.reserve()).saturating_sub(used);
        let ready = self.rules.values().filter(|rule| rule.is_due(now)).count();
        if ready <= room {
            let alone = |digest| Bundle { digests: vec![digest], capped: false };
            return self.take(|rule| rule.is_due(now)).into_iter().map(alone).collect();
        }
        let waited = self.combined_at.is_none_or(|last| now >= last + self.limits.combined_every());
        if used < self.limits.max_per_hour && waited {
            self.combined_at = Some(now);
            return vec![Bundle { digests: self.take(|_| true), capped: true }];
        }
        Vec::new()
    }

    /// When [`due`](Throttle::due) may next give something, if nothing else happens.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let due = self.earliest_due()?;
        if due > now {
            return Some(due);
        }
        let slot = self.delivered.front().map(|first| *first + HOUR);
        let combined = self.combined_at.map(|last| last + self.limits.combined_every());
        [slot, combined].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// A mail was delivered.
    pub(super) fn delivered(&mut self, now: Instant) {
        self.delivered.push_back(now);
    }

    /// No further alert will come: what waits is due as soon as the hourly limit allows.
    pub(super) fn close(&mut self, now: Instant) {
        self.rules.values_mut().filter_map(|rule| rule.pending.as_mut()).for_each(|pending| pending.due = now);
    }

    /// Everything that waits as one mail, where the hourly limit has room for it: the last word before a stop.
    pub(super) fn last_word(&mut self, now: Instant, queued: usize) -> Option<Bundle> {
        if self.used(now, queued) >= self.limits.max_per_hour {
            return None;
        }
        let digests = self.take(|_| true);
        (!digests.is_empty()).then_some(Bundle { digests, capped: false })
    }

    /// What the waiting digests hold.
    pub(super) fn held(&self) -> impl Iterator<Item = &Held> {
        self.rules.values().filter_map(|rule| rule.pending.as_ref()).map(|pending| &pending.digest.held)
    }

    /// How many alerts wait in digests.
    pub(super) fn waiting(&self) -> u64 {
        self.rules.values().filter_map(|rule| rule.pending.as_ref()).map(|pending| pending.digest.count).sum()
    }

    /// Whether no digest waits.
    pub(super) fn is_calm(&self) -> bool {
        self.earliest_due().is_none()
    }

    fn earliest_due(&self) -> Option<Instant> {
        self.rules.values().filter_map(|rule| rule.pending.as_ref()).map(|pending| pending.due).min()
    }

    fn take(&mut self, wanted: impl Fn(&Rule) -> bool) -> Vec<Digest> {
        let rules = self.rules.values_mut().filter(|rule| wanted(rule));
        rules.filter_map(|rule| rule.pending.take()).map(|pending| pending.digest).collect()
    }

    fn used(&mut self, now: Instant, queued: usize) -> usize {
        while self.delivered.front().is_some_and(|first| *first + HOUR <= now) {
            self.delivered.pop_front();
        }
        self.delivered.len() + queued
    }

    fn prune(&mut self, now: Instant) {
        if self.rules.len() >= RULES_BEFORE_PRUNING {
            self.rules.retain(|_, rule| !rule.is_calm(now));
        }
    }
}

impl Rule {
    /// Notes an alert; whether `limit` others came within the last minute.
    fn arrive(&mut self, now: Instant, limit: usize) -> bool {
        let crowded = self.arrivals.len() >= limit && self.arrivals.front().is_none_or(|first| now < *first + MINUTE);
        self.arrivals.push_back(now);
        if self.arrivals.len() > limit {
            self.arrivals.pop_front();
        }
        crowded
    }

    fn is_due(&self, now: Instant) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.due <= now)
    }

    fn is_calm(&self, now: Instant) -> bool {
        self.pending.is_none() && self.arrivals.back().is_none_or(|last| *last + MINUTE <= now)
    }
}
