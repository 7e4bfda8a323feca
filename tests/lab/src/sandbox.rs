//! Where processes of a lab run: a network namespace, a cgroup and a host name.

use std::path::PathBuf;
use std::sync::Arc;

use crate::resources::Resources;

/// The network namespace and the cgroup of a node, a pod or a host, or of the programs that lay out
/// the lab.
#[derive(Debug, Clone)]
pub(crate) struct Sandbox {
    pub(crate) resources: Arc<Resources>,
    /// How its logs' names begin: `node`, or `default.web-0` for a pod.
    pub(crate) name: String,
    pub(crate) cgroup: PathBuf,
    pub(crate) netns: PathBuf,
}

impl Sandbox {
    /// The name of a node or host, as its machine's. A pod keeps the name of this machine: it has no
    /// /etc/hosts of its own, and programs would ask DNS for a name that is not there.
    pub(crate) fn host_name(&self) -> Option<&str> {
        (!self.name.contains('.')).then_some(&self.name)
    }
}
