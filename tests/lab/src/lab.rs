//! The lab itself: takes a place on the machine, makes nodes on one wire, and removes everything at the end.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail};

use crate::availability::can_run;
use crate::names::check_dns_label;
use crate::netns;
use crate::node::Node;
use crate::remains::Removed;
use crate::resources::Resources;
use crate::{Pod, signal, sweep};

/// The wire's own address, every node's default gateway. Nothing lies behind it: what a node sends there is lost.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 18, 0, 1);

/// Namespaces, bridges, rules, cgroups and processes of one test or one run. Dropping it removes all of them.
///
/// Handles on nodes, pods and processes may outlive it; what is asked of them then fails.
#[derive(Debug)]
pub struct Lab {
    resources: Arc<Resources>,
    wire: Mutex<Option<PathBuf>>,
    nodes: Mutex<Vec<Node>>,
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

    /// Makes a node: a network namespace with eth0 on the lab's wire and a bridge for pods, and no services.
    ///
    /// # Errors
    /// When the name is no DNS label or taken, or a step fails.
    pub fn node(&self, name: &str) -> Result<Node> {
        check_dns_label("node", name)?;
        let mut nodes = lock(&self.nodes);
        if name == "wire" || nodes.iter().any(|node| node.name() == name) {
            bail!("node name {name} is taken");
        }
        let number = u8::try_from(nodes.len() + 1)
            .ok()
            .filter(|number| *number < 255)
            .context("a lab has at most 254 nodes")?;
        let node = Node::create(&self.resources, &self.wire()?, name, number);
        let node = node.with_context(|| format!("make node {name}"))?;
        nodes.push(node.clone());
        Ok(node)
    }

    /// The nodes made so far.
    pub fn nodes(&self) -> Vec<Node> {
        lock(&self.nodes).clone()
    }

    /// The pod with this address, on whichever node.
    pub fn pod_by_ip(&self, ip: Ipv4Addr) -> Option<Pod> {
        self.nodes().iter().find_map(|node| node.pod_by_ip(ip))
    }

    /// Removes the lab now and says what that was. Dropping does the same and reports failures on standard error.
    ///
    /// # Errors
    /// When something could not be removed. The next sweep tries again.
    pub fn teardown(self) -> Result<Removed> {
        self.resources.teardown()
    }

    /// The namespace that stands for the network between nodes: one bridge, no forwarding, no filtering.
    fn wire(&self) -> Result<PathBuf> {
        let mut wire = lock(&self.wire);
        if let Some(path) = &*wire {
            return Ok(path.clone());
        }
        let path = self.resources.create_netns("wire")?;
        self.resources.ip(
            &path,
            &format!(
                "link set lo up\n\
                 link add name wire type bridge\n\
                 addr add {GATEWAY}/16 dev wire\n\
                 link set wire up\n"
            ),
        )?;
        netns::within(&path, || {
            write_sysctl("net/ipv4/ip_forward", "0")?;
            // A real switch has no netfilter.
            write_sysctl("net/bridge/bridge-nf-call-iptables", "0")
        })??;
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

/// Locks what a panic cannot leave half-changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
