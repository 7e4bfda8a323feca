//! The open streams of one connection, and the packets that their HEADERS are in.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::{
    decode::{Fragment, Journey},
    flow::{PacketId, before},
    http::{Answered, Asked, Connect, Exchange, Leg},
    http2::{
        fragments::Direction,
        frame::HEADER_BYTES,
        headers::RequestHeaders,
        streams::{Event, STREAMS_MAX},
    },
};

/// Packets of each direction remembered for the frames that start in them.
const RECENT_PACKETS: usize = 16;
/// Packets remembered for the streams that need them; unneeded ones go when there are more.
const MAX_PACKETS: usize = 256;
/// A stream that has ended waits this long for the application to read its response.
const READ_WAIT_NS: u64 = 30_000_000_000;

#[derive(Default)]
pub(super) struct Open {
    streams: BTreeMap<u32, Stream>,
    packets: HashMap<PacketId, Packet>,
    to_server: VecDeque<PacketId>,
    to_client: VecDeque<PacketId>,
}

/// A packet with HEADERS of any number of streams.
#[derive(Default)]
struct Packet {
    leg: Option<Leg>,
    connect: Option<Connect>,
}

struct Stream {
    asked: Asked,
    request: PacketId,
    request_seq: u32,
    response: Option<PacketId>,
    answered: Answered,
    trailers: Option<PacketId>,
    reset: Option<u32>,
    has_ended: bool,
    /// Given up by the decoder: nothing more will be told of it.
    is_lost: bool,
}

impl Open {
    /// Whether this direction has sent a fragment before.
    pub(super) fn has_sent(&self, direction: Direction) -> bool {
        !self.recent(direction).is_empty()
    }

    /// A fragment of this packet comes now.
    pub(super) fn packet(&mut self, direction: Direction, fragment: &Fragment) {
        let id = PacketId::from(fragment);
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

    /// What a fragment has told of a stream.
    pub(super) fn stream(&mut self, direction: Direction, event: Event) {
        match event {
            Event::Request {
                stream,
                seq,
                headers,
            } => self.request(stream, seq, headers),
            Event::Response {
                stream,
                seq,
                headers,
            } => {
                let packet = self.packet_of(Direction::ToClient, seq);
                if let Some(open) = self.streams.get_mut(&stream) {
                    open.response = packet;
                    open.answered = Answered {
                        status: headers.status,
                        grpc_status: headers.grpc_status,
                    };
                    // A response without a body to come is over; so is every other that is no
                    // gRPC, as far as can be seen: DATA is not followed.
                    open.has_ended = headers.end_stream || !open.asked.is_grpc;
                }
            }
            Event::Trailers {
                stream,
                seq,
                trailers,
            } => {
                let packet = self.packet_of(Direction::ToClient, seq);
                if let Some(open) = self.streams.get_mut(&stream) {
                    open.trailers = packet.filter(|packet| open.response.as_ref() != Some(packet));
                    open.answered.grpc_status = trailers.grpc_status;
                    open.has_ended = true;
                }
            }
            Event::End { stream, .. } => self.end(stream, |open| open.has_ended = true),
            Event::Reset { stream, code, .. } | Event::Refused { stream, code } => {
                self.end(stream, |open| {
                    open.reset = Some(code);
                    open.has_ended = true;
                });
            }
            Event::Evicted { stream } => self.end(stream, |open| open.is_lost = true),
            Event::Interim { .. } | Event::GoAway { .. } => {}
            Event::Desynchronised { .. } => {
                let _ = direction;
            }
        }
    }

    /// Whether the packet of this journey carries requests.
    pub(super) fn is_request(&self, journey: &Journey) -> bool {
        self.to_server.contains(&PacketId::from(journey))
    }

    /// The packet of this journey waited for the handshake.
    pub(super) fn connected(&mut self, journey: &Journey, connect: Connect) {
        let packet = self.packets.entry(PacketId::from(journey)).or_default();
        packet.connect = Some(connect);
    }

    /// A packet has crossed this node.
    pub(super) fn journey(&mut self, journey: Journey, done: &mut impl FnMut(Exchange)) {
        if self.packets.len() >= MAX_PACKETS {
            let needed = |id: &PacketId| self.streams.values().any(|stream| stream.needs(id));
            self.packets.retain(|id, _| needed(id));
        }
        let packet = self.packets.entry(PacketId::from(&journey)).or_default();
        packet.leg = Some(Leg::new(journey));
        self.complete(done);
    }

    /// The application has read the packet that starts at `seq`.
    pub(super) fn read(
        &mut self,
        direction: Direction,
        seq: u32,
        at_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        let id = self
            .recent(direction)
            .iter()
            .rfind(|id| id.seq() == seq)
            .copied();
        let leg = id
            .and_then(|id| self.packets.get_mut(&id))
            .and_then(|packet| packet.leg.as_mut());
        if let Some(leg) = leg {
            leg.read_ns.get_or_insert(at_ns);
            self.complete(done);
        }
    }

    /// Gives up streams that wait in vain; how many had not ended.
    pub(super) fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) -> u64 {
        let over: Vec<u32> = self
            .streams
            .iter()
            .filter(|(_, stream)| {
                let last = stream.response.unwrap_or(stream.request);
                let waits = stream.has_ended || stream.is_lost;
                waits && last.age_ns(now_ns) > READ_WAIT_NS
            })
            .map(|(stream, _)| *stream)
            .collect();
        self.finish(over, done)
    }

    /// Gives up all of them.
    pub(super) fn give_up(mut self, done: &mut impl FnMut(Exchange)) -> u64 {
        let all = self.streams.keys().copied().collect();
        self.finish(all, done)
    }

    fn request(&mut self, stream: u32, seq: u32, headers: RequestHeaders) {
        let Some(request) = self.packet_of(Direction::ToServer, seq) else {
            return;
        };
        if self.streams.len() >= STREAMS_MAX {
            self.streams.pop_first();
        }
        let asked = Asked {
            method: headers.method,
            path: headers.path,
            version: Some("2"),
            trace: headers.trace,
            is_grpc: headers.grpc == Some(true),
            rpc: headers.rpc,
        };
        let open = Stream {
            asked,
            request,
            request_seq: seq,
            response: None,
            answered: Answered::default(),
            trailers: None,
            reset: None,
            has_ended: false,
            is_lost: false,
        };
        self.streams.insert(stream, open);
    }

    fn end(&mut self, stream: u32, end: impl FnOnce(&mut Stream)) {
        if let Some(open) = self.streams.get_mut(&stream) {
            end(open);
        }
    }

    fn recent(&self, direction: Direction) -> &VecDeque<PacketId> {
        match direction {
            Direction::ToServer => &self.to_server,
            Direction::ToClient => &self.to_client,
        }
    }

    /// The packet in which the header of the frame at `seq` is complete.
    fn packet_of(&self, direction: Direction, seq: u32) -> Option<PacketId> {
        let complete = seq.wrapping_add(HEADER_BYTES as u32);
        self.recent(direction)
            .iter()
            .rfind(|id| before(id.seq(), complete))
            .copied()
    }

    /// Hands out the streams that have ended and of which everything has been seen.
    fn complete(&mut self, done: &mut impl FnMut(Exchange)) {
        let over: Vec<u32> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.has_ended && self.is_seen(stream))
            .map(|(stream, _)| *stream)
            .collect();
        self.finish(over, done);
    }

    /// Whether every packet of a stream has arrived and been read.
    fn is_seen(&self, stream: &Stream) -> bool {
        let is_read = |id: &PacketId| self.leg(id).is_some_and(|leg| leg.read_ns.is_some());
        let last = [stream.response.as_ref(), stream.trailers.as_ref()];
        // A stream that was reset may have no response; its request has arrived, read or not.
        match stream.reset {
            Some(_) => self.leg(&stream.request).is_some(),
            None => is_read(&stream.request) && last.into_iter().flatten().all(is_read),
        }
    }

    fn leg(&self, id: &PacketId) -> Option<&Leg> {
        self.packets.get(id)?.leg.as_ref()
    }

    /// Makes exchanges of streams; how many of them had not ended.
    fn finish(&mut self, streams: Vec<u32>, done: &mut impl FnMut(Exchange)) -> u64 {
        let mut given_up = 0;
        for stream in streams {
            let Some(stream) = self.streams.remove(&stream) else {
                continue;
            };
            given_up += u64::from(!stream.has_ended);
            if let Some(exchange) = self.exchange(stream) {
                done(exchange);
            }
        }
        given_up
    }

    /// `None` where the journey of the request was not seen.
    fn exchange(&mut self, stream: Stream) -> Option<Exchange> {
        let leg = |id: Option<PacketId>| self.leg(&id?).cloned();
        let request = leg(Some(stream.request))?;
        let response = leg(stream.response);
        let trailers = leg(stream.trailers);
        let packet = self.packets.get_mut(&stream.request)?;
        Some(Exchange {
            asked: stream.asked,
            answered: stream.response.map(|_| stream.answered),
            connect: packet.connect.take(),
            request,
            request_seq: stream.request_seq,
            response,
            trailers,
            reset: stream.reset,
        })
    }
}

impl Stream {
    fn needs(&self, id: &PacketId) -> bool {
        self.request == *id
            || self.response.as_ref() == Some(id)
            || self.trailers.as_ref() == Some(id)
    }
}
