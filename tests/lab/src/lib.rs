//! The lab: a Kubernetes-shaped node on one machine, for tests and for `cargo xtask run`.
//!
//! In: a label, the names of nodes and pods, services, a HotROD binary. Out: network namespaces,
//! veth pairs, bridges, cgroups and kube-proxy's rules that behave as on a real node, and processes
//! that run inside them. Knows nothing of hopspan: no tracing, no spans, no eBPF.
//!
//! A [`Lab`] owns everything it makes and removes all of it when it is dropped, also while a panic
//! unwinds. [`teardown_on_signal`] does the same on SIGINT and SIGTERM. The next [`Lab::new`], or
//! [`sweep`], removes the labs of killed owners. The machine's own network namespace, firewall and
//! sysctls are never changed.
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
//! A lab with the id `1f3a90c2`, a node `node`, a pod `web-0` of namespace `default` and a host
//! `client` makes:
//!
//! ```text
//! /run/hopspan-lab/1f3a90c2.lock            locked (flock) for as long as the owner lives
//! /run/netns/hs1f3a90c2-wire                the bridge between nodes: 172.18.0.1, fd00:172:18::1
//! /run/netns/hs1f3a90c2-node                eth0 172.18.0.2, cni0 10.244.1.1/24, rules
//! /run/netns/hs1f3a90c2-default.web-0       eth0 10.244.1.2, fd00:10:244:1::2
//! /run/netns/hs1f3a90c2-client              a host outside of the cluster: eth0 172.18.0.254
//! <cgroup v2 mount>/hopspan-lab-1f3a90c2/
//!     tools                                 ip, bridge, iptables-restore and nft, while they run
//!     host-client                           processes of a host outside of the cluster
//!     node-node/                            what an agent attaches to: Node::cgroup_root
//!         system.slice                      the node's own processes
//!         kubepods/burstable/pod<uid>/<container id>
//! <temporary directory>/hopspan-lab-1f3a90c2/*.log
//! ```
//!
//! A node's pods are ports of its bridge, or each has a route of its own ([`Wiring`]). Its
//! kube-proxy is in iptables or nftables mode ([`kube_proxy::ProxyMode`]). Packets to pods of other
//! nodes cross the wire unchanged or in VXLAN ([`Overlay`]). See [`Lab::node_with`].
//!
//! Two things differ from a real pod. There is no mount namespace: processes see the machine's
//! files. And `/sys/class/net` lists the machine's devices, because /sys was mounted in the
//! machine's namespace (`/proc/net` lists the pod's).

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
mod mutex;
mod names;
mod netns;
mod nginx;
mod node;
mod option_name;
mod overlay;
mod pod;
mod poll;
mod process;
mod remains;
mod resources;
mod sandbox;
mod signal;
mod spawner;
mod sweep;
mod sysctl;
mod tools;
mod wire;
mod wiring;

pub use availability::{
    Unavailable, can_proxy, can_run, find_program, print_skip, skip, skip_mode, skip_without,
};
pub use clock::ClockShift;
pub use command::{Command, Output};
pub use host::Host;
pub use http::{HttpClient, HttpResponse};
pub use lab::Lab;
pub use netns::within_new_netns;
pub use nginx::Nginx;
pub use nix::sys::signal::Signal;
pub use node::{Node, NodeOptions};
pub use overlay::Overlay;
pub use pod::Pod;
pub use poll::poll;
pub use process::Process;
pub use remains::Removed;
pub use signal::teardown_on_signal;
pub use sweep::{Swept, sweep};
pub use wiring::Wiring;
