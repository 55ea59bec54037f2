//! What the kernel tells of a process.

use std::fs;

/// Ticks a second of `/proc/PID/stat`: fixed at 100 on Linux.
const TICKS: f64 = 100.0;

fn status_field(path: &str, field: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Resident memory in MiB.
pub fn resident(pid: u32) -> f64 {
    let kib = status_field(&format!("/proc/{pid}/status"), "VmRSS:");
    kib.expect("a running process") as f64 / 1024.0
}

/// How often all its threads have gone to sleep so far.
pub fn sleeps(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    tasks
        .flatten()
        .filter_map(|task| {
            let status = task.path().join("status");
            status_field(&status.to_string_lossy(), "voluntary_ctxt_switches:")
        })
        .sum()
}

/// Its threads.
pub fn threads(pid: u32) -> u64 {
    status_field(&format!("/proc/{pid}/status"), "Threads:").unwrap_or_default()
}

/// Processor time in seconds so far, in the program and in the kernel for it.
pub fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = |at: usize| {
        fields
            .get(at)
            .and_then(|ticks| ticks.parse().ok())
            .unwrap_or(0.0)
    };
    (ticks(11) + ticks(12)) / TICKS
}
