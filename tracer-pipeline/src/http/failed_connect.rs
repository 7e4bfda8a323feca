//! A connection that could not be opened: no request was ever sent on it.

use crate::decode;

use super::exchange::Connect;

/// TCP sends the SYN again after this time without an answer (kernel: TCP_TIMEOUT_INIT; RFC 6298
/// section 2.1).
const SYN_TIMEOUT_NS: u64 = 1_000_000_000;

/// What the socket tells, and what was seen of its packets.
#[derive(Clone, Debug)]
pub struct FailedConnect {
    /// Who, where to, when, and the error.
    pub socket: decode::FailedConnect,
    /// The SYN and perhaps an answer; `None` where no packet passed a hook: a rule may have dropped it
    /// before.
    pub connect: Option<Connect>,
}

impl FailedConnect {
    /// Whether it has failed: the kernel says so, a packet was dropped, or the SYN had gone unanswered
    /// for so long that TCP sent it again.
    ///
    /// Else the application has changed its mind: one that tries several addresses at once (RFC 8305)
    /// closes those that it does not need.
    pub fn is_failure(&self) -> bool {
        let legs = self.connect.iter().flat_map(Connect::legs);
        let mut legs = legs.map(|leg| leg.dropped().is_some() || !leg.earlier.is_empty());
        self.socket.error.is_some()
            || self.had_no_port()
            || self.lasted_ns() >= SYN_TIMEOUT_NS
            || legs.any(|has_failed| has_failed)
    }

    /// Whether the socket was given no port to connect from: connect(2) says EADDRNOTAVAIL then, and
    /// the socket itself has no error (kernel: inet_hash_connect).
    pub fn had_no_port(&self) -> bool {
        self.socket.sent.source.port() == 0
    }

    fn lasted_ns(&self) -> u64 {
        self.socket.at_ns.saturating_sub(self.socket.began_ns)
    }
}

#[cfg(test)]
mod tests {
    use tracer_common::{journey::End, message::Message};

    use super::*;
    use crate::{
        decode::{Journey, JourneyBuilder},
        http::Leg,
    };

    fn syn(end: End) -> Journey {
        JourneyBuilder::new(Message::Syn)
            .end(end)
            .drop_reason(2)
            .build()
    }

    fn failed(error: Option<u32>, lasted_ns: u64, syns: &[End]) -> FailedConnect {
        let mut syns = syns.iter().map(|end| syn(*end));
        let connect = syns.next().map(|first| {
            let mut syn = Leg::new(first);
            syns.for_each(|again| syn.retransmitted(again));
            Connect { syn, syn_ack: None }
        });
        let socket = decode::FailedConnect {
            cookie: JourneyBuilder::CLIENT_COOKIE,
            began_ns: 900,
            at_ns: 900 + lasted_ns,
            error,
            tgid: 1,
            cgroup: 2,
            sent: JourneyBuilder::client_to_server(),
        };
        FailedConnect { socket, connect }
    }

    #[test]
    fn a_change_of_mind_is_no_failure() {
        let check = |expected, failed: &FailedConnect| {
            assert_eq!(failed.is_failure(), expected, "{failed:#?}");
        };
        check(false, &failed(None, 250_000_000, &[End::Socket]));
        check(false, &failed(None, 250_000_000, &[]));
        check(true, &failed(Some(111), 5, &[End::Socket]));
        check(true, &failed(None, 250_000_000, &[End::Dropped]));
        check(true, &failed(None, 5, &[End::Socket, End::Socket]));
        check(true, &failed(None, SYN_TIMEOUT_NS, &[]));
        let mut no_port = failed(None, 5, &[]);
        no_port.socket.sent.source.set_port(0);
        check(true, &no_port);
    }
}
