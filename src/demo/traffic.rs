//! Every event of the demonstration in order of time. Ordinary customers come by once each, and what they do fits no
//! rule by construction: they stay in one place, mistype a password at most once, and pay for what is in their carts.
//!
//! Times are planned, not taken when an event is sent: a computer that is slow for a moment delays events and changes
//! nothing about what they say.

use serde_json::{Map, Value as Json};

use crate::demo::stories::{Act, BERLIN, LONGEST_MS, MADRID, PARIS, Place, STORIES, TOKYO};
use crate::workload::Random;

/// Visits a second; each is about five events.
const VISITS_PER_SECOND: u64 = 24;
/// The longest visit.
const VISIT_MS: u64 = 3_000;
/// Before the first story.
const QUIET_MS: u64 = 300;
const SEED: u64 = 7;

/// The shortest demonstration in which every story finds room.
pub(super) const SECONDS_MIN: u64 = 8;

/// An event, and when it is due after the begin of its round.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Planned {
    pub(super) due_ms: u64,
    pub(super) user: String,
    /// Whether it belongs to a story.
    pub(super) planted: bool,
    act: Act,
}

impl Planned {
    /// The event's JSON; `time_ms` is the begin of the round.
    pub(super) fn to_json(&self, begin_ms: u64, id: u64) -> String {
        let (event_type, rest) = self.act.event(&self.user);
        let mut event = Map::new();
        event.insert("type".to_owned(), event_type.into());
        event.insert("ts".to_owned(), (begin_ms + self.due_ms).into());
        event.insert("event_id".to_owned(), format!("e{id:06}").into());
        event.insert("user_id".to_owned(), self.user.as_str().into());
        if let Json::Object(rest) = rest {
            event.extend(rest);
        }
        Json::Object(event).to_string()
    }
}

/// A round: all stories once, and customers for as many seconds. In later rounds the same people come back under
/// other names.
pub(super) fn round(seconds: u64, number: u64) -> Vec<Planned> {
    let total_ms = seconds.max(SECONDS_MIN) * 1_000;
    let mut planned = stories(total_ms, number);
    planned.extend(customers(total_ms, number));
    planned.sort_by_key(|event| event.due_ms);
    planned
}

/// The stories, spread so that the last one is decided a little before the end.
fn stories(total_ms: u64, number: u64) -> Vec<Planned> {
    let room = total_ms - QUIET_MS - LONGEST_MS - 800;
    let mut planned = Vec::new();
    for (at, story) in (0u64..).zip(&STORIES) {
        let begin_ms = QUIET_MS + room * at / (STORIES.len() as u64 - 1);
        let user = if number == 0 { story.user.to_owned() } else { format!("{}-{}", story.user, number + 1) };
        planned.extend(story.acts.iter().map(|(after_ms, act)| Planned {
            due_ms: begin_ms + after_ms,
            user: user.clone(),
            planted: true,
            act: *act,
        }));
    }
    planned
}

fn customers(total_ms: u64, number: u64) -> Vec<Planned> {
    let mut random = Random(SEED + number);
    let visits = (total_ms - VISIT_MS) * VISITS_PER_SECOND / 1_000;
    let mut planned = Vec::new();
    for visit in 0..visits {
        let begin_ms = visit * 1_000 / VISITS_PER_SECOND + random.below(1_000 / VISITS_PER_SECOND);
        let user = format!("u{:06}", number * visits + visit);
        planned.extend(acts(&mut random).into_iter().map(|(after_ms, act)| Planned {
            due_ms: begin_ms + after_ms,
            user: user.clone(),
            planted: false,
            act,
        }));
    }
    planned
}

/// What a customer does on a visit; nothing later than [`VISIT_MS`].
fn acts(random: &mut Random) -> Vec<(u64, Act)> {
    let places = [BERLIN, PARIS, MADRID, TOKYO];
    let place: Place = places[index(random.below(places.len() as u64))];
    let mut acts = Vec::new();
    if random.below(10) == 0 {
        acts.push((0, Act::LoginFailed(place)));
    }
    acts.push((100 + random.below(200), Act::Login(place)));
    for _ in 0..=random.below(3) {
        acts.push((300 + random.below(600), Act::PageView));
    }
    match random.below(10) {
        0..4 => {
            acts.push((900 + random.below(100), Act::AddToCart));
            acts.push((1_200 + random.below(1_200), Act::Purchase(place, price(random))));
        }
        4..6 => acts.push((1_000 + random.below(1_000), Act::Purchase(place, price(random)))),
        6 => acts.push((1_000 + random.below(1_000), Act::Transfer(price(random)))),
        _ => {}
    }
    acts
}

/// From a coffee to a pair of shoes.
fn price(random: &mut Random) -> f64 {
    (150 + random.below(12_000)) as f64 / 100.0
}

fn index(n: u64) -> usize {
    usize::try_from(n).expect("below the length of an array")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_story_is_decided_before_the_end() {
        for seconds in [SECONDS_MIN, 26, 600] {
            let events = round(seconds, 0);
            assert!(events.is_sorted_by_key(|event| event.due_ms));
            let last = events.iter().filter(|event| event.planted).map(|event| event.due_ms).max();
            assert!(last.is_some_and(|last| last <= seconds * 1_000 - 800), "{seconds}");
            // Customers pay for their carts on the same visit; a cart of a story may be left for good.
            let left = events.iter().filter(|event| event.planted && event.act == Act::AddToCart);
            assert!(left.map(|event| event.due_ms).all(|cart| cart + 3_000 < seconds * 1_000), "{seconds}");
        }
    }

    #[test]
    fn rounds_have_users_of_their_own() {
        let users = |number| round(26, number).into_iter().map(|event| event.user);
        let first: std::collections::BTreeSet<String> = users(0).collect();
        assert!(users(1).all(|user| !first.contains(&user)));
    }
}
