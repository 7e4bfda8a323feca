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
/// Error code (RFC 9113 section 7): the stream was not processed.
const REFUSED_STREAM: u32 = 7;
/// A stream that has ended waits this long for the application to read its response.
const READ_WAIT_NS: u64 = 30_000_000_000;

#[derive(Default)]
pub(super) struct Open {
    streams: BTreeMap<u32, Stream>,
    /// The packets that open streams need.
    packets: HashMap<PacketId, Packet>,
    by_seq: HashMap<(Direction, u32), PacketId>,
    to_server: VecDeque<PacketId>,
    to_client: VecDeque<PacketId>,
    given_up: u64,
    /// Requests before the first response.
    first_requests: u32,
    is_answered: bool,
}

/// A packet with HEADERS of any number of streams.
struct Packet {
    direction: Direction,
    /// Streams that need it.
    streams: u32,
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
    pub(super) fn stream(&mut self, event: Event, done: &mut impl FnMut(Exchange)) {
        match event {
            Event::Request {
                stream,
                seq,
                headers,
            } => self.request(stream, seq, headers, done),
            Event::Response {
                stream,
                seq,
                headers,
            } => {
                let answered = Answered {
                    status: headers.status,
                    grpc_status: headers.grpc_status,
                };
                self.response(stream, seq, answered, headers.end_stream);
            }
            Event::Trailers {
                stream,
                seq,
                trailers,
            } => self.trailers(stream, seq, trailers.grpc_status),
            Event::End { stream, .. } => self.end(stream, |open| open.has_ended = true),
            Event::Reset { stream, code, .. } => self.reset(stream, code),
            // The GOAWAY may well say NO_ERROR; to this stream it says what a refusal says.
            Event::Refused { stream, .. } => self.reset(stream, REFUSED_STREAM),
            Event::Evicted { stream } => self.end(stream, |open| open.is_lost = true),
            Event::Interim { .. } | Event::GoAway { .. } | Event::Desynchronised { .. } => {}
        }
    }

    fn response(&mut self, stream: u32, seq: u32, answered: Answered, end_stream: bool) {
        if self
            .streams
            .get(&stream)
            .is_none_or(|open| open.response.is_some())
        {
            return;
        }
        self.is_answered = true;
        let packet = self.need(Direction::ToClient, seq);
        self.end(stream, |open| {
            open.response = packet;
            open.answered = answered;
            // A response without a body to come is over; so is every other that is no gRPC, as far
            // as can be seen: DATA is not followed.
            open.has_ended = end_stream || !open.asked.is_grpc;
        });
    }

    fn trailers(&mut self, stream: u32, seq: u32, grpc_status: Option<u32>) {
        if self
            .streams
            .get(&stream)
            .is_none_or(|open| open.trailers.is_some())
        {
            return;
        }
        let packet = self.need(Direction::ToClient, seq);
        self.end(stream, |open| {
            open.trailers = packet;
            open.answered.grpc_status = grpc_status;
            open.has_ended = true;
        });
    }

    /// Whether open streams have their requests in the packet of this journey.
    pub(super) fn is_request(&self, journey: &Journey) -> bool {
        self.packets
            .get(&PacketId::from(journey))
            .is_some_and(|packet| packet.direction == Direction::ToServer)
    }

    /// The packet of this journey waited for the handshake.
    pub(super) fn connected(&mut self, journey: &Journey, connect: Connect) {
        if let Some(packet) = self.packets.get_mut(&PacketId::from(journey)) {
            packet.connect = Some(connect);
        }
    }

    /// A packet has crossed this node. Its fragments came before it: what no stream needs now, none
    /// will.
    pub(super) fn journey(&mut self, journey: Journey, done: &mut impl FnMut(Exchange)) {
        if let Some(packet) = self.packets.get_mut(&PacketId::from(&journey)) {
            packet.leg = Some(Leg::new(journey));
            self.complete(done);
        }
    }

    /// The application has read the packet that starts at `seq`.
    pub(super) fn read(
        &mut self,
        direction: Direction,
        seq: u32,
        at_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        let leg = self
            .by_seq
            .get(&(direction, seq))
            .and_then(|id| self.packets.get_mut(id))
            .and_then(|packet| packet.leg.as_mut());
        if let Some(leg) = leg {
            leg.read_ns.get_or_insert(at_ns);
            self.complete(done);
        }
    }

    /// Streams given up before their end, or that could not be told, since this was asked last.
    pub(super) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Gives up streams that wait in vain.
    pub(super) fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
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
        self.finish(over, done);
    }

    /// Gives up all of them.
    pub(super) fn give_up(&mut self, done: &mut impl FnMut(Exchange)) {
        let all: Vec<u32> = self.streams.keys().copied().collect();
        self.finish(all, done);
    }

    fn request(
        &mut self,
        stream: u32,
        seq: u32,
        headers: RequestHeaders,
        done: &mut impl FnMut(Exchange),
    ) {
        if self.streams.len() >= STREAMS_MAX {
            let oldest = self.streams.keys().next().copied();
            self.finish(oldest, done);
        }
        let Some(request) = self.need(Direction::ToServer, seq) else {
            self.given_up += 1;
            return;
        };
        let asked = Asked {
            method: headers.method,
            path: headers.path,
            version: Some("2"),
            trace: headers.trace,
            is_grpc: headers.grpc == Some(true),
            rpc: headers.rpc,
        };
        self.first_requests += u32::from(!self.is_answered);
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

    fn reset(&mut self, stream: u32, code: u32) {
        self.end(stream, |open| {
            open.reset = Some(code);
            open.has_ended = true;
        });
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

    /// The packet in which the header of the frame at `seq` is complete; a stream needs it now.
    fn need(&mut self, direction: Direction, seq: u32) -> Option<PacketId> {
        let complete = seq.wrapping_add(HEADER_BYTES as u32);
        let id = self
            .recent(direction)
            .iter()
            .rfind(|id| before(id.seq(), complete))
            .copied()?;
        self.by_seq.insert((direction, id.seq()), id);
        let packet = self.packets.entry(id).or_insert_with(|| Packet {
            direction,
            streams: 0,
            leg: None,
            connect: None,
        });
        packet.streams += 1;
        Some(id)
    }

    /// A stream needs a packet no more.
    fn release(&mut self, id: PacketId) {
        let Some(packet) = self.packets.get_mut(&id) else {
            return;
        };
        packet.streams = packet.streams.saturating_sub(1);
        if packet.streams == 0 {
            let place = (packet.direction, id.seq());
            self.packets.remove(&id);
            if self.by_seq.get(&place) == Some(&id) {
                self.by_seq.remove(&place);
            }
            if self.packets.is_empty() {
                // A table of packets is larger than all the rest of an idle connection.
                self.packets.shrink_to_fit();
                self.by_seq.shrink_to_fit();
            }
        }
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

    /// Makes exchanges of streams.
    fn finish(&mut self, streams: impl IntoIterator<Item = u32>, done: &mut impl FnMut(Exchange)) {
        for stream in streams {
            let Some(stream) = self.streams.remove(&stream) else {
                continue;
            };
            let packets = [Some(stream.request), stream.response, stream.trailers];
            let has_ended = stream.has_ended;
            let exchange = self.exchange(stream);
            self.given_up += u64::from(!has_ended || exchange.is_none());
            exchange.into_iter().for_each(&mut *done);
            for packet in packets.into_iter().flatten() {
                self.release(packet);
            }
        }
    }

    /// `None` where the journey of the request was not seen.
    fn exchange(&mut self, stream: Stream) -> Option<Exchange> {
        let leg = |id: Option<PacketId>| self.leg(&id?).cloned();
        let request = leg(Some(stream.request))?;
        let response = leg(stream.response);
        // Trailers in the packet of the response have no way of their own.
        let trailers = leg(stream
            .trailers
            .filter(|_| stream.trailers != stream.response));
        let packet = self.packets.get_mut(&stream.request)?;
        // Of several requests that waited for the handshake nobody can tell which began it, and it
        // may have begun before the others were asked for.
        let connect = packet.connect.take().filter(|_| self.first_requests == 1);
        Some(Exchange {
            asked: stream.asked,
            answered: stream.response.map(|_| stream.answered),
            connect,
            request,
            request_seq: stream.request_seq,
            response,
            trailers,
            reset: stream.reset,
        })
    }
}
