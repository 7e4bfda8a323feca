//! A pod: a network namespace with eth0, and the cgroup of its one container.
//!
//! Knows neither the programs that run in it nor the services that lead to it.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::addresses::Addresses;
use crate::command::Command;
use crate::kube_proxy::Family;
use crate::names;
use crate::netns;
use crate::overlay::Overlay;
use crate::resources::Resources;
use crate::sandbox::Sandbox;
use crate::sysctl;
use crate::tools;
use crate::wiring::{BRIDGE, ROUTED_GATEWAY, ROUTED_GATEWAY_V6, ROUTED_MAC, Wiring};

/// A handle on a pod. Clones are the same pod.
#[derive(Debug, Clone)]
pub struct Pod {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sandbox: Sandbox,
    namespace: String,
    name: String,
    ip: Addresses,
    uid: String,
    container_id: String,
    node_interface: String,
    netns_inode: u64,
}

/// How a pod is connected to its node.
pub(crate) struct Attachment<'a> {
    pub(crate) node_netns: &'a Path,
    pub(crate) node_cgroup: &'a Path,
    pub(crate) wiring: Wiring,
    pub(crate) overlay: Overlay,
    pub(crate) gateway: Addresses,
    pub(crate) ip: Addresses,
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
        let sandbox = tools::create_sandbox(resources, &format!("{namespace}.{name}"), cgroup)?;
        let inner = Inner {
            netns_inode: netns::inode(&sandbox.netns)?,
            sandbox,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ip: to.ip,
            uid,
            container_id,
            node_interface: node_interface(namespace, name),
        };
        match to.wiring {
            Wiring::Bridge => inner.connect_to_bridge(to)?,
            Wiring::Routed => inner.connect_by_route(to)?,
        }
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
        self.inner.ip.v4
    }

    /// The IPv6 address of its eth0.
    pub fn ip6(&self) -> Ipv6Addr {
        self.inner.ip.v6
    }

    /// The address of its eth0 in a family.
    pub fn ip_in(&self, family: Family) -> IpAddr {
        self.inner.ip.of(family)
    }

    /// Its uid, a random UUID.
    pub fn uid(&self) -> &str {
        &self.inner.uid
    }

    /// The id of its container: 64 hexadecimal digits.
    pub fn container_id(&self) -> &str {
        &self.inner.container_id
    }

    /// The node's end of its veth pair, which is a port of the node's bridge where there is one.
    pub fn node_interface(&self) -> &str {
        &self.inner.node_interface
    }

    /// The named network namespace, under /run/netns.
    pub fn netns_path(&self) -> &Path {
        &self.inner.sandbox.netns
    }

    /// The inode of its network namespace: the kernel's `net->ns.inum`, and what
    /// `/proc/<pid>/ns/net` links to.
    pub fn netns_inode(&self) -> u64 {
        self.inner.netns_inode
    }

    /// The cgroup of its container.
    pub fn cgroup(&self) -> &Path {
        &self.inner.sandbox.cgroup
    }

    /// A command that runs in the pod's network namespace and cgroup.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(&self.inner.sandbox, program)
    }

    /// Runs `f` on a thread in the pod's network namespace and returns its result. A socket made in
    /// `f` stays in the namespace wherever it is used afterwards. The thread is not in the pod's
    /// cgroup: for a process that an agent is to see, use [`Pod::command`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.sandbox.netns, f)
    }
}

impl Inner {
    /// Makes a veth pair from the node's bridge to eth0, as CNI's bridge plugin does with
    /// hairpinMode on: a pod can reach itself through a service.
    fn connect_to_bridge(&self, to: &Attachment<'_>) -> Result<()> {
        let Sandbox {
            resources, netns, ..
        } = &self.sandbox;
        let (port, peer) = (&self.node_interface, netns::name(netns)?);
        let (Addresses { v4, v6 }, gateway) = (self.ip, to.gateway);
        let (mtu, v6_mtu) = (to.overlay.mtu(Family::V4), to.overlay.mtu(Family::V6));
        // The pair is made between the two namespaces: neither end is ever in the machine's own.
        tools::ip(
            resources,
            to.node_netns,
            &format!(
                "link add name {port} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {peer}\n\
                 link set {port} master {BRIDGE}\n\
                 link set {port} type bridge_slave hairpin on\n\
                 link set {port} up\n"
            ),
        )?;
        tools::ip(
            resources,
            netns,
            &format!(
                "link set lo up\n\
                 addr add {v4}/24 dev eth0\n\
                 addr add {v6}/64 dev eth0 nodad\n\
                 link set eth0 up\n\
                 route add default via {}\n\
                 route add default via {} mtu {v6_mtu}\n",
                gateway.v4, gateway.v6
            ),
        )
    }

    /// Makes a veth pair, and routes on both sides of it, as Calico does.
    fn connect_by_route(&self, to: &Attachment<'_>) -> Result<()> {
        let Sandbox {
            resources, netns, ..
        } = &self.sandbox;
        let (port, peer) = (&self.node_interface, netns::name(netns)?);
        let Addresses { v4, v6 } = self.ip;
        let (mtu, v6_mtu) = (to.overlay.mtu(Family::V4), to.overlay.mtu(Family::V6));
        tools::ip(
            resources,
            to.node_netns,
            &format!(
                "link add name {port} address {ROUTED_MAC} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {peer}\n\
                 link set {port} up\n\
                 route add {v4}/32 dev {port} scope link\n\
                 route add {v6}/128 dev {port}\n"
            ),
        )?;
        netns::within(to.node_netns, || -> Result<()> {
            sysctl::write(&format!("net/ipv4/conf/{port}/proxy_arp"), "1")?;
            // By default the kernel waits up to 0.8 s, so that the owner of an address may answer
            // first.
            sysctl::write(&format!("net/ipv4/neigh/{port}/proxy_delay"), "0")?;
            // A pod's connection to itself leaves by the veth it came in by, and needs no redirect.
            sysctl::write(&format!("net/ipv4/conf/{port}/send_redirects"), "0")
        })??;
        tools::ip(
            resources,
            netns,
            &format!(
                "link set lo up\n\
                 addr add {v4}/32 dev eth0\n\
                 addr add {v6}/128 dev eth0 nodad\n\
                 link set eth0 up\n\
                 route add {ROUTED_GATEWAY} dev eth0 scope link\n\
                 route add default via {ROUTED_GATEWAY} dev eth0\n\
                 route add default via {ROUTED_GATEWAY_V6} dev eth0 mtu {v6_mtu}\n"
            ),
        )
    }
}

/// `veth` and 8 hexadecimal digits, derived so that the same pod has the same name in every lab.
fn node_interface(namespace: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{namespace}/{name}"));
    format!("veth{}", HEXLOWER.encode(&digest[..4]))
}
