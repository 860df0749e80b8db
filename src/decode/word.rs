//! Eight bytes of a message at once, as one number: the first byte is the lowest.

/// A byte in each place.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; 8])
}

/// The eight bytes that begin at a place; beyond the end there are zeros.
#[inline]
pub(crate) fn word(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(<[u8]>::first_chunk) {
        Some(word) => u64::from_le_bytes(*word),
        None => padded(bytes.get(at..).unwrap_or_default()),
    }
}

/// Up to eight bytes, and zeros behind them.
#[cold]
pub(crate) fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}

/// The first byte of a word that cannot stand in a text: a quote, a backslash, a control character. It is told by one
/// bit, the highest of that byte; there is none where all eight can.
#[inline]
pub(crate) fn first_stop(word: u64) -> u64 {
    // Exact for the lowest byte that matches: a borrow can only spoil the bytes above it.
    let zero = |word: u64| word.wrapping_sub(each(1)) & !word;
    let control = word.wrapping_sub(each(b' ')) & !word;
    let stops = (zero(word ^ each(b'"')) | zero(word ^ each(b'\\')) | control) & each(0x80);
    stops & stops.wrapping_neg()
}

/// How many bytes stand before the one that [`first_stop`] found.
#[inline]
pub(crate) fn length_before(stop: u64) -> usize {
    stop.trailing_zeros() as usize / 8
}

/// The number that eight digits write; none where one of the bytes is no digit.
#[inline]
pub(crate) fn eight_digits(word: u64) -> Option<u64> {
    // What is below `0` or above `9` sets the highest bit of one of the two; the lowest such byte does so exactly.
    let digits = word.wrapping_sub(each(b'0'));
    if (digits | word.wrapping_add(each(0x7f - b'9'))) & each(0x80) != 0 {
        return None;
    }
    // Neighbours are put together three times: ones to pairs, pairs to fours, fours to eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    Some(fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_is_cut_at_the_end() {
        let bytes = b"abcdefghij";
        assert_eq!(word(bytes, 1).to_le_bytes(), *b"bcdefghi");
        assert_eq!(word(bytes, 7).to_le_bytes(), *b"hij\0\0\0\0\0");
        assert_eq!((word(bytes, 10), word(bytes, 99)), (0, 0));
    }

    proptest! {
        #[test]
        fn a_stop_is_what_a_walk_finds(
            bytes in prop::array::uniform8(prop_oneof![any::<u8>(), prop::sample::select(b"\"\\\x1f\x20!#[]".to_vec())]),
        ) {
            let stop = first_stop(u64::from_le_bytes(bytes));
            let found = (stop != 0).then(|| length_before(stop));
            prop_assert_eq!(found, bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..b' ')));
        }

        #[test]
        fn eight_digits_are_a_number(
            bytes in prop::array::uniform8(prop_oneof![20 => b'0'..=b'9', 1 => any::<u8>()]),
        ) {
            let all = bytes.iter().all(u8::is_ascii_digit);
            let number = all.then(|| std::str::from_utf8(&bytes).unwrap().parse().unwrap());
            prop_assert_eq!(eight_digits(u64::from_le_bytes(bytes)), number);
        }
    }
}
