//! Addresses as the kernel programs write them, to socket addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tracer_common::tuple as raw;

/// Source and destination of a packet, in the direction it travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Where it came from.
    pub source: SocketAddr,
    /// Where it went.
    pub destination: SocketAddr,
}

impl Tuple {
    /// The same connection, seen from the other end.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            source: self.destination,
            destination: self.source,
        }
    }
}

impl From<raw::Tuple> for Tuple {
    fn from(raw: raw::Tuple) -> Self {
        Self {
            source: address(raw.source, raw.source_port_be),
            destination: address(raw.destination, raw.destination_port_be),
        }
    }
}

/// IPv4-mapped addresses become IPv4.
pub(super) fn address(bytes: [u8; 16], port_be: u16) -> SocketAddr {
    let ip = IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical();
    SocketAddr::new(ip, u16::from_be(port_be))
}
