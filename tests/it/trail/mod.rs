//! The audit trail by itself: what it refuses, what it survives, what it shows.

mod bounds;
mod crash;
mod directory;
mod edits;
mod events;
pub mod fixture;
mod follow;
mod full_disk;
mod history;
mod ledger;
mod recovery;
mod rotation;
mod sidecars;
pub mod small_disk;
mod speed;
mod verify;
mod writing;
