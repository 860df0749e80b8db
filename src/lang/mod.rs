//! placeholder
pub mod ast;
pub mod functions;
pub mod types;
