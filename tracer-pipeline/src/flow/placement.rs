//! Which connection a record belongs to, and which side of it.
//!
//! In: records, and the tables of connections. Out: a side, and the cookie of the client's socket.

use tracer_common::{message::Message, remote::is_remote};

use crate::decode::Journey;

use super::{Flow, Side};

impl Flow {
    /// The side and the client cookie of a socket's connection. A socket that is no known server
    /// counts as a client.
    pub(super) fn side_of(&self, cookie: u64) -> (Side, u64) {
        match self.client_of_server.get(&cookie) {
            Some(client_cookie) => (Side::Server, *client_cookie),
            None => (Side::Client, cookie),
        }
    }

    /// Whether a journey begins another connection than the known one of this synthetic cookie.
    pub(super) fn begins_another_connection(&self, journey: &Journey, client_cookie: u64) -> bool {
        let known = self.by_client.get(&client_cookie);
        journey.message == Message::Syn
            && is_remote(client_cookie)
            && known.is_some_and(|known| known.syn_seq != Some(journey.seq))
    }
}
