//! placeholder
pub mod alert;
pub mod decode;
pub mod diagnostic;
pub mod engine;
pub mod event;
pub mod lang;
pub mod program;
pub mod schema;
