//! How long to wait before trying again: a pure schedule. The caller has the clock and the source of randomness.

use std::time::Duration;

/// Doubling delays with full jitter: the n-th delay is drawn evenly from zero to `first * 2^n`, at most `ceiling`.
///
/// Full jitter, because many senders that failed together must not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The longest first delay.
    pub first: Duration,
    /// The longest delay of all.
    pub ceiling: Duration,
    /// How long after the first attempt there is no further one.
    pub give_up_after: Duration,
}

impl Default for Backoff {
    /// 1 s to 5 minutes, for 24 hours.
    fn default() -> Backoff {
        Backoff {
            first: Duration::from_secs(1),
            ceiling: Duration::from_mins(5),
            give_up_after: Duration::from_hours(24),
        }
    }
}

impl Backoff {
    /// The delay after the failed attempt number `attempt` (from 0).
    pub fn delay(&self, attempt: u32, random: &mut Random) -> Duration {
        self.longest(attempt).mul_f64(random.fraction())
    }

    fn longest(&self, attempt: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(attempt).unwrap_or(u32::MAX)).min(self.ceiling)
    }
}

/// A small generator (`SplitMix64`): for jitter, not for secrets. The same seed gives the same numbers.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator that starts at `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// 64 even bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to just below 1: 53 bits, as many as a float holds exactly.
    pub fn fraction(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_ceiling() {
        let backoff = Backoff::default();
        let longest: Vec<u64> = (0..10).map(|attempt| backoff.longest(attempt).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(backoff.longest(u32::MAX).as_secs(), 300);
    }

    #[test]
    fn jitter_is_full_and_repeatable() {
        let backoff = Backoff::default();
        let draw = |seed| {
            let mut random = Random::new(seed);
            (0..1000).map(|_| backoff.delay(3, &mut random)).collect::<Vec<_>>()
        };
        let delays = draw(7);
        assert_eq!(delays, draw(7));
        assert_ne!(delays, draw(8));
        assert!(delays.iter().all(|delay| *delay < Duration::from_secs(8)));
        assert!(delays.iter().any(|delay| *delay < Duration::from_secs(1)));
        assert!(delays.iter().any(|delay| *delay > Duration::from_secs(7)));
    }
}
