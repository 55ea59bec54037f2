//! What is known of the runtime container, and, apart from it, what is being done to it.
//!
//! [`RuntimeView`] is what a status shows; its one writer is the [`Watcher`], which follows the engine's events with
//! an inspect behind each. [`Activity`] is the step of the running operation; its one writer is the actor. [`Conditions`]
//! are what stays wrong until somebody acts. Readers never wait for any of them.

mod activity;
mod changes;
mod conditions;
mod observer;
mod restarts;
mod view;
mod watcher;

pub use activity::{Activity, activity};
pub use conditions::{Conditions, conditions};
pub use view::{RuntimeView, Seen, StaleView, ViewPublisher, view};
pub use watcher::{Watcher, WatcherHandle};
