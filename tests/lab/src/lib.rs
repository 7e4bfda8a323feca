//! The lab: a Kubernetes-shaped node on one machine, for tests and for `cargo xtask run`.
//!
//! In: a label, the names of nodes and pods, services, a HotROD binary. Out: network namespaces, veth pairs, a bridge,
//! cgroups and kube-proxy's own chains that behave as a node's do, and processes that run inside them.
//! It knows nothing of hopspan: no tracing, no spans, no eBPF.
//!
//! A [`Lab`] owns everything it makes and removes all of it when it is dropped, also while a panic unwinds.
//! [`teardown_on_signal`] does the same on SIGINT and SIGTERM, and what a killed owner left behind is removed by the next
//! [`Lab::new`] or by [`sweep`]. The machine's own network namespace, firewall and sysctls are never changed.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # fn main() -> anyhow::Result<()> {
//! let lab = hopspan_lab::Lab::new("example")?;
//! let node = lab.node("node")?;
//! let pod = node.pod("default", "web-0")?;
//! let mut server = pod.command("python3").args(["-m", "http.server", "8080"]).spawn()?;
//! server.wait_listening(8080, Duration::from_secs(5))?;
//! # Ok(())
//! # }
//! ```
//!
//! What a lab makes for the id `1f3a90c2`, a node `node` and a pod `web-0` of namespace `default`:
//!
//! ```text
//! /run/hopspan-lab/1f3a90c2.lock            held (flock) for as long as the owner lives
//! /run/netns/hs1f3a90c2-wire                the switch between nodes: a bridge, 172.18.0.1, fd00:172:18::1
//! /run/netns/hs1f3a90c2-node                eth0 172.18.0.2 to the wire, cni0 10.244.1.1/24, kube-proxy's chains
//! /run/netns/hs1f3a90c2-default.web-0       eth0 10.244.1.2, fd00:10:244:1::2
//! /run/netns/hs1f3a90c2-client              a host outside of the cluster: eth0 172.18.0.254
//! <cgroup v2 mount>/hopspan-lab-1f3a90c2/
//!     tools                                 ip, iptables-restore and nft, while they run
//!     host-client                           processes of a host outside of the cluster
//!     node-node/                            what an agent on this node attaches to: Node::cgroup_root
//!         system.slice                      the node's own processes
//!         kubepods/burstable/pod<uid>/<container id>
//! <temporary directory>/hopspan-lab-1f3a90c2/*.log
//! ```
//!
//! A node's pods hang on its bridge, or each on a route of its own ([`Wiring`]); its kube-proxy is in iptables or nftables
//! mode ([`kube_proxy::ProxyMode`]); what its pods send to those of other nodes crosses the wire as it is, or within VXLAN
//! ([`Overlay`]): see [`Lab::node_with`].
//!
//! Two things differ from a real pod: there is no mount namespace, so a process sees the machine's files, and `/sys/class/net`
//! shows the machine's devices because that /sys was mounted there (`/proc/net` shows the pod's).

mod addresses;
mod availability;
mod cgroup;
mod clock;
mod command;
pub mod fault;
mod host;
pub mod hotrod;
mod http;
pub mod kube_proxy;
mod lab;
mod listening;
mod lock;
mod names;
mod netns;
pub mod nginx;
mod node;
mod overlay;
mod pod;
mod process;
mod remains;
mod resources;
mod signal;
mod spawner;
mod sweep;
mod wiring;

pub use availability::{
    Unavailable, can_proxy, can_run, find_program, say_skipped, skip, skip_mode, skip_without,
};
pub use clock::ClockShift;
pub use command::{Command, Output};
pub use host::Host;
pub use http::{HttpClient, HttpResponse};
pub use lab::Lab;
pub use nix::sys::signal::Signal;
pub use node::{Node, NodeOptions};
pub use overlay::Overlay;
pub use pod::Pod;
pub use process::Process;
pub use remains::Removed;
pub use signal::teardown_on_signal;
pub use sweep::{Swept, sweep};
pub use wiring::Wiring;
