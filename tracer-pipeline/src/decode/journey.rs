//! The stamps of one message on this node.

#[cfg(test)]
pub(super) mod builder;

use std::net::SocketAddr;

use tracer_common::{
    hook::Hook,
    journey::{
        self as raw, BEHIND_LEFT_OUT, ENDS_LATER, End, HAS_CONNTRACK, HEAD_LOST, HEADER_BYTES,
        IN_SEQUENCE, INTERIM, PIPELINES, STAMPS_CUT,
    },
    message::{IN_SYN, Message},
    remote::is_remote,
    stamp,
};

use super::{DecodeError, conntrack::Conntrack, device::DeviceId, plain::from_cut, tuple::Tuple};

/// The passage of one message at one hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
    /// The hook.
    pub hook: Hook,
    /// The device, at hooks that have one.
    pub device: Option<DeviceId>,
}

/// All stamps of one message on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// What the packet carried.
    pub message: Message,
    /// What a SYN carried besides (TCP Fast Open): a request or HEADERS.
    pub in_syn: Option<Message>,
    /// How the journey ended.
    pub end: End,
    /// When the packet left the sending socket, or arrived from another node, nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub start_ns: u64,
    /// Cookie of the sending socket (the listener's for a SYN-ACK); a synthetic cookie
    /// (`tracer_common::remote`) where the sender is on another node.
    pub sender_cookie: u64,
    /// Cookie of the receiving socket (the listener's for a SYN, unless a new socket has taken the
    /// message in it); 0 where the packet reached no socket.
    pub receiver_cookie: u64,
    /// The sending socket's cgroup v2 id (the listener's for a SYN-ACK); 0 where unknown.
    pub sender_cgroup: u64,
    /// The receiving socket's cgroup v2 id (the listener's for a SYN); 0 where unknown.
    pub receiver_cgroup: u64,
    /// TCP sequence number of the packet's first byte.
    pub seq: u32,
    /// TCP acknowledgment number. Of a SYN whose message a socket of this node has taken: where that
    /// socket's first response begins.
    pub ack: u32,
    /// TCP payload of the packet in bytes.
    pub payload_bytes: u32,
    /// The kernel's drop reason, where `end` is a drop.
    pub drop_reason: Option<u32>,
    /// Addresses as the sender wrote them, or as the packet arrived from another node.
    pub sent: Tuple,
    /// Addresses as the packet reached the receiving socket.
    pub received: Option<Tuple>,
    /// The conntrack entry, where the packet has one.
    pub conntrack: Option<Conntrack>,
    /// The stamps in order of time; never empty.
    pub stamps: Vec<Stamp>,
    /// The journey had more stamps than the record has room for.
    pub stamps_cut: bool,
    /// The head record of this message was lost.
    pub head_lost: bool,
    /// A pipelined request behind an unanswered request that the kernel programs did not follow, or on
    /// a connection of which they have not seen the beginning.
    pub behind_left_out: bool,
    /// A request that begins where the connection begins, or where the request before it ends, as
    /// the kernel programs have found. Without it, what looks like a request may be a part of a
    /// body.
    pub in_sequence: bool,
    /// A response that goes on behind its packet. The packet with its last byte has a journey.
    pub ends_later: bool,
    /// A response that begins with an interim one (100, 103), or with a piece that does not show whether
    /// it does.
    pub is_interim: bool,
    /// A request of a client that has sent one before the response to the one before.
    pub pipelines: bool,
}

impl Journey {
    /// Sequence number of the byte with which the application has read the message: the first one, or
    /// the last byte of a response.
    pub fn read_seq(&self) -> u32 {
        match self.message {
            Message::ResponseEnd => self.seq.wrapping_add(self.payload_bytes).wrapping_sub(1),
            _ => self.seq,
        }
    }

    /// Whether the packet came from another node: the journey begins at an uplink.
    pub fn has_arrived(&self) -> bool {
        is_remote(self.sender_cookie)
    }

    /// Whether the packet went on to another node: the journey ends at an uplink.
    pub fn has_left(&self) -> bool {
        self.end == End::Left
    }

    /// The translation of the addresses: conntrack's entry or, where no netfilter program saw the
    /// packet, the difference between `sent` and `received`. `None` where neither is known.
    pub fn translation(&self) -> Option<Conntrack> {
        self.conntrack.or_else(|| {
            Some(Conntrack {
                original: self.sent,
                reply: self.received?.reversed(),
            })
        })
    }

    /// The client's address, for a message from the client. Packets of the node itself are
    /// translated and masqueraded before their journey opens, so only conntrack has the address
    /// that the client wrote.
    pub fn client(&self) -> SocketAddr {
        self.translation()
            .map_or(self.sent.source, |known| known.original.source)
    }
}

pub(super) fn decode(bytes: &[u8], short: DecodeError) -> Result<Journey, DecodeError> {
    let raw: raw::Journey = from_cut(bytes);
    let stamps = usize::from(raw.stamp_count);
    if stamps == 0
        || stamps > raw::MAX_STAMPS
        || bytes.len() < HEADER_BYTES + stamps * size_of::<stamp::Stamp>()
    {
        return Err(short);
    }
    let carried = Message::try_from(raw.message & !IN_SYN).map_err(value("journey message"))?;
    let (message, in_syn) = if raw.message & IN_SYN == 0 {
        (carried, None)
    } else {
        (Message::Syn, Some(carried))
    };
    let end = End::try_from(raw.end).map_err(value("journey end"))?;
    let is_request = carried == Message::Request;
    Ok(Journey {
        message,
        in_syn: in_syn.filter(|carried| matches!(carried, Message::Request | Message::Headers)),
        end,
        start_ns: raw.start_ns,
        sender_cookie: raw.sender_cookie,
        receiver_cookie: raw.receiver_cookie,
        sender_cgroup: raw.sender_cgroup,
        receiver_cgroup: raw.receiver_cgroup,
        seq: raw.seq,
        ack: raw.ack,
        payload_bytes: raw.payload_bytes,
        drop_reason: (end == End::Dropped).then_some(raw.drop_reason),
        sent: raw.sent.into(),
        received: (end == End::Socket).then(|| raw.received.into()),
        conntrack: (raw.flags & HAS_CONNTRACK != 0).then(|| raw.conntrack.into()),
        stamps: decode_stamps(&raw, stamps)?,
        stamps_cut: raw.flags & STAMPS_CUT != 0,
        head_lost: raw.flags & HEAD_LOST != 0,
        behind_left_out: raw.flags & BEHIND_LEFT_OUT != 0,
        in_sequence: raw.flags & IN_SEQUENCE != 0,
        ends_later: !is_request && raw.flags & ENDS_LATER != 0,
        is_interim: carried == Message::Response && raw.flags & INTERIM != 0,
        pipelines: is_request && raw.flags & PIPELINES != 0,
    })
}

fn decode_stamps(raw: &raw::Journey, count: usize) -> Result<Vec<Stamp>, DecodeError> {
    let mut last_ns = raw.start_ns;
    // Collecting into a Result would grow the vector, because its length hint is 0.
    let mut stamps = Vec::with_capacity(count);
    for stamp in raw.stamps.iter().take(count) {
        // Clocks of two CPUs may differ by a few nanoseconds; stamps must not run backwards.
        last_ns = last_ns.max(raw.start_ns.saturating_add(stamp.offset_ns.into()));
        stamps.push(Stamp {
            at_ns: last_ns,
            hook: Hook::try_from(stamp.hook).map_err(value("stamp hook"))?,
            device: (stamp.netns != 0).then_some(DeviceId {
                netns: stamp.netns,
                ifindex: stamp.ifindex,
            }),
        });
    }
    Ok(stamps)
}

fn value(field: &'static str) -> impl Fn(u8) -> DecodeError {
    move |value| DecodeError::Value {
        field,
        value: value.into(),
    }
}
