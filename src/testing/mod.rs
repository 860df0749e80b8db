//! What tests stand on, and no shipped binary holds.
//!
//! - `oracle`   the reference evaluator: slow, plain, and by the letter of the language's definition;
//! - `generate` random rules and streams for the property tests that hold the engine against the oracle;
//! - `sim`      the daemon's loop over a simulated broker, disk and clock, held against the oracle;
//! - `syntax`   syntax trees of any shape, for the property tests of the formatter and the parser;
//! - `bucket`   an S3-compatible store in this process.
//!
//! But for `sim`, nothing here uses the checker, the compiler or the engine: two implementations that agree must have
//! agreed by themselves.

pub mod bucket;
pub mod generate;
pub mod oracle;
#[cfg(feature = "testing")]
pub mod sim;
pub mod syntax;
