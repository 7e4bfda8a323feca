//! The network between nodes: a network namespace with one bridge, which neither routes nor
//! filters.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;

use crate::addresses::Addresses;
use crate::netns;
use crate::resources::Resources;
use crate::sysctl;
use crate::tools;

/// Bytes of the longest packet on the wire: the default of Ethernet devices.
pub(crate) const MTU: u32 = 1500;

/// The switch that nodes and hosts are connected to.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    netns: PathBuf,
}

impl Wire {
    /// Makes the namespace and its bridge, which has the gateway's address.
    pub(crate) fn create(resources: &Arc<Resources>) -> Result<Self> {
        let netns = tools::create_netns(resources, "wire")?;
        netns::within(&netns, || -> Result<()> {
            sysctl::enable_ipv6()?;
            sysctl::write("net/ipv4/ip_forward", "0")?;
            // A real switch has no netfilter.
            sysctl::write("net/bridge/bridge-nf-call-iptables", "0")?;
            sysctl::write("net/bridge/bridge-nf-call-ip6tables", "0")
        })??;
        let Addresses { v4, v6 } = Addresses::GATEWAY;
        tools::ip(
            resources,
            &netns,
            &format!(
                "link set lo up\n\
                 link add name wire type bridge\n\
                 addr add {v4}/16 dev wire\n\
                 addr add {v6}/64 dev wire nodad\n\
                 link set wire up\n"
            ),
        )?;
        Ok(Self { netns })
    }

    /// Gives a namespace an eth0 whose other end, `port`, is a port of the bridge.
    pub(crate) fn connect(
        &self,
        resources: &Arc<Resources>,
        netns: &Path,
        port: &str,
        ip: Addresses,
    ) -> Result<()> {
        let wire = netns::name(&self.netns)?;
        let (Addresses { v4, v6 }, gateway) = (ip, Addresses::GATEWAY);
        tools::ip(
            resources,
            netns,
            &format!(
                "link set lo up\n\
                 link add name eth0 type veth peer name {port} netns {wire}\n\
                 addr add {v4}/16 dev eth0\n\
                 addr add {v6}/64 dev eth0 nodad\n\
                 link set eth0 up\n\
                 route add default via {}\n\
                 route add default via {}\n",
                gateway.v4, gateway.v6
            ),
        )?;
        let lines = format!("link set {port} master wire\nlink set {port} up\n");
        tools::ip(resources, &self.netns, &lines)
    }
}
