//! A thread with a runtime of its own, so that tests of any kind can use what runs on it.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    handle: Handle,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            // The sender is dropped or used: both end it.
            runtime.block_on(ended).ok();
            runtime.shutdown_background();
        });
        Self {
            handle,
            end: Some(end),
            thread: Some(thread),
        }
    }

    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed by the thread itself.
            thread.join().ok();
        }
    }
}
