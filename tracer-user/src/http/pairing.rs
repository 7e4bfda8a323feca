//! Which response answers which request.
//!
//! HTTP/1 answers in order, so a queue would do, were nothing ever lost. TCP's own numbers make it
//! safe: a response acknowledges the request it answers, and a client that does not pipeline
//! acknowledges a response before it sends the next request.

use std::collections::{HashMap, VecDeque};

use tracer_common::message::Message;

use crate::{
    decode::{Head, Journey},
    flow::{ConnectionId, Event, EventKind, PacketId, after},
};

use super::{
    exchange::{Answered, Exchange, Leg},
    handshake::Handshakes,
    packet::{self, ParsedHead, Placed},
    partial::{Completed, Partials},
};

/// Heads whose journey is still under way; more are refused and counted.
const MAX_HEADS: usize = 16_384;
/// A head whose journey has not ended after this long never will.
const HEAD_WAIT_NS: u64 = 10_000_000_000;
/// Unanswered requests of one connection; the oldest is given up for a new one.
const MAX_PENDING: usize = 256;
/// An exchange whose response has arrived waits this long for the application to read it.
const READ_WAIT_NS: u64 = 30_000_000_000;
/// A request waits this long for its response.
const RESPONSE_WAIT_NS: u64 = 120_000_000_000;

/// What could not be paired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Losses {
    /// Heads beyond the limit.
    pub heads_refused: u64,
    /// Heads whose journey never came.
    pub heads_unmatched: u64,
    /// Heads whose rest never came.
    pub heads_cut: u64,
    /// Packets that began like a head and were none.
    pub heads_malformed: u64,
    /// Journeys whose head was lost or is no head.
    pub journeys_without_head: u64,
    /// Responses to no request seen here (requests sent before the agent started).
    pub responses_unmatched: u64,
    /// Requests given up without a response.
    pub requests_unanswered: u64,
}

#[derive(Default)]
struct Connection {
    /// In the order they were sent; answered ones leave when the client has read the response.
    exchanges: VecDeque<Exchange>,
    /// The client sends without waiting for answers.
    pipelines: bool,
    /// Where the newest request starts.
    newest_request_seq: Option<u32>,
}

/// The open exchanges of this node.
#[derive(Default)]
pub struct Pairing {
    heads: HashMap<PacketId, Vec<Placed>>,
    partials: Partials,
    connections: HashMap<ConnectionId, Connection>,
    losses: Losses,
}

impl Pairing {
    /// What could not be paired so far.
    pub fn losses(&self) -> Losses {
        self.losses
    }

    /// Parses a head and keeps what the spans need; its bytes are let go here, or when the rest of
    /// the head has come.
    pub fn head(&mut self, head: &Head) {
        if head.continues {
            let (cookie, seq) = (head.sender_cookie, head.seq);
            if let Some(completed) = self.partials.go_on(cookie, seq, &head.bytes) {
                self.completed(ConnectionId::of_client(cookie), completed);
            }
            return;
        }
        if self.heads.len() >= MAX_HEADS {
            self.losses.heads_refused += 1;
            return;
        }
        match packet::heads(head.message, &head.bytes) {
            Ok(heads) => {
                if let Some(offset) = packet::cut_request(&heads) {
                    self.partials.begin(head, offset);
                }
                self.heads.insert(PacketId::from(head), heads);
            }
            Err(_) => self.losses.heads_malformed += 1,
        }
    }

    /// The rest of a head has come, before the journey of its packet has ended or after.
    fn completed(&mut self, id: ConnectionId, completed: Completed) {
        let Completed { packet, seq, head } = completed;
        if let Some(last) = self
            .heads
            .get_mut(&packet)
            .and_then(|heads| heads.last_mut())
        {
            last.head = ParsedHead::Request(head);
            return;
        }
        let mut waiting = self.exchanges(id, |exchange| exchange.request_seq == seq);
        if let Some(exchange) = waiting.next() {
            exchange.asked = head.into();
        }
    }

    /// Takes what happened on a connection; hands each exchange that it completes to `done`.
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
            EventKind::Fragment { .. } => {}
            EventKind::RequestRead { seq, at_ns } => {
                for exchange in self.exchanges(id, |exchange| is_request(exchange, seq)) {
                    exchange.request.read_ns.get_or_insert(at_ns);
                }
            }
            EventKind::ResponseRead { seq, at_ns } => self.response_read(id, seq, at_ns, done),
            EventKind::Forgotten => {
                for exchange in self
                    .connections
                    .remove(&id)
                    .into_iter()
                    .flat_map(|connection| connection.exchanges)
                {
                    self.finish(exchange, done);
                }
            }
        }
    }

    /// Gives up what waits in vain.
    pub fn expire(&mut self, now_ns: u64, done: &mut impl FnMut(Exchange)) {
        let heads = self.heads.len();
        self.heads
            .retain(|packet, _| packet.age_ns(now_ns) < HEAD_WAIT_NS);
        self.losses.heads_unmatched += (heads - self.heads.len()) as u64;
        self.losses.heads_cut += self.partials.expire(now_ns);
        let mut over = Vec::new();
        for connection in self.connections.values_mut() {
            let waiting = std::mem::take(&mut connection.exchanges);
            for exchange in waiting {
                if waits_in_vain(&exchange, now_ns) {
                    over.push(exchange);
                } else {
                    connection.exchanges.push_back(exchange);
                }
            }
        }
        // The order of a hash map is not for others to depend on.
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
        let heads = self.heads.remove(&PacketId::from(&journey));
        let mut is_copy = false;
        for exchange in self.exchanges(id, |exchange| is_request(exchange, journey.seq)) {
            exchange.request.retransmitted(journey.clone());
            is_copy = true;
        }
        if is_copy {
            return;
        }
        let Some(heads) = heads else {
            self.losses.journeys_without_head += 1;
            return;
        };
        for Placed { offset, head } in heads {
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
                };
                self.asked(id, exchange, handshakes, done);
            }
        }
    }

    /// A request that was not seen before.
    fn asked(
        &mut self,
        id: ConnectionId,
        mut exchange: Exchange,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let connection = self.connections.entry(id).or_default();
        if connection
            .newest_request_seq
            .is_some_and(|newest| !after(exchange.request_seq, newest))
        {
            // A copy of a request that was answered long ago.
            return;
        }
        connection.newest_request_seq = Some(exchange.request_seq);
        let unanswered = connection.overtaken_by(&exchange.request.journey);
        exchange.connect = handshakes.take(id, &exchange.request.journey);
        connection.exchanges.push_back(exchange);
        for exchange in unanswered {
            self.finish(exchange, done);
        }
    }

    fn response(&mut self, id: ConnectionId, journey: Journey) {
        let heads = self.heads.remove(&PacketId::from(&journey));
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
                for Placed { offset, head } in heads {
                    if let ParsedHead::Response(head) = head
                        && !head.is_interim()
                    {
                        self.answered(id, &journey, offset, Some(Answered::from(&head)));
                    }
                }
            }
            None if journey.head_lost => self.answered(id, &journey, 0, None),
            None => self.losses.journeys_without_head += 1,
        }
    }

    /// A response that starts at `offset` of its packet.
    fn answered(
        &mut self,
        id: ConnectionId,
        journey: &Journey,
        offset: u32,
        answered: Option<Answered>,
    ) {
        let seq = journey.seq.wrapping_add(offset);
        let open = |exchange: &Exchange| {
            exchange.response.is_none() && may_answer(exchange, journey.ack, seq)
        };
        if let Some(exchange) = self.exchanges(id, open).next() {
            exchange.answered = answered;
            exchange.response = Some(Leg::new(journey.clone()));
            return;
        }
        self.losses.responses_unmatched += 1;
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
        let (read, open) = std::mem::take(&mut connection.exchanges)
            .into_iter()
            .partition(|exchange| is_response(exchange, seq));
        connection.exchanges = open;
        for mut exchange in Vec::from(read) {
            if let Some(response) = &mut exchange.response {
                response.read_ns = Some(at_ns);
            }
            self.finish(exchange, done);
        }
    }

    /// The open exchanges of a connection that are meant, the oldest first.
    fn exchanges(
        &mut self,
        id: ConnectionId,
        is_meant: impl Fn(&Exchange) -> bool,
    ) -> impl Iterator<Item = &mut Exchange> {
        self.connections
            .get_mut(&id)
            .into_iter()
            .flat_map(|connection| &mut connection.exchanges)
            .filter(move |exchange| is_meant(exchange))
    }

    fn finish(&mut self, exchange: Exchange, done: &mut impl FnMut(Exchange)) {
        if exchange.response.is_none() {
            self.losses.requests_unanswered += 1;
        }
        done(exchange);
    }
}

impl Connection {
    /// The exchanges that a new request shows to be over, though no response was seen.
    ///
    /// A client that does not pipeline has its answer before it asks again: the new request then
    /// acknowledges more than the one before it did.
    fn overtaken_by(&mut self, request: &Journey) -> Vec<Exchange> {
        let unanswered = |exchange: &Exchange| exchange.response.is_none();
        let Some(before) = self.exchanges.iter().rfind(|exchange| unanswered(exchange)) else {
            return Vec::new();
        };
        if before.request.journey.ack == request.ack {
            self.pipelines = true;
        }
        if self.pipelines {
            let full = self.exchanges.len() >= MAX_PENDING;
            return full
                .then(|| self.exchanges.pop_front())
                .flatten()
                .into_iter()
                .collect();
        }
        let (over, open) = std::mem::take(&mut self.exchanges)
            .into_iter()
            .partition(unanswered);
        self.exchanges = open;
        Vec::from(over)
    }
}

/// A response acknowledges the request, and starts where the client had received no byte yet.
fn may_answer(exchange: &Exchange, ack: u32, seq: u32) -> bool {
    after(ack, exchange.request_seq) && !after(exchange.request.journey.ack, seq)
}

/// Whether the request is in the packet that starts at `seq`.
fn is_request(exchange: &Exchange, seq: u32) -> bool {
    exchange.request.journey.seq == seq
}

/// Whether the response is in the packet that starts at `seq`.
fn is_response(exchange: &Exchange, seq: u32) -> bool {
    let response = exchange.response.as_ref();
    response.is_some_and(|response| response.journey.seq == seq)
}

fn waits_in_vain(exchange: &Exchange, now_ns: u64) -> bool {
    match &exchange.response {
        Some(response) => now_ns.saturating_sub(response.end_ns()) > READ_WAIT_NS,
        None => now_ns.saturating_sub(exchange.request.end_ns()) > RESPONSE_WAIT_NS,
    }
}

#[cfg(test)]
mod tests;
