//! The limits of the agent's process.

use nix::sys::{
    prctl::set_dumpable,
    resource::{Resource, getrlimit, setrlimit},
};

/// Raises the soft limit of open files to the hard limit, and forbids dumps of memory.
///
/// Shells and container runtimes keep the soft limit at 1,024 for programs that use select(2), which
/// the agent does not. Its memory has heads of requests, and the headers of the export: no core file
/// is written, and processes without CAP_SYS_PTRACE cannot read it.
pub(super) fn set() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::warn!("the limit of open files stays as it is: {error}");
    }
    let forbidden = setrlimit(Resource::RLIMIT_CORE, 0, 0).and_then(|()| set_dumpable(false));
    if let Err(error) = forbidden {
        tracing::warn!("the agent's memory may be dumped: {error}");
    }
}
