//! Where encoded bytes go: those of keys, and what engines keep of events. Both are made in buffers of their own kinds.

use smallvec::{Array, SmallVec};

/// A buffer that grows.
pub(crate) trait Sink {
    /// Adds one byte.
    fn add_byte(&mut self, byte: u8);

    /// Adds bytes.
    fn add(&mut self, bytes: &[u8]);
}

impl Sink for Vec<u8> {
    #[inline]
    fn add_byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

impl<A: Array<Item = u8>> Sink for SmallVec<A> {
    #[inline]
    fn add_byte(&mut self, byte: u8) {
        self.push(byte);
    }

    #[inline]
    fn add(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
