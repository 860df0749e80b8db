//! How far event time has come: no event with an earlier time is expected any more.
//!
//! An input is a partition of a topic, or a file. Its watermark is the highest event time seen less its lateness; of
//! several inputs the lowest counts, idle ones left out. The watermark never goes back.

use crate::engine::codec::{Reader, put_option};

/// The watermark over several inputs.
#[derive(Clone, Debug, Default)]
pub struct Watermarks {
    inputs: Vec<Input>,
    current_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
struct Input {
    lateness_ms: i64,
    high_ms: Option<i64>,
    idle: bool,
}

impl Watermarks {
    /// One input for each lateness in ms.
    pub fn new(lateness_ms: impl IntoIterator<Item = i64>) -> Watermarks {
        let inputs = lateness_ms.into_iter().map(|lateness_ms| Input { lateness_ms, high_ms: None, idle: false });
        Watermarks { inputs: inputs.collect(), current_ms: None }
    }

    /// The watermark in ms; none before every input that is not idle has had an event.
    #[inline]
    pub fn current(&self) -> Option<i64> {
        self.current_ms
    }

    /// The highest event time seen of any input, in ms.
    pub fn highest(&self) -> Option<i64> {
        self.inputs.iter().filter_map(|input| input.high_ms).max()
    }

    /// The input that holds back the others, with its highest event time in ms: of those that are not idle the one that
    /// has come least far.
    pub fn slowest(&self) -> Option<(usize, Option<i64>)> {
        let awake = self.inputs.iter().enumerate().filter(|(_, input)| !input.idle);
        awake.min_by_key(|(_, input)| input.watermark()).map(|(at, input)| (at, input.high_ms))
    }

    /// An event of this time came; its input is idle no longer.
    #[inline]
    pub fn observe(&mut self, input: usize, time_ms: i64) {
        let input = &mut self.inputs[input];
        if input.high_ms.is_some_and(|high| time_ms <= high) && !input.idle {
            return;
        }
        input.idle = false;
        input.high_ms = Some(input.high_ms.map_or(time_ms, |high| high.max(time_ms)));
        self.refresh();
    }

    /// Marks an input as idle: it is at the end of its log and does not hold back time.
    pub fn set_idle(&mut self, input: usize, idle: bool) {
        self.inputs[input].idle = idle;
        self.refresh();
    }

    /// Moves an idle input's time on by what has elapsed on a monotonic clock (ms).
    pub fn elapse(&mut self, input: usize, elapsed_ms: i64) {
        let input = &mut self.inputs[input];
        if input.idle {
            input.high_ms = input.high_ms.map(|high| high.saturating_add(elapsed_ms));
            self.refresh();
        }
    }

    /// Brings the watermark to where it was before, which is not always where its inputs would have it: one that was
    /// idle then may not be so now.
    pub fn raise(&mut self, watermark_ms: i64) {
        self.current_ms = self.current_ms.max(Some(watermark_ms));
    }

    /// Writes how far each input has come.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        put_option(out, self.current_ms);
        for Input { high_ms, idle, .. } in &self.inputs {
            put_option(out, *high_ms);
            out.push(u8::from(*idle));
        }
    }

    /// Takes up how far as many inputs had come.
    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Option<()> {
        self.current_ms = from.option()?;
        for input in &mut self.inputs {
            (input.high_ms, input.idle) = (from.option()?, from.flag()?);
        }
        Some(())
    }

    fn refresh(&mut self) {
        let next = if self.inputs.iter().all(|input| input.idle) {
            // All are at their end, so the furthest is as far as time has come.
            self.inputs.iter().filter_map(Input::watermark).max()
        } else {
            let mut lowest = Some(i64::MAX);
            for input in self.inputs.iter().filter(|input| !input.idle) {
                lowest = lowest.min(input.watermark());
            }
            lowest
        };
        self.current_ms = self.current_ms.max(next);
    }
}

impl Input {
    fn watermark(&self) -> Option<i64> {
        self.high_ms.map(|high| high.saturating_sub(self.lateness_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_input_counts_and_time_never_goes_back() {
        let mut watermarks = Watermarks::new([0, 10]);
        watermarks.observe(0, 100);
        assert_eq!(watermarks.current(), None, "the second input has not spoken");
        watermarks.observe(1, 60);
        assert_eq!(watermarks.current(), Some(50));
        watermarks.observe(1, 200);
        assert_eq!(watermarks.current(), Some(100));
        watermarks.observe(0, 90);
        assert_eq!(watermarks.current(), Some(100));
    }

    #[test]
    fn an_idle_input_is_left_out_and_elapsed_time_moves_it() {
        let mut watermarks = Watermarks::new([0, 0]);
        watermarks.observe(0, 100);
        watermarks.set_idle(1, true);
        assert_eq!(watermarks.current(), Some(100));
        watermarks.set_idle(0, true);
        watermarks.elapse(0, 5_000);
        assert_eq!(watermarks.current(), Some(5_100));
        watermarks.observe(1, 50);
        assert_eq!(watermarks.current(), Some(5_100), "time never goes back");
    }
}
