//! The deploy agent of Dreichor.
pub mod access;
pub mod credentials;
