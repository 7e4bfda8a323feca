//! The opening of connections, until the request that waited for it.

use std::collections::HashMap;

use tracer_common::{journey::End, message::Message};

use crate::{
    decode::Journey,
    flow::{ConnectionId, Event, EventKind},
};

use super::exchange::{Connect, Leg};

/// The request that opened a connection follows the handshake within this time; a later one found
/// the connection in a pool. Several periods of the scheduler's bandwidth control (100 ms): a pod
/// that was throttled between the two has waited for its connection all the same.
const CONNECT_GAP_NS: u64 = 1_000_000_000;
/// A handshake that is over is kept for this long: the record of the request may be late.
const KEEP_NS: u64 = CONNECT_GAP_NS + 2_000_000_000;

/// Handshakes that no request has followed yet, some 1.5 KB each. `flow` bounds the connections; those of
/// connections that stay idle are let go of, so that a connection in a pool costs none of this.
#[derive(Debug, Default)]
pub struct Handshakes(HashMap<ConnectionId, Box<Connect>>);

impl Handshakes {
    /// Takes the journey of a SYN or a SYN-ACK; no other event tells of a handshake.
    pub fn event(&mut self, event: Event) {
        let (id, journey) = match event.kind {
            EventKind::Journey { journey, .. } => (event.connection, journey),
            _ => return,
        };
        match (journey.message, self.0.get_mut(&id)) {
            (Message::Syn, Some(connect)) => connect.syn.retransmitted(journey),
            (Message::Syn, None) => {
                let connect = Connect {
                    syn: Leg::new(journey),
                    syn_ack: None,
                };
                self.0.insert(id, Box::new(connect));
            }
            (_, Some(connect)) => match &mut connect.syn_ack {
                Some(syn_ack) => syn_ack.retransmitted(journey),
                empty => *empty = Some(Leg::new(journey)),
            },
            // The agent started between the two.
            (_, None) => {}
        }
    }

    /// The handshake that a request waited for, if it did: only the first one on a connection can.
    pub fn take(&mut self, id: ConnectionId, request: &Journey) -> Option<Connect> {
        let connect = *self.0.remove(&id)?;
        let gap_ns = request.start_ns.saturating_sub(connect.end_ns());
        (gap_ns < CONNECT_GAP_NS).then_some(connect)
    }

    /// What was seen of the handshake of a connection that could not be opened.
    pub fn failed(&mut self, id: ConnectionId) -> Option<Connect> {
        self.0.remove(&id).map(|connect| *connect)
    }

    /// Lets go of handshakes that no request can follow any more. One that is not over, because its
    /// SYN or SYN-ACK is sent again and again, stays until its connection is forgotten.
    pub fn expire(&mut self, now_ns: u64) {
        self.0.retain(|_, connect| {
            let arrived = |leg: &Leg| matches!(leg.journey.end, End::Socket | End::Left);
            let is_over = connect.syn_ack.as_ref().is_some_and(arrived);
            !is_over || now_ns.saturating_sub(connect.end_ns()) < KEEP_NS
        });
    }

    /// The connection is over.
    pub fn forget(&mut self, id: ConnectionId) {
        self.0.remove(&id);
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

    /// How many handshakes are kept after the time in which a request may follow.
    fn check(events: impl IntoIterator<Item = (Message, End)>, kept: usize) {
        let mut handshakes = Handshakes::default();
        for (message, end) in events {
            handshakes.event(event(message, end, 1_000));
        }
        handshakes.expire(1_000 + CONNECT_GAP_NS);
        assert_eq!(handshakes.0.len(), 1, "its request may be late");
        handshakes.expire(1_000 + KEEP_NS);
        assert_eq!(handshakes.0.len(), kept);
        handshakes.forget(ConnectionId::of_client(CLIENT));
        assert!(handshakes.0.is_empty());
    }

    #[test]
    fn a_connection_that_stays_idle_costs_nothing() {
        let arrived = |message| (message, End::Socket);
        check([Message::Syn, Message::SynAck].map(arrived), 0);
    }

    /// Its attempts belong to the connect span, however long they take.
    #[test]
    fn a_handshake_that_is_not_over_stays() {
        check([(Message::Syn, End::Dropped)], 1);
        check(
            [(Message::Syn, End::Socket), (Message::SynAck, End::Dropped)],
            1,
        );
    }
}
