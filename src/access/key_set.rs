//! The key set.
