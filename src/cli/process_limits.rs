//! What the kernel lets the process do: no core dump, and every descriptor that it may have.

/// A core dump would hold runtime.env; another process of the user could read the memory.
pub(super) fn disable_core_dumps() {
    use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
    let no_core = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let disabled = setrlimit(Resource::Core, no_core)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    if let Err(error) = disabled {
        log::warn!("core dumps could not be disabled: {error}");
    }
}

/// The customary soft limit of 1024 would be reached by a thousand connections: they are bounded by this limit, and an
/// operation must find descriptors left for the engine and for files.
pub(super) fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!("the limit of open files stays as it is: {error}");
    }
}
