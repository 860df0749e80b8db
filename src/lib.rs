//! placeholder
pub mod diagnostic;
pub mod event;
pub mod lang;
pub mod schema;
