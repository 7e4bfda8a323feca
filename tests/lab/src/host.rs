//! A machine outside of the cluster: a network namespace on the wire, whose processes are in no
//! node's cgroup.
//!
//! It has routes to the networks of external addresses, and knows nothing of services.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use anyhow::Result;

use crate::addresses::{Addresses, EXTERNAL};
use crate::command::Command;
use crate::kube_proxy::Family;
use crate::netns;
use crate::resources::Resources;
use crate::sandbox::Sandbox;
use crate::tools;
use crate::wire::Wire;

/// A handle on a host. Clones are the same host.
#[derive(Debug, Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sandbox: Sandbox,
    ip: Addresses,
}

impl Host {
    pub(crate) fn create(
        resources: &Arc<Resources>,
        wire: &Wire,
        name: &str,
        ip: Addresses,
        node: Addresses,
    ) -> Result<Self> {
        let cgroup = resources.cgroup.join(format!("host-{name}"));
        let sandbox = tools::create_sandbox(resources, name, cgroup)?;
        let port = format!("host{}", ip.v4.octets()[3]);
        wire.connect(resources, &sandbox.netns, &port, ip)?;
        let [v4, v6] = EXTERNAL;
        tools::ip(
            resources,
            &sandbox.netns,
            &format!(
                "route add {v4} via {}\nroute add {v6} via {}\n",
                node.v4, node.v6
            ),
        )?;
        Ok(Self {
            inner: Arc::new(Inner { sandbox, ip }),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.inner.sandbox.name
    }

    /// The address of its eth0.
    pub fn ip(&self) -> Ipv4Addr {
        self.inner.ip.v4
    }

    /// The address of its eth0 in a family.
    pub fn ip_in(&self, family: Family) -> IpAddr {
        self.inner.ip.of(family)
    }

    /// A command that runs on the host.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::new(&self.inner.sandbox, program)
    }

    /// Runs `f` on a thread in the host's network namespace, see [`crate::Pod::within`].
    ///
    /// # Errors
    /// When the namespace is gone because the lab was torn down.
    pub fn within<T: Send>(&self, f: impl FnOnce() -> T + Send) -> Result<T> {
        netns::within(&self.inner.sandbox.netns, f)
    }
}
