//! A node: a network namespace with eth0, a bridge or routes for its pods, forwarding, and
//! kube-proxy's rules.
//!
//! In: services, whose endpoints are pods' addresses. Out: pods, and commands that run with
//! hostNetwork, such as an agent.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail, ensure};

use crate::addresses::{Addresses, hardware_address, networks};
use crate::cgroup;
use crate::command::Command;
use crate::kube_proxy::{self, Family, Networks, ProxyMode, Service};
use crate::mutex::lock;
use crate::names::check_dns_label;
use crate::netns;
use crate::overlay::{Lines, Overlay};
use crate::pod::{Attachment, Pod};
use crate::resources::Resources;
use crate::sandbox::Sandbox;
use crate::sysctl;
use crate::tools;
use crate::wire::Wire;
use crate::wiring::{BRIDGE, Wiring};

/// How a node is set up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeOptions {
    /// How its pods are connected to it.
    pub wiring: Wiring,
    /// How its kube-proxy writes rules.
    pub proxy_mode: ProxyMode,
    /// Whether its kube-proxy also masquerades connections of pods to ClusterIPs
    /// (`--masquerade-all`).
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
    /// Its cgroup is that of the node's own processes.
    sandbox: Sandbox,
    number: u8,
    options: NodeOptions,
    netns_inode: u64,
    cgroup_root: PathBuf,
    pods: Mutex<Vec<Pod>>,
}

impl Node {
    /// `number` counts a lab's nodes from 1 and is part of the node's addresses.
    pub(crate) fn create(
        resources: &Arc<Resources>,
        wire: &Wire,
        name: &str,
        number: u8,
        options: NodeOptions,
    ) -> Result<Self> {
        let cgroup_root = resources.cgroup.join(format!("node-{name}"));
        let sandbox = tools::create_sandbox(resources, name, cgroup_root.join("system.slice"))?;
        let inner = Inner {
            number,
            options,
            netns_inode: netns::inode(&sandbox.netns)?,
            sandbox,
            cgroup_root,
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
        &self.inner.sandbox.name
    }

    /// How it is set up.
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

    /// The address of its eth0 in a family.
    pub fn ip_in(&self, family: Family) -> IpAddr {
        self.on_wire().of(family)
    }

    /// The address at which its pods reach the node's own servers, and the source address of
    /// connections that it masquerades towards them: the bridge's, or eth0's where there is no
    /// bridge.
    pub fn gateway_ip(&self) -> Ipv4Addr {
        self.gateway().v4
    }

    /// The same in a family.
    pub fn gateway_ip_in(&self, family: Family) -> IpAddr {
        self.gateway().of(family)
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

    /// The cgroup of everything on this node, pods and system processes. It takes the place of a
    /// machine's root cgroup: an agent attaches to it.
    pub fn cgroup_root(&self) -> &Path {
        &self.inner.cgroup_root
    }

    /// Makes a pod in a Kubernetes namespace, with the next free address.
    ///
    /// # Errors
    /// When a name is no DNS label or taken, no address is left, or a step fails.
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
        let host = (2..255).find(|host| {
            let ip = Addresses::in_pods(self.inner.number, *host).v4;
            pods.iter().all(|pod| pod.ip() != ip)
        });
        let host =
            host.with_context(|| format!("node {} has no address left for a pod", self.name()))?;
        let attachment = Attachment {
            node_netns: &self.inner.sandbox.netns,
            node_cgroup: &self.inner.cgroup_root,
            wiring: self.inner.options.wiring,
            overlay: self.inner.options.overlay,
            gateway: self.gateway(),
            ip: Addresses::in_pods(self.inner.number, host),
        };
        let pod = Pod::create(&self.inner.sandbox.resources, namespace, name, &attachment);
        let pod = pod.with_context(|| format!("make pod {namespace}/{name}"))?;
        pods.push(pod.clone());
        Ok(pod)
    }

    /// Kills a pod's processes and removes its network namespace, its device and its cgroup. Its
    /// address is free again.
    ///
    /// # Errors
    /// When a process survives, or a part cannot be removed.
    pub fn remove_pod(&self, pod: &Pod) -> Result<()> {
        cgroup::kill_all(pod.cgroup())?;
        // The kernel removes the devices of a namespace later.
        let sandbox = &self.inner.sandbox;
        let device = format!("link del {}\n", pod.node_interface());
        tools::ip(&sandbox.resources, &sandbox.netns, &device)?;
        netns::remove(pod.netns_path())?;
        cgroup::remove_all(pod.cgroup())?;
        lock(&self.inner.pods).retain(|other| other.uid() != pod.uid());
        Ok(())
    }

    /// The pods that there are.
    pub fn pods(&self) -> Vec<Pod> {
        lock(&self.inner.pods).clone()
    }

    /// The pod with this address, of either family.
    pub fn pod_by_ip(&self, ip: impl Into<IpAddr>) -> Option<Pod> {
        let ip = ip.into();
        lock(&self.inner.pods)
            .iter()
            .find(|pod| pod.ip_in(Family::of(ip)) == ip)
            .cloned()
    }

    /// Replaces all kube-proxy's rules by those for these services, in the node's proxy mode.
    ///
    /// # Errors
    /// When two services of a family have the same name and port name, a name is no DNS label, or
    /// the tool refuses.
    pub fn apply_services(&self, services: &[Service]) -> Result<()> {
        let apply = |family| -> Result<()> {
            let rules = self.rules(services, family)?;
            let Sandbox {
                resources, netns, ..
            } = &self.inner.sandbox;
            let mode = self.inner.options.proxy_mode;
            tools::replace_rules(resources, netns, (mode, family), &rules)
        };
        let applied = Family::ALL.into_iter().try_for_each(apply);
        applied.with_context(|| format!("apply services to node {}", self.name()))
    }

    /// The rules for these services in one family, as text for the tool of the node's proxy mode.
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

    /// A command that runs as a hostNetwork process of the node: in its network namespace, outside
    /// of every pod's cgroup.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(&self.inner.sandbox, program)
    }

    /// Runs `f` on a thread in the node's network namespace, see [`Pod::within`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.sandbox.netns, f)
    }

    /// Adds routes to the pods of another node.
    pub(crate) fn add_routes_to(&self, other: &Self) -> Result<()> {
        let (own, others) = (self.inner.options.overlay, other.inner.options.overlay);
        ensure!(
            own == others,
            "its overlay is {own}, and that of node {} is {others}: give all nodes of a lab the same",
            other.name()
        );
        self.run_lines(&own.routes_to(other.inner.number))
            .with_context(|| format!("route from node {} to {}", self.name(), other.name()))
    }

    fn run_lines(&self, lines: &Lines) -> Result<()> {
        let Sandbox {
            resources, netns, ..
        } = &self.inner.sandbox;
        tools::ip(resources, netns, &lines.ip)?;
        tools::bridge(resources, netns, &lines.bridge)
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

    fn connect(&self, wire: &Wire) -> Result<()> {
        let Inner {
            sandbox,
            number,
            options,
            ..
        } = &*self.inner;
        let Sandbox {
            resources, netns, ..
        } = sandbox;
        netns::within(netns, || -> Result<()> {
            sysctl::write("net/ipv4/ip_forward", "1")?;
            sysctl::write("net/ipv6/conf/all/forwarding", "1")?;
            if options.proxy_mode != ProxyMode::Nftables {
                // As kube-proxy does, for node ports on 127.0.0.1 (--iptables-localhost-nodeports).
                sysctl::write("net/ipv4/conf/all/route_localnet", "1")?;
            }
            // Frames that the bridge forwards from pod to pod must pass kube-proxy's rules, too.
            sysctl::write("net/bridge/bridge-nf-call-iptables", "1")?;
            sysctl::write("net/bridge/bridge-nf-call-ip6tables", "1")
        })??;
        wire.connect(resources, netns, &format!("node{number}"), self.on_wire())?;
        let overlay = options.overlay;
        self.run_lines(&overlay.setup(*number)).with_context(|| {
            format!("set up overlay {overlay}: does the kernel have a module of that name?")
        })?;
        if options.wiring == Wiring::Routed {
            return Ok(());
        }
        let Addresses { v4, v6 } = self.gateway();
        // A bridge without its own hardware address takes the lowest of its ports, so it would
        // change while pods have it in their ARP caches.
        let mac = hardware_address(v4);
        tools::ip(
            resources,
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
