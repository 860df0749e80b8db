//! The daemon as processes against a real broker. `scripts/broker start` starts one; `eval "$(scripts/broker env)"`
//! says where it is; then `cargo test -- --include-ignored kafka`.

mod broker;
mod daemon;
mod own_broker;

mod bench;
mod live;
mod once;
mod poison;
mod range;
mod recovery;
mod reload;
mod repartition;
mod secrets;
mod security;
mod sinks;
mod snapshots;
mod tables;
mod threads;
mod transaction;
