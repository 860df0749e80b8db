//! placeholder
pub mod alert;
pub mod decode;
pub mod diagnostic;
pub mod event;
pub mod lang;
pub mod program;
pub mod schema;
pub mod source;
pub mod workload;
