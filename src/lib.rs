//! placeholder
pub mod alert;
pub mod decode;
pub mod diagnostic;
pub mod engine;
pub mod event;
pub mod lang;
pub mod program;
pub mod ruleset;
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
