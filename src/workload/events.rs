//! A stream of account events, made by a seed.
//!
//! Only integers are computed with, so that a seed gives the same bytes on every machine and for ever. A change of the
//! bytes makes all earlier figures incomparable.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::Write;

/// How the events are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where the random numbers begin.
    pub seed: u64,
    /// How many users there are; at least 1.
    pub users: u64,
    /// How many events a second of event time holds; at least 1.
    pub events_per_second: u64,
    /// The time of the first event, in ms since the epoch.
    pub start_ms: u64,
    /// How many of a hundred events are of one user, who never leaves the country; 0 for no such user.
    pub hot_percent: u64,
    /// How many countries there are: beyond the 16 that have a name, they are called `C16`, `C17` and so on.
    pub countries: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            seed: 1,
            users: 100_000,
            events_per_second: 500,
            start_ms: 1_700_000_000_000,
            hot_percent: 0,
            countries: COUNTRIES.len() as u64,
        }
    }
}

/// An endless stream of account events, in order of time.
///
/// ```
/// use tripline::workload::{Settings, Workload};
///
/// let mut workload = Workload::new(Settings::default());
/// let mut lines = Vec::new();
/// for _ in 0..1000 {
///     workload.write_line(&mut lines);
/// }
/// assert_eq!(lines.iter().filter(|&&byte| byte == b'\n').count(), 1000);
/// ```
#[derive(Clone, Debug)]
pub struct Workload {
    settings: Settings,
    random: Random,
    /// How many events were made.
    made: u64,
    /// What users will do next, the earliest first.
    planned: BinaryHeap<Reverse<Planned>>,
}

/// What a user does at a time; the order is that of time, then that of planning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Planned {
    due_ms: u64,
    number: u64,
    user: u64,
    act: Act,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    Login,
    LoginFailed,
    Purchase { cents: u64 },
    AddToCart,
    PageView,
    PasswordChange,
    Transfer,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Act::Login => "login",
            Act::LoginFailed => "login_failed",
            Act::Purchase { .. } => "purchase",
            Act::AddToCart => "add_to_cart",
            Act::PageView => "page_view",
            Act::PasswordChange => "password_change",
            Act::Transfer => "transfer",
        }
    }
}

/// A country with the middle of its capital, in ten-thousandths of a degree.
type Country = (&'static str, i64, i64);

const COUNTRIES: [Country; 16] = [
    ("DE", 525_200, 134_050),
    ("FR", 488_566, 23_522),
    ("GB", 515_074, -1_278),
    ("ES", 404_168, -37_038),
    ("IT", 419_028, 124_964),
    ("NL", 523_676, 49_041),
    ("PL", 522_297, 210_122),
    ("SE", 593_293, 180_686),
    ("US", 389_072, -770_369),
    ("CA", 454_215, -756_972),
    ("BR", -157_975, -478_919),
    ("IN", 286_139, 772_090),
    ("JP", 356_762, 1_396_503),
    ("AU", -352_809, 1_491_300),
    ("ZA", -257_479, 282_293),
    ("MX", 194_326, -991_332),
];

/// Whom [`Settings::hot_percent`] is about.
const HOT_USER: u64 = 0;

/// What the countries are called in events, by their number.
pub(super) fn country_name(number: u64) -> Cow<'static, str> {
    let named = usize::try_from(number).ok().and_then(|number| COUNTRIES.get(number));
    named.map_or_else(|| format!("C{number}").into(), |(name, ..)| (*name).into())
}

const CATEGORIES: [&str; 6] = ["grocery", "travel", "electronics", "fashion", "gaming", "fuel"];

impl Workload {
    /// The stream from its first event.
    pub fn new(settings: Settings) -> Workload {
        let settings = Settings {
            users: settings.users.max(1),
            events_per_second: settings.events_per_second.max(1),
            countries: settings.countries.max(1),
            ..settings
        };
        Workload { settings, random: Random(settings.seed), made: 0, planned: BinaryHeap::new() }
    }

    /// Appends the next event as one line of JSON.
    pub fn write_line(&mut self, out: &mut Vec<u8>) {
        let now_ms = self.next_ms();
        let (user, act) = self.next_act(now_ms);
        self.write_event(now_ms, user, act, out);
    }

    /// Appends a login in place of the next event: each user logs in once before anybody does a second time.
    pub fn write_login(&mut self, out: &mut Vec<u8>) {
        let user = self.made % self.settings.users;
        let now_ms = self.next_ms();
        self.write_event(now_ms, user, Act::Login, out);
    }

    fn next_ms(&mut self) -> u64 {
        let now_ms = self.settings.start_ms + self.made * 1000 / self.settings.events_per_second;
        self.made += 1;
        now_ms
    }

    /// What was planned for now or before, else something new.
    fn next_act(&mut self, now_ms: u64) -> (u64, Act) {
        if let Some(Reverse(planned)) = self.planned.peek()
            && planned.due_ms <= now_ms
        {
            let Planned { user, act, .. } = *planned;
            self.planned.pop();
            return (user, act);
        }
        let user = if self.is_hot() { HOT_USER } else { self.random.below(self.settings.users) };
        if self.random.below(2_500) == 0 {
            self.plan_attack(now_ms, user);
        }
        let act = match self.random.below(100) {
            0..28 => Act::Login,
            28..31 => Act::LoginFailed,
            31..55 => Act::Purchase { cents: self.price() },
            55..63 => Act::AddToCart,
            63..96 => Act::PageView,
            96..98 => Act::PasswordChange,
            _ => Act::Transfer,
        };
        if act == Act::AddToCart && self.random.below(100) < 90 {
            let due_ms = now_ms + 20_000 + self.random.below(400_000);
            let cents = self.price();
            self.plan(due_ms, user, Act::Purchase { cents });
        }
        (user, act)
    }

    /// Draws nothing where there is no hot user, so that the bytes without one stay what they were.
    fn is_hot(&mut self) -> bool {
        self.settings.hot_percent > 0 && self.random.below(100) < self.settings.hot_percent
    }

    /// Failed logins some seconds apart; every other attacker gets in and buys.
    fn plan_attack(&mut self, now_ms: u64, user: u64) {
        let mut due_ms = now_ms;
        for _ in 0..3 + self.random.below(5) {
            due_ms += 1_000 + self.random.below(8_000);
            self.plan(due_ms, user, Act::LoginFailed);
        }
        if self.random.below(2) == 0 {
            due_ms += 2_000 + self.random.below(60_000);
            self.plan(due_ms, user, Act::Login);
            due_ms += 10_000 + self.random.below(240_000);
            let cents = 15_000 + self.random.below(80_000);
            self.plan(due_ms, user, Act::Purchase { cents });
        }
    }

    fn plan(&mut self, due_ms: u64, user: u64, act: Act) {
        // Two plans may be due in the same millisecond: the random state tells them apart and is never twice the same.
        self.planned.push(Reverse(Planned { due_ms, number: self.random.0, user, act }));
    }

    /// Most things are cheap.
    fn price(&mut self) -> u64 {
        match self.random.below(100) {
            0 => 20_000 + self.random.below(50_000),
            1..10 => 5_000 + self.random.below(15_000),
            _ => 150 + self.random.below(6_000),
        }
    }

    fn write_event(&mut self, now_ms: u64, user: u64, act: Act, out: &mut Vec<u8>) {
        let number = self.made;
        let stays = self.settings.hot_percent > 0 && user == HOT_USER;
        let abroad = self.random.below(100) < 2 && !stays;
        let place = if abroad { self.random.next() } else { scramble(user) };
        let country = country_name(place % self.settings.countries);
        let (_, latitude, longitude) = COUNTRIES[index(place, COUNTRIES.len())];
        let [a, b, c, _, ..] = scramble(place).to_le_bytes();
        let host = 1 + self.random.below(250);
        put(
            out,
            format_args!(
                r#"{{"type":"{}","ts":{now_ms},"event_id":"e{number:08}","user_id":"u{user:07}","country":"{country}","ip":"{}.{b}.{c}.{host}""#,
                act.name(),
                11 + u16::from(a % 190),
            ),
        );
        self.write_rest(user, act, (latitude, longitude), out);
        out.extend_from_slice(b"}\n");
    }

    /// What this type of event has beside what all have.
    fn write_rest(&mut self, user: u64, act: Act, place: (i64, i64), out: &mut Vec<u8>) {
        let any = self.random.next();
        if let Act::Purchase { cents } = act {
            let merchant = any % 5_000;
            let category = CATEGORIES[index(merchant, CATEGORIES.len())];
            return put(
                out,
                format_args!(
                    r#","card_id":"c{user:07}","amount":{}.{:02},"merchant":{{"id":"m{merchant:04}","category":"{category}"}}"#,
                    cents / 100,
                    cents % 100
                ),
            );
        }
        put(out, format_args!(r#","device":{{"id":"d{user:07}{}"}}"#, any % 3));
        let any = any / 3;
        match act {
            Act::Login if any.is_multiple_of(2) => write_location(place, out),
            Act::Login => put(
                out,
                format_args!(r#","method":"password","app":"web-{}","session":"{:08}""#, any % 9, any % 100_000_000),
            ),
            Act::LoginFailed => put(out, format_args!(r#","reason":"bad_password","attempt":{}"#, 1 + any % 3)),
            Act::AddToCart => {
                put(out, format_args!(r#","sku":"s{:06}","quantity":{},"currency":"EUR""#, any % 200_000, 1 + any % 4));
            }
            Act::PageView => {
                put(out, format_args!(r#","page":"/catalogue/items/{:06}","referrer":"home""#, any % 200_000));
            }
            Act::PasswordChange => put(out, format_args!(r#","channel":"settings""#)),
            Act::Transfer => put(
                out,
                format_args!(
                    r#","amount":{}.{:02},"recipient":"u{:07}""#,
                    10 + any % 900,
                    any % 100,
                    any % self.settings.users
                ),
            ),
            Act::Purchase { .. } => unreachable!("a purchase has no device and was written above"),
        }
    }
}

fn write_location((latitude, longitude): (i64, i64), out: &mut Vec<u8>) {
    out.extend_from_slice(br#","location":{"latitude":"#);
    write_degrees(latitude, out);
    out.extend_from_slice(br#","longitude":"#);
    write_degrees(longitude, out);
    out.push(b'}');
}

fn write_degrees(ten_thousandths: i64, out: &mut Vec<u8>) {
    let sign = if ten_thousandths < 0 { "-" } else { "" };
    let size = ten_thousandths.unsigned_abs();
    put(out, format_args!("{sign}{}.{:04}", size / 10_000, size % 10_000));
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a Vec takes all that is written");
}

fn index(any: u64, length: usize) -> usize {
    usize::try_from(any % length as u64).expect("below a length")
}

/// The `SplitMix64` generator: Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014,
/// with the constants of Vigna's reference code (<https://prng.di.unimi.it/splitmix64.c>, public domain).
#[derive(Clone, Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0)
    }

    /// A number below `n`; the bias of the remainder does not matter here.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }
}

/// The output function of `SplitMix64`: any two inputs that differ have unrelated outputs.
fn scramble(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::Value;
    use sha2::{Digest, Sha256};

    use super::*;

    fn lines(settings: Settings, count: usize) -> Vec<u8> {
        let mut workload = Workload::new(settings);
        let mut out = Vec::new();
        for _ in 0..count {
            workload.write_line(&mut out);
        }
        out
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // The first outputs for the seed 1234567, as published with the reference code.
        let mut random = Random(1_234_567);
        assert_eq!([random.next(), random.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn a_seed_gives_the_same_bytes_for_ever() {
        let digest = Sha256::digest(lines(Settings::default(), 10_000));
        assert_eq!(digest[..8], 0x9ce1_5cef_c409_3276_u64.to_be_bytes());
        assert_ne!(lines(Settings { seed: 2, ..Settings::default() }, 10), lines(Settings::default(), 10));
    }

    #[test]
    fn a_hot_user_has_a_share_of_the_events_and_stays_in_the_country() {
        let count = 20_000;
        let out = lines(Settings { hot_percent: 10, ..Settings::default() }, count);
        let events = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let hot: Vec<Value> = events
            .map(|line| serde_json::from_slice::<Value>(line).unwrap())
            .filter(|event| event["user_id"] == "u0000000")
            .collect();
        assert!((count / 11..count / 9).contains(&hot.len()), "{} events", hot.len());
        assert!(hot.iter().all(|event| event["country"] == hot[0]["country"]));
    }

    #[test]
    fn each_user_logs_in_once_before_anybody_does_a_second_time() {
        let mut workload = Workload::new(Settings { users: 50, ..Settings::default() });
        let mut out = Vec::new();
        for _ in 0..100 {
            workload.write_login(&mut out);
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for line in out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap();
            assert_eq!(event["type"], "login");
            *counts.entry(event["user_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        assert_eq!((counts.len(), counts.values().min(), counts.values().max()), (50, Some(&2), Some(&2)));
    }

    #[test]
    fn countries_beyond_those_with_a_name_are_numbered() {
        let out = lines(Settings { countries: 1_000, ..Settings::default() }, 1_000);
        let text = String::from_utf8(out).unwrap();
        let numbers =
            text.split(r#""country":"C"#).skip(1).filter_map(|rest| rest.split('"').next()?.parse::<u32>().ok());
        let numbers: Vec<u32> = numbers.collect();
        assert!(numbers.len() > 500 && numbers.iter().all(|number| (16..1_000).contains(number)), "{numbers:?}");
    }

    #[test]
    fn events_are_as_large_and_as_dense_as_the_figures_say() {
        let count = 50_000;
        let out = lines(Settings::default(), count);
        let mean = out.len() / count - 1;
        assert!((195..=199).contains(&mean), "{mean} bytes");
        let times: Vec<u64> = out
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice::<Value>(line).unwrap()["ts"].as_u64().unwrap())
            .collect();
        assert!(times.is_sorted());
        assert_eq!(times.last().unwrap() - times[0], 99_998);
    }

    /// `country_hop`, `failed_burst` and `takeover` by hand, as far as it takes to see that they happen.
    #[test]
    fn the_rules_have_something_to_find() {
        let count = 400_000;
        let out = lines(Settings::default(), count);
        let mut logins: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        let mut failures: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let (mut hops, mut bursts, mut takeovers) = (0, 0, 0);
        for line in out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let event: Value = serde_json::from_slice(line).unwrap();
            let user = event["user_id"].as_str().unwrap().to_owned();
            let (ts, country) = (event["ts"].as_u64().unwrap(), event["country"].as_str().unwrap());
            match event["type"].as_str().unwrap() {
                "login" => logins.entry(user).or_default().push((ts, country.to_owned())),
                "login_failed" => {
                    let failed = failures.entry(user).or_default();
                    failed.push(ts);
                    bursts += usize::from(failed.len() >= 5 && ts - failed[failed.len() - 5] <= 60_000);
                }
                "purchase" => {
                    let open = logins.entry(user.clone()).or_default();
                    let before = open.len();
                    open.retain(|(at, from)| ts - at > 300_000 || from == country);
                    hops += before - open.len();
                    let failed = failures.get(&user).map_or(0, |f| f.iter().filter(|&&at| ts - at <= 600_000).count());
                    takeovers += usize::from(failed >= 3 && event["amount"].as_f64().unwrap() > 100.0);
                }
                _ => {}
            }
        }
        let share = hops as f64 / count as f64;
        assert!((0.002..0.004).contains(&share), "country_hop on {share} of the events");
        assert!(bursts > 50 && takeovers > 20, "{bursts} bursts, {takeovers} takeovers");
    }
}
