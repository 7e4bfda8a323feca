//! The lab itself: takes a place on the machine, makes nodes on one wire, and removes everything at the end.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use crate::addresses::Addresses;
use crate::availability::can_run;
use crate::host::Host;
use crate::kube_proxy::Service;
use crate::names::check_dns_label;
use crate::netns;
use crate::node::{Node, NodeOptions};
use crate::remains::Removed;
use crate::resources::Resources;
use crate::{Pod, signal, sweep};

/// Nodes and hosts share the 254 addresses below and above each other.
const MAX_NODES: u8 = 200;
const MAX_HOSTS: u8 = 50;

/// Namespaces, bridges, rules, cgroups and processes of one test or one run. Dropping it removes all of them.
///
/// Handles on nodes, pods and processes may outlive it; what is asked of them then fails.
#[derive(Debug)]
pub struct Lab {
    resources: Arc<Resources>,
    wire: Mutex<Option<PathBuf>>,
    nodes: Mutex<Vec<Node>>,
    hosts: Mutex<Vec<Host>>,
}

impl Lab {
    /// Makes an empty lab, after removing labs whose owner is gone (each is named on standard error). `label` says in such
    /// a message what the lab was for.
    ///
    /// # Errors
    /// When labs cannot run here, see [`can_run`]; then nothing was changed.
    pub fn new(label: &str) -> Result<Self> {
        can_run()?;
        for swept in sweep()? {
            eprintln!("hopspan-lab: {swept}");
        }
        let resources = signal::register(|| Resources::take(label))
            .with_context(|| format!("make lab {label:?}"))?;
        Ok(Self {
            resources,
            wire: Mutex::default(),
            nodes: Mutex::default(),
            hosts: Mutex::default(),
        })
    }

    /// The id, unique on this machine, that is part of all its names.
    pub fn id(&self) -> &str {
        &self.resources.id
    }

    /// Where the logs of its processes are. The directory is removed with the lab, but kept (and named on standard
    /// error) when the lab is dropped by a panic or after [`Lab::keep_logs`].
    pub fn work_dir(&self) -> &Path {
        &self.resources.work_dir
    }

    /// Keeps the work directory when the lab is removed, for an owner that reports a failure without a panic.
    pub fn keep_logs(&self) {
        self.resources.keep_work_dir();
    }

    /// The cgroup above everything in the lab, hosts outside of the cluster included.
    pub fn cgroup_root(&self) -> &Path {
        &self.resources.cgroup
    }

    /// Makes a node: a network namespace with eth0 on the lab's wire and a bridge for pods, kube-proxy in iptables mode, and
    /// no services.
    ///
    /// # Errors
    /// When the name is no DNS label or taken, or a step fails.
    pub fn node(&self, name: &str) -> Result<Node> {
        self.node_with(name, NodeOptions::default())
    }

    /// The same, with another wiring of its pods, another mode of kube-proxy, or an overlay. Pods of all nodes reach each
    /// other.
    ///
    /// # Errors
    /// As [`Lab::node`], when the tool for the mode is missing, and when the overlay is not that of the nodes there are.
    pub fn node_with(&self, name: &str, options: NodeOptions) -> Result<Node> {
        check_dns_label("node", name)?;
        self.check_free(name)?;
        let mut nodes = lock(&self.nodes);
        let number = u8::try_from(nodes.len() + 1)
            .ok()
            .filter(|number| *number <= MAX_NODES)
            .with_context(|| format!("a lab has at most {MAX_NODES} nodes"))?;
        let node = Node::create(&self.resources, &self.wire()?, name, number, options);
        let node = node.with_context(|| format!("make node {name}"))?;
        for other in &*nodes {
            node.learn(other)?;
            other.learn(&node)?;
        }
        nodes.push(node.clone());
        Ok(node)
    }

    /// The nodes made so far.
    pub fn nodes(&self) -> Vec<Node> {
        lock(&self.nodes).clone()
    }

    /// Writes the rules for these services on every node, as each node's kube-proxy does, see [`Node::apply_services`].
    ///
    /// # Errors
    /// As that.
    pub fn apply_services(&self, services: &[Service]) -> Result<()> {
        self.nodes()
            .iter()
            .try_for_each(|node| node.apply_services(services))
    }

    /// Makes a machine outside of the cluster, on the same wire. External and load balancer addresses of services
    /// (10.250.0.0/24, fd00:10:250::/112) lead it to the node, as a load balancer announces them.
    ///
    /// # Errors
    /// When the name is no DNS label or taken, or a step fails.
    pub fn host(&self, name: &str, node: &Node) -> Result<Host> {
        check_dns_label("host", name)?;
        self.check_free(name)?;
        let mut hosts = lock(&self.hosts);
        // From above, as nodes count from below.
        let number = u8::try_from(hosts.len())
            .ok()
            .filter(|number| *number < MAX_HOSTS)
            .with_context(|| format!("a lab has at most {MAX_HOSTS} hosts"))?;
        let ip = Addresses::on_wire(u8::MAX - 1 - number);
        let host = Host::create(&self.resources, &self.wire()?, name, ip, node);
        let host = host.with_context(|| format!("make host {name}"))?;
        hosts.push(host.clone());
        Ok(host)
    }

    /// The pod with this address, on whichever node.
    pub fn pod_by_ip(&self, ip: impl Into<IpAddr>) -> Option<Pod> {
        let ip = ip.into();
        self.nodes().iter().find_map(|node| node.pod_by_ip(ip))
    }

    /// Removes the lab now and says what that was. Dropping does the same and reports failures on standard error.
    ///
    /// # Errors
    /// When something could not be removed. The next sweep tries again.
    pub fn teardown(self) -> Result<Removed> {
        self.resources.teardown()
    }

    /// Nodes and hosts have one namespace each, named after them.
    fn check_free(&self, name: &str) -> Result<()> {
        let is_node = lock(&self.nodes).iter().any(|node| node.name() == name);
        let is_host = lock(&self.hosts).iter().any(|host| host.name() == name);
        if name == "wire" || is_node || is_host {
            bail!("name {name} is taken");
        }
        Ok(())
    }

    /// The namespace that stands for the network between nodes: one bridge, no forwarding, no filtering.
    fn wire(&self) -> Result<PathBuf> {
        let mut wire = lock(&self.wire);
        if let Some(path) = &*wire {
            return Ok(path.clone());
        }
        let path = self.resources.create_netns("wire")?;
        netns::within(&path, || -> Result<()> {
            accept_ipv6()?;
            write_sysctl("net/ipv4/ip_forward", "0")?;
            // A real switch has no netfilter.
            write_sysctl("net/bridge/bridge-nf-call-iptables", "0")?;
            write_sysctl("net/bridge/bridge-nf-call-ip6tables", "0")
        })??;
        let Addresses { v4, v6 } = Addresses::GATEWAY;
        self.resources.ip(
            &path,
            &format!(
                "link set lo up\n\
                 link add name wire type bridge\n\
                 addr add {v4}/16 dev wire\n\
                 addr add {v6}/64 dev wire nodad\n\
                 link set wire up\n"
            ),
        )?;
        Ok(wire.insert(path).clone())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.resources.teardown() {
            eprintln!("hopspan-lab: {error:#}; the next lab tries again");
        }
        signal::unregister(&self.resources);
    }
}

/// Writes below /proc/sys for the network namespace of the calling thread.
pub(crate) fn write_sysctl(name: &str, value: &str) -> Result<()> {
    let path = Path::new("/proc/sys").join(name);
    std::fs::write(&path, value).with_context(|| format!("write {}", path.display()))
}

/// Gives the network namespace of the calling thread IPv6 on every device that is made from now on, whatever the machine
/// says, and without the second that duplicate address detection takes: nobody else is there.
pub(crate) fn accept_ipv6() -> Result<()> {
    for scope in ["all", "default"] {
        write_sysctl(&format!("net/ipv6/conf/{scope}/disable_ipv6"), "0")?;
        write_sysctl(&format!("net/ipv6/conf/{scope}/accept_dad"), "0")?;
    }
    Ok(())
}

/// Locks what a panic cannot leave half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
