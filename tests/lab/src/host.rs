//! A machine outside of the cluster: a network namespace on the wire, whose processes are in no node's cgroup.
//!
//! It knows nothing of services: it is told where the external addresses are, and connects.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use crate::Node;
use crate::addresses::{Addresses, EXTERNAL};
use crate::command::{Command, Place};
use crate::lab::accept_ipv6;
use crate::netns;
use crate::resources::Resources;

/// A handle on a host. Clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    resources: Arc<Resources>,
    name: String,
    ip: Addresses,
    netns: PathBuf,
    cgroup: PathBuf,
}

impl Host {
    pub(crate) fn create(
        resources: &Arc<Resources>,
        wire: &Path,
        name: &str,
        ip: Addresses,
        node: &Node,
    ) -> Result<Self> {
        let cgroup = resources.cgroup.join(format!("host-{name}"));
        resources.create_cgroup(&cgroup)?;
        let netns = resources.create_netns(name)?;
        netns::within(&netns, accept_ipv6)??;
        let port = format!("host{}", ip.v4.octets()[3]);
        resources.plug(wire, &netns, &port, ip)?;
        let [v4, v6] = EXTERNAL;
        resources.ip(
            &netns,
            &format!(
                "route add {v4} via {}\nroute add {v6} via {}\n",
                node.ip(),
                node.ip6()
            ),
        )?;
        let inner = Inner {
            resources: Arc::clone(resources),
            name: name.to_owned(),
            ip,
            netns,
            cgroup,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
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

    /// A command that runs on it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let place = Place {
            name: self.inner.name.clone(),
            cgroup: self.inner.cgroup.clone(),
            netns: Some(self.inner.netns.clone()),
        };
        Command::new(Arc::clone(&self.inner.resources), place, program)
    }

    /// Runs `f` on a thread in its network namespace, see [`crate::Pod::within`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.netns, f)
    }
}
