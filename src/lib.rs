//! placeholder
pub mod alert;
pub mod diagnostic;
pub mod event;
pub mod lang;
pub mod program;
pub mod schema;
pub mod secret;
pub mod sink;
