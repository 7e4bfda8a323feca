//! Converts the addresses that the kernel programs write to socket addresses.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use tracer_common::tuple as raw;

/// Source and destination of a packet, in its direction of travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// The sender's address.
    pub source: SocketAddr,
    /// The receiver's address.
    pub destination: SocketAddr,
}

impl Tuple {
    /// The tuple of a packet in the opposite direction.
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
            source: address(raw.source_be, raw.source_port_be),
            destination: address(raw.destination_be, raw.destination_port_be),
        }
    }
}

/// IPv4-mapped addresses become IPv4.
pub(super) fn address(words_be: [u32; 4], port_be: u16) -> SocketAddr {
    let bits = words_be.iter().fold(0, |bits, word_be| {
        bits << 32 | u128::from(u32::from_be(*word_be))
    });
    let ip = IpAddr::V6(Ipv6Addr::from_bits(bits)).to_canonical();
    SocketAddr::new(ip, u16::from_be(port_be))
}
