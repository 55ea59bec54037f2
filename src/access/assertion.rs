//! The assertion.
