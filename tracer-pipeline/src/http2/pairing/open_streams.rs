//! The open streams of one connection.

use std::collections::BTreeMap;

use crate::{
    decode::{Fragment, Journey},
    flow::{Cause, Ending, PacketId, ZeroWindow},
    http::{Answered, Asked, Connect, Exchange, Leg, ReadRequest, Served},
    http2::{
        fragments::Direction,
        headers::RequestHeaders,
        streams::{Event, STREAMS_MAX},
    },
};

use super::packets::Packets;

/// Error code (RFC 9113 section 7): the stream was not processed.
const REFUSED_STREAM: u32 = 7;
/// How long an ended stream waits for the application to read its response.
const READ_WAIT_NS: u64 = 30_000_000_000;

#[derive(Default)]
pub(super) struct OpenStreams {
    streams: BTreeMap<u32, OpenStream>,
    packets: Packets,
    given_up: u64,
    /// Requests before the first response.
    first_requests: u32,
    is_answered: bool,
}

struct OpenStream {
    asked: Asked,
    request: PacketId,
    request_seq: u32,
    response: Option<PacketId>,
    answered: Answered,
    trailers: Option<PacketId>,
    reset: Option<u32>,
    ending: Option<Ending>,
    has_ended: bool,
    /// Evicted by the decoder: no further event of this stream will come.
    is_lost: bool,
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

    /// Whether this direction has sent a fragment before.
    pub(super) fn has_sent(&self, direction: Direction) -> bool {
        self.packets.has_sent(direction)
    }

    /// Records the packet of the next fragment.
    pub(super) fn packet(&mut self, direction: Direction, fragment: &Fragment) {
        self.packets.seen(direction, PacketId::from(fragment));
    }

    /// Takes an event of a stream.
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
            // The code of the GOAWAY may be NO_ERROR; for this stream it means REFUSED_STREAM.
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
        let packet = self.packets.add_stream(Direction::ToClient, seq);
        self.end(stream, |open| {
            open.response = packet;
            open.answered = answered;
            // Without a body the response is over. DATA is not followed, so every response that is
            // not gRPC's counts as over, too.
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
        let packet = self.packets.add_stream(Direction::ToClient, seq);
        self.end(stream, |open| {
            open.trailers = packet;
            open.answered.grpc_status = grpc_status;
            open.has_ended = true;
        });
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

    /// Sets the process that reads the requests in the packet that starts at `seq`.
    pub(super) fn read_by(&mut self, seq: u32, tgid: Option<u32>) {
        self.packets.read_by(seq, tgid);
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
                ending: stream.ending,
            })
        })
    }

    /// The receiver of a direction has no room, or has room again: this concerns every stream.
    pub(super) fn window(&mut self, direction: Direction, zero: ZeroWindow) {
        self.packets.window(direction, zero);
    }

    /// The connection has ended: ends the open streams.
    pub(super) fn ended(&mut self, ending: Ending, done: &mut impl FnMut(Exchange)) {
        self.fail(|stream| (!stream.has_ended).then_some(ending), done);
    }

    /// Resets and returns the count of streams closed before their end or without a seen request.
    pub(super) fn take_given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    /// Closes streams whose response or read is overdue. A gRPC call waits for as long as its
    /// connection lives: it may be a stream that is silent at first.
    pub(super) fn expire(
        &mut self,
        now_ns: u64,
        response_wait_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        let ending = Ending {
            cause: Cause::TimedOut,
            by: None,
            at_ns: now_ns,
        };
        let is_unanswered = |stream: &OpenStream| {
            let waits = stream.response.is_none() && !stream.has_ended && !stream.asked.is_grpc;
            waits && stream.request.age_ns(now_ns) > response_wait_ns
        };
        self.fail(|stream| is_unanswered(stream).then_some(ending), done);
        let is_unread = |stream: &OpenStream| {
            let last = stream.response.unwrap_or(stream.request);
            let waits = stream.has_ended || stream.is_lost;
            waits && last.age_ns(now_ns) > READ_WAIT_NS
        };
        let over = self.streams_where(|_, stream| is_unread(stream));
        self.finish(over, done);
    }

    /// Ends the streams for which `ending` returns a value.
    fn fail(
        &mut self,
        ending: impl Fn(&OpenStream) -> Option<Ending>,
        done: &mut impl FnMut(Exchange),
    ) {
        for stream in self.streams.values_mut() {
            stream.ending = ending(stream);
            stream.has_ended |= stream.ending.is_some();
        }
        let over = self.streams_where(|_, stream| stream.ending.is_some());
        self.finish(over, done);
    }

    fn streams_where(&self, predicate: impl Fn(&Self, &OpenStream) -> bool) -> Vec<u32> {
        let streams = self.streams.iter();
        streams
            .filter(|(_, stream)| predicate(self, stream))
            .map(|(stream, _)| *stream)
            .collect()
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
        let open = OpenStream {
            asked,
            request,
            request_seq,
            response: None,
            answered: Answered::default(),
            trailers: None,
            reset: None,
            ending: None,
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

    fn end(&mut self, stream: u32, end: impl FnOnce(&mut OpenStream)) {
        if let Some(open) = self.streams.get_mut(&stream) {
            end(open);
        }
    }

    /// Finishes the streams that have ended and whose packets have all been seen.
    fn complete(&mut self, done: &mut impl FnMut(Exchange)) {
        let over = self.streams_where(|open, stream| stream.has_ended && open.is_seen(stream));
        self.finish(over, done);
    }

    /// Whether every packet of a stream has been read, or has left the node.
    fn is_seen(&self, stream: &OpenStream) -> bool {
        let leg = |id: PacketId| self.packets.leg(id);
        let is_over = |id| leg(id).is_some_and(Leg::is_over);
        let last = [stream.response, stream.trailers];
        // A reset stream may have no response, and its request may never be read.
        match stream.reset {
            Some(_) => leg(stream.request).is_some(),
            None => is_over(stream.request) && last.into_iter().flatten().all(is_over),
        }
    }

    /// Removes streams and passes their exchanges to `done`.
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
                self.packets.release(packet);
            }
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
            asked: stream.asked,
            answered: stream.response.map(|_| stream.answered),
            connect,
            request,
            request_seq: stream.request_seq,
            response,
            trailers,
            reset: stream.reset,
            ending: stream.ending,
        })
    }
}
