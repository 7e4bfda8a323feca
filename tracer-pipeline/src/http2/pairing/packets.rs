//! The packets of one connection that the HEADERS of open streams are in.

use std::collections::{HashMap, VecDeque};

use crate::{
    decode::Journey,
    flow::{PacketId, ZeroWindow, before},
    http::{Connect, Leg},
    http2::{fragments::Direction, frame::HEADER_BYTES},
};

/// Packets of each direction remembered for the frames that start in them.
const RECENT_PACKETS: usize = 16;

/// A packet with HEADERS of any number of streams.
struct Packet {
    direction: Direction,
    /// Streams that need it.
    streams: u32,
    leg: Option<Leg>,
    connect: Option<Connect>,
}

#[derive(Default)]
pub(super) struct Packets {
    /// The packets that open streams need.
    needed: HashMap<PacketId, Packet>,
    by_seq: HashMap<(Direction, u32), PacketId>,
    to_server: VecDeque<PacketId>,
    to_client: VecDeque<PacketId>,
}

impl Packets {
    /// Whether this direction has sent a fragment before.
    pub(super) fn has_sent(&self, direction: Direction) -> bool {
        !self.recent(direction).is_empty()
    }

    /// A fragment of this packet comes now.
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

    /// The packet in which the header of the frame at `seq` is complete; a stream needs it now.
    pub(super) fn need(&mut self, direction: Direction, seq: u32) -> Option<PacketId> {
        let complete = seq.wrapping_add(HEADER_BYTES as u32);
        let id = self
            .recent(direction)
            .iter()
            .rfind(|id| before(id.seq(), complete))
            .copied()?;
        self.take(direction, id).streams += 1;
        Some(id)
    }

    /// A stream needs the packet that has crossed the node with this request, and that waited for
    /// `connect`.
    pub(super) fn need_leg(&mut self, leg: Leg, connect: Option<Connect>) -> PacketId {
        let id = PacketId::from(&leg.journey);
        let packet = self.take(Direction::ToServer, id);
        packet.streams += 1;
        packet.leg = Some(leg);
        packet.connect = connect;
        id
    }

    fn take(&mut self, direction: Direction, id: PacketId) -> &mut Packet {
        self.by_seq.insert((direction, id.seq()), id);
        self.needed.entry(id).or_insert_with(|| Packet {
            direction,
            streams: 0,
            leg: None,
            connect: None,
        })
    }

    /// A stream needs a packet no more.
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
                // A table of packets is larger than all the rest of an idle connection.
                self.needed.shrink_to_fit();
                self.by_seq.shrink_to_fit();
            }
        }
    }

    /// Whether open streams have their requests in the packet of this journey.
    pub(super) fn is_request(&self, journey: &Journey) -> bool {
        self.needed
            .get(&PacketId::from(journey))
            .is_some_and(|packet| packet.direction == Direction::ToServer)
    }

    /// The packet of this journey waited for the handshake.
    pub(super) fn connected(&mut self, journey: &Journey, connect: Connect) {
        if let Some(packet) = self.needed.get_mut(&PacketId::from(journey)) {
            packet.connect = Some(connect);
        }
    }

    /// The handshake that a packet waited for.
    pub(super) fn take_connect(&mut self, id: PacketId) -> Option<Connect> {
        self.needed.get_mut(&id)?.connect.take()
    }

    /// A packet has crossed this node; whether a stream needs it. Its fragments came before it: what
    /// no stream needs now, none will.
    pub(super) fn arrived(&mut self, direction: Direction, journey: Journey) -> bool {
        let id = PacketId::from(&journey);
        let first = if self.needed.contains_key(&id) {
            Some(id)
        } else {
            // TCP may have joined it with its neighbours before it sent it again.
            self.by_seq
                .iter()
                .find(|((way, seq), _)| *way == direction && holds(&journey, *seq))
                .map(|(_, id)| *id)
        };
        let Some(packet) = first.and_then(|id| self.needed.get_mut(&id)) else {
            return false;
        };
        match &mut packet.leg {
            Some(leg) => leg.retransmitted(journey),
            empty => *empty = Some(Leg::new(journey)),
        }
        true
    }

    /// The application has read the packet that starts at `seq`; whether a stream needs it.
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

    /// The process that reads the requests in the packet that starts at `seq`.
    pub(super) fn read_by(&mut self, seq: u32, tgid: Option<u32>) {
        let packet = self.by_seq.get(&(Direction::ToServer, seq));
        let packet = packet.and_then(|id| self.needed.get_mut(id));
        if let Some(leg) = packet.and_then(|packet| packet.leg.as_mut()) {
            leg.reader = tgid;
        }
    }

    /// The receiver of a direction has no room for the rest of any message, or has room again.
    pub(super) fn window(&mut self, direction: Direction, zero: ZeroWindow) {
        let packets = self.needed.values_mut();
        packets
            .filter(|packet| packet.direction == direction)
            .filter_map(|packet| packet.leg.as_mut())
            .for_each(|leg| leg.window(zero));
    }

    /// The way of a packet.
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
