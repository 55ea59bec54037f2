//! What is known of the runtime container, and, apart from it, what is being done to it.
//!
//! [`RuntimeView`] is what a status shows; its one writer is the [`Watcher`], which follows the engine's events with
//! an inspect behind each. [`Activity`] is the step of the running operation; its one writer is the actor. Readers never
//! wait for either.

mod activity;
mod view;
mod watcher;

pub use activity::{Activity, activity};
pub use view::{RuntimeView, Seen, StaleView, ViewPublisher, view};
pub use watcher::{Watcher, WatcherHandle};
