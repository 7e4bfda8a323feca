//! The opening of connections, until the request that waited for it.

use std::collections::HashMap;

use tracer_common::message::Message;

use crate::{
    decode::Journey,
    flow::{ConnectionId, Event, EventKind},
};

use super::exchange::{Connect, Leg};

/// The request that opened a connection follows the handshake within this time; a later one found
/// the connection in a pool. Several periods of the scheduler's bandwidth control (100 ms): a pod
/// that was throttled between the two has waited for its connection all the same.
const CONNECT_GAP_NS: u64 = 1_000_000_000;

/// Handshakes that no request has followed yet. `flow` bounds the connections.
#[derive(Debug, Default)]
pub struct Handshakes(HashMap<ConnectionId, Connect>);

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
                self.0.insert(id, connect);
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
        self.0
            .remove(&id)
            .filter(|connect| request.start_ns.saturating_sub(connect.end_ns()) < CONNECT_GAP_NS)
    }

    /// The connection is over.
    pub fn forget(&mut self, id: ConnectionId) {
        self.0.remove(&id);
    }
}
