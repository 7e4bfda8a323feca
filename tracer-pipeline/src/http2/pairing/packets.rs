//! The packets of one connection that carry the HEADERS of open streams.

use std::collections::{HashMap, VecDeque};

use crate::{
    decode::Journey,
    flow::{PacketId, ZeroWindow, before},
    http::{Connect, Leg},
    http2::{fragments::Direction, frame::HEADER_BYTES},
};

/// Packets remembered per direction, for the frames that start in them.
const RECENT_PACKETS: usize = 16;

/// A packet with HEADERS of one or more streams.
struct Packet {
    direction: Direction,
    /// Number of streams with HEADERS in the packet.
    streams: u32,
    leg: Option<Leg>,
    connect: Option<Connect>,
}

impl Packet {
    /// Adds the journey of the packet, or of a packet that repeats it.
    fn add(&mut self, journey: Journey) {
        match &mut self.leg {
            Some(leg) => leg.retransmitted(journey),
            empty => *empty = Some(Leg::new(journey)),
        }
    }
}

#[derive(Default)]
pub(super) struct Packets {
    /// The packets with HEADERS of open streams.
    needed: HashMap<PacketId, Packet>,
    by_seq: HashMap<(Direction, u32), PacketId>,
    to_server: VecDeque<PacketId>,
    to_client: VecDeque<PacketId>,
    /// Of each direction, the header block that was not complete when the journey of the packet came
    /// in which it begins.
    held: [Option<Held>; 2],
}

/// The sequence number of a header block, and the packet in which it begins.
#[derive(Clone, Copy)]
struct Held {
    seq: u32,
    packet: PacketId,
}

impl Packets {
    /// Whether this direction has sent a fragment before.
    pub(super) fn has_sent(&self, direction: Direction) -> bool {
        !self.recent(direction).is_empty()
    }

    /// Records the packet of the next fragment.
    pub(super) fn seen(&mut self, direction: Direction, id: PacketId) {
        let recent = match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        };
        if recent.back() != Some(&id) {
            if recent.len() >= RECENT_PACKETS {
                recent.pop_front();
            }
            recent.push_back(id);
        }
    }

    /// Adds a stream to the packet that completes the header of the frame at `seq`; returns the
    /// packet.
    pub(super) fn add_stream(&mut self, direction: Direction, seq: u32) -> Option<PacketId> {
        let complete = seq.wrapping_add(HEADER_BYTES as u32);
        let held = self.held[direction as usize].filter(|held| held.seq == seq);
        let mut recent = self.recent(direction).iter();
        let id = held.map(|held| held.packet).or_else(|| {
            let id = recent.rfind(|id| before(id.seq(), complete));
            id.copied()
        })?;
        self.entry(direction, id).streams += 1;
        Some(id)
    }

    /// Adds a stream to the packet of a request that was seen before; the request waited for
    /// `connect`.
    pub(super) fn add_stream_with_leg(&mut self, leg: Leg, connect: Option<Connect>) -> PacketId {
        let id = PacketId::from(&leg.journey);
        let packet = self.entry(Direction::ToServer, id);
        packet.streams += 1;
        packet.leg = Some(leg);
        packet.connect = connect;
        id
    }

    /// Keeps the packet of a journey for the header block that begins at `seq`, if it begins in it.
    pub(super) fn hold(&mut self, direction: Direction, seq: u32, journey: &Journey) {
        let last_of_header = seq.wrapping_add(HEADER_BYTES as u32 - 1);
        let held = self.held[direction as usize];
        // The packet may be sent again, also in pieces.
        let is_held = held.is_some_and(|held| held.seq == seq);
        if is_held || !holds(journey, last_of_header) {
            return;
        }
        self.let_go(direction);
        let packet = PacketId::from(journey);
        self.entry(direction, packet).streams += 1;
        self.held[direction as usize] = Some(Held { seq, packet });
    }

    /// The header block of the packet that is kept is complete, or abandoned.
    pub(super) fn let_go(&mut self, direction: Direction) {
        if let Some(held) = self.held[direction as usize].take() {
            self.release(held.packet);
        }
    }

    fn entry(&mut self, direction: Direction, id: PacketId) -> &mut Packet {
        self.by_seq.insert((direction, id.seq()), id);
        self.needed.entry(id).or_insert_with(|| Packet {
            direction,
            streams: 0,
            leg: None,
            connect: None,
        })
    }

    /// Removes a stream from a packet; removes the packet with its last stream.
    pub(super) fn release(&mut self, id: PacketId) {
        let Some(packet) = self.needed.get_mut(&id) else {
            return;
        };
        packet.streams = packet.streams.saturating_sub(1);
        if packet.streams == 0 {
            let place = (packet.direction, id.seq());
            self.needed.remove(&id);
            if self.by_seq.get(&place) == Some(&id) {
                self.by_seq.remove(&place);
            }
            if self.needed.is_empty() {
                // A hash table of packets is larger than the rest of an idle connection.
                self.needed.shrink_to_fit();
                self.by_seq.shrink_to_fit();
            }
        }
    }

    /// Whether the packet of this journey carries requests of open streams.
    pub(super) fn is_request(&self, journey: &Journey) -> bool {
        self.needed
            .get(&PacketId::from(journey))
            .is_some_and(|packet| packet.direction == Direction::ToServer)
    }

    /// Stores the handshake that the packet of this journey waited for.
    pub(super) fn connected(&mut self, journey: &Journey, connect: Connect) {
        if let Some(packet) = self.needed.get_mut(&PacketId::from(journey)) {
            packet.connect = Some(connect);
        }
    }

    /// A SYN-ACK has come: adds it to the handshake of the packet that was the SYN.
    pub(super) fn syn_answered(&mut self, syn_ack: &Journey) {
        let packets = self.needed.values_mut();
        packets
            .filter_map(|packet| packet.connect.as_mut())
            .for_each(|connect| connect.answered(syn_ack));
    }

    /// Removes and returns the handshake that a packet waited for.
    pub(super) fn take_connect(&mut self, id: PacketId) -> Option<Connect> {
        self.needed.get_mut(&id)?.connect.take()
    }

    /// Stores the journey of a packet; returns whether the packet carries HEADERS of open streams.
    /// The packet's fragments came before, so no later stream can need the journey.
    pub(super) fn arrived(&mut self, direction: Direction, journey: Journey) -> bool {
        let id = PacketId::from(&journey);
        if let Some(packet) = self.needed.get_mut(&id) {
            packet.add(journey);
            return true;
        }
        // A retransmission may join the packet with its neighbours.
        let is_in = |(way, seq): &(Direction, u32)| *way == direction && holds(&journey, *seq);
        let joined = self.by_seq.iter().filter(|(place, _)| is_in(place));
        let joined: Vec<PacketId> = joined.map(|(_, id)| *id).collect();
        for id in &joined {
            if let Some(packet) = self.needed.get_mut(id) {
                packet.add(journey.clone());
            }
        }
        !joined.is_empty()
    }

    /// Stores the read of the packet that starts at `seq`; returns whether the packet carries
    /// HEADERS of open streams.
    pub(super) fn read(&mut self, direction: Direction, seq: u32, at_ns: u64) -> bool {
        let leg = self
            .by_seq
            .get(&(direction, seq))
            .and_then(|id| self.needed.get_mut(id))
            .and_then(|packet| packet.leg.as_mut());
        let is_needed = leg.is_some();
        if let Some(leg) = leg {
            leg.read_ns.get_or_insert(at_ns);
        }
        is_needed
    }

    /// Stores the process that reads the requests in the packet that starts at `seq`.
    pub(super) fn read_by(&mut self, seq: u32, tgid: Option<u32>) {
        let packet = self.by_seq.get(&(Direction::ToServer, seq));
        let packet = packet.and_then(|id| self.needed.get_mut(id));
        if let Some(leg) = packet.and_then(|packet| packet.leg.as_mut()) {
            leg.reader = tgid;
        }
    }

    /// The receiver of a direction has no room, or has room again: adds the zero window to all its
    /// packets.
    pub(super) fn window(&mut self, direction: Direction, zero: ZeroWindow) {
        let packets = self.needed.values_mut();
        packets
            .filter(|packet| packet.direction == direction)
            .filter_map(|packet| packet.leg.as_mut())
            .for_each(|leg| leg.window(zero));
    }

    /// The journey of a packet, if it was seen.
    pub(super) fn leg(&self, id: PacketId) -> Option<&Leg> {
        self.needed.get(&id)?.leg.as_ref()
    }

    fn recent(&self, direction: Direction) -> &VecDeque<PacketId> {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }
}

/// Whether the byte at `seq` is in the packet.
fn holds(journey: &Journey, seq: u32) -> bool {
    seq.wrapping_sub(journey.seq) < journey.payload_bytes
}
