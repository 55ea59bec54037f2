//! What the agent holds of the host: memory, descriptors, threads.

use std::time::Duration;

use crate::harness::Agent;

/// Closed connections and idle threads are let go of within this; helper threads of the runtime live ten seconds.
const SETTLE: Duration = Duration::from_secs(12);
/// What an allocator may take more for the same work. A task or a record that is kept after each step would show: even
/// a short soak makes hundreds.
const MEMORY_SLACK: u64 = 2 * 1024;
/// A look of the watcher may be under way.
const DESCRIPTOR_SLACK: usize = 2;

#[derive(Debug, Clone, Copy)]
pub struct Holdings {
    memory_kib: u64,
    descriptors: usize,
    threads: usize,
}

impl Holdings {
    /// What the agent holds when nothing has been asked of it for a while.
    pub fn settled(agent: &Agent) -> Self {
        std::thread::sleep(SETTLE);
        Self {
            memory_kib: agent.memory_kib(),
            descriptors: agent.descriptors(),
            threads: agent.threads(),
        }
    }

    pub fn assert_no_more_than(&self, before: &Self, run: &str) {
        assert!(
            self.memory_kib <= before.memory_kib + MEMORY_SLACK
                && self.descriptors <= before.descriptors + DESCRIPTOR_SLACK
                && self.threads <= before.threads,
            "{run}: {before:?} grew to {self:?}"
        );
    }
}
