//! All stamps of one message on one node: the record that leaves the kernel once.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::{conntrack::ConntrackTuples, from_number::from_number, stamp::Stamp, tuple::Tuple};

/// Packets with a journey at one time on a machine. If there are more, new packets have no journey,
/// which is counted. A power of two.
pub const MAX_JOURNEYS: usize = 8192;

/// Stamps a journey can hold. Two pods on a bridge make 14; a node that encapsulates adds 5.
pub const MAX_STAMPS: usize = 32;

/// Flag: more stamps came than fit; the last ones are missing.
pub const STAMPS_CUT: u8 = 1;
/// Flag: `conntrack` is valid.
pub const HAS_CONNTRACK: u8 = 2;
/// Flag: the head record of this message is lost.
pub const HEAD_LOST: u8 = 4;
/// Flag: the message is a request, sent before the response to the request before, which has no
/// journey, or may be behind one without, because the beginning of the connection was not seen.
pub const BEHIND_LEFT_OUT: u8 = 8;

/// Flag: the message is a request that begins where the connection begins, or where the request
/// before it ends. Without it, what looks like a request may be a part of a body.
pub const IN_SEQUENCE: u8 = 16;
/// Flag: the packet has the whole head of one request, and no other request.
pub const SINGLE: u8 = 32;
/// Flag: the message is a request whose response has no body, whatever its head announces.
pub const NO_BODY: u8 = 64;
/// Flag of a response, where [`NO_BODY`] is one of a request: the packet does not begin with the last
/// response to a request, but with an interim one (100, 103), or with a piece of a head that does not
/// show it.
pub const INTERIM: u8 = 64;
/// Flag: the message is a response that does not end in its packet. The packet in which it does has
/// a journey, of a [`crate::message::Message::ResponseEnd`].
pub const ENDS_LATER: u8 = 128;
/// Flag of a request, where [`ENDS_LATER`] is one of a response: the socket has sent a request before
/// the response to the one before, this one or an earlier one.
pub const PIPELINES: u8 = 128;

/// How a journey ended.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Not by a hook: the agent has removed the journey because it was too old.
    Expired = 0,
    /// A socket on this node has received the packet.
    Socket = 1,
    /// The kernel has dropped the packet, for `drop_reason`.
    Dropped = 2,
    /// The packet has left the node by an uplink.
    Left = 3,
}

from_number!(End: u8, Expired, Socket, Dropped, Left);

/// A journey. On the ring buffer it is cut after `stamp_count` stamps.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct Journey {
    /// [`crate::RecordKind::Journey`].
    pub kind: u32,
    /// A [`crate::message::Message`], with [`crate::message::IN_SYN`] if the packet is a SYN that
    /// carries it.
    pub message: u8,
    /// An [`End`].
    pub end: u8,
    /// Used elements of `stamps`.
    pub stamp_count: u8,
    /// [`STAMPS_CUT`], [`HAS_CONNTRACK`], [`HEAD_LOST`], [`BEHIND_LEFT_OUT`], [`IN_SEQUENCE`],
    /// [`SINGLE`], [`NO_BODY`] or [`INTERIM`], [`ENDS_LATER`] or [`PIPELINES`].
    pub flags: u8,
    /// When the packet left the sending socket, or arrived from another node.
    pub start_ns: u64,
    /// Cookie of the sending socket (the listener's for a SYN-ACK), or the synthetic cookie
    /// ([`crate::remote`]) of a socket on another node.
    pub sender_cookie: u64,
    /// Cookie of the receiving socket (the listener's for a SYN, unless a new socket has taken the
    /// message in it); 0 if no socket received the packet.
    pub receiver_cookie: u64,
    /// The cgroup v2 id of the sending socket (the listener's for a SYN-ACK): the inode number of
    /// its directory. 0 if not known.
    pub sender_cgroup: u64,
    /// The cgroup v2 id of the receiving socket (the listener's for a SYN); 0 if no socket received
    /// the packet.
    pub receiver_cgroup: u64,
    /// TCP sequence number of the segment's first byte.
    pub seq: u32,
    /// TCP acknowledgment number of the segment. Of a SYN whose message a socket of this node has
    /// taken: where that socket's first response begins.
    pub ack: u32,
    /// TCP payload of the packet; of a GSO packet, of all its segments.
    pub payload_bytes: u32,
    /// The kernel's `enum skb_drop_reason`, if `end` is [`End::Dropped`].
    pub drop_reason: u32,
    /// The tuple of the packet as it was sent, or as it arrived from another node.
    pub sent: Tuple,
    /// The tuple of the packet as a socket received it; zero if none did.
    pub received: Tuple,
    /// The tuples of the connection in conntrack; valid if [`HAS_CONNTRACK`] is set.
    pub conntrack: ConntrackTuples,
    /// In the order of time.
    pub stamps: [Stamp; MAX_STAMPS],
}

/// Bytes before the first stamp.
pub const HEADER_BYTES: usize = core::mem::offset_of!(Journey, stamps);

const _: () = assert!(HEADER_BYTES == 232);
const _: () = assert!(size_of::<Journey>() == HEADER_BYTES + MAX_STAMPS * size_of::<Stamp>());

impl Journey {
    /// No message and no stamps.
    pub const ZERO: Self = Self {
        kind: 0,
        message: 0,
        end: 0,
        stamp_count: 0,
        flags: 0,
        start_ns: 0,
        sender_cookie: 0,
        receiver_cookie: 0,
        sender_cgroup: 0,
        receiver_cgroup: 0,
        seq: 0,
        ack: 0,
        payload_bytes: 0,
        drop_reason: 0,
        sent: Tuple::ZERO,
        received: Tuple::ZERO,
        conntrack: ConntrackTuples::ZERO,
        stamps: [Stamp::ZERO; MAX_STAMPS],
    };
}
