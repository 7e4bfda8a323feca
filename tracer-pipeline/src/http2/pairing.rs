//! Pairs requests and responses on the streams of HTTP/2 connections.
//!
//! In: `flow` events. Out: exchanges, like those of `http::pairing` for HTTP/1. Fragments carry the
//! headers of streams; the journey of their packet comes later and belongs to every stream with
//! HEADERS in that packet.

mod open_stream;
mod open_streams;
mod packets;

use std::collections::HashMap;

use tracer_common::message::Message;

use crate::{
    decode::{Fragment, Journey},
    flow::{ConnectionId, Event, EventKind, Side},
    http::{Exchange, Handshakes, Served, pairing::ResponseWait},
};

use super::{
    fragments::{self, Direction},
    frame::{Flags, FrameHeader, FrameType},
    streams::{self, Http2Connection, Start},
};

use open_streams::OpenStreams;

/// Most connections whose frames are decoded; fragments of further connections are refused and
/// counted. An idle connection takes some 3 KB with ordinary tables, and its decoders at most
/// [`CONNECTION_MAX_BYTES`](streams::CONNECTION_MAX_BYTES).
const MAX_CONNECTIONS: usize = 16_384;
/// Most open streams on all connections; further requests are refused and counted. A stream takes
/// some 3 KB with its packets, so 48 MiB in all; one connection has at most
/// [`STREAMS_MAX`](streams::STREAMS_MAX).
const MAX_STREAMS: usize = 16_384;
/// Most memory of all decoders; a connection that exceeds it is restarted, as in mid-connection.
const MAX_HEAP_BYTES: usize = 64 << 20;

/// HTTP/2 messages that could not be paired, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Http2Losses {
    /// Fragments of connections that exceeded the limit.
    pub fragments_refused: u64,
    /// Connections restarted for lack of memory.
    pub connections_restarted: u64,
    /// Directions in which frames were lost or could not be decoded.
    pub desynchronised: u64,
    /// Requests that exceeded the limit of open streams.
    pub requests_refused: u64,
    /// Streams closed before their end, or whose request's packet was not seen.
    pub streams_given_up: u64,
}

// Without the heap, and with its entry in the table: as `pipeline::Tables` counts it.
const _: () = assert!(size_of::<FollowedConnection>() + 64 <= 1 << 10);

struct FollowedConnection {
    start: Start,
    http2: Http2Connection,
    open: OpenStreams,
    /// This connection's share of [`Http2Pairing::heap_bytes`].
    heap_bytes: usize,
    /// This connection's share of [`Http2Pairing::streams`].
    streams: usize,
}

impl FollowedConnection {
    fn new(start: Start, open: OpenStreams) -> Self {
        Self {
            start,
            http2: Http2Connection::new(start),
            open,
            heap_bytes: 0,
            streams: 0,
        }
    }

    /// Whether nothing that could be lost is before a fragment: its direction is recognised with it,
    /// in mid-connection or with the server's preface.
    fn begins_with(&self, direction: Direction, fragment: &Fragment) -> bool {
        let is_first = fragment.recognised && !self.open.packets.has_sent(direction);
        is_first && (self.start == Start::Middle || self.is_preface(fragment))
    }

    /// Whether the frames of the server are followed from this fragment, its first one, on.
    fn begins_server(&self, direction: Direction, fragment: &Fragment) -> bool {
        let is_first = !self.open.packets.has_sent(direction);
        let is_known = !fragment.recognised || self.is_preface(fragment);
        direction == Direction::ToClient && is_first && is_known
    }

    /// Whether a fragment begins with the server's preface (RFC 9113 section 3.4), and no request
    /// shows that the server has sent something before.
    fn is_preface(&self, fragment: &Fragment) -> bool {
        let is_settings = FrameHeader::parse(&fragment.bytes).is_some_and(|header| {
            header.kind == FrameType::Settings && !header.flags.has(Flags::ACK)
        });
        is_settings && !self.open.misses(fragment.seq)
    }

    /// Updates `all`, the open streams of all connections, with those of this connection.
    fn recount(&mut self, all: &mut usize) {
        let streams = self.open.len();
        *all = (*all + streams).saturating_sub(self.streams);
        self.streams = streams;
    }
}

/// Pairs the HTTP/2 messages of this node.
#[derive(Default)]
pub struct Http2Pairing {
    /// Boxed: a hash table that grows reserves twice the memory.
    connections: HashMap<ConnectionId, Box<FollowedConnection>>,
    heap_bytes: usize,
    streams: usize,
    response_wait: ResponseWait,
    losses: Http2Losses,
}

impl Http2Pairing {
    /// Sets how long a request waits for its response, in nanoseconds.
    pub fn wait_for_response(&mut self, wait_ns: u64) {
        self.response_wait = ResponseWait(wait_ns);
    }

    /// Messages that could not be paired so far.
    pub fn losses(&self) -> Http2Losses {
        self.losses
    }

    /// Connections, open streams and the bytes of all decoders, each with its bound.
    pub fn occupancy(&self) -> [(usize, usize); 3] {
        [
            (self.connections.len(), MAX_CONNECTIONS),
            (self.streams, MAX_STREAMS),
            (self.heap_bytes, MAX_HEAP_BYTES),
        ]
    }

    /// Takes an event; passes each exchange that it completes to `done`.
    pub fn event(
        &mut self,
        event: Event,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let id = event.connection;
        if let EventKind::Fragment { side, fragment } = &event.kind {
            self.fragment(id, *side, fragment, done);
            return;
        }
        if let EventKind::Forgotten = event.kind {
            if let Some(mut followed) = self.connections.remove(&id) {
                self.heap_bytes -= followed.heap_bytes;
                followed.open.give_up(done);
                self.losses.streams_given_up += followed.open.take_given_up();
                followed.recount(&mut self.streams);
            }
            return;
        }
        let Some(followed) = self.connections.get_mut(&id) else {
            return;
        };
        match event.kind {
            EventKind::Journey { side, journey } if journey.message == Message::Headers => {
                let connect = |journey: &Journey| handshakes.take(id, journey);
                let direction = Direction::of(side);
                if let Some(seq) = followed.http2.open_seq(direction) {
                    followed.open.packets.hold(direction, seq, &journey);
                }
                followed.open.journey(direction, journey, connect, done);
            }
            EventKind::RequestRead { seq, at_ns, tgid } => {
                followed.open.packets.read_by(seq, tgid);
                followed.open.read(Direction::ToServer, seq, at_ns, done);
            }
            EventKind::ResponseRead { seq, at_ns } => {
                followed.open.read(Direction::ToClient, seq, at_ns, done);
            }
            EventKind::Window { side, zero } => {
                // The direction of the messages that `side` receives.
                let direction = match side {
                    Side::Server => Direction::ToServer,
                    Side::Client => Direction::ToClient,
                };
                followed.open.window(direction, zero);
            }
            EventKind::Ended { ending, last_loss } => {
                followed.open.ended(ending, last_loss, done);
                self.losses.streams_given_up += followed.open.take_given_up();
            }
            _ => {}
        }
        followed.recount(&mut self.streams);
    }

    /// A SYN-ACK has come: adds it to the connect of the exchange whose request was in the SYN.
    pub fn syn_answered(&mut self, id: ConnectionId, syn_ack: &Journey) {
        if let Some(followed) = self.connections.get_mut(&id) {
            followed.open.packets.syn_answered(syn_ack);
        }
    }

    /// The open requests that have been read.
    pub fn served(&self) -> impl Iterator<Item = Served> {
        self.connections
            .values()
            .flat_map(|followed| followed.open.served())
    }

    /// The connection continues in HTTP/2, as the request of `exchange` offered.
    pub fn upgraded(&mut self, id: ConnectionId, exchange: Exchange) {
        if self.connections.len() >= MAX_CONNECTIONS {
            self.losses.fragments_refused += 1;
            return;
        }
        let mut followed =
            FollowedConnection::new(Start::Upgraded, OpenStreams::upgraded(exchange));
        followed.recount(&mut self.streams);
        self.connections.insert(id, Box::new(followed));
    }

    /// Closes streams that are overdue.
    pub fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
        let mut waiting: Vec<(&ConnectionId, &mut Box<FollowedConnection>)> =
            self.connections.iter_mut().collect();
        // Sorted: the order of a hash map would make replays differ.
        waiting.sort_by_key(|(id, _)| **id);
        for (_, followed) in waiting {
            followed.open.expire(now_ns, self.response_wait.0, done);
            self.losses.streams_given_up += followed.open.take_given_up();
            followed.recount(&mut self.streams);
        }
    }

    fn fragment(
        &mut self,
        id: ConnectionId,
        side: Side,
        fragment: &Fragment,
        done: &mut impl FnMut(Exchange),
    ) {
        if self.connections.len() >= MAX_CONNECTIONS && !self.connections.contains_key(&id) {
            self.losses.fragments_refused += 1;
            return;
        }
        let start = if fragment.recognised {
            Start::Middle
        } else {
            Start::Preface
        };
        let followed = self
            .connections
            .entry(id)
            .or_insert_with(|| Box::new(FollowedConnection::new(start, OpenStreams::default())));
        let direction = Direction::of(side);
        followed.open.is_server_known |= followed.begins_server(direction, fragment);
        let piece = fragments::FrameFragment {
            direction,
            seq: fragment.seq,
            starts_frame: fragment.starts_frame,
            cut: fragment.cut,
            lost_before: fragment.lost_before && !followed.begins_with(direction, fragment),
            bytes: &fragment.bytes,
        };
        followed.open.packet(direction, fragment);
        let others = self.streams.saturating_sub(followed.streams);
        let FollowedConnection { http2, open, .. } = &mut **followed;
        open.misses_responses = !http2.is_following(Direction::ToClient);
        let losses = &mut self.losses;
        http2.fragment(&piece, &mut |event| {
            match event {
                streams::Event::Desynchronised { .. } => losses.desynchronised += 1,
                streams::Event::Request { .. } if others + open.len() >= MAX_STREAMS => {
                    losses.requests_refused += 1;
                    return;
                }
                _ => {}
            }
            open.stream(event, done);
        });
        if http2.open_seq(direction).is_none() {
            open.packets.let_go(direction);
        }
        open.finish_closed(done);
        self.losses.streams_given_up += open.take_given_up();
        followed.recount(&mut self.streams);
        let heap_bytes = followed.http2.heap_bytes();
        self.heap_bytes = self.heap_bytes - followed.heap_bytes + heap_bytes;
        followed.heap_bytes = heap_bytes;
        if self.heap_bytes > MAX_HEAP_BYTES {
            self.heap_bytes -= heap_bytes;
            followed.heap_bytes = 0;
            followed.http2 = Http2Connection::new(Start::Middle);
            followed.open.restarted();
            self.losses.connections_restarted += 1;
        }
    }
}

#[cfg(test)]
mod tests;
