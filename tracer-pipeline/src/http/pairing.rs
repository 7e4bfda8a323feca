//! Pairs HTTP/1 requests with their responses.
//!
//! In: heads and `flow` events. Out: exchanges. HTTP/1 responses come in order, but a plain queue
//! would shift after one lost record. TCP's numbers prevent that: a response acknowledges the
//! request it answers, and a client that does not pipeline acknowledges a response before its next
//! request.

mod connection;
mod doubt;
mod ended;
mod losses;
mod requests;
mod response_ends;
mod responses;
mod sequence;

use std::collections::HashMap;

use tracer_common::message::Message;

use crate::{
    decode::{Head, Journey},
    flow::{ConnectionId, Event, EventKind, PacketId, Side, ZeroWindow},
};

use super::{
    exchange::{Exchange, Leg},
    handshake::Handshakes,
    head::HeadError,
    packet_heads::{self, ParsedHead},
    partial_heads::{Appended, CompletedHead, PartialHeads, WaitingLeg},
    served::Served,
    waiting_heads::WaitingHeads,
};

pub use losses::Http1Losses;

use connection::{Http1Connection, is_request};

/// Most open exchanges on all connections; further requests are refused and counted. An exchange
/// takes some 3 KB, so 48 MiB in all; one connection has at most [`connection::MAX_PENDING`].
const MAX_OPEN: usize = 16_384;
/// Default time that a request waits for its response, in seconds; see
/// [`Http1Pairing::wait_for_response`].
pub const RESPONSE_WAIT_S: u32 = 600;
/// [`RESPONSE_WAIT_S`] in nanoseconds.
pub const RESPONSE_WAIT_NS: u64 = RESPONSE_WAIT_S as u64 * 1_000_000_000;

/// How long a request waits for its response, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct ResponseWait(pub(crate) u64);

impl Default for ResponseWait {
    fn default() -> Self {
        Self(RESPONSE_WAIT_NS)
    }
}

/// Pairs the HTTP/1 messages of this node.
#[derive(Default)]
pub struct Http1Pairing {
    heads: WaitingHeads,
    partials: PartialHeads,
    connections: HashMap<ConnectionId, Http1Connection>,
    /// Open exchanges of all connections.
    open: usize,
    response_wait: ResponseWait,
    losses: Http1Losses,
}

impl Http1Pairing {
    /// Sets how long a request waits for its response, in nanoseconds.
    pub fn wait_for_response(&mut self, wait_ns: u64) {
        self.response_wait = ResponseWait(wait_ns);
    }

    /// Messages that could not be paired so far.
    pub fn losses(&self) -> Http1Losses {
        self.losses
    }

    /// Open exchanges, and their bound.
    pub fn occupancy(&self) -> (usize, usize) {
        (self.open, MAX_OPEN)
    }

    /// Parses a head and stores what spans need. The bytes are dropped here, or when the head is
    /// complete. Passes exchanges that are over because of it to `done`.
    pub fn head(
        &mut self,
        head: &Head,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        if head.continues {
            let (cookie, seq) = (head.sender_cookie, head.seq);
            match self.partials.append(cookie, seq, &head.bytes) {
                Appended::Complete(completed) => {
                    let id = ConnectionId::of_client(cookie);
                    self.complete_head(id, completed, handshakes, done);
                }
                Appended::Incomplete => {}
                Appended::Dropped => self.losses.heads_cut += 1,
            }
            return;
        }
        if head.message == Message::Request {
            let id = ConnectionId::of_client(head.sender_cookie);
            if let Some(connection) = self.connections.get_mut(&id) {
                connection.request_leaves(head.seq.wrapping_add(head.offset));
            }
        }
        let heads = match packet_heads::heads(head.message, head.offset, &head.bytes) {
            Ok(heads) => {
                if let Some(cut) = packet_heads::cut_request(&heads) {
                    self.start_partial(head, cut.offset);
                }
                heads
            }
            Err(HeadError::Incomplete) => {
                self.start_partial(head, head.offset);
                Vec::new()
            }
            Err(_) => {
                self.losses.heads_malformed += 1;
                return;
            }
        };
        let has_room = self.heads.insert(PacketId::from(head), heads);
        self.losses.heads_refused += u64::from(!has_room);
    }

    /// Stores a head that starts at `offset` of its packet and continues in the next one.
    fn start_partial(&mut self, head: &Head, offset: u32) {
        let drops_another = self.partials.start(head, offset);
        self.losses.heads_cut += u64::from(drops_another);
    }

    /// Keeps a message until the rest of its head comes.
    fn wait_for_head(&mut self, connection: ConnectionId, leg: Leg) {
        let waits = self.partials.wait(WaitingLeg { connection, leg });
        self.losses.heads_cut += u64::from(!waits);
    }

    /// Stores a head whose last piece has come. `id` is the connection if a client has sent it.
    fn complete_head(
        &mut self,
        id: ConnectionId,
        completed: CompletedHead,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let CompletedHead {
            packet,
            head,
            waiting,
        } = completed;
        if let Some(WaitingLeg { connection, leg }) = waiting {
            match head.head {
                ParsedHead::Request(_) => {
                    self.requests(connection, &leg, vec![head], handshakes, done);
                }
                ParsedHead::Response(_) => self.responses(connection, &leg, &[head], done),
            }
            return;
        }
        let Some(head) = self.heads.replace_last(packet, head) else {
            return;
        };
        // The journey of the packet has ended already.
        let seq = packet.seq().wrapping_add(head.offset);
        let end = head.body_end.map(|end| packet.seq().wrapping_add(end));
        let ParsedHead::Request(head) = head.head else {
            return;
        };
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.request_completed(seq, end);
        }
        let mut waiting = self.exchanges(id, |exchange| exchange.request_seq == seq);
        if let Some(exchange) = waiting.next() {
            exchange.asked = head.into();
        }
    }

    /// Takes an event; passes each exchange that it completes to `done`.
    pub fn event(
        &mut self,
        event: Event,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let id = event.connection;
        match event.kind {
            EventKind::Journey { journey, .. } => match journey.message {
                Message::Request => self.request(id, journey, handshakes, done),
                Message::Response => self.response(id, journey, done),
                Message::ResponseEnd => self.response_end(id, journey, done),
                Message::Syn | Message::SynAck | Message::Headers => {}
            },
            EventKind::Fragment { .. } | EventKind::ConnectFailed(_) => {}
            EventKind::Window { side, zero } => self.window(id, side, zero),
            EventKind::RequestRead { seq, at_ns, tgid } => {
                for exchange in self.exchanges(id, |exchange| is_request(exchange, seq)) {
                    exchange.request.read_ns.get_or_insert(at_ns);
                    exchange.request.reader = tgid;
                }
                if let Some(leg) = self.partials.waiting(id, Message::Request, seq) {
                    leg.read_ns.get_or_insert(at_ns);
                    leg.reader = tgid;
                }
            }
            EventKind::ResponseRead { seq, at_ns } => self.response_read(id, seq, at_ns, done),
            EventKind::Ended { ending, last_loss } => {
                let connection = self.connections.get_mut(&id);
                let over = connection.map(|connection| connection.ended(ending, last_loss));
                for exchange in over.unwrap_or_default() {
                    self.finish(exchange, done);
                }
            }
            EventKind::Forgotten => {
                let connection = self.connections.remove(&id);
                let open = connection.map(|mut connection| connection.remove_where(|_| true));
                for exchange in open.unwrap_or_default() {
                    self.finish(exchange, done);
                }
            }
        }
    }

    /// A SYN-ACK has come: adds it to the connect of the exchange whose request was in the SYN.
    pub fn syn_answered(&mut self, id: ConnectionId, syn_ack: &Journey) {
        for exchange in self.exchanges(id, |exchange| exchange.connect.is_some()) {
            if let Some(connect) = &mut exchange.connect {
                connect.answered(syn_ack);
            }
        }
    }

    /// The open requests that have been read. One is served until the end of its response.
    pub fn served(&self) -> impl Iterator<Item = Served> {
        let connections = self.connections.values();
        let open = connections.flat_map(Http1Connection::open_exchanges);
        open.filter_map(|open| {
            let served = Served::of(open)?;
            let is_responding = open.is_responding();
            Some(Served {
                until_ns: served.until_ns.filter(|_| !is_responding),
                ..served
            })
        })
    }

    /// Drops heads and exchanges that are overdue.
    pub fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
        self.losses.heads_unmatched += self.heads.expire(now_ns);
        self.losses.heads_cut += self.partials.expire(now_ns);
        let mut over: Vec<Exchange> = self
            .connections
            .values_mut()
            .flat_map(|connection| connection.expire(now_ns, self.response_wait.0))
            .collect();
        // Sorted: the order of a hash map would make replays differ.
        over.sort_by_key(|exchange| exchange.request.journey.start_ns);
        for exchange in over {
            self.finish(exchange, done);
        }
    }

    /// One side has no room for what the other sends: adds the zero window to the newest message to
    /// that side.
    fn window(&mut self, id: ConnectionId, side: Side, zero: ZeroWindow) {
        let legs = self.exchanges(id, |_| true);
        let newest = match side {
            Side::Server => legs.map(|exchange| &mut exchange.request).last(),
            Side::Client => legs
                .filter_map(|exchange| exchange.response.as_mut())
                .last(),
        };
        if let Some(leg) = newest {
            leg.window(zero);
        }
    }

    /// The connection continues in HTTP/2: removes and returns the exchange whose request offered
    /// it.
    pub fn upgraded(&mut self, id: ConnectionId) -> Option<Exchange> {
        let connection = self.connections.get_mut(&id)?;
        let offers = |open: &Exchange| open.response.is_none() && open.asked.offers_h2c;
        let offering = connection.remove_where(offers);
        self.open = self.open.saturating_sub(offering.len());
        let exchange = offering.into_iter().next()?;
        connection.ignore();
        Some(exchange)
    }

    /// The open exchanges of a connection that match, the oldest first.
    fn exchanges(
        &mut self,
        id: ConnectionId,
        predicate: impl Fn(&Exchange) -> bool,
    ) -> impl Iterator<Item = &mut Exchange> {
        self.connections
            .get_mut(&id)
            .into_iter()
            .flat_map(Http1Connection::exchanges)
            .filter(move |exchange| predicate(exchange))
    }

    fn finish(&mut self, exchange: Exchange, done: &mut impl FnMut(Exchange)) {
        self.open = self.open.saturating_sub(1);
        if exchange.response.is_none() {
            self.losses.requests_unanswered += 1;
        }
        done(exchange);
    }
}

#[cfg(test)]
mod tests;
