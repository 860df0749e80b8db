//! The five rules of the workload, written out.

use tripline::program::Program;

use super::super::answer::{Answer, number_of};
use super::runs::{Queue, Runs};
use super::users::{UserNumber, Users};
use super::{Act, Seen};

const COUNTRY_HOP: u64 = number_of("country_hop");
const FAILED_BURST: u64 = number_of("failed_burst");
const CART_ABANDONED: u64 = number_of("cart_abandoned");
const TAKEOVER: u64 = number_of("takeover");
const SPEND_VELOCITY: u64 = number_of("spend_velocity");

const MINUTE_MS: i64 = 60_000;

/// How far a `takeover` has come: so many failed logins, then a login.
const FAILED_ENOUGH: u32 = 3;
const LOGGED_IN: u32 = 4;

/// The rules that are asked for, with what is open.
pub(super) struct Rules {
    users: Users,
    hops: Option<Runs>,
    bursts: Option<Runs>,
    carts: Option<Runs>,
    takeovers: Option<Runs>,
    spending: Option<Spending>,
    now_ms: i64,
    answer: Answer,
}

/// The purchases of ten minutes, and their sum by user.
struct Spending {
    purchases: Queue,
    cents: Vec<u64>,
}

impl Rules {
    /// The rules of these names that a program has.
    pub(super) fn of(program: &Program) -> Rules {
        let runs = |name: &str, lasts_ms: i64| {
            program.rules.iter().any(|rule| *rule.name == *name).then(|| Runs::new(lasts_ms))
        };
        Rules {
            users: Users::default(),
            hops: runs("country_hop", 5 * MINUTE_MS),
            bursts: runs("failed_burst", MINUTE_MS),
            carts: runs("cart_abandoned", 10 * MINUTE_MS),
            takeovers: runs("takeover", 10 * MINUTE_MS),
            // After exactly ten minutes a purchase is in the window no more.
            spending: runs("spend_velocity", 0)
                .map(|_| Spending { purchases: Queue::new(10 * MINUTE_MS - 1), cents: Vec::new() }),
            now_ms: i64::MIN,
            answer: Answer::default(),
        }
    }

    pub(super) fn answer(&self) -> Answer {
        self.answer
    }

    /// How many logins wait for a purchase.
    pub(super) fn open_hops(&self) -> usize {
        self.hops.as_ref().map_or(0, Runs::len)
    }

    /// Judges an event, which is not before the last one.
    #[inline]
    pub(super) fn on_event(&mut self, seen: &Seen, line: u32) {
        if seen.time_ms > self.now_ms {
            self.now_ms = seen.time_ms;
            self.expire(seen.time_ms);
        }
        if let Some(user) = self.user(seen) {
            // Held until the end of the event: what one rule ends, another may begin anew.
            self.users.open(user);
            self.judge(seen, user, line);
            self.users.close(user);
        }
    }

    /// The input has ended: what waits up to its last event fires.
    pub(super) fn finish(&mut self) {
        self.expire(self.now_ms + 1);
    }

    /// The user, where a rule has anything to do with the event: added where the event may begin something.
    #[inline]
    fn user(&mut self, seen: &Seen) -> Option<UserNumber> {
        let begins = match seen.act {
            Act::Login => self.hops.is_some(),
            Act::LoginFailed => self.bursts.is_some() || self.takeovers.is_some(),
            Act::Purchase => self.spending.is_some(),
            Act::AddToCart => self.carts.is_some(),
            Act::Other => false,
        };
        let continues = match seen.act {
            Act::Login => self.takeovers.is_some(),
            Act::Purchase => self.hops.is_some() || self.carts.is_some() || self.takeovers.is_some(),
            Act::LoginFailed | Act::AddToCart | Act::Other => false,
        };
        match (begins, continues) {
            (true, _) => Some(self.users.find_or_add(seen.user)),
            (false, true) => self.users.find(seen.user),
            (false, false) => None,
        }
    }

    #[inline]
    fn expire(&mut self, now_ms: i64) {
        let Rules { users, hops, bursts, carts, takeovers, spending, answer, .. } = self;
        for runs in [hops, bursts, takeovers].into_iter().flatten() {
            runs.expire(users, now_ms, |_| {});
        }
        if let Some(carts) = carts {
            carts.expire(users, now_ms, |row| answer.add(CART_ABANDONED, row.line.into(), row.line.into()));
        }
        if let Some(Spending { purchases, cents }) = spending {
            while let Some(row) = purchases.pop_before(now_ms) {
                cents[row.user as usize] -= u64::from(row.info);
                users.close(row.user);
            }
        }
    }

    #[inline]
    fn judge(&mut self, seen: &Seen, user: UserNumber, line: u32) {
        match seen.act {
            Act::Login => self.on_login(seen, user, line),
            Act::LoginFailed => self.on_login_failed(seen, user, line),
            Act::Purchase => self.on_purchase(seen, user, line),
            Act::AddToCart => {
                if let Some(carts) = &mut self.carts {
                    carts.push(&mut self.users, seen.time_ms, user, line, 0);
                }
            }
            Act::Other => {}
        }
    }

    #[inline]
    fn on_login(&mut self, seen: &Seen, user: UserNumber, line: u32) {
        let Rules { users, hops, takeovers, .. } = self;
        if let Some(hops) = hops {
            hops.push(users, seen.time_ms, user, line, seen.country.into());
        }
        if let Some(takeovers) = takeovers {
            takeovers.retain(users, user, |row| {
                row.info = if row.info == FAILED_ENOUGH { LOGGED_IN } else { row.info };
                true
            });
        }
    }

    fn on_login_failed(&mut self, seen: &Seen, user: UserNumber, line: u32) {
        let Rules { users, bursts, takeovers, answer, .. } = self;
        if let Some(bursts) = bursts {
            let mut fifth_of = None;
            bursts.retain(users, user, |row| {
                row.info += 1;
                if row.info == 5 {
                    fifth_of = Some(row.line);
                }
                fifth_of.is_none()
            });
            match fifth_of {
                Some(first) => answer.add(FAILED_BURST, first.into(), line.into()),
                None => bursts.push(users, seen.time_ms, user, line, 1),
            }
        }
        if let Some(takeovers) = takeovers {
            takeovers.retain(users, user, |row| {
                row.info += u32::from(row.info < FAILED_ENOUGH);
                true
            });
            takeovers.push(users, seen.time_ms, user, line, 1);
        }
    }

    #[inline]
    fn on_purchase(&mut self, seen: &Seen, user: UserNumber, line: u32) {
        let Rules { users, hops, carts, takeovers, spending, answer, .. } = self;
        if let Some(hops) = hops {
            hops.retain(users, user, |row| {
                let stays = row.info == u32::from(seen.country);
                if !stays {
                    answer.add(COUNTRY_HOP, row.line.into(), line.into());
                }
                stays
            });
        }
        if let Some(carts) = carts {
            carts.retain(users, user, |_| false);
        }
        if let Some(takeovers) = takeovers.as_mut().filter(|_| seen.cents > 10_000) {
            let mut first_of = None;
            takeovers.retain(users, user, |row| {
                if row.info == LOGGED_IN && first_of.is_none() {
                    first_of = Some(row.line);
                }
                // The oldest has come farthest: if it does not complete, none does.
                first_of.is_none()
            });
            if let Some(first) = first_of {
                answer.add(TAKEOVER, first.into(), line.into());
            }
        }
        if let Some(Spending { purchases, cents }) = spending {
            purchases.push(users, seen.time_ms, user, line, seen.cents);
            let at = user as usize;
            if at >= cents.len() {
                cents.resize(at + 1, 0);
            }
            cents[at] += u64::from(seen.cents);
            if cents[at] > 50_000 {
                answer.add(SPEND_VELOCITY, line.into(), line.into());
            }
        }
    }
}
