//! One direction of a connection: what was sent, what is under way, and what has arrived.
//!
//! TCP sends again what is lost: the packet as it was, a piece of it, or with those behind it. A
//! receiver keeps what arrives beyond a gap.

use std::{collections::VecDeque, ops::Range};

use super::{
    packet::Packet,
    stream::{Cutting, Stream},
};
use crate::flow::Side;

/// One direction.
pub(crate) struct Wire {
    pub(super) from: Side,
    pub(crate) stream: Stream,
    initial_seq: u32,
    ends: Vec<usize>,
    /// The packets so far, without those that were sent again.
    packets: Vec<Range<usize>>,
    pub(super) in_flight: VecDeque<Packet>,
    /// What has arrived beyond a gap.
    beyond: Vec<Range<usize>>,
    /// Where the first gap begins.
    pub(crate) arrived: usize,
    pub(super) read: usize,
    /// The packets that the kernel programs saw, each with its time.
    seen: Vec<(Range<usize>, u64)>,
    /// When the application read the bytes up to a position.
    pub(super) reads: Vec<(usize, u64)>,
}

impl Wire {
    pub(super) fn new(from: Side, stream: Stream, cutting: &Cutting, initial_seq: u32) -> Self {
        Self {
            from,
            ends: cutting.ends(&stream),
            stream,
            initial_seq,
            packets: Vec::new(),
            in_flight: VecDeque::new(),
            beyond: Vec::new(),
            arrived: 0,
            read: 0,
            seen: Vec::new(),
            reads: Vec::new(),
        }
    }

    pub(super) fn seq(&self, at: usize) -> u32 {
        self.initial_seq.wrapping_add(u32::try_from(at).unwrap())
    }

    /// The sequence number behind what has arrived.
    pub(crate) fn arrived_seq(&self) -> u32 {
        self.seq(self.arrived)
    }

    /// The sequence number behind what was sent.
    pub(crate) fn sent_seq(&self) -> u32 {
        self.seq(self.sent())
    }

    /// How many bytes were sent.
    pub(crate) fn sent(&self) -> usize {
        self.packets.last().map_or(0, |packet| packet.end)
    }

    /// The position of a sequence number.
    pub(crate) fn offset(&self, seq: u32) -> usize {
        seq.wrapping_sub(self.initial_seq) as usize
    }

    /// When the kernel programs first saw the byte at a position.
    pub(crate) fn seen_ns(&self, at: usize) -> Option<u64> {
        let mut seen = self.seen.iter();
        let first = seen.find(|(packet, _)| packet.contains(&at));
        first.map(|(_, at_ns)| *at_ns)
    }

    /// Whether the kernel programs saw the byte at a position, or a copy of it, at this time.
    pub(crate) fn is_seen_at(&self, at: usize, at_ns: u64) -> bool {
        let mut seen = self.seen.iter();
        seen.any(|(packet, seen_ns)| packet.contains(&at) && *seen_ns == at_ns)
    }

    /// When the application read the byte at a position.
    pub(crate) fn read_ns(&self, at: usize) -> Option<u64> {
        let mut reads = self.reads.iter();
        reads.find(|(to, _)| *to > at).map(|(_, at_ns)| *at_ns)
    }

    /// The kernel programs see a packet.
    pub(super) fn see(&mut self, packet: &Packet) {
        let begin = self.offset(packet.seq);
        let range = begin..begin + packet.payload.len();
        self.seen.push((range, packet.start_ns));
    }

    /// The next packet.
    pub(super) fn send(&mut self, other: &Self, start_ns: u64) -> Packet {
        let range = self.next_packet(other.arrived);
        self.packets.push(range.clone());
        self.packet(range, other, start_ns)
    }

    /// What is sent again because nothing is under way and something is missing, in one of three
    /// forms: the packet, a piece of it, or everything.
    pub(super) fn send_missing(&self, other: &Self, form: usize, start_ns: u64) -> Packet {
        let begin = self.arrived;
        let mut packets = self.packets.iter();
        let end = packets.find(|packet| packet.contains(&begin)).unwrap().end;
        let end = match form % 3 {
            0 => end,
            1 => begin + (end - begin).div_ceil(2),
            _ => self.sent(),
        };
        self.packet(begin..end, other, start_ns)
    }

    /// A packet that was sent before, or `None` if there is none.
    pub(super) fn send_again(&self, which: usize, other: &Self, start_ns: u64) -> Option<Packet> {
        let which = which.checked_rem(self.packets.len())?;
        Some(self.packet(self.packets[which].clone(), other, start_ns))
    }

    /// An empty packet with a FIN.
    pub(super) fn finish(&self, other: &Self, start_ns: u64) -> Packet {
        Packet {
            is_fin: true,
            ..self.packet(self.sent()..self.sent(), other, start_ns)
        }
    }

    fn packet(&self, range: Range<usize>, other: &Self, start_ns: u64) -> Packet {
        Packet {
            from: self.from,
            seq: self.seq(range.start),
            ack: other.seq(other.arrived),
            payload: self.stream.bytes[range].to_vec(),
            is_fin: false,
            start_ns,
            journey: None,
        }
    }

    /// A packet arrives.
    pub(super) fn arrive(&mut self, packet: &Packet) {
        let begin = self.offset(packet.seq);
        self.beyond.push(begin..begin + packet.payload.len());
        let is_next = |range: &&Range<usize>, to| range.start <= to && range.end > to;
        while let Some(next) = self
            .beyond
            .iter()
            .find(|range| is_next(range, self.arrived))
        {
            self.arrived = next.end;
        }
    }

    /// The bytes of the next packet; none if the sender waits.
    pub(super) fn next_packet(&self, received: usize) -> Range<usize> {
        let begin = self.sent();
        let end = self.ends.iter().find(|end| **end > begin);
        let mut gates = self.stream.gates.iter();
        let closed = gates.find(|gate| gate.at >= begin && gate.received > received);
        let end = end.map_or(begin, |end| closed.map_or(*end, |gate| gate.at.min(*end)));
        begin..end
    }

    /// Whether every head that has begun is in one packet.
    pub(crate) fn has_whole_heads(&self) -> bool {
        let mut heads = self.stream.heads.iter();
        heads.all(|head| self.is_in_one_packet(head))
    }

    /// Whether these bytes, if any of them was sent, are in one packet.
    pub(crate) fn is_in_one_packet(&self, bytes: &Range<usize>) -> bool {
        let mut packets = self.packets.iter();
        let first = packets.find(|packet| packet.contains(&bytes.start));
        first.is_none_or(|packet| packet.end >= bytes.end)
    }

    /// Whether everything that was sent has arrived.
    pub(crate) fn has_arrived(&self) -> bool {
        self.arrived == self.sent()
    }
}
