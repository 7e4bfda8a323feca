//! Checks of the node's network: the cgroup, netfilter, conntrack, bridges and uplinks.

use std::{fs, path::PathBuf};

use tracer_common::hook::Hook;

use crate::{
    attach::{cgroup2, unknown_fields},
    error_chain::error_chain,
    netlink::NetlinkError,
    uplinks::{Rtnetlink, Uplinks, choose},
};

use super::{
    check::{Check, State},
    hooks::Trial,
};

const BRIDGE_CALL: [&str; 2] = [
    "/proc/sys/net/bridge/bridge-nf-call-iptables",
    "/proc/sys/net/bridge/bridge-nf-call-ip6tables",
];
const CONNECTIONS: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// Checks which devices are uplinks.
pub(super) fn uplinks() -> Check {
    let network = Rtnetlink::open().and_then(|mut rtnetlink| rtnetlink.network());
    judge_uplinks(network.map(|network| choose(&network, &[])))
}

fn judge_uplinks(found: Result<Uplinks, NetlinkError>) -> Check {
    const NAME: &str = "uplinks";
    match found {
        Ok(uplinks) if !uplinks.devices.is_empty() => Check::good(NAME, uplinks.names()),
        Ok(_) => Check::note(
            NAME,
            "none: no hardware and no default route in this network namespace",
            "on a cluster of several nodes: run in the node's namespace, or name the device with --uplink",
        ),
        Err(error) => Check::missing(
            NAME,
            format!("links and routes cannot be read: {}", error_chain(&error)),
            "messages from other nodes, and where messages leave for other nodes",
            "name the devices with --uplink",
        ),
    }
}

/// Checks for a cgroup to follow, and whether it is the root.
pub(super) fn cgroup(found: &Result<PathBuf, cgroup2::NoCgroup2>) -> Check {
    const NAME: &str = "cgroup2";
    match found {
        Ok(path) if cgroup2::is_root(path) => Check::good(NAME, path.display().to_string()),
        Ok(path) => Check::note(
            NAME,
            format!(
                "{} is not the root: only sockets below it are followed",
                path.display()
            ),
            "to follow all pods, mount the host's /sys/fs/cgroup and name it with --cgroup",
        ),
        Err(error) => Check::missing(
            NAME,
            error.to_string(),
            "everything",
            "mount -t cgroup2 none /sys/fs/cgroup; in a container, mount the host's and name it with --cgroup",
        ),
    }
}

/// Checks for netfilter programs (6.4), by the result of the trial.
pub(super) fn netfilter_links(trial: &Trial) -> Check {
    const NAME: &str = "netfilter_links";
    let first = trial
        .hooks
        .iter()
        .find(|state| state.hook == Hook::PreroutingEnter.name());
    match first {
        Some(state) if state.state == State::Good && trial.beside_another => {
            Check::good(NAME, "attached beside another hopspan, which runs here")
        }
        Some(state) if state.state == State::Good => Check::good(NAME, "attached"),
        state => Check::missing(
            NAME,
            state
                .and_then(|state| state.reason.clone())
                .unwrap_or_else(|| "not tried".to_owned()),
            "the netfilter and route hops, and kube-proxy's choice of endpoint",
            "give the process CAP_NET_ADMIN; boot 6.4 or newer, built with CONFIG_NETFILTER_BPF_LINK",
        ),
    }
}

/// Checks whether translations can be read: conntrack is loaded, with its types.
pub(super) fn conntrack() -> Check {
    let unknown = unknown_fields().unwrap_or_default();
    let connections = fs::read_to_string(CONNECTIONS).ok();
    judge_conntrack(&unknown, connections.as_deref().map(str::trim))
}

/// Whether a field, as `structure.member`, is one of conntrack's.
pub(super) fn is_conntrack(field: &str) -> bool {
    field.starts_with("nf_conn")
}

fn judge_conntrack(unknown: &[String], connections: Option<&str>) -> Check {
    const NAME: &str = "conntrack";
    const LOST: &str = "service and endpoint of a translated connection";
    if unknown.iter().any(|field| is_conntrack(field)) {
        return Check::missing(
            NAME,
            "its types are unknown: nf_conntrack is not loaded, or has no BTF",
            LOST,
            "load nf_conntrack before the agent starts; kube-proxy does",
        );
    }
    match connections {
        Some(count) => Check::good(
            NAME,
            format!("{count} connections in this network namespace"),
        ),
        None => Check::note(
            NAME,
            "no connection is tracked in this network namespace",
            "nothing to do, unless kube-proxy runs here",
        ),
    }
}

/// Checks whether kube-proxy's rules apply to packets that a bridge forwards.
pub(super) fn bridges() -> Check {
    let values = BRIDGE_CALL.map(|path| fs::read_to_string(path).ok());
    let [v4, v6] = values.map(|value| value.map(|value| value.trim() == "1"));
    judge_bridges(v4, v6)
}

fn judge_bridges(v4: Option<bool>, v6: Option<bool>) -> Check {
    const NAME: &str = "bridge_nf_call_iptables";
    match (v4, v6) {
        (Some(true), Some(true)) => Check::good(NAME, "1, IPv4 and IPv6"),
        (Some(true), _) => Check::note(
            NAME,
            "1 for IPv4 only",
            "with IPv6 pods on a bridge: sysctl net.bridge.bridge-nf-call-ip6tables=1",
        ),
        (Some(false), _) => Check::note(
            NAME,
            "0: packets that a bridge forwards from pod to pod skip the rules and the netfilter hops",
            "with pods on a bridge: sysctl net.bridge.bridge-nf-call-iptables=1, as kube-proxy requires",
        ),
        (None, _) => Check::note(
            NAME,
            "br_netfilter is not loaded",
            "nothing to do where pods are routed one by one; with pods on a bridge, load it",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uplinks::{Link, Network};

    #[test]
    fn conntrack_without_types_loses_translations() {
        let unknown = ["nf_conn.tuplehash".to_owned()];
        let check = |unknown: &[String], count: Option<&str>, expected: State| {
            assert_eq!(judge_conntrack(unknown, count).state, expected);
        };
        check(&unknown, Some("3"), State::Missing);
        check(&[], Some("3"), State::Good);
        check(&[], None, State::Note);
    }

    #[test]
    fn a_node_without_uplinks_gets_a_note() {
        let check = |found, expected: State| assert_eq!(judge_uplinks(found).state, expected);
        check(Ok(Uplinks::default()), State::Note);
        check(Err(NetlinkError::Malformed), State::Missing);
        let network = Network {
            links: vec![Link {
                ifindex: 2,
                name: "eth0".to_owned(),
                ..Link::default()
            }],
            default_routes: [2].into(),
        };
        check(Ok(choose(&network, &[])), State::Good);
    }

    #[test]
    fn a_bridge_that_calls_no_rules_gets_a_note() {
        let check = |v4, v6, state, found: &str| {
            let check = judge_bridges(v4, v6);
            assert_eq!(check.state, state);
            assert!(check.found.starts_with(found), "{}", check.found);
        };
        check(Some(true), Some(true), State::Good, "1, IPv4 and IPv6");
        check(Some(true), Some(false), State::Note, "1 for IPv4 only");
        check(Some(true), None, State::Note, "1 for IPv4 only");
        check(Some(false), Some(true), State::Note, "0: ");
        check(None, None, State::Note, "br_netfilter is not loaded");
    }
}
