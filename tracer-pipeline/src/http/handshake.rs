//! Stores the handshake of each connection until the first request on it.
//!
//! In: journeys of SYNs and SYN-ACKs. Out: the [`Connect`] of the exchange that waited for it.

use std::collections::HashMap;

use tracer_common::{journey::End, message::Message};

use crate::{
    decode::Journey,
    flow::{ConnectionId, Event, EventKind},
};

use super::exchange::{Connect, Leg};

/// A request that follows the handshake within this time has waited for it; a later request took
/// the connection from a pool. Several periods of CFS bandwidth control (100 ms): a pod may be
/// throttled between its handshake and its request.
const CONNECT_GAP_NS: u64 = 1_000_000_000;
/// A finished handshake is stored for this long: the record of the request may be late.
const KEEP_NS: u64 = CONNECT_GAP_NS + 2_000_000_000;

/// Most handshakes; those of further connections are refused and counted.
const MAX_HANDSHAKES: usize = 16_384;

/// Handshakes without a request yet, some 1.5 KB each. Handshakes of idle connections expire, so that a
/// connection in a pool costs no memory here.
#[derive(Debug, Default)]
pub struct Handshakes {
    by_connection: HashMap<ConnectionId, Box<Connect>>,
    refused: u64,
}

impl Handshakes {
    /// Handshakes, and their bound.
    pub fn occupancy(&self) -> (usize, usize) {
        (self.by_connection.len(), MAX_HANDSHAKES)
    }

    /// The number of handshakes beyond the bound. Their connections have no connect span.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes the journey of a SYN or a SYN-ACK; ignores every other event. Returns a SYN-ACK whose
    /// SYN it does not have: a request has taken it, or the agent started between the two.
    pub fn event(&mut self, event: Event) -> Option<Journey> {
        let (id, journey) = match event.kind {
            EventKind::Journey { journey, .. } => (event.connection, journey),
            _ => return None,
        };
        let is_full = self.by_connection.len() >= MAX_HANDSHAKES;
        match (journey.message, self.by_connection.get_mut(&id)) {
            (Message::Syn, Some(connect)) => connect.syn.retransmitted(journey),
            (Message::Syn, None) if is_full => self.refused += 1,
            (Message::Syn, None) => {
                let connect = Connect {
                    syn: Leg::new(journey),
                    syn_ack: None,
                };
                self.by_connection.insert(id, Box::new(connect));
            }
            (_, Some(connect)) => match &mut connect.syn_ack {
                Some(syn_ack) => syn_ack.retransmitted(journey),
                empty => *empty = Some(Leg::new(journey)),
            },
            (_, None) => return Some(journey),
        }
        None
    }

    /// Removes the handshake; returns it if `request` waited for it. Only the first request on a
    /// connection can have waited.
    pub fn take(&mut self, id: ConnectionId, request: &Journey) -> Option<Connect> {
        let connect = *self.by_connection.remove(&id)?;
        let gap_ns = request.start_ns.saturating_sub(connect.end_ns());
        (gap_ns < CONNECT_GAP_NS).then_some(connect)
    }

    /// Removes and returns the packets of a handshake that failed.
    pub fn failed(&mut self, id: ConnectionId) -> Option<Connect> {
        self.by_connection.remove(&id).map(|connect| *connect)
    }

    /// Drops finished handshakes whose request would come too late. An unfinished handshake, whose
    /// SYN or SYN-ACK TCP retransmits, stays until its connection is forgotten.
    pub fn expire(&mut self, now_ns: u64) {
        self.by_connection.retain(|_, connect| {
            let arrived = |leg: &Leg| matches!(leg.journey.end, End::Socket | End::Left);
            let is_over = connect.syn_ack.as_ref().is_some_and(arrived);
            !is_over || now_ns.saturating_sub(connect.end_ns()) < KEEP_NS
        });
    }

    /// Drops the handshake of a connection that is over.
    pub fn forget(&mut self, id: ConnectionId) {
        self.by_connection.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode::JourneyBuilder, flow::Side};

    const CLIENT: u64 = JourneyBuilder::CLIENT_COOKIE;

    fn event(message: Message, end: End, start_ns: u64) -> Event {
        let journey = JourneyBuilder::new(message)
            .end(end)
            .start_ns(start_ns)
            .build();
        Event {
            connection: ConnectionId::of_client(CLIENT),
            kind: EventKind::Journey {
                side: Side::Client,
                journey,
            },
        }
    }

    /// `stored`: the handshakes left after the time in which a request may follow.
    fn check(events: impl IntoIterator<Item = (Message, End)>, stored: usize) {
        let mut handshakes = Handshakes::default();
        for (message, end) in events {
            handshakes.event(event(message, end, 1_000));
        }
        handshakes.expire(1_000 + CONNECT_GAP_NS);
        assert_eq!(
            handshakes.by_connection.len(),
            1,
            "the request's record may be late"
        );
        handshakes.expire(1_000 + KEEP_NS);
        assert_eq!(handshakes.by_connection.len(), stored);
        handshakes.forget(ConnectionId::of_client(CLIENT));
        assert!(handshakes.by_connection.is_empty());
    }

    #[test]
    fn the_handshake_of_an_idle_connection_expires() {
        let arrived = |message| (message, End::Socket);
        check([Message::Syn, Message::SynAck].map(arrived), 0);
    }

    #[test]
    fn handshakes_beyond_the_bound_are_refused_and_counted() {
        let mut handshakes = Handshakes::default();
        for cookie in 1..=MAX_HANDSHAKES as u64 + 3 {
            handshakes.event(Event {
                connection: ConnectionId::of_client(cookie),
                ..event(Message::Syn, End::Socket, 1_000)
            });
        }
        assert_eq!(handshakes.occupancy(), (MAX_HANDSHAKES, MAX_HANDSHAKES));
        assert_eq!(handshakes.refused(), 3);
    }

    /// All attempts belong to the connect span, however long they take.
    #[test]
    fn an_unfinished_handshake_stays() {
        check([(Message::Syn, End::Dropped)], 1);
        check(
            [(Message::Syn, End::Socket), (Message::SynAck, End::Dropped)],
            1,
        );
    }
}
