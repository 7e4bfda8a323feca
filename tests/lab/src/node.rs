//! A node: a network namespace with eth0, a bridge for its pods, forwarding, and kube-proxy's rules.
//!
//! In: services, whose endpoints are pods' addresses. Out: pods, and a place for an agent that runs with hostNetwork.

use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};

use crate::command::{Command, Place};
use crate::kube_proxy::{self, Service};
use crate::lab::{GATEWAY, lock, write_sysctl};
use crate::names::check_dns_label;
use crate::netns;
use crate::pod::{Attachment, Pod};
use crate::resources::Resources;

/// The name CNI gives a node's bridge.
const BRIDGE: &str = "cni0";
/// What kube-proxy is told as its cluster CIDR.
const CLUSTER_CIDR: &str = "10.244.0.0/16";

/// A handle on a node. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    resources: Arc<Resources>,
    name: String,
    number: u8,
    netns: PathBuf,
    netns_inode: u64,
    cgroup: PathBuf,
    pods: Mutex<Vec<Pod>>,
}

impl Node {
    /// `number` counts a lab's nodes from 1 and is part of the node's addresses.
    pub(crate) fn create(
        resources: &Arc<Resources>,
        wire: &Path,
        name: &str,
        number: u8,
    ) -> Result<Self> {
        let cgroup = resources.cgroup.join(format!("node-{name}"));
        resources.create_cgroup(&cgroup.join("system.slice"))?;
        let netns = resources.create_netns(name)?;
        let inner = Inner {
            resources: Arc::clone(resources),
            name: name.to_owned(),
            number,
            netns_inode: netns::inode(&netns)?,
            netns,
            cgroup,
            pods: Mutex::default(),
        };
        let node = Self {
            inner: Arc::new(inner),
        };
        node.connect(wire)?;
        node.apply_services(&[])?;
        Ok(node)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The address of its eth0.
    pub fn ip(&self) -> Ipv4Addr {
        // Node::create takes at most 254.
        Ipv4Addr::new(172, 18, 0, self.inner.number + 1)
    }

    /// The address of its bridge, which is its pods' default gateway and how they reach what listens on the node.
    pub fn bridge_ip(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 244, self.inner.number, 1)
    }

    /// The named network namespace, under /run/netns.
    pub fn netns_path(&self) -> &Path {
        &self.inner.netns
    }

    /// The inode of its network namespace: the kernel's `net->ns.inum`, and what `/proc/<pid>/ns/net` links to.
    pub fn netns_inode(&self) -> u64 {
        self.inner.netns_inode
    }

    /// The cgroup above everything on this node, pods and system: for the node what the mount's root is for a machine,
    /// and what an agent attaches to.
    pub fn cgroup_root(&self) -> &Path {
        &self.inner.cgroup
    }

    /// Makes a pod in a Kubernetes namespace, with the next free address.
    ///
    /// # Errors
    /// When a name is no DNS label or taken, the addresses are used up, or a step fails.
    pub fn pod(&self, namespace: &str, name: &str) -> Result<Pod> {
        check_dns_label("namespace", namespace)?;
        check_dns_label("pod", name)?;
        let mut pods = lock(&self.inner.pods);
        if pods
            .iter()
            .any(|pod| (pod.namespace(), pod.name()) == (namespace, name))
        {
            bail!("pod {namespace}/{name} exists already");
        }
        // .0 is the network, .1 the bridge, .255 the broadcast address.
        let host = u8::try_from(pods.len() + 2).ok().filter(|host| *host < 255);
        let host =
            host.with_context(|| format!("node {} has no address left for a pod", self.name()))?;
        let attachment = Attachment {
            node_netns: &self.inner.netns,
            node_cgroup: &self.inner.cgroup,
            bridge: BRIDGE,
            bridge_ip: self.bridge_ip(),
            ip: Ipv4Addr::new(10, 244, self.inner.number, host),
        };
        let pod = Pod::create(&self.inner.resources, namespace, name, &attachment);
        let pod = pod.with_context(|| format!("make pod {namespace}/{name}"))?;
        pods.push(pod.clone());
        Ok(pod)
    }

    /// The pods made so far.
    pub fn pods(&self) -> Vec<Pod> {
        lock(&self.inner.pods).clone()
    }

    /// The pod with this address.
    pub fn pod_by_ip(&self, ip: Ipv4Addr) -> Option<Pod> {
        lock(&self.inner.pods)
            .iter()
            .find(|pod| pod.ip() == ip)
            .cloned()
    }

    /// Writes kube-proxy's rules for these services in place of all rules there are, in iptables mode.
    ///
    /// # Errors
    /// When two services have the same name and port name, a name is no DNS label, or iptables-restore refuses.
    pub fn apply_services(&self, services: &[Service]) -> Result<()> {
        let payload = kube_proxy::payload(services, CLUSTER_CIDR)?;
        let applied = self
            .inner
            .resources
            .iptables_restore(&self.inner.netns, &payload);
        applied.with_context(|| format!("apply services to node {}", self.name()))
    }

    /// A command that runs as a hostNetwork process of the node: in its network namespace, outside of every pod's cgroup.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let place = Place {
            name: self.inner.name.clone(),
            cgroup: self.inner.cgroup.join("system.slice"),
            netns: Some(self.inner.netns.clone()),
        };
        Command::new(Arc::clone(&self.inner.resources), place, program)
    }

    /// Runs `f` on a thread in the node's network namespace, see [`Pod::within`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.netns, f)
    }

    fn connect(&self, wire: &Path) -> Result<()> {
        let Inner {
            resources,
            netns,
            number,
            ..
        } = &*self.inner;
        let wire_name = wire
            .file_name()
            .and_then(OsStr::to_str)
            .context("the wire's network namespace has no name")?;
        let (port, ip, bridge_ip) = (format!("node{number}"), self.ip(), self.bridge_ip());
        // A bridge without an address of its own takes its lowest port's, so it would change under the pods' ARP caches.
        // 0a:58 and the IPv4 address is what CNI plugins use.
        let [a, b, c, d] = bridge_ip.octets();
        resources.ip(
            netns,
            &format!(
                "link set lo up\n\
                 link add name eth0 type veth peer name {port} netns {wire_name}\n\
                 addr add {ip}/16 dev eth0\n\
                 link set eth0 up\n\
                 route add default via {GATEWAY}\n\
                 link add name {BRIDGE} address 0a:58:{a:02x}:{b:02x}:{c:02x}:{d:02x} type bridge\n\
                 addr add {bridge_ip}/24 dev {BRIDGE}\n\
                 link set {BRIDGE} up\n"
            ),
        )?;
        resources.ip(
            wire,
            &format!("link set {port} master wire\nlink set {port} up\n"),
        )?;
        netns::within(netns, || {
            write_sysctl("net/ipv4/ip_forward", "1")?;
            // kube-proxy's rules must also see what the bridge forwards from pod to pod.
            write_sysctl("net/bridge/bridge-nf-call-iptables", "1")
        })?
    }
}
