//! How large messages may be, and how much may be open: the table `[limits]`.

use toml::Spanned;

use crate::config::raw::RawLimits;
use crate::config::resolve::Checker;
use crate::config::{EVENT_DEPTH_CEILING, Limits, values};
use crate::engine::{Limits as OpenLimits, WhenFull};

const EVENT_BYTES_MAX: usize = 1024 * 1024;
const EVENT_DEPTH_MAX: usize = 64;
const REMEMBERED_IDS_MAX: usize = 1_000_000;
/// What cannot be meant: a row is a number of 32 bits.
const ROWS_CEILING: usize = 4_000_000_000;
const STATE_BYTES_FLOOR: usize = 1 << 20;

impl Checker<'_> {
    pub(super) fn limits(&mut self, raw: &RawLimits) -> Limits {
        Limits {
            event_bytes_max: self.limit("max_event_bytes", raw.max_event_bytes.as_ref(), EVENT_BYTES_MAX, 64 << 20),
            event_depth_max: self.limit(
                "max_event_depth",
                raw.max_event_depth.as_ref(),
                EVENT_DEPTH_MAX,
                EVENT_DEPTH_CEILING,
            ),
            remembered_ids_max: self.limit(
                "max_remembered_ids",
                raw.max_remembered_ids.as_ref(),
                REMEMBERED_IDS_MAX,
                100_000_000,
            ),
            open: self.open(raw),
        }
    }

    /// What may be open.
    fn open(&mut self, raw: &RawLimits) -> OpenLimits {
        let default = OpenLimits::default();
        let mut rows =
            |field, given: &Option<Spanned<usize>>, default| self.limit(field, given.as_ref(), default, ROWS_CEILING);
        let (per_key, per_rule) = (&raw.max_open_runs_per_key, &raw.max_open_runs_per_rule);
        OpenLimits {
            open_runs_per_key: rows("max_open_runs_per_key", per_key, default.open_runs_per_key),
            open_runs_per_rule: rows("max_open_runs_per_rule", per_rule, default.open_runs_per_rule),
            keys: rows("max_keys", &raw.max_keys, default.keys),
            state_bytes: raw.max_state.as_ref().map_or(default.state_bytes, |size| self.state_bytes(size)),
            when_full: raw.when_full.as_ref().map_or(default.when_full, |policy| self.when_full(policy)),
        }
    }

    fn limit(&mut self, field: &str, given: Option<&Spanned<usize>>, default: usize, max: usize) -> usize {
        let Some(given) = given else { return default };
        if !(1..=max).contains(given.get_ref()) {
            self.problem(given, &format!("limits.{field}"), format!("from 1 to {max}"));
        }
        *given.get_ref()
    }

    fn state_bytes(&mut self, size: &Spanned<String>) -> usize {
        let read = values::bytes(size.get_ref()).and_then(|bytes| {
            let fits = bytes >= STATE_BYTES_FLOOR;
            if fits { Ok(bytes) } else { Err("from 1MiB to what the machine has".to_owned()) }
        });
        read.unwrap_or_else(|message| {
            self.problem(size, "limits.max_state", message);
            STATE_BYTES_FLOOR
        })
    }

    fn when_full(&mut self, policy: &Spanned<String>) -> WhenFull {
        match policy.get_ref().as_str() {
            "drop-oldest" => WhenFull::DropOldest,
            "drop-new" => WhenFull::DropNew,
            _ => {
                self.problem(policy, "limits.when_full", "write \"drop-oldest\" or \"drop-new\"");
                WhenFull::default()
            }
        }
    }
}
