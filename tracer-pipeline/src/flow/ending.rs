//! Why nothing more comes on a connection.
//!
//! In: what became of one of its sockets. Out: an [`Ending`], from the side that ended it.

use nix::errno::Errno;

use crate::decode::{Close, CloseKind};

use super::side::Side;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why.
    pub cause: Cause,
    /// Who ended it; `None` where neither side did.
    pub by: Option<Side>,
    /// When it was first seen, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Somebody had no more to say (RFC 9293 section 3.6).
    Closed,
    /// Somebody threw it away (RFC 9293 section 3.5.2).
    Reset,
    /// Nothing was heard for too long.
    TimedOut,
    /// The network refused the packets (ICMP).
    Unreachable,
}

impl Ending {
    /// What a socket of `side` tells. `None` where a client has sent its last byte: it may still
    /// wait for an answer.
    pub(super) fn of(close: &Close, side: Side) -> Option<Self> {
        let (cause, by) = match (close.what, close.error) {
            (CloseKind::PeerFinished, _) if side == Side::Server => return None,
            (CloseKind::PeerFinished, _) => (Cause::Closed, Some(Side::Server)),
            (CloseKind::Closed, None) => (Cause::Closed, Some(side)),
            (CloseKind::Closed, Some(error)) => match Errno::from_raw(error.cast_signed()) {
                // The peer's RST; the second after the peer's FIN (kernel: tcp_reset).
                Errno::ECONNRESET | Errno::ECONNREFUSED | Errno::EPIPE => {
                    (Cause::Reset, Some(side.other()))
                }
                Errno::EHOSTUNREACH | Errno::ENETUNREACH => (Cause::Unreachable, None),
                Errno::ETIMEDOUT => (Cause::TimedOut, None),
                _ => (Cause::Closed, Some(side)),
            },
        };
        Some(Self {
            cause,
            by,
            at_ns: close.at_ns,
        })
    }

    /// With what the other socket says later: only the receiver of a RST knows that it was one.
    pub(super) fn refined_by(self, later: Self) -> Self {
        match (self.cause, later.cause) {
            (Cause::Closed, Cause::Reset | Cause::TimedOut | Cause::Unreachable) => Self {
                at_ns: self.at_ns,
                ..later
            },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(what: CloseKind, error: Option<Errno>) -> Close {
        Close {
            cookie: 7,
            what,
            at_ns: 5,
            error: error.map(|error| (error as i32).cast_unsigned()),
        }
    }

    #[test]
    fn a_socket_tells_who_ended_its_connection() {
        use Side::{Client, Server};
        for (side, error, cause, by) in [
            (Client, None, Cause::Closed, Some(Client)),
            (Server, None, Cause::Closed, Some(Server)),
            (Client, Some(Errno::ECONNRESET), Cause::Reset, Some(Server)),
            (Server, Some(Errno::EPIPE), Cause::Reset, Some(Client)),
            (Client, Some(Errno::ETIMEDOUT), Cause::TimedOut, None),
            (Client, Some(Errno::EHOSTUNREACH), Cause::Unreachable, None),
            (
                Client,
                Some(Errno::ECONNABORTED),
                Cause::Closed,
                Some(Client),
            ),
        ] {
            let ending = Ending::of(&close(CloseKind::Closed, error), side);
            let at_ns = 5;
            assert_eq!(ending, Some(Ending { cause, by, at_ns }), "{side:?}");
        }
    }

    #[test]
    fn a_client_may_finish_and_wait() {
        let finished = close(CloseKind::PeerFinished, None);
        assert_eq!(Ending::of(&finished, Side::Server), None);
        let by_server = Ending::of(&finished, Side::Client).unwrap();
        assert_eq!(by_server.by, Some(Side::Server));
    }

    #[test]
    fn only_the_receiver_of_a_reset_knows_it() {
        let client = Ending::of(&close(CloseKind::Closed, None), Side::Client).unwrap();
        let reset = close(CloseKind::Closed, Some(Errno::ECONNRESET));
        let server = Ending {
            at_ns: 9,
            ..Ending::of(&reset, Side::Server).unwrap()
        };
        let both = client.refined_by(server);
        let expected = (Cause::Reset, Some(Side::Client), 5);
        assert_eq!((both.cause, both.by, both.at_ns), expected);
        assert_eq!(both.refined_by(client), both);
    }
}
