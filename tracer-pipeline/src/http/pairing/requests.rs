//! Opens an exchange for each request.
//!
//! In: the journey of a packet with requests, and their heads. What looks like a request and is a
//! part of a body, or may be one, is counted and left out.

use crate::{
    decode::Journey,
    flow::{ConnectionId, PacketId},
    http::{
        exchange::{Exchange, Leg, ResponseEnd},
        handshake::Handshakes,
        head::RequestHead,
        packet_heads::{LocatedHead, ParsedHead},
    },
};

use super::{
    Http1Pairing, MAX_OPEN,
    connection::is_request,
    sequence::{Place, RequestPosition},
};

impl Http1Pairing {
    pub(super) fn request(
        &mut self,
        id: ConnectionId,
        journey: Journey,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let heads = self.heads.remove(PacketId::from(&journey));
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.request_left(&journey);
        }
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
        let leg = Leg::new(journey);
        match heads {
            Some(heads) if heads.is_empty() => self.wait_for_head(id, leg),
            Some(heads) => self.requests(id, &leg, heads, handshakes, done),
            None => self.request_without_head(id, &leg.journey),
        }
    }

    /// Notes a request whose head is lost, or could not be read: it has a response, too.
    fn request_without_head(&mut self, id: ConnectionId, journey: &Journey) {
        self.losses.journeys_without_head += 1;
        let connection = self.connections.entry(id).or_default();
        let position = RequestPosition {
            seq: journey.seq,
            ack: journey.ack,
            in_sequence: journey.in_sequence,
            pipelines: journey.pipelines,
            begins_packet: true,
            end: None,
        };
        if connection.is_ignored() {
            return;
        }
        let place = connection.note_request(position);
        if place.is_some_and(|place| place != Place::Body) {
            connection.expect_any_response(position);
        }
    }

    /// Opens an exchange for each request of a packet.
    pub(super) fn requests(
        &mut self,
        id: ConnectionId,
        leg: &Leg,
        heads: Vec<LocatedHead>,
        handshakes: &mut Handshakes,
        done: &mut impl FnMut(Exchange),
    ) {
        let journey = &leg.journey;
        for (index, head) in heads.into_iter().enumerate() {
            let position = RequestPosition {
                seq: journey.seq.wrapping_add(head.offset),
                ack: journey.ack,
                // This is said of the first head of a packet.
                in_sequence: journey.in_sequence && index == 0,
                pipelines: journey.pipelines,
                begins_packet: head.offset == 0,
                end: head.body_end.map(|end| journey.seq.wrapping_add(end)),
            };
            let ParsedHead::Request(head) = head.head else {
                continue;
            };
            let connection = self.connections.entry(id).or_default();
            if connection.is_ignored() {
                continue;
            }
            let Some(place) = connection.note_request(position) else {
                continue;
            };
            match place {
                Place::Body => self.losses.requests_in_body += 1,
                Place::Unknown => {
                    self.losses.requests_unsure += 1;
                    connection.expect_any_response(position);
                }
                Place::Message if self.open >= MAX_OPEN => self.losses.requests_refused += 1,
                Place::Message => {
                    self.open += 1;
                    let mut exchange = exchange(head, leg, position.seq);
                    exchange.connect = handshakes.take(id, journey);
                    for over in connection.open(exchange, position.end) {
                        self.finish(over, done);
                    }
                }
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
}

/// The exchange of a request that begins at `request_seq`.
fn exchange(head: RequestHead, leg: &Leg, request_seq: u32) -> Exchange {
    Exchange {
        asked: head.into(),
        answered: None,
        connect: None,
        request_seq,
        request: leg.clone(),
        response: None,
        response_last: None,
        response_end: ResponseEnd::NotFollowed,
        reset: None,
        ending: None,
    }
}
