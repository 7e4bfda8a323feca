//! Whose packets a rule is for. In: a rule's condition on the source, and a client. Out: whether the
//! client meets it, as far as an address can tell.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::network::Network;

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its address before any translation.
    pub ip: IpAddr,
    /// Whether it runs in the node's own network namespace, so that its packets pass OUTPUT instead
    /// of PREROUTING. `None` where no hook saw them.
    pub on_node: Option<bool>,
}

/// A rule's condition on the source of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// None.
    #[default]
    Any,
    /// In a network: `-s network`.
    Inside(Network),
    /// Not in the network of the pods: `! -s network`.
    Outside(Network),
    /// Through an interface: `-i name`, `--physdev-in name`.
    Interface,
    /// Through another interface than those of pods: `! -i name`, `! --physdev-in name`.
    OtherInterface,
    /// The node itself: `--src-type LOCAL`, `fib saddr type local`.
    Node,
    /// The endpoint that was chosen: it called its own service.
    Endpoint,
}

impl Source {
    /// Whether `client` meets the condition, when `endpoint` was chosen for it. `None` where its
    /// address does not say.
    #[must_use]
    pub fn includes(self, client: &Client, endpoint: IpAddr) -> Option<bool> {
        let ip = client.ip.to_canonical();
        match self {
            Self::Any => Some(true),
            Self::Inside(network) => Some(network.contains(ip)),
            Self::Outside(network) => Some(!network.contains(ip)),
            Self::Endpoint => Some(ip == endpoint.to_canonical()),
            Self::Node => client.on_node,
            // A packet in OUTPUT has come in by no interface, which is another one than any
            // (kernel: nf_hook_state.in is NULL, ip_packet_match compares with an empty name).
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
    fn what_an_address_can_tell() {
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
