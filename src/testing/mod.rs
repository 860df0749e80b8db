//! What tests need and no shipped binary holds.
//!
//! - `syntax` syntax trees of any shape, for property tests.

pub mod syntax;
