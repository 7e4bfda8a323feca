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
    /// As in a cluster: a node has its own name, and a pod is a host by its name.
    pub(crate) fn host_name(&self) -> &str {
        self.name
            .rsplit_once('.')
            .map_or(&self.name, |(_, pod)| pod)
    }
}
