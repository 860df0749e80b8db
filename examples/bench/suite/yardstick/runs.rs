//! What is open: rows in order of time, so that those that have ended stand at the front; and, linked, those of a user.

use std::collections::VecDeque;

use super::users::{UserNumber, Users};

/// Something that began with an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) started_ms: i64,
    /// [`NOBODY`] where it ended before its time.
    pub(super) user: UserNumber,
    pub(super) line: u32,
    /// What the rule has to know: a country, how far the run has come, an amount.
    pub(super) info: u32,
    /// The number of the user's next row.
    next: u32,
}

const NOBODY: UserNumber = u32::MAX;
const NONE: u32 = u32::MAX;

/// Rows in order of time. Their numbers count on: fewer than 4 billion rows are ever made.
pub(super) struct Queue {
    lasts_ms: i64,
    rows: VecDeque<Row>,
    /// The number of the first row.
    first: u32,
}

impl Queue {
    /// Rows that end more than so long after they began.
    pub(super) fn new(lasts_ms: i64) -> Queue {
        Queue { lasts_ms, rows: VecDeque::new(), first: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, users: &mut Users, started_ms: i64, user: UserNumber, line: u32, info: u32) -> u32 {
        let count = u32::try_from(self.rows.len()).expect("fewer rows than that");
        users.open(user);
        self.rows.push_back(Row { started_ms, user, line, info, next: NONE });
        self.first + count
    }

    /// The first row, if it has ended before this time.
    #[inline]
    pub(super) fn pop_before(&mut self, now_ms: i64) -> Option<Row> {
        let lasts_ms = self.lasts_ms;
        let row = self.rows.pop_front_if(|row| row.started_ms + lasts_ms < now_ms)?;
        self.first += 1;
        Some(row)
    }

    #[inline]
    fn row(&mut self, number: u32) -> &mut Row {
        &mut self.rows[(number - self.first) as usize]
    }
}

/// Rows in order of time, and by user.
pub(super) struct Runs {
    queue: Queue,
    /// By user, the numbers of the first row and the last.
    ends: Vec<[u32; 2]>,
    open: usize,
}

impl Runs {
    /// Rows that end more than so long after they began.
    pub(super) fn new(lasts_ms: i64) -> Runs {
        Runs { queue: Queue::new(lasts_ms), ends: Vec::new(), open: 0 }
    }

    /// How many have not ended.
    pub(super) fn len(&self) -> usize {
        self.open
    }

    #[inline]
    pub(super) fn push(&mut self, users: &mut Users, started_ms: i64, user: UserNumber, line: u32, info: u32) {
        let number = self.queue.push(users, started_ms, user, line, info);
        self.open += 1;
        let at = user as usize;
        if at >= self.ends.len() {
            self.ends.resize(at + 1, [NONE; 2]);
        }
        let [first, last] = &mut self.ends[at];
        if *first == NONE {
            *first = number;
        } else {
            self.queue.row(*last).next = number;
        }
        *last = number;
    }

    /// Takes out the rows that have ended before this time, in order, and shows those that lasted so long.
    #[inline]
    pub(super) fn expire(&mut self, users: &mut Users, now_ms: i64, mut ended: impl FnMut(&Row)) {
        while let Some(row) = self.queue.pop_before(now_ms) {
            if row.user != NOBODY {
                // The oldest row of all is its user's oldest.
                self.ends[row.user as usize][0] = row.next;
                self.open -= 1;
                ended(&row);
                users.close(row.user);
            }
        }
    }

    /// Shows a user's rows, the oldest first, and ends those that are not to be kept.
    #[inline]
    pub(super) fn retain(&mut self, users: &mut Users, user: UserNumber, mut keeps: impl FnMut(&mut Row) -> bool) {
        let Some(&[mut number, _]) = self.ends.get(user as usize) else { return };
        let [mut first, mut last] = [NONE; 2];
        while number != NONE {
            let row = self.queue.row(number);
            let next = row.next;
            if keeps(row) {
                row.next = NONE;
                if last == NONE {
                    first = number;
                } else {
                    self.queue.row(last).next = number;
                }
                last = number;
            } else {
                row.user = NOBODY;
                self.open -= 1;
                users.close(user);
            }
            number = next;
        }
        self.ends[user as usize] = [first, last];
    }
}
