//! A socket that opens and closes as a test likes, on a thread with a runtime of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::controls::Controls;
use super::front::{Backend, Ending, Front};

#[derive(Debug)]
pub(crate) struct Server<B> {
    pub backend: Arc<B>,
    pub controls: Arc<Controls>,
    pub socket: PathBuf,
    runtime: OwnRuntime,
    front: Mutex<Option<Front>>,
}

impl<B: Backend> Server<B> {
    /// A server that does not listen yet.
    pub fn new(socket: &Path, backend: impl FnOnce(Handle) -> Arc<B>) -> Server<B> {
        let runtime = OwnRuntime::start();
        Server {
            backend: backend(runtime.handle.clone()),
            controls: Arc::new(Controls::new()),
            socket: socket.to_owned(),
            runtime,
            front: Mutex::new(None),
        }
    }

    pub fn is_open(&self) -> bool {
        self.front().is_some()
    }

    /// Opens the socket; one that a crash left behind is taken over, as dockerd does.
    pub fn open(&self) {
        let mut front = self.front();
        if front.is_some() {
            return;
        }
        self.remove_socket_file();
        let (controls, backend) = (self.controls.clone(), self.backend.clone());
        let opened = Front::open(&self.socket, &self.runtime.handle, controls, backend);
        *front = Some(opened.unwrap_or_else(|error| {
            panic!("cannot listen on {}: {error}", self.socket.display());
        }));
    }

    /// Closes the socket and returns when every connection is gone. Only a crash leaves the file.
    pub fn close(&self, ending: Ending) {
        let front = self.front().take();
        if let Some(front) = front {
            front.close(ending);
            if ending == Ending::Orderly {
                self.remove_socket_file();
            }
        }
    }

    fn remove_socket_file(&self) {
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                panic!("cannot remove {}: {error}", self.socket.display());
            }
            _ => {}
        }
    }

    fn front(&self) -> MutexGuard<'_, Option<Front>> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Drop for Server<B> {
    fn drop(&mut self) {
        let front = self.front.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(front) = front.take() {
            front.close(Ending::Crash);
        }
        // A file that is gone already is as good.
        std::fs::remove_file(&self.socket).ok();
    }
}

/// A runtime on its own thread, so that a test may block or be async as it likes.
#[derive(Debug)]
struct OwnRuntime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl OwnRuntime {
    fn start() -> OwnRuntime {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime needs only a few file descriptors");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            // A dropped sender ends it as well.
            runtime.block_on(stopped).ok();
        });
        OwnRuntime {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; a second one here would abort the test binary.
            thread.join().ok();
        }
    }
}
