//! Hand-derived cases.
