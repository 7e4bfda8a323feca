//! The open streams of one connection.

mod removal;

use std::collections::BTreeMap;

use crate::{
    decode::{Fragment, Journey},
    flow::{PacketId, Side, ZeroWindow, before},
    http::{Answered, Asked, Connect, Exchange, Leg, ReadRequest, Reset, Served},
    http2::{
        fragments::Direction,
        headers::{RequestHeaders, ResponseHeaders},
        streams::{DesyncCause, Event, STREAMS_MAX},
    },
};

use super::{
    open_stream::{Close, OpenStream},
    packets::Packets,
};

/// Error code (RFC 9113 section 7): the stream was not processed.
const REFUSED_STREAM: u32 = 7;

#[derive(Default)]
pub(super) struct OpenStreams {
    streams: BTreeMap<u32, OpenStream>,
    pub(super) packets: Packets,
    /// Streams that the frames of the current packet have closed, and that may be complete.
    closed: Vec<u32>,
    /// Time of the packet whose frames are read.
    packet_ns: u64,
    /// Frames of the server may be missing now: the responses to new requests may be lost, too.
    pub(super) misses_responses: bool,
    /// The frames of the server are those of the connection: they were followed from its first one
    /// on, or there was a response among them. Bytes in the middle of the connection that only look
    /// like frames show no response.
    pub(super) is_server_known: bool,
    given_up: u64,
    /// Requests before the first response.
    first_requests: u32,
    is_answered: bool,
}

impl OpenStreams {
    /// The streams of a connection that continues in HTTP/2 as `exchange` offered: its response
    /// comes on stream 1 (RFC 7540 section 3.2).
    pub(super) fn upgraded(exchange: Exchange) -> Self {
        let mut open = Self::default();
        let request = open
            .packets
            .add_stream_with_leg(exchange.request, exchange.connect);
        let asked = Asked {
            version: Some("2"),
            ..exchange.asked
        };
        open.insert(1, asked, request, exchange.request_seq);
        // The 101 response was. Later requests have not waited for the handshake.
        open.is_answered = true;
        open
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether the server has sent something before `seq` since the client sent a request.
    pub(super) fn misses(&self, seq: u32) -> bool {
        let requests = self.streams.values().map(|stream| stream.request);
        let mut legs = requests.filter_map(|request| self.packets.leg(request));
        legs.any(|leg| before(leg.journey.ack, seq))
    }

    /// Records the packet of the next fragment.
    pub(super) fn packet(&mut self, direction: Direction, fragment: &Fragment) {
        self.packets.seen(direction, PacketId::from(fragment));
        self.packet_ns = fragment.start_ns;
    }

    /// Takes an event of a stream. [`finish_closed`](Self::finish_closed) follows the last event of
    /// a packet.
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
            } => self.response(stream, seq, &headers),
            Event::Trailers {
                stream,
                seq,
                trailers,
            } => self.trailers(stream, seq, trailers.grpc_status),
            Event::End { stream, .. } => self.end(stream),
            Event::Reset {
                stream,
                direction,
                code,
                ..
            } => self.reset(stream, code, direction.sender()),
            // The code of the GOAWAY may be NO_ERROR; for this stream it means REFUSED_STREAM.
            Event::Refused { stream, .. } => self.reset(stream, REFUSED_STREAM, Side::Server),
            Event::Evicted { stream } => self.evicted(stream),
            Event::Late { stream } => self.late(stream),
            Event::Desynchronised {
                direction,
                cause: DesyncCause::Lost | DesyncCause::Frame(_),
            } => self.frames_lost(direction),
            Event::Interim { .. } | Event::GoAway { .. } | Event::Desynchronised { .. } => {}
        }
    }

    /// The decoder begins anew: no further event of the open streams will come.
    pub(super) fn restarted(&mut self) {
        for (id, open) in &mut self.streams {
            open.is_lost = true;
            self.closed.push(*id);
        }
    }

    /// Finishes the streams that were closed since the last call, and whose packets have all been
    /// seen.
    pub(super) fn finish_closed(&mut self, done: &mut impl FnMut(Exchange)) {
        let mut closed = std::mem::take(&mut self.closed);
        closed.retain(|id| {
            let stream = self.streams.get(id);
            stream.is_some_and(|stream| self.is_seen(stream))
        });
        self.finish(closed, done);
    }

    /// Frames were lost: they may have been those of any open stream.
    fn frames_lost(&mut self, direction: Direction) {
        self.is_server_known &= direction != Direction::ToClient;
        for (id, open) in &mut self.streams {
            match direction {
                Direction::ToServer => open.may_be_reset = true,
                Direction::ToClient => open.is_unsure = true,
            }
            self.closed.extend(open.is_final().then_some(*id));
        }
    }

    /// The decoder has removed a stream.
    fn evicted(&mut self, stream: u32) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.is_lost = true;
            self.closed.push(stream);
        }
    }

    /// Frames of a stream may have come before its request.
    fn late(&mut self, stream: u32) {
        if let Some(open) = self.streams.get_mut(&stream) {
            open.is_unsure = true;
        }
    }

    fn response(&mut self, stream: u32, seq: u32, headers: &ResponseHeaders) {
        let Some(open) = self.streams.get_mut(&stream) else {
            return;
        };
        (self.is_answered, self.is_server_known) = (true, true);
        // A second response follows an interim one of unknown status.
        if let Some(interim) = open.response.take() {
            self.packets.release(interim);
        }
        open.response = self.packets.add_stream(Direction::ToClient, seq);
        open.answered = Some(Answered::from(headers));
        open.body_bytes = headers.body_bytes;
        // The frames of the server are found again, so the end will be seen.
        open.is_unsure = false;
        if headers.end_stream {
            self.end(stream);
        }
    }

    fn trailers(&mut self, stream: u32, seq: u32, grpc_status: Option<u32>) {
        let Some(open) = self.streams.get_mut(&stream) else {
            return;
        };
        self.is_server_known = true;
        if open.trailers.is_none() {
            open.trailers = self.packets.add_stream(Direction::ToClient, seq);
        }
        open.answered.get_or_insert_default().grpc_status = grpc_status;
        self.end(stream);
    }

    /// The response has ended.
    fn end(&mut self, stream: u32) {
        let at_ns = self.packet_ns;
        self.close(stream, Close::Response { at_ns });
    }

    fn reset(&mut self, stream: u32, code: u32, by: Side) {
        let at_ns = self.packet_ns;
        self.close(stream, Close::Reset(Reset { code, by, at_ns }));
    }

    fn close(&mut self, stream: u32, close: Close) {
        let is_server_known = self.is_server_known;
        let Some(open) = self.streams.get_mut(&stream) else {
            return;
        };
        // What only looks like frames may be in the middle of another one.
        if close.is_by_server() && !is_server_known && open.response.is_none() {
            open.is_unsure = true;
        } else {
            open.end(close);
        }
        self.closed.push(stream);
    }

    /// Takes the journey of a packet.
    pub(super) fn journey(
        &mut self,
        direction: Direction,
        journey: Journey,
        connect: impl FnOnce(&Journey) -> Option<Connect>,
        done: &mut impl FnMut(Exchange),
    ) {
        if self.packets.is_request(&journey)
            && let Some(connect) = connect(&journey)
        {
            self.packets.connected(&journey, connect);
        }
        if self.packets.arrived(direction, journey) {
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
        if self.packets.read(direction, seq, at_ns) {
            self.complete(done);
        }
    }

    /// The requests that are being served, or whose responses are under way.
    pub(super) fn served(&self) -> impl Iterator<Item = Served> {
        self.streams.values().filter_map(|stream| {
            let leg = |id: Option<PacketId>| self.packets.leg(id?);
            Served::new(&ReadRequest {
                asked: &stream.asked,
                request: leg(Some(stream.request))?,
                request_seq: stream.request_seq,
                last: leg(stream.trailers.or(stream.response)),
                ending: stream.ending(),
            })
        })
    }

    /// The receiver of a direction has no room, or has room again: this concerns every stream.
    pub(super) fn window(&mut self, direction: Direction, zero: ZeroWindow) {
        self.packets.window(direction, zero);
    }

    /// Resets and returns the count of streams closed before their end or without a seen request.
    pub(super) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    fn streams_where(&self, predicate: impl Fn(&Self, &OpenStream) -> bool) -> Vec<u32> {
        let streams = self.streams.iter();
        let matching = streams.filter(|(_, stream)| predicate(self, stream));
        matching.map(|(stream, _)| *stream).collect()
    }

    /// Closes all streams.
    pub(super) fn give_up(&mut self, done: &mut impl FnMut(Exchange)) {
        let all = self.streams_where(|_, _| true);
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
        let Some(request) = self.packets.add_stream(Direction::ToServer, seq) else {
            self.given_up += 1;
            return;
        };
        let asked = Asked {
            method: headers.method,
            path: headers.path,
            version: Some("2"),
            trace: headers.trace,
            tracestate: headers.tracestate,
            is_grpc: headers.grpc == Some(true),
            rpc: headers.rpc,
            is_incomplete: headers.incomplete,
            offers_h2c: false,
        };
        self.insert(stream, asked, request, seq);
    }

    fn insert(&mut self, stream: u32, asked: Asked, request: PacketId, request_seq: u32) {
        self.first_requests += u32::from(!self.is_answered);
        let mut open = OpenStream::new(asked, request, request_seq);
        let is_server_unknown = self.packets.has_sent(Direction::ToClient) && !self.is_server_known;
        open.is_unsure = self.misses_responses || is_server_unknown;
        self.streams.insert(stream, open);
    }

    /// Finishes the streams that have ended and whose packets have all been seen.
    fn complete(&mut self, done: &mut impl FnMut(Exchange)) {
        let over = self.streams_where(Self::is_seen);
        self.finish(over, done);
    }

    /// Whether a stream has ended, and every packet of it has been read, or has left the node. The
    /// read of a request that was reset without a response may never come.
    fn is_seen(&self, stream: &OpenStream) -> bool {
        let is_abandoned = stream.reset().is_some() && stream.answered.is_none();
        let is_over = |leg: &Leg| is_abandoned || leg.is_over();
        let is_seen = |id| self.packets.leg(id).is_some_and(is_over);
        stream.is_final() && stream.packets().all(is_seen)
    }

    /// Removes streams and passes their exchanges to `done`.
    fn finish(&mut self, streams: impl IntoIterator<Item = u32>, done: &mut impl FnMut(Exchange)) {
        for stream in streams {
            let Some(stream) = self.streams.remove(&stream) else {
                continue;
            };
            let packets = stream.packets();
            let is_given_up = stream.is_given_up();
            let exchange = self.exchange(stream);
            self.given_up += u64::from(is_given_up || exchange.is_none());
            exchange.into_iter().for_each(&mut *done);
            packets.for_each(|packet| self.packets.release(packet));
        }
    }

    /// The exchange of a stream; `None` where the journey of the request was not seen.
    fn exchange(&mut self, stream: OpenStream) -> Option<Exchange> {
        let leg = |id: Option<PacketId>| self.packets.leg(id?).cloned();
        let request = leg(Some(stream.request))?;
        let response = leg(stream.response);
        // Trailers in the packet of the response have no journey of their own.
        let trailers = leg(stream
            .trailers
            .filter(|_| stream.trailers != stream.response));
        // Of several requests that waited for the handshake, the one that caused it is unknown, and
        // the handshake may have begun before the others.
        let connect = self.packets.take_connect(stream.request);
        let connect = connect.filter(|_| self.first_requests == 1);
        Some(Exchange {
            reset: stream.reset(),
            ending: stream.ending(),
            response_end: stream.response_end(),
            asked: stream.asked,
            answered: stream.answered,
            connect,
            request,
            request_seq: stream.request_seq,
            response,
            response_last: trailers,
        })
    }
}
