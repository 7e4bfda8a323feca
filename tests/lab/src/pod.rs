//! A pod: a network namespace with eth0, and the cgroup of its one container.
//!
//! It knows nothing of what runs in it or of services that lead to it.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::command::{Command, Place};
use crate::names;
use crate::netns;
use crate::resources::Resources;

/// A handle on a pod. Clones are the same pod.
#[derive(Debug, Clone)]
pub struct Pod {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    resources: Arc<Resources>,
    namespace: String,
    name: String,
    ip: Ipv4Addr,
    uid: String,
    container_id: String,
    node_interface: String,
    netns: PathBuf,
    netns_inode: u64,
    cgroup: PathBuf,
}

/// What a node gives a pod.
pub(crate) struct Attachment<'a> {
    pub(crate) node_netns: &'a Path,
    pub(crate) node_cgroup: &'a Path,
    pub(crate) bridge: &'a str,
    pub(crate) bridge_ip: Ipv4Addr,
    pub(crate) ip: Ipv4Addr,
}

impl Pod {
    pub(crate) fn create(
        resources: &Arc<Resources>,
        namespace: &str,
        name: &str,
        to: &Attachment<'_>,
    ) -> Result<Self> {
        let uid = names::random_uuid()?;
        let container_id = names::random_hex(32)?;
        // As the kubelet's cgroupfs driver names them, for a pod of the Burstable QoS class.
        let cgroup = to
            .node_cgroup
            .join(format!("kubepods/burstable/pod{uid}/{container_id}"));
        resources.create_cgroup(&cgroup)?;
        let netns = resources.create_netns(&format!("{namespace}.{name}"))?;
        let inner = Inner {
            resources: Arc::clone(resources),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ip: to.ip,
            uid,
            container_id,
            node_interface: node_interface(namespace, name),
            netns_inode: netns::inode(&netns)?,
            netns,
            cgroup,
        };
        inner.connect(to)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Its Kubernetes namespace.
    pub fn namespace(&self) -> &str {
        &self.inner.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The address of its eth0.
    pub fn ip(&self) -> Ipv4Addr {
        self.inner.ip
    }

    /// Its uid, a random UUID.
    pub fn uid(&self) -> &str {
        &self.inner.uid
    }

    /// The id of its container: 64 hexadecimal digits.
    pub fn container_id(&self) -> &str {
        &self.inner.container_id
    }

    /// The node's end of its veth pair, a port of the node's bridge.
    pub fn node_interface(&self) -> &str {
        &self.inner.node_interface
    }

    /// The named network namespace, under /run/netns.
    pub fn netns_path(&self) -> &Path {
        &self.inner.netns
    }

    /// The inode of its network namespace: the kernel's `net->ns.inum`, and what `/proc/<pid>/ns/net` links to.
    pub fn netns_inode(&self) -> u64 {
        self.inner.netns_inode
    }

    /// The cgroup of its container.
    pub fn cgroup(&self) -> &Path {
        &self.inner.cgroup
    }

    /// A command that runs in the pod's network namespace and cgroup.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let inner = &self.inner;
        let place = Place {
            name: format!("{}.{}", inner.namespace, inner.name),
            cgroup: inner.cgroup.clone(),
            netns: Some(inner.netns.clone()),
        };
        Command::new(Arc::clone(&inner.resources), place, program)
    }

    /// Runs `f` on a thread in the pod's network namespace and returns its result. A socket made in `f` stays in the
    /// namespace wherever it is used afterwards. The thread is not in the pod's cgroup: a process that an agent should
    /// see belongs in [`Pod::command`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.netns, f)
    }
}

impl Inner {
    /// Lays a veth pair from the node's bridge to eth0, as the bridge plugin of CNI does with hairpinMode on: a pod may
    /// reach itself through a service.
    fn connect(&self, to: &Attachment<'_>) -> Result<()> {
        let netns_name = self
            .netns
            .file_name()
            .and_then(OsStr::to_str)
            .context("a pod's network namespace has no name")?;
        let (port, bridge) = (&self.node_interface, to.bridge);
        // The pair is made between the two namespaces: the machine's own sees neither end.
        self.resources.ip(
            to.node_netns,
            &format!(
                "link add name {port} type veth peer name eth0 netns {netns_name}\n\
                 link set {port} master {bridge}\n\
                 link set {port} type bridge_slave hairpin on\n\
                 link set {port} up\n"
            ),
        )?;
        self.resources.ip(
            &self.netns,
            &format!(
                "link set lo up\n\
                 addr add {}/24 dev eth0\n\
                 link set eth0 up\n\
                 route add default via {}\n",
                to.ip, to.bridge_ip
            ),
        )
    }
}

/// `veth` and 8 hexadecimal digits, derived so that the same pod has the same name in every lab.
fn node_interface(namespace: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{namespace}/{name}"));
    format!("veth{}", HEXLOWER.encode(&digest[..4]))
}
