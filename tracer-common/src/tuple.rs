//! The addresses and ports of one packet, in the direction it travels.

/// Source and destination of a TCP segment.
///
/// IPv4 addresses are IPv4-mapped (`::ffff:a.b.c.d`, RFC 4291 section 2.5.5.2), so that one
/// layout serves both families.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address, network byte order.
    pub source: [u8; 16],
    /// Destination address, network byte order.
    pub destination: [u8; 16],
    /// Source port, network byte order.
    pub source_port_be: u16,
    /// Destination port, network byte order.
    pub destination_port_be: u16,
}

const _: () = assert!(size_of::<Tuple>() == 36);

impl Tuple {
    /// No addresses: "not known" in records that may lack a tuple.
    pub const ZERO: Self = Self {
        source: [0; 16],
        destination: [0; 16],
        source_port_be: 0,
        destination_port_be: 0,
    };
}

/// Maps an IPv4 address, given as its four bytes in network order.
#[inline(always)]
pub const fn mapped(v4: [u8; 4]) -> [u8; 16] {
    [
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, v4[0], v4[1], v4[2], v4[3],
    ]
}
