//! What the kernel tells of a process.

use std::fs;

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

/// Processor time in microseconds so far, in the program and in the kernel for it.
pub fn processor_time(pid: u32) -> f64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e3
}
