//! The lab itself: it makes nodes and hosts on one wire, and removes everything at the end.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, bail};

use crate::addresses::Addresses;
use crate::availability::{can_run, skip};
use crate::host::Host;
use crate::kube_proxy::Service;
use crate::mutex::lock;
use crate::names::check_dns_label;
use crate::node::{Node, NodeOptions};
use crate::pod::Pod;
use crate::remains::Removed;
use crate::resources::Resources;
use crate::signal;
use crate::sweep::sweep;
use crate::wire::Wire;

/// Nodes have the lower addresses of the wire and hosts the upper ones, of 254 together.
const MAX_NODES: u8 = 200;
const MAX_HOSTS: u8 = 50;

/// Namespaces, bridges, rules, cgroups and processes of one test or one run. Dropping it removes
/// all of them.
///
/// Handles on nodes, pods and processes may outlive it; their methods then return errors.
#[derive(Debug)]
pub struct Lab {
    resources: Arc<Resources>,
    wire: Mutex<Option<Wire>>,
    nodes: Mutex<Vec<Node>>,
    hosts: Mutex<Vec<Host>>,
}

impl Lab {
    /// Makes an empty lab, after removing labs whose owner is gone (each is named on standard
    /// error). `label` describes the lab in such a message.
    ///
    /// # Errors
    /// When labs cannot run on this machine, see [`can_run`]; then nothing was changed.
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

    /// For tests: a lab with the test's name as its label. `None` when no lab can run on this
    /// machine, see [`skip`].
    ///
    /// # Errors
    /// As [`Lab::new`].
    pub fn for_test(test: &str) -> Result<Option<Self>> {
        if skip(test) {
            return Ok(None);
        }
        Self::new(test).map(Some)
    }

    /// The id, unique on this machine, that is part of all its names.
    pub fn id(&self) -> &str {
        &self.resources.id
    }

    /// The directory of its processes' logs. It is removed with the lab, but kept (and named on
    /// standard error) when the lab is dropped by a panic or after [`Lab::keep_logs`].
    pub fn work_dir(&self) -> &Path {
        &self.resources.work_dir
    }

    /// Keeps the work directory when the lab is removed, for an owner that reports a failure
    /// without a panic.
    pub fn keep_logs(&self) {
        self.resources.keep_work_dir();
    }

    /// The cgroup above everything in the lab, hosts outside of the cluster included.
    pub fn cgroup_root(&self) -> &Path {
        &self.resources.cgroup
    }

    /// Makes a node: a network namespace with eth0 on the lab's wire and a bridge for pods,
    /// kube-proxy in iptables mode, and no services.
    ///
    /// # Errors
    /// When the name is no DNS label or taken, or a step fails.
    pub fn node(&self, name: &str) -> Result<Node> {
        self.node_with(name, NodeOptions::default())
    }

    /// The same, with options. Pods of all nodes reach each other.
    ///
    /// # Errors
    /// As [`Lab::node`], when the tool for the mode is missing, and when the overlay differs from
    /// that of other nodes.
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
            node.add_routes_to(other)?;
            other.add_routes_to(&node)?;
        }
        nodes.push(node.clone());
        Ok(node)
    }

    /// The nodes made so far.
    pub fn nodes(&self) -> Vec<Node> {
        lock(&self.nodes).clone()
    }

    /// Writes the rules for these services on every node, see [`Node::apply_services`].
    ///
    /// # Errors
    /// As [`Node::apply_services`].
    pub fn apply_services(&self, services: &[Service]) -> Result<()> {
        self.nodes()
            .iter()
            .try_for_each(|node| node.apply_services(services))
    }

    /// Makes a machine outside of the cluster, on the same wire. It routes external and load
    /// balancer addresses of services (10.250.0.0/24, fd00:10:250::/112) to the node, as if a load
    /// balancer had announced them.
    ///
    /// # Errors
    /// When the name is no DNS label or taken, or a step fails.
    pub fn host(&self, name: &str, node: &Node) -> Result<Host> {
        check_dns_label("host", name)?;
        self.check_free(name)?;
        let mut hosts = lock(&self.hosts);
        // Hosts count down from the highest address, nodes count up.
        let number = u8::try_from(hosts.len())
            .ok()
            .filter(|number| *number < MAX_HOSTS)
            .with_context(|| format!("a lab has at most {MAX_HOSTS} hosts"))?;
        let ip = Addresses::on_wire(u8::MAX - 1 - number);
        let node = Addresses {
            v4: node.ip(),
            v6: node.ip6(),
        };
        let host = Host::create(&self.resources, &self.wire()?, name, ip, node);
        let host = host.with_context(|| format!("make host {name}"))?;
        hosts.push(host.clone());
        Ok(host)
    }

    /// The pod with this address, on any node.
    pub fn pod_by_ip(&self, ip: impl Into<IpAddr>) -> Option<Pod> {
        let ip = ip.into();
        self.nodes().iter().find_map(|node| node.pod_by_ip(ip))
    }

    /// Removes the lab and returns what was removed. Dropping it does the same and prints errors on
    /// standard error.
    ///
    /// # Errors
    /// When something could not be removed. The next sweep tries again.
    pub fn teardown(self) -> Result<Removed> {
        self.resources.teardown()
    }

    /// Fails for a name in use: nodes and hosts have one network namespace each, with their name.
    fn check_free(&self, name: &str) -> Result<()> {
        let is_node = lock(&self.nodes).iter().any(|node| node.name() == name);
        let is_host = lock(&self.hosts).iter().any(|host| host.name() == name);
        if name == "wire" || is_node || is_host {
            bail!("name {name} is taken");
        }
        Ok(())
    }

    /// The wire, made for the first node.
    fn wire(&self) -> Result<Wire> {
        let mut wire = lock(&self.wire);
        if let Some(wire) = &*wire {
            return Ok(wire.clone());
        }
        let made = Wire::create(&self.resources)?;
        Ok(wire.insert(made).clone())
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
