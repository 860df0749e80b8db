//! placeholder
pub mod diagnostic;
pub mod event;
pub mod lang;
pub mod schema;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
