//! Conditions of rules on the source of a packet. In: a condition and a client. Out: whether the
//! client meets it, where an address can decide that.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// The client of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address before any translation.
    pub ip: IpAddr,
    /// Whether it is in the node's own network namespace, so that its packets pass OUTPUT instead
    /// of PREROUTING. `None` where neither hook saw them.
    pub on_node: Option<bool>,
}

/// A rule's condition on the source of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// No condition.
    #[default]
    Any,
    /// Inside a network: `-s network`.
    Inside(Network),
    /// Outside the pod network: `! -s network`.
    Outside(Network),
    /// Received by an interface: `-i name`, `--physdev-in name`.
    Interface,
    /// Received by an interface that is not the pods': `! -i name`, `! --physdev-in name`.
    OtherInterface,
    /// The node itself: `--src-type LOCAL`, `fib saddr type local`.
    Node,
    /// The chosen endpoint: it connected to its own service.
    Endpoint,
}

impl Source {
    /// Whether `client` meets the condition, where `endpoint` was chosen for it. `None` where its
    /// address does not decide.
    #[must_use]
    pub fn includes(self, client: &Client, endpoint: IpAddr) -> Option<bool> {
        let ip = client.ip.to_canonical();
        match self {
            Self::Any => Some(true),
            Self::Inside(network) => Some(network.contains(ip)),
            Self::Outside(network) => Some(!network.contains(ip)),
            Self::Endpoint => Some(ip == endpoint.to_canonical()),
            Self::Node => client.on_node,
            // A packet in OUTPUT has no input interface, which differs from every name (kernel:
            // nf_hook_state.in is NULL, ip_packet_match compares with an empty name).
            Self::Interface => (client.on_node == Some(true)).then_some(false),
            Self::OtherInterface => (client.on_node == Some(true)).then_some(true),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "every connection",
            Self::Outside(_) | Self::OtherInterface => "source outside the pod network",
            Self::Node => "source is the node",
            Self::Endpoint => "source is the endpoint",
            Self::Inside(_) | Self::Interface => "source in a named network",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_by_client() {
        let network = Network::parse("10.201.0.0/16").expect("a network");
        let endpoint = "10.201.1.11".parse().expect("an address");
        let check = |source: Source, expected: [Option<bool>; 4]| {
            let clients = [
                ("10.201.1.11", None),
                ("::ffff:10.201.1.12", Some(false)),
                ("192.168.0.1", Some(true)),
                ("192.168.0.1", None),
            ];
            let seen = clients.map(|(ip, on_node)| {
                let ip = ip.parse().expect("an address");
                source.includes(&Client { ip, on_node }, endpoint)
            });
            assert_eq!(seen, expected, "{source:?}");
        };
        let (yes, no) = (Some(true), Some(false));
        check(Source::Any, [yes, yes, yes, yes]);
        check(Source::Inside(network), [yes, yes, no, no]);
        check(Source::Outside(network), [no, no, yes, yes]);
        check(Source::Endpoint, [yes, no, no, no]);
        check(Source::Node, [None, no, yes, None]);
        check(Source::Interface, [None, None, no, None]);
        check(Source::OtherInterface, [None, None, yes, None]);
    }
}
