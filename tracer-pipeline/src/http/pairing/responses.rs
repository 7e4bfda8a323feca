//! Assigns each response to its request.
//!
//! In: the journey of a packet with responses, and their heads. A response is assigned only where
//! it is known that one begins: a status line in a body is none, and behind a response whose end is
//! not known it is not known which request is answered.

use crate::{
    decode::Journey,
    flow::{ConnectionId, PacketId, after, before},
    http::{
        exchange::{Answered, Exchange, Leg},
        head::Method,
        packet_heads::{LocatedHead, ParsedHead},
    },
};

use super::{
    Http1Pairing,
    connection::{Unassigned, is_response},
    response_ends::first_end,
    sequence::Place,
};

impl Http1Pairing {
    pub(super) fn response(
        &mut self,
        id: ConnectionId,
        journey: Journey,
        done: &mut impl FnMut(Exchange),
    ) {
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
        self.server_sends(id, &journey);
        let head_lost = journey.head_lost;
        let leg = Leg::new(journey);
        match heads {
            Some(heads) if heads.is_empty() => {
                let (seq, payload_bytes) = (leg.journey.seq, leg.journey.payload_bytes);
                let connection = self.connections.entry(id).or_default();
                connection.response_begins(seq, seq.wrapping_add(payload_bytes));
                self.wait_for_head(id, leg);
            }
            Some(heads) => self.responses(id, &leg, &heads, done),
            None if head_lost => self.response_without_head(id, leg, done),
            None => self.losses.journeys_without_head += 1,
        }
    }

    /// Assigns each response of a packet to its request.
    pub(super) fn responses(
        &mut self,
        id: ConnectionId,
        leg: &Leg,
        heads: &[LocatedHead],
        done: &mut impl FnMut(Exchange),
    ) {
        let ack = leg.journey.ack;
        let seq_at = |offset: u32| leg.journey.seq.wrapping_add(offset);
        let behind = heads.first().filter(|first| first.offset != 0);
        let connection = self.connections.get(&id);
        // The head is behind the end of the response before, if that one was seen.
        if behind.zip(connection).is_some_and(|(first, connection)| {
            let next_response = connection.sequence.next_response();
            !connection.pipelines() || next_response == Some(seq_at(first.offset))
        }) {
            self.response_ends_in(id, leg);
        }
        for located in heads {
            let ParsedHead::Response(head) = &located.head else {
                continue;
            };
            // Also one whose request was not seen: it shows whether the next one is sent before its end.
            let connection = self.connections.entry(id).or_default();
            let is_withheld = connection.is_in_doubt();
            let exchange = match connection.answered_by(ack, seq_at(located.offset)) {
                Ok(exchange) => exchange,
                Err(why) => {
                    if matches!(why, Unassigned::Unmatched) && !head.is_interim() {
                        connection.takes_turns(seq_at(located.offset), ack);
                    }
                    let is_noted = match why {
                        Unassigned::Unmatched => {
                            connection.may_begin_response(seq_at(located.offset), ack)
                        }
                        Unassigned::Unsure => true,
                        Unassigned::Ignored | Unassigned::Body => false,
                    };
                    if is_noted {
                        if head.is_interim() {
                            connection.interim_response(located.head_end.map(seq_at));
                        } else {
                            let end = located.end(&Method::Get);
                            let body_end = end.filter(|end| located.head_end != Some(*end));
                            let last = body_end.map(|end| end - 1);
                            let until = last.or(located.chunks_until);
                            connection.answered_unseen(until.map(seq_at));
                        }
                    }
                    self.unassigned(id, ack, why, done);
                    continue;
                }
            };
            if head.is_interim() {
                connection.interim_response(located.head_end.map(seq_at));
                continue;
            }
            let request_seq = exchange.request_seq;
            let method = exchange.asked.method.clone().unwrap_or(Method::Get);
            let switches = head.switches_protocol(&method);
            if switches && exchange.asked.offers_h2c && head.accepts_h2c() {
                // The response itself comes in HTTP/2.
                return;
            }
            if !is_withheld {
                exchange.answered = Some(Answered::from(head));
                exchange.response_end = first_end(&method, head, &leg.journey);
                exchange.response = Some(leg.clone());
            }
            let end = located.end(&method).map(seq_at);
            let until = match located.head_end {
                None => Some(seq_at(leg.journey.payload_bytes)),
                Some(_) => located.chunks_until.map(seq_at),
            };
            let until = until.filter(|_| end.is_none());
            connection.answered(request_seq, end, until);
            if switches {
                connection.ignore();
            }
            if is_withheld {
                connection.takes_turns(seq_at(located.offset), ack);
                self.losses.responses_unsure += 1;
                let over = connection.remove_where(|open| open.request_seq == request_seq);
                for exchange in over {
                    self.finish(exchange, done);
                }
                continue;
            }
            // A response that began before is over, though its end was not seen.
            let begun_before = |open: &Exchange| {
                let response = open.response.as_ref().filter(|_| open.is_responding());
                response.is_some_and(|response| before(response.journey.seq, leg.journey.seq))
            };
            for over in connection.remove_where(begun_before) {
                self.finish(over, done);
            }
        }
        // A response that has waited for its head may have been read before.
        if let Some(at_ns) = leg.read_ns {
            self.response_read(id, leg.journey.seq, at_ns, done);
        }
    }

    /// Assigns a response whose head is lost to its request.
    fn response_without_head(
        &mut self,
        id: ConnectionId,
        leg: Leg,
        done: &mut impl FnMut(Exchange),
    ) {
        let (seq, ack) = (leg.journey.seq, leg.journey.ack);
        if leg.journey.is_interim {
            self.losses.journeys_without_head += 1;
            // A request waits, even if it was not seen.
            let connection = self.connections.entry(id).or_default();
            connection.interim_response(None);
            return;
        }
        let Some(connection) = self.connections.get_mut(&id) else {
            return self.unassigned(id, ack, Unassigned::Unmatched, done);
        };
        let is_withheld = connection.is_in_doubt();
        match connection.answered_by(ack, seq) {
            Ok(_) if is_withheld => self.unassigned(id, ack, Unassigned::Unsure, done),
            Ok(exchange) => {
                let request_seq = exchange.request_seq;
                exchange.response = Some(leg);
                connection.answered(request_seq, None, None);
            }
            Err(why) => {
                if matches!(why, Unassigned::Unmatched)
                    && connection.sequence.response_at(seq) == Place::Message
                {
                    connection.answered_unseen(None);
                }
                self.unassigned(id, ack, why, done);
            }
        }
    }

    /// The server has sent the packet of this journey.
    pub(super) fn server_sends(&mut self, id: ConnectionId, journey: &Journey) {
        if let Some(connection) = self.connections.get_mut(&id) {
            let end_seq = journey.seq.wrapping_add(journey.payload_bytes);
            connection.server_sends(end_seq, journey.ack);
        }
    }

    /// Counts a response that is not assigned. Where it is not known which request it answers, those
    /// that it may answer are over, without a response.
    fn unassigned(
        &mut self,
        id: ConnectionId,
        ack: u32,
        why: Unassigned,
        done: &mut impl FnMut(Exchange),
    ) {
        match why {
            Unassigned::Ignored => {}
            Unassigned::Unmatched => {
                self.losses.responses_unmatched += 1;
                // The response before is over, though its end was not seen.
                let is_before = |open: &Exchange| {
                    let response = open.response.as_ref().filter(|_| open.is_responding());
                    response.is_some_and(|response| after(ack, response.journey.ack))
                };
                let connection = self.connections.get_mut(&id);
                let over = connection.map(|connection| connection.remove_where(is_before));
                for exchange in over.unwrap_or_default() {
                    self.finish(exchange, done);
                }
            }
            Unassigned::Body => self.losses.responses_in_body += 1,
            Unassigned::Unsure => {
                self.losses.responses_unsure += 1;
                let connection = self.connections.get_mut(&id);
                let over = connection.map(|connection| {
                    connection.doubts();
                    connection.give_up_answered_by(ack)
                });
                for exchange in over.unwrap_or_default() {
                    self.finish(exchange, done);
                }
            }
        }
    }
}
