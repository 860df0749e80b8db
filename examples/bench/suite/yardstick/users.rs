//! The users with anything open. One with nothing open takes no memory.

use std::hash::BuildHasher;

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// A user's id, inline: up to 16 bytes, filled up with zeros, which no id of the workload holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UserKey([u8; 16]);

impl UserKey {
    /// None for an id that is longer.
    #[inline]
    pub(super) fn of(id: &[u8]) -> Option<UserKey> {
        let mut key = [0; 16];
        key.get_mut(..id.len())?.copy_from_slice(id);
        Some(UserKey(key))
    }

    #[inline]
    fn hash(self, hasher: &DefaultHashBuilder) -> u64 {
        hasher.hash_one(u128::from_le_bytes(self.0))
    }
}

/// A user's number, which another one gets when nothing is open any more.
pub(super) type UserNumber = u32;

/// Users by their keys and numbers.
#[derive(Default)]
pub(super) struct Users {
    hasher: DefaultHashBuilder,
    numbers: HashTable<UserNumber>,
    rows: Vec<UserRow>,
    free: Vec<UserNumber>,
}

struct UserRow {
    key: UserKey,
    /// How many things are open.
    open: u32,
}

impl Users {
    #[inline]
    pub(super) fn find(&self, key: UserKey) -> Option<UserNumber> {
        let is_it = |&number: &UserNumber| self.rows[number as usize].key == key;
        self.numbers.find(key.hash(&self.hasher), is_it).copied()
    }

    /// A user that is new has nothing open, and has to be given something.
    #[inline]
    pub(super) fn find_or_add(&mut self, key: UserKey) -> UserNumber {
        let Users { hasher, numbers, rows, free } = self;
        let is_it = |&number: &UserNumber| rows[number as usize].key == key;
        let hash_of = |&number: &UserNumber| rows[number as usize].key.hash(hasher);
        match numbers.entry(key.hash(hasher), is_it, hash_of) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let number = free.pop();
                let row = UserRow { key, open: 0 };
                let number = number.unwrap_or_else(|| u32::try_from(rows.len()).expect("fewer users than that"));
                entry.insert(number);
                match rows.get_mut(number as usize) {
                    Some(unused) => *unused = row,
                    None => rows.push(row),
                }
                number
            }
        }
    }

    /// Something more of this user is open.
    #[inline]
    pub(super) fn open(&mut self, number: UserNumber) {
        self.rows[number as usize].open += 1;
    }

    /// Something of this user is no longer open.
    #[inline]
    pub(super) fn close(&mut self, number: UserNumber) {
        let row = &mut self.rows[number as usize];
        row.open -= 1;
        if row.open == 0 {
            let hash = row.key.hash(&self.hasher);
            let entry = self.numbers.find_entry(hash, |&found| found == number);
            entry.expect("a user with something open is in the table").remove();
            self.free.push(number);
        }
    }
}
