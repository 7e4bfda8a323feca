//! Where processes of a lab run: a network namespace and a cgroup.

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
