//! What the kernel tells of a process.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;
use std::time::Duration;

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

/// Puts the calling thread before all others, as far as the kernel lets it: only root may.
pub fn go_first() {
    let own = fs::read_link("/proc/thread-self").expect("this thread");
    let mut command = Command::new("chrt");
    command.args(["--rr", "--pid", "2"]);
    command.args(own.file_name());
    // Without it the delays are those of a client like any other.
    command.output().ok();
}

/// How long the workers of a server, and the calling thread, could have run and had no core.
pub struct CoreWait(Vec<File>);

impl CoreWait {
    /// Of the threads that serve requests; they have the same name in the agent and in the bare route.
    pub fn of_workers(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("a running process");
        let workers = tasks.flatten().map(|task| task.path()).filter(|task| {
            let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
            name.starts_with("actix-rt|system")
        });
        let mut files: Vec<File> = workers
            .filter_map(|task| File::open(task.join("schedstat")).ok())
            .collect();
        assert!(!files.is_empty(), "it has workers");
        files.push(File::open("/proc/thread-self/schedstat").expect("this thread"));
        Self(files)
    }

    pub fn so_far(&self) -> Duration {
        let waits = self.0.iter().map(|file| {
            let mut text = [0; 64];
            let length = file.read_at(&mut text, 0).unwrap_or_default();
            let text = std::str::from_utf8(&text[..length]).unwrap_or_default();
            text.split(' ')
                .nth(1)
                .and_then(|wait| wait.parse::<u64>().ok())
        });
        Duration::from_nanos(waits.flatten().sum())
    }
}
