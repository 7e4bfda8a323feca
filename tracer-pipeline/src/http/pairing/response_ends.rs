//! Finds when a response is over: when the client has read its last byte.
//!
//! In: the journey of the packet with the last byte, reads, and the next response. The kernel
//! programs follow the bodies with a length or with chunks. A body without either ends with its
//! connection. Where the end is not followed, the response is over when its head is read.

use tracer_common::{journey::End, message::Message};

use crate::{
    decode::Journey,
    flow::{Cause, ConnectionId, Ending, Side},
    http::{
        exchange::{Exchange, Leg, ResponseEnd},
        head::{BodyFraming, Method, ResponseHead, response_body},
    },
};

use super::{
    Http1Pairing,
    connection::{Http1Connection, is_last, is_response},
};

/// The end of a response, as far as its first packet shows it.
pub(super) fn first_end(method: &Method, head: &ResponseHead, journey: &Journey) -> ResponseEnd {
    match response_body(method, head) {
        BodyFraming::UntilClose => ResponseEnd::WithConnection,
        BodyFraming::Length(_) | BodyFraming::Chunked if journey.ends_later => ResponseEnd::Unseen,
        _ => ResponseEnd::NotFollowed,
    }
}

/// The end of a response in its last packet. One that was dropped has not ended it: TCP sends it
/// again.
fn end_of(last: &Leg) -> ResponseEnd {
    match last.journey.end {
        End::Socket | End::Left => ResponseEnd::At(last.journey.start_ns),
        End::Dropped | End::Expired => ResponseEnd::Unseen,
    }
}

impl Http1Pairing {
    /// The packet with the last byte of a response, or with a FIN before it.
    pub(super) fn response_end(
        &mut self,
        id: ConnectionId,
        journey: Journey,
        done: &mut impl FnMut(Exchange),
    ) {
        let seq = journey.read_seq();
        let mut is_copy = false;
        for exchange in self.exchanges(id, |exchange| is_last(exchange, seq)) {
            if let Some(last) = &mut exchange.response_last {
                last.retransmitted(journey.clone());
                exchange.response_end = end_of(last);
                is_copy = true;
            }
        }
        if is_copy {
            return;
        }
        self.server_sends(id, &journey);
        let connection = self.connections.get(&id);
        let pipelines = connection.is_some_and(Http1Connection::pipelines);
        // Of a server on another node the kernel programs do not know whether a response has a body,
        // nor which one a packet ends.
        let is_exact = !journey.has_arrived();
        if pipelines && !is_exact {
            return;
        }
        if !journey.ends_later {
            // A copy that comes after the exchange was over finds none. A response whose packet was
            // not seen may end here, too.
            let end = connection.and_then(|connection| connection.sequence.next_response());
            let has_byte = |seq: u32| seq.wrapping_sub(journey.seq) < journey.payload_bytes;
            if end.is_none_or(|end| has_byte(end.wrapping_sub(1))) {
                let is_seen = self.exchanges(id, Exchange::is_responding).next().is_some();
                let (ack, begin_seq) = (journey.ack, journey.seq);
                let connection = self.connections.get_mut(&id);
                let over = connection.map(|connection| connection.answered_before(ack));
                for exchange in over.unwrap_or_default() {
                    self.finish(exchange, done);
                }
                self.response_ends_in(id, &Leg::new(journey));
                let connection = self.connections.get_mut(&id).filter(|_| is_exact);
                if let Some(connection) = connection {
                    if end.is_none() && pipelines && !is_seen {
                        connection.loses_order();
                    }
                    if is_seen || !connection.awaits_response(ack, begin_seq) {
                        connection.response_ends(seq.wrapping_add(1));
                    }
                }
            }
            return;
        }
        let ending = Ending {
            cause: Cause::Closed,
            by: Some(Side::Server),
            at_ns: journey.start_ns,
            answered_until: None,
        };
        let connection = self.connections.get_mut(&id);
        let cut = connection.map(|connection| connection.remove_where(Exchange::is_responding));
        for mut exchange in cut.unwrap_or_default() {
            exchange.ending = Some(ending);
            self.finish(exchange, done);
        }
    }

    /// The packet of this leg has the last byte of the response that has begun.
    pub(super) fn response_ends_in(&mut self, id: ConnectionId, leg: &Leg) {
        if let Some(exchange) = self.exchanges(id, Exchange::is_responding).next() {
            exchange.response_end = end_of(leg);
            exchange.response_last = Some(leg.clone());
        }
    }

    /// The client has read the byte at `seq`: the first one of a packet with a response, or the last
    /// one of a response.
    pub(super) fn response_read(
        &mut self,
        id: ConnectionId,
        seq: u32,
        at_ns: u64,
        done: &mut impl FnMut(Exchange),
    ) {
        if let Some(leg) = self.partials.waiting(id, Message::Response, seq) {
            leg.read_ns.get_or_insert(at_ns);
        }
        for exchange in self.exchanges(id, |_| true) {
            let legs = exchange.response.iter_mut();
            for leg in legs.chain(&mut exchange.response_last) {
                if leg.journey.read_seq() == seq {
                    leg.read_ns = Some(at_ns);
                }
            }
        }
        let is_over = |exchange: &Exchange| match exchange.response_last {
            Some(_) => is_last(exchange, seq),
            None => is_response(exchange, seq) && !exchange.is_responding(),
        };
        let connection = self.connections.get_mut(&id);
        let over = connection.map(|connection| connection.remove_where(is_over));
        for exchange in over.unwrap_or_default() {
            self.finish(exchange, done);
        }
    }
}
