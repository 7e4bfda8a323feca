//! How and by which side a connection ended.
//!
//! In: the close of one of its sockets. Out: an [`Ending`].

use nix::errno::Errno;

use crate::decode::{Close, CloseKind};

use super::side::Side;

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// The cause.
    pub cause: Cause,
    /// The side that ended it; `None` where neither side did.
    pub by: Option<Side>,
    /// Time of the first close, nanoseconds of `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A side sent a FIN (RFC 9293 section 3.6).
    Closed,
    /// A side sent a RST (RFC 9293 section 3.5.2).
    Reset,
    /// TCP's retransmissions or keepalives stayed unanswered.
    TimedOut,
    /// ICMP reported the host or network unreachable.
    Unreachable,
}

impl Ending {
    /// The ending that the close of a socket of `side` implies. `None` where a server receives the
    /// client's FIN: the client may still wait for a response.
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

    /// The ending after the close of the other socket: only the receiver of a RST reports a reset.
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
    fn the_error_and_side_of_a_close_give_the_ending() {
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
    fn the_client_s_fin_is_no_ending() {
        let finished = close(CloseKind::PeerFinished, None);
        assert_eq!(Ending::of(&finished, Side::Server), None);
        let by_server = Ending::of(&finished, Side::Client).unwrap();
        assert_eq!(by_server.by, Some(Side::Server));
    }

    #[test]
    fn only_the_receiver_of_a_rst_reports_a_reset() {
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
