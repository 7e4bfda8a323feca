//! A node: a network namespace with eth0, a bridge or routes for its pods, forwarding, and kube-proxy's rules.
//!
//! In: services, whose endpoints are pods' addresses. Out: pods, and a place for an agent that runs with hostNetwork.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};

use crate::addresses::{Addresses, hardware_address, networks};
use crate::command::{Command, Place};
use crate::kube_proxy::{self, Family, Networks, ProxyMode, Service};
use crate::lab::{accept_ipv6, lock, write_sysctl};
use crate::names::check_dns_label;
use crate::netns;
use crate::overlay::{Lines, Overlay};
use crate::pod::{Attachment, Pod};
use crate::resources::Resources;
use crate::wiring::{BRIDGE, Wiring};

/// What kind of node it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeOptions {
    /// How its pods are wired.
    pub wiring: Wiring,
    /// How its kube-proxy writes rules.
    pub proxy_mode: ProxyMode,
    /// Whether its kube-proxy masquerades what pods send to ClusterIPs, too (`--masquerade-all`).
    pub masquerade_all: bool,
    /// How its pods reach those of other nodes; the same on all nodes of a lab.
    pub overlay: Overlay,
}

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
    options: NodeOptions,
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
        options: NodeOptions,
    ) -> Result<Self> {
        let cgroup = resources.cgroup.join(format!("node-{name}"));
        resources.create_cgroup(&cgroup.join("system.slice"))?;
        let netns = resources.create_netns(name)?;
        let inner = Inner {
            resources: Arc::clone(resources),
            name: name.to_owned(),
            number,
            options,
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

    /// How its pods are wired, and how its kube-proxy writes rules.
    pub fn options(&self) -> NodeOptions {
        self.inner.options
    }

    /// The address of its eth0.
    pub fn ip(&self) -> Ipv4Addr {
        self.on_wire().v4
    }

    /// The IPv6 address of its eth0.
    pub fn ip6(&self) -> Ipv6Addr {
        self.on_wire().v6
    }

    /// The address at which its pods reach what listens on it, and the source of what it masquerades towards them: the
    /// bridge's, or eth0's where there is no bridge.
    pub fn gateway_ip(&self) -> Ipv4Addr {
        self.gateway().v4
    }

    /// The same in IPv6.
    pub fn gateway_ip6(&self) -> Ipv6Addr {
        self.gateway().v6
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
            wiring: self.inner.options.wiring,
            overlay: self.inner.options.overlay,
            gateway: self.gateway(),
            ip: Addresses::in_pods(self.inner.number, host),
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

    /// The pod with this address, of either family.
    pub fn pod_by_ip(&self, ip: impl Into<IpAddr>) -> Option<Pod> {
        let ip = ip.into();
        lock(&self.inner.pods)
            .iter()
            .find(|pod| ip == pod.ip() || ip == pod.ip6())
            .cloned()
    }

    /// Writes kube-proxy's rules for these services in place of all rules there are, in the node's proxy mode.
    ///
    /// # Errors
    /// When two services of a family have the same name and port name, a name is no DNS label, or the tool refuses.
    pub fn apply_services(&self, services: &[Service]) -> Result<()> {
        let apply = |family| -> Result<()> {
            let payload = self.rules(services, family)?;
            let Inner {
                resources, netns, ..
            } = &*self.inner;
            resources.restore(netns, self.inner.options.proxy_mode, family, &payload)
        };
        let applied = Family::ALL.into_iter().try_for_each(apply);
        applied.with_context(|| format!("apply services to node {}", self.name()))
    }

    /// The text of these rules in one family, as the tool of the node's proxy mode reads it.
    ///
    /// # Errors
    /// As [`Node::apply_services`].
    pub fn rules(&self, services: &[Service], family: Family) -> Result<String> {
        let networks = Networks {
            masquerade_all: self.inner.options.masquerade_all,
            ..networks(self.inner.number, family)?
        };
        match self.inner.options.proxy_mode {
            ProxyMode::Iptables | ProxyMode::IptablesLegacy => {
                kube_proxy::iptables(services, family, &networks)
            }
            ProxyMode::Nftables => kube_proxy::nftables(services, family, &networks),
        }
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

    /// Tells it of another node, whose pods it then reaches.
    pub(crate) fn learn(&self, other: &Self) -> Result<()> {
        let (own, others) = (self.inner.options.overlay, other.inner.options.overlay);
        ensure!(
            own == others,
            "its overlay is {own}, and {others} that of node {}: give all nodes of a lab the same",
            other.name()
        );
        let learnt = self.apply(&own.of(other.inner.number));
        learnt.with_context(|| format!("tell node {} of node {}", self.name(), other.name()))
    }

    fn apply(&self, lines: &Lines) -> Result<()> {
        let Inner {
            resources, netns, ..
        } = &*self.inner;
        resources.ip(netns, &lines.ip)?;
        resources.bridge(netns, &lines.bridge)
    }

    fn on_wire(&self) -> Addresses {
        Addresses::of_node(self.inner.number)
    }

    fn gateway(&self) -> Addresses {
        match self.inner.options.wiring {
            Wiring::Bridge => Addresses::in_pods(self.inner.number, 1),
            Wiring::Routed => self.on_wire(),
        }
    }

    fn connect(&self, wire: &Path) -> Result<()> {
        let Inner {
            resources,
            netns,
            number,
            options,
            ..
        } = &*self.inner;
        netns::within(netns, || -> Result<()> {
            accept_ipv6()?;
            write_sysctl("net/ipv4/ip_forward", "1")?;
            write_sysctl("net/ipv6/conf/all/forwarding", "1")?;
            if options.proxy_mode != ProxyMode::Nftables {
                // kube-proxy sets it for node ports on 127.0.0.1 (--iptables-localhost-nodeports).
                write_sysctl("net/ipv4/conf/all/route_localnet", "1")?;
            }
            // kube-proxy's rules must also see what the bridge forwards from pod to pod.
            write_sysctl("net/bridge/bridge-nf-call-iptables", "1")?;
            write_sysctl("net/bridge/bridge-nf-call-ip6tables", "1")
        })??;
        resources.plug(wire, netns, &format!("node{number}"), self.on_wire())?;
        let overlay = options.overlay;
        self.apply(&overlay.own(*number)).with_context(|| {
            format!("lay out overlay {overlay}: is the kernel's module of that name there?")
        })?;
        if options.wiring == Wiring::Routed {
            return Ok(());
        }
        let Addresses { v4, v6 } = self.gateway();
        // A bridge without an address of its own takes its lowest port's, so it would change under the pods' ARP caches.
        let mac = hardware_address(v4);
        resources.ip(
            netns,
            &format!(
                "link add name {BRIDGE} address {mac} type bridge\n\
                 addr add {v4}/24 dev {BRIDGE}\n\
                 addr add {v6}/64 dev {BRIDGE} nodad\n\
                 link set {BRIDGE} up\n"
            ),
        )
    }
}
