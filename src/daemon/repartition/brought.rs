//! What a shard behind the repartition topic knows of the partitions of the sources: up to where each was brought to it,
//! and whether it is idle. It is saved before the state of the shard's stream.

use std::sync::Arc;

use crate::engine::Damaged;

/// The partitions of the sources.
#[derive(Debug)]
pub(in crate::daemon) struct Brought {
    inputs: Vec<Input>,
    idle_ms: Arc<[i64]>,
    comes_again: bool,
    /// When a silence of all ended, by the record's own time (ms).
    woken_ms: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Input {
    /// The offset after the last event. Delivered at least once, a copy that crashed brings some again.
    next: i64,
    idle: bool,
}

/// The bytes of an input: its offset, and whether it is idle.
const INPUT: usize = size_of::<i64>() + 1;

impl Brought {
    /// Nothing yet, of inputs that are quiet for so long (ms) before they are idle. Events are brought again only where
    /// they are brought at least once; otherwise a smaller offset is one of a topic that was made anew.
    pub(in crate::daemon) fn new(idle_ms: Arc<[i64]>, comes_again: bool) -> Brought {
        Brought { inputs: vec![Input::default(); idle_ms.len()], idle_ms, comes_again, woken_ms: i64::MIN }
    }

    /// Whether an event is brought for the first time.
    pub(in crate::daemon) fn is_new(&mut self, input: usize, offset: i64) -> bool {
        let next = &mut self.inputs[input].next;
        let is_new = offset >= *next || !self.comes_again;
        *next = offset.saturating_add(1).max(*next);
        is_new
    }

    /// An event came, written then (ms): its input is idle no longer, and where all were, none is. Gives those that were.
    pub(in crate::daemon) fn wake(&mut self, input: usize, stamped_ms: i64) -> Vec<usize> {
        if !self.inputs[input].idle {
            return Vec::new();
        }
        let are_all = self.inputs.iter().all(|input| input.idle);
        if are_all {
            self.woken_ms = stamped_ms;
        }
        let woken = (0..self.inputs.len()).filter(|at| self.inputs[*at].idle && (are_all || *at == input)).collect();
        let woken: Vec<usize> = woken;
        for at in &woken {
            self.inputs[*at].idle = false;
        }
        woken
    }

    /// Whether an input that is said to be idle, then (ms), is so. After a silence of all, events come to all copies at
    /// about the same time, and one that has not read its own yet still says what was before.
    pub(in crate::daemon) fn can_be_idle(&self, input: usize, stamped_ms: i64) -> bool {
        self.inputs[input].idle || stamped_ms >= self.woken_ms.saturating_add(self.idle_ms[input])
    }

    /// An input is said to be idle or not.
    pub(in crate::daemon) fn set_idle(&mut self, input: usize, idle: bool) {
        self.inputs[input].idle = idle;
    }

    /// Writes it.
    pub(in crate::daemon) fn save(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.woken_ms.to_le_bytes());
        out.extend_from_slice(&u32::try_from(self.inputs.len()).expect("partitions are numbered by i32").to_le_bytes());
        for Input { next, idle } in &self.inputs {
            out.extend_from_slice(&next.to_le_bytes());
            out.push(u8::from(*idle));
        }
    }

    /// Takes it up, of as many inputs. Gives the bytes behind it.
    pub(in crate::daemon) fn load<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Damaged> {
        let damaged = Damaged("partitions of the sources");
        let (woken_ms, rest) = bytes.split_first_chunk().ok_or(damaged)?;
        let (count, rest) = rest.split_first_chunk().ok_or(damaged)?;
        self.woken_ms = i64::from_le_bytes(*woken_ms);
        let count = usize::try_from(u32::from_le_bytes(*count)).map_err(|_| damaged)?;
        if count != self.inputs.len() || rest.len() / INPUT < count {
            return Err(damaged);
        }
        let (inputs, rest) = rest.split_at(count * INPUT);
        for (input, saved) in self.inputs.iter_mut().zip(inputs.chunks_exact(INPUT)) {
            let (next, idle) = saved.split_first_chunk().ok_or(damaged)?;
            *input = Input { next: i64::from_le_bytes(*next), idle: idle == [1] };
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(inputs: usize) -> Brought {
        Brought::new(vec![1_000; inputs].into(), true)
    }

    #[test]
    fn what_was_brought_is_known_after_it_was_saved() {
        let mut brought = of(2);
        assert!(brought.is_new(1, 4) && !brought.is_new(1, 4) && !brought.is_new(1, 3) && brought.is_new(0, 3));
        brought.set_idle(0, true);
        let mut bytes = Vec::new();
        brought.save(&mut bytes);
        bytes.extend_from_slice(b"state");
        let mut again = of(2);
        assert_eq!(again.load(&bytes).expect("it was saved"), b"state");
        assert!(!again.is_new(1, 4) && again.is_new(1, 5));
        assert_eq!(again.wake(0, 1), [0]);
        assert_eq!(again.wake(0, 1), [0_usize; 0]);
        assert!(of(3).load(&bytes).is_err() && of(2).load(&bytes[..20]).is_err());
    }

    #[test]
    fn a_topic_that_was_made_anew_begins_anew() {
        let mut brought = Brought::new(vec![1_000].into(), false);
        assert!(brought.is_new(0, 4) && brought.is_new(0, 0));
    }

    #[test]
    fn after_a_silence_of_all_nobody_is_made_late() {
        let mut brought = of(2);
        brought.set_idle(0, true);
        brought.set_idle(1, true);
        assert!(brought.can_be_idle(0, 0));
        assert_eq!(brought.wake(1, 5_000), [0, 1]);
        assert!(!brought.can_be_idle(0, 5_999), "it may not have read its events yet");
        assert!(brought.can_be_idle(0, 6_000));
    }
}
