//! The addresses and ports of one packet, in the direction it travels.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Source and destination of a TCP segment.
///
/// IPv4 addresses are IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), so that both
/// families have one layout. Addresses are words because the programs would move bytes one by one,
/// each in a register of its own.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct Tuple {
    /// Source address; each word in network byte order.
    pub source_be: [u32; 4],
    /// Destination address; each word in network byte order.
    pub destination_be: [u32; 4],
    /// Source port, network byte order.
    pub source_port_be: u16,
    /// Destination port, network byte order.
    pub destination_port_be: u16,
}

const _: () = assert!(size_of::<Tuple>() == 36);

impl Tuple {
    /// No addresses: the tuple is not known.
    pub const ZERO: Self = Self {
        source_be: [0; 4],
        destination_be: [0; 4],
        source_port_be: 0,
        destination_port_be: 0,
    };
}

/// The IPv4-mapped address of an IPv4 address, both in network byte order.
#[inline(always)]
pub const fn mapped(v4_be: u32) -> [u32; 4] {
    [0, 0, 0xffff_u32.to_be(), v4_be]
}
