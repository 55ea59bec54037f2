//! The registry of a host: it runs in this process, and listens on the loopback of the host.

use std::fs::File;
use std::ops::Deref;

use crate::signatures::signer::Place;
use dreichor_test_support::images::{BuiltImage, ImageSpec};
use dreichor_test_support::registry::Registry;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Its port on every host: each has a loopback of its own.
const PORT: u16 = 5000;
/// The repository that hosts deploy from.
pub const REPOSITORY: &str = "127.0.0.1:5000/dreichor/runtime";

pub struct HostRegistry {
    registry: Option<Registry>,
    network: File,
}

impl HostRegistry {
    /// Serves in the network of that process.
    pub fn start(pid: u32) -> Self {
        let network = File::open(format!("/proc/{pid}/ns/net")).expect("a host's network");
        let registry = inside(&network, || Registry::on(PORT));
        Self {
            registry: Some(registry),
            network,
        }
    }

    /// Puts an image under a tag; each tag has bytes of its own.
    pub fn push(&self, tag: &str, spec: ImageSpec) -> BuiltImage {
        let image = spec.salt(tag).build();
        self.put("dreichor/runtime", tag, &image);
        image
    }
}

impl Deref for HostRegistry {
    type Target = Registry;

    fn deref(&self) -> &Registry {
        self.registry.as_ref().expect("there until dropped")
    }
}

impl Place for HostRegistry {
    fn registry(&self) -> &Registry {
        self
    }

    fn path(&self) -> &str {
        "dreichor/runtime"
    }

    fn repository(&self) -> &str {
        REPOSITORY
    }
}

impl Drop for HostRegistry {
    fn drop(&mut self) {
        // Its end is a connection to itself, and that is on the host.
        let registry = self.registry.take();
        inside(&self.network, || drop(registry));
    }
}

/// Runs in a thread that has moved there; what it starts stays there.
fn inside<T: Send>(network: &File, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let moved = scope.spawn(|| {
            move_into_link_name_space(
                std::os::fd::AsFd::as_fd(network),
                Some(LinkNameSpaceType::Network),
            )
            .expect("root may enter a network");
            work()
        });
        moved.join().expect("it does not panic")
    })
}
