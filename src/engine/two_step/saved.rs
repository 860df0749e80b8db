//! The runs of two-step sequences as they are saved, and how they are taken up again: in order of start, each with the
//! rules that it is over for. Chains and groups are made anew. Which rules run together may be another matter by then.

use super::{Done, FIRST, NONE, Open, TwoSteps, start_ms};
use crate::engine::codec::{Reader, put, put_all, put_bytes};
use crate::engine::keys::KeyTable;
use crate::engine::record::Taken;
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

    /// Takes up runs where there is none yet.
    pub(in crate::engine) fn take_up(&mut self, two_step: &TwoStep, keys: &mut KeyTable, mut loaded: Loaded) {
        // Those that ran apart then may run together now. Mostly they come in order.
        loaded.0.sort_by_key(|run| (start_ms(run), Taken::of(run.first.as_bytes()).arrival()));
        for run in loaded.0 {
            self.add(two_step, keys, run);
        }
    }
}

/// Runs that were read, each of which is open for some rule.
#[derive(Default)]
pub(in crate::engine) struct Loaded(Vec<Open>);

impl Loaded {
    /// Reads runs. `places` tells of each rule that runs together now its place among those that did then; a run is over
    /// for one that did not.
    pub(in crate::engine) fn load(
        &mut self,
        from: &mut Reader<'_>,
        places: &[Option<usize>],
        placing: &mut Placing<'_, '_>,
    ) -> Option<()> {
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
            let is_over = done.len() == places.len();
            let run = Open { key, after: NONE, done: (done.len() > 0).then(|| Box::new(done)), first };
            (start_ms(&run) <= placing.now_ms).then_some(())?;
            if !is_over {
                self.0.push(run);
            }
        }
        Some(())
    }
}
