//! The daemon as a process over files: no broker is needed.

mod files;
