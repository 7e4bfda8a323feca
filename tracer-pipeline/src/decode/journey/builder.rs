//! Builds journeys for the tests of all stages.
//!
//! ```ignore
//! JourneyBuilder::new(Message::Request).seq(100).start_ns(2_000).build();
//! JourneyBuilder::new(Message::Syn).end(End::Dropped).drop_reason(2).build();
//! JourneyBuilder::new(Message::Headers).from_server().end(End::Left).build();
//! ```

use tracer_common::{
    hook::Hook,
    journey::End,
    message::Message::{self, Response, ResponseEnd, SynAck},
};

use super::{Journey, Stamp};
use crate::decode::{Conntrack, Tuple};

/// A journey of a packet between a client (10.244.0.2:40000) and a server (10.244.0.3:8081).
///
/// The defaults: the packet leaves its socket at 1,000 ns with sequence number 0 and 100 bytes of
/// payload, has one stamp (`cgroup_egress`, at the start) and reaches the other socket. SYN-ACKs and
/// responses travel from server to client, all other messages from client to server.
pub(crate) struct JourneyBuilder {
    /// As if the packet reached a socket; `build` clears what contradicts `end`.
    journey: Journey,
    /// Each stamp's hook, with its nanoseconds after `start_ns`.
    offsets: Vec<(u64, Hook)>,
}

impl JourneyBuilder {
    /// The client's socket cookie.
    pub(crate) const CLIENT_COOKIE: u64 = 7;
    /// The server's socket cookie.
    pub(crate) const SERVER_COOKIE: u64 = 9;

    pub(crate) fn new(message: Message) -> Self {
        let builder = Self {
            journey: Journey {
                message,
                in_syn: None,
                end: End::Socket,
                start_ns: 1_000,
                sender_cookie: Self::CLIENT_COOKIE,
                receiver_cookie: Self::SERVER_COOKIE,
                sender_cgroup: 0,
                receiver_cgroup: 0,
                seq: 0,
                ack: 0,
                payload_bytes: 100,
                drop_reason: None,
                sent: Self::client_to_server(),
                received: None,
                conntrack: None,
                stamps: Vec::new(),
                stamps_cut: false,
                head_lost: false,
                behind_left_out: false,
                in_sequence: false,
                ends_later: false,
                is_interim: false,
                pipelines: false,
            },
            offsets: vec![(0, Hook::CgroupEgress)],
        };
        if matches!(message, SynAck | Response | ResponseEnd) {
            builder.from_server()
        } else {
            builder
        }
    }

    /// The tuple of the client's packets.
    pub(crate) fn client_to_server() -> Tuple {
        Tuple {
            source: "10.244.0.2:40000".parse().unwrap(),
            destination: "10.244.0.3:8081".parse().unwrap(),
        }
    }

    /// The kernel has found the request where the one before ends.
    pub(crate) fn in_sequence(mut self, in_sequence: bool) -> Self {
        self.journey.in_sequence = in_sequence;
        self
    }

    /// The packet is a SYN that carries a message.
    pub(crate) fn in_syn(mut self, message: Message) -> Self {
        self.journey.in_syn = Some(message);
        self
    }

    /// The response goes on behind its packet; of its end, the FIN comes before it.
    pub(crate) fn ends_later(mut self) -> Self {
        self.journey.ends_later = true;
        self
    }

    /// The server sends the packet to the client.
    #[allow(
        clippy::wrong_self_convention,
        reason = "a part of the packet's description, no conversion"
    )]
    pub(crate) fn from_server(self) -> Self {
        self.sockets(Self::SERVER_COOKIE, Self::CLIENT_COOKIE)
            .sent(Self::client_to_server().reversed())
    }

    /// Only a journey that ends at a socket has a receiver, and only a dropped packet a drop reason:
    /// `build` clears the others.
    pub(crate) fn end(mut self, end: End) -> Self {
        self.journey.end = end;
        self
    }

    /// The reason, in case the packet is dropped.
    pub(crate) fn drop_reason(mut self, reason: u32) -> Self {
        self.journey.drop_reason = Some(reason);
        self
    }

    pub(crate) fn start_ns(mut self, start_ns: u64) -> Self {
        self.journey.start_ns = start_ns;
        self
    }

    pub(crate) fn seq(mut self, seq: u32) -> Self {
        self.journey.seq = seq;
        self
    }

    pub(crate) fn ack(mut self, ack: u32) -> Self {
        self.journey.ack = ack;
        self
    }

    pub(crate) fn payload_bytes(mut self, payload_bytes: u32) -> Self {
        self.journey.payload_bytes = payload_bytes;
        self
    }

    /// The cookies of the sending and of the receiving socket.
    pub(crate) fn sockets(mut self, sender_cookie: u64, receiver_cookie: u64) -> Self {
        self.journey.sender_cookie = sender_cookie;
        self.journey.receiver_cookie = receiver_cookie;
        self
    }

    pub(crate) fn sent(mut self, sent: Tuple) -> Self {
        self.journey.sent = sent;
        self
    }

    /// The tuple that reaches the receiving socket, in case the packet reaches it.
    pub(crate) fn received(mut self, received: Tuple) -> Self {
        self.journey.received = Some(received);
        self
    }

    pub(crate) fn conntrack(mut self, conntrack: Conntrack) -> Self {
        self.journey.conntrack = Some(conntrack);
        self
    }

    /// Stamps without a device, each with its nanoseconds after the start.
    pub(crate) fn stamps_after_ns(mut self, offsets: &[(u64, Hook)]) -> Self {
        self.offsets = offsets.to_vec();
        self
    }

    /// Stamps in full; they take the place of the others.
    pub(crate) fn stamps(mut self, stamps: Vec<Stamp>) -> Self {
        self.journey.stamps = stamps;
        self
    }

    pub(crate) fn build(self) -> Journey {
        let Self {
            mut journey,
            offsets,
        } = self;
        if journey.end != End::Socket {
            journey.receiver_cookie = 0;
            journey.received = None;
        }
        if journey.end != End::Dropped {
            journey.drop_reason = None;
        }
        if journey.stamps.is_empty() {
            let stamp = |&(after_ns, hook): &(u64, Hook)| Stamp {
                at_ns: journey.start_ns + after_ns,
                hook,
                device: None,
            };
            journey.stamps = offsets.iter().map(stamp).collect();
        }
        journey
    }
}

#[test]
fn what_contradicts_the_end_is_cleared() {
    let build = |end| {
        let sent = JourneyBuilder::client_to_server();
        JourneyBuilder::new(Message::Request)
            .end(end)
            .payload_bytes(80)
            .sent(sent)
            .received(sent)
            .conntrack(Conntrack {
                original: sent,
                reply: sent.reversed(),
            })
            .drop_reason(2)
            .stamps(vec![Stamp {
                at_ns: 1_500,
                hook: Hook::CgroupIngress,
                device: None,
            }])
            .build()
    };
    let arrived = build(End::Socket);
    assert_eq!(arrived.receiver_cookie, JourneyBuilder::SERVER_COOKIE);
    assert_eq!(arrived.received, Some(arrived.sent));
    assert_eq!(arrived.drop_reason, None);
    let dropped = build(End::Dropped);
    assert_eq!((dropped.receiver_cookie, dropped.received), (0, None));
    assert_eq!(dropped.drop_reason, Some(2));
    assert_eq!(dropped.stamps, arrived.stamps);
    assert_eq!(
        (dropped.payload_bytes, dropped.conntrack),
        (80, arrived.conntrack)
    );
}
