//! The two tuples of a connection, byte for byte as `struct nf_conn` holds them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// kernel: struct nf_conntrack_tuple, same from 4.x to 6.18.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct ConntrackTuple {
    /// Source address, each word in network byte order. An IPv4 address is in the first word.
    pub source_be: [u32; 4],
    /// Source port, network byte order.
    pub source_port_be: u16,
    /// `l3num`: [`AF_INET`] or `AF_INET6`.
    pub family: u16,
    /// Destination address, as `source_be`.
    pub destination_be: [u32; 4],
    /// Destination port, network byte order.
    pub destination_port_be: u16,
    /// IP protocol number.
    pub protocol: u8,
    /// 0 for original, 1 for reply.
    pub direction: u8,
}

const _: () = assert!(size_of::<ConntrackTuple>() == 40);

/// [`ConntrackTuple::family`] of IPv4.
pub const AF_INET: u16 = 2;

/// kernel: struct nf_conntrack_tuple_hash is a list node of two pointers, then the tuple.
pub const LIST_NODE_BYTES: usize = 16;

/// `tuplehash[0].tuple` to the end of `tuplehash[1].tuple`: one read of client, service address and
/// chosen pod.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, Immutable, IntoBytes, KnownLayout,
)]
pub struct ConntrackTuples {
    /// Client to service, as the client sends.
    pub original: ConntrackTuple,
    /// Without meaning outside the kernel.
    pub list_node: [u8; LIST_NODE_BYTES],
    /// Chosen pod to client, as the pod sends.
    pub reply: ConntrackTuple,
}

const _: () = assert!(size_of::<ConntrackTuples>() == 96);

impl ConntrackTuple {
    /// No addresses.
    pub const ZERO: Self = Self {
        source_be: [0; 4],
        source_port_be: 0,
        family: 0,
        destination_be: [0; 4],
        destination_port_be: 0,
        protocol: 0,
        direction: 0,
    };
}

impl ConntrackTuples {
    /// Not known.
    pub const ZERO: Self = Self {
        original: ConntrackTuple::ZERO,
        list_node: [0; LIST_NODE_BYTES],
        reply: ConntrackTuple::ZERO,
    };
}
