//! The runs of two-step sequences as they are saved, and how they are taken up again: in order of start, each with the
//! rules that it is over for. Chains and groups are made anew.

use super::{Done, FIRST, NONE, Open, TwoSteps, start_ms};
use crate::engine::codec::{Reader, put, put_all, put_bytes};
use crate::engine::saved::{Placing, put_key};
use crate::program::TwoStep;

impl TwoSteps {
    /// Writes all open runs.
    pub(in crate::engine) fn save(&self, out: &mut Vec<u8>) {
        for run in self.runs.iter().filter(|run| run.key != NONE) {
            out.push(1);
            put_key(out, run.key);
            let words = run.done.as_ref().map_or(&[][..], |done| &done.0);
            put_all(out, words.iter(), |out, word| put(out, *word));
            put_bytes(out, run.first.as_bytes());
        }
        out.push(0);
    }

    /// Takes up runs where there is none yet. `places` tells of each rule that runs together now its place among those
    /// that did then; a run is over for one that did not.
    pub(in crate::engine) fn load(
        &mut self,
        from: &mut Reader<'_>,
        two_step: &TwoStep,
        places: &[Option<usize>],
        placing: &mut Placing<'_, '_>,
    ) -> Option<()> {
        let mut last_ms = i64::MIN;
        while from.flag()? {
            let key = placing.row(from)?;
            let then = Done((0..from.count()?).map(|_| from.number()).collect::<Option<_>>()?);
            let first = placing.record(from, FIRST)?;
            let mut done = Done::default();
            for (place, of_then) in places.iter().enumerate() {
                if of_then.is_none_or(|of_then| then.has(of_then)) {
                    done.mark(place);
                }
            }
            let is_over = done.len() == two_step.members.len();
            let done = (done.len() > 0).then(|| Box::new(done));
            let run = Open { key, after: NONE, done, first };
            let start_ms = start_ms(&run);
            (last_ms <= start_ms && start_ms <= placing.now_ms).then_some(())?;
            last_ms = start_ms;
            if !is_over {
                self.add(two_step, placing.keys, run);
            }
        }
        Some(())
    }
}
