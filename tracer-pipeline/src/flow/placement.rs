//! Which connection a record belongs to, and which side of it.
//!
//! In: records, and the tables of connections. Out: a side, and the cookie of the client's socket.

use tracer_common::{journey::End, message::Message, remote::is_remote};

use crate::decode::{Journey, Tuple};

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

    /// The side that sent a packet, and the cookie of the connection's client.
    pub(super) fn sender(&self, journey: &Journey) -> Option<(Side, u64)> {
        let cookie = journey.sender_cookie;
        let receiver = (journey.end == End::Socket).then_some(journey.receiver_cookie);
        match journey.message {
            Message::Syn | Message::Request => Some((Side::Client, cookie)),
            Message::SynAck | Message::Response | Message::ResponseEnd => match receiver {
                Some(receiver) => Some((Side::Server, receiver)),
                None => self.by_server(cookie, &journey.sent),
            },
            Message::Headers if self.by_client.contains_key(&cookie) => {
                Some((Side::Client, cookie))
            }
            Message::Headers => self.by_server(cookie, &journey.sent).or_else(|| {
                if let Some(client) = receiver.filter(|cookie| self.by_client.contains_key(cookie))
                {
                    return Some((Side::Server, client));
                }
                // The connection is new here; conntrack's original source is its client.
                let conntrack = journey.conntrack?;
                if conntrack.original.source == journey.sent.source {
                    Some((Side::Client, cookie))
                } else {
                    Some((Side::Server, receiver?))
                }
            }),
        }
    }

    /// The connection whose server has this cookie, or sends packets with this tuple.
    pub(super) fn by_server(&self, cookie: u64, sent: &Tuple) -> Option<(Side, u64)> {
        self.client_of_server
            .get(&cookie)
            .or_else(|| self.client_of_tuple.get(sent))
            .map(|client_cookie| (Side::Server, *client_cookie))
    }
}
