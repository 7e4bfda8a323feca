//! Which side of which connection has sent a packet.
//!
//! In: a journey. Out: the side, and the cookie of the connection's client. A request that a server
//! has sent is none: a part of its response looks like one.

use tracer_common::{journey::End, message::Message};

use super::{Flow, Side};
use crate::decode::{Journey, Tuple};

impl Flow {
    /// The side that sent a packet, and the cookie of the connection's client.
    pub(super) fn sender(&self, journey: &Journey) -> Option<(Side, u64)> {
        let cookie = journey.sender_cookie;
        let receiver = (journey.end == End::Socket).then_some(journey.receiver_cookie);
        match journey.message {
            Message::Request if self.is_from_server(journey) => None,
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

    /// Whether a packet is known to come from the server: its socket has received a message of the
    /// client, conntrack knows the packet as a reply, or it goes to a socket that has sent a SYN.
    fn is_from_server(&self, journey: &Journey) -> bool {
        let conntrack = journey.conntrack.as_ref();
        let is_reply = conntrack
            .is_some_and(|known| known.reply == journey.sent && known.original != journey.sent);
        let receiver = self.by_client.get(&journey.receiver_cookie);
        let to_client = receiver.is_some_and(|client| client.syn_seq.is_some());
        let is_server = self.by_server(journey.sender_cookie, &journey.sent);
        is_reply || is_server.is_some() || (journey.end == End::Socket && to_client)
    }
}
