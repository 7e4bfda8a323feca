//! Pairs HTTP/1 requests with their responses.
//!
//! In: heads and `flow` events. Out: exchanges. HTTP/1 responses come in order, but a plain queue
//! would shift after one lost record. TCP's numbers prevent that: a response acknowledges the
//! request it answers, and a client that does not pipeline acknowledges a response before its next
//! request.

mod connection;
mod losses;

use std::collections::HashMap;

use tracer_common::message::Message;

use crate::{
    decode::{Head, Journey},
    flow::{ConnectionId, Ending, Event, EventKind, PacketId, Side, ZeroWindow},
};

use super::{
    exchange::{Answered, Exchange, Leg},
    handshake::Handshakes,
    head::{Method, ResponseHead},
    packet_heads::{self, LocatedHead, ParsedHead},
    partial_heads::{CompletedHead, PartialHeads},
    served::Served,
    waiting_heads::WaitingHeads,
};

pub use losses::Http1Losses;

use connection::{Http1Connection, is_request, is_response, may_answer};

/// Most open exchanges on all connections; further requests are refused and counted. An exchange
/// takes some 3 KB, so 48 MiB in all; one connection has at most [`connection::MAX_PENDING`].
const MAX_OPEN: usize = 16_384;
/// Default time that a request waits for its response, in seconds; see
/// [`Http1Pairing::wait_for_response`].
pub const RESPONSE_WAIT_S: u32 = 120;
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

    /// Parses a head and stores what spans need. The bytes are dropped here, or when the head is
    /// complete.
    pub fn head(&mut self, head: &Head) {
        if head.continues {
            let (cookie, seq) = (head.sender_cookie, head.seq);
            if let Some(completed) = self.partials.append(cookie, seq, &head.bytes) {
                self.complete_head(ConnectionId::of_client(cookie), completed);
            }
            return;
        }
        match packet_heads::heads(head.message, &head.bytes) {
            Ok(heads) => {
                if let Some(offset) = packet_heads::cut_request(&heads) {
                    self.partials.start(head, offset);
                }
                let has_room = self.heads.insert(PacketId::from(head), heads);
                self.losses.heads_refused += u64::from(!has_room);
            }
            Err(_) => self.losses.heads_malformed += 1,
        }
    }

    /// Stores a head whose last piece has come. The journey of its packet may have ended already.
    fn complete_head(&mut self, id: ConnectionId, completed: CompletedHead) {
        let CompletedHead { packet, seq, head } = completed;
        if let Some(last) = self.heads.last_mut(packet) {
            last.head = ParsedHead::Request(head);
            return;
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
                Message::Response => self.response(id, journey),
                Message::Syn | Message::SynAck | Message::Headers => {}
            },
            EventKind::Fragment { .. } | EventKind::ConnectFailed(_) => {}
            EventKind::Window { side, zero } => self.window(id, side, zero),
            EventKind::RequestRead { seq, at_ns, tgid } => {
                for exchange in self.exchanges(id, |exchange| is_request(exchange, seq)) {
                    exchange.request.read_ns.get_or_insert(at_ns);
                    exchange.request.reader = tgid;
                }
            }
            EventKind::ResponseRead { seq, at_ns } => self.response_read(id, seq, at_ns, done),
            EventKind::Ended(ending) => {
                let connection = self.connections.get_mut(&id);
                let unanswered = connection
                    .map(|connection| connection.remove_where(|open| open.response.is_none()));
                for exchange in unanswered.unwrap_or_default() {
                    self.finish(with_ending(exchange, ending), done);
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

    /// The open requests that have been read.
    pub fn served(&self) -> impl Iterator<Item = Served> {
        let connections = self.connections.values();
        let open = connections.flat_map(Http1Connection::open_exchanges);
        open.filter_map(Served::of)
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

    fn request(
        &mut self,
        id: ConnectionId,
        journey: Journey,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let heads = self.heads.remove(PacketId::from(&journey));
        let mut is_copy = false;
        for exchange in self.exchanges(id, |exchange| is_request(exchange, journey.seq)) {
            exchange.request.retransmitted(journey.clone());
            is_copy = true;
        }
        if is_copy {
            return;
        }
        if journey.behind_left_out {
            self.losses.requests_behind_left_out += 1;
            self.ignore_connection(id, done);
            return;
        }
        let Some(heads) = heads else {
            self.losses.journeys_without_head += 1;
            return;
        };
        for LocatedHead { offset, head } in heads {
            if let ParsedHead::Request(head) = head {
                let exchange = Exchange {
                    asked: head.into(),
                    answered: None,
                    connect: None,
                    request_seq: journey.seq.wrapping_add(offset),
                    request: Leg::new(journey.clone()),
                    response: None,
                    trailers: None,
                    reset: None,
                    ending: None,
                };
                self.open_exchange(id, exchange, handshakes, done);
            }
        }
    }

    /// Stops pairing on a connection: its responses cannot be assigned to requests any more.
    fn ignore_connection(&mut self, id: ConnectionId, done: &mut impl FnMut(Exchange)) {
        let connection = self.connections.entry(id).or_default();
        connection.ignore();
        for exchange in connection.remove_where(|_| true) {
            self.finish(exchange, done);
        }
    }

    /// Opens an exchange for a request, unless the request is a copy.
    fn open_exchange(
        &mut self,
        id: ConnectionId,
        mut exchange: Exchange,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let connection = self.connections.entry(id).or_default();
        if !connection.is_new(&exchange) {
            return;
        }
        if self.open >= MAX_OPEN {
            self.losses.requests_refused += 1;
            return;
        }
        self.open += 1;
        exchange.connect = handshakes.take(id, &exchange.request.journey);
        for exchange in connection.open(exchange) {
            self.finish(exchange, done);
        }
    }

    fn response(&mut self, id: ConnectionId, journey: Journey) {
        let heads = self.heads.remove(PacketId::from(&journey));
        let mut is_copy = false;
        for exchange in self.exchanges(id, |exchange| is_response(exchange, journey.seq)) {
            if let Some(response) = &mut exchange.response {
                response.retransmitted(journey.clone());
                is_copy = true;
            }
        }
        if is_copy {
            return;
        }
        match heads {
            Some(heads) => {
                for LocatedHead { offset, head } in heads {
                    if let ParsedHead::Response(head) = head
                        && !head.is_interim()
                    {
                        self.pair_response(id, &journey, offset, Some(&head));
                    }
                }
            }
            None if journey.head_lost => self.pair_response(id, &journey, 0, None),
            None => self.losses.journeys_without_head += 1,
        }
    }

    /// Assigns the response that starts at `offset` of its packet to its request.
    fn pair_response(
        &mut self,
        id: ConnectionId,
        journey: &Journey,
        offset: u32,
        head: Option<&ResponseHead>,
    ) {
        let seq = journey.seq.wrapping_add(offset);
        let Some(connection) = self.connections.get_mut(&id) else {
            self.losses.responses_unmatched += 1;
            return;
        };
        if connection.is_ignored() {
            return;
        }
        let open = connection
            .exchanges()
            .find(|exchange| exchange.response.is_none() && may_answer(exchange, journey.ack, seq));
        let Some(exchange) = open else {
            self.losses.responses_unmatched += 1;
            return;
        };
        let method = exchange.asked.method.clone().unwrap_or(Method::Get);
        let switches = head.is_some_and(|head| head.switches_protocol(&method));
        if switches && exchange.asked.offers_h2c && head.is_some_and(ResponseHead::accepts_h2c) {
            // The response itself comes in HTTP/2.
            return;
        }
        exchange.answered = head.map(Answered::from);
        exchange.response = Some(Leg::new(journey.clone()));
        if switches {
            connection.ignore();
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

    fn response_read(
        &mut self,
        id: ConnectionId,
        seq: u32,
        at_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        for mut exchange in connection.remove_where(|exchange| is_response(exchange, seq)) {
            if let Some(response) = &mut exchange.response {
                response.read_ns = Some(at_ns);
            }
            self.finish(exchange, done);
        }
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

fn with_ending(mut exchange: Exchange, ending: Ending) -> Exchange {
    exchange.ending = Some(ending);
    exchange
}

#[cfg(test)]
mod tests;
