//! How and by which side a connection ended.
//!
//! In: the closes and FINs of its two sockets. Out: an [`Ending`].
//!
//! A FIN decides. What a socket reports after it, a RST or TCP's giving up, is a consequence: the
//! other end no longer exists, or an orphaned socket (kernel: tcp_orphan) sends its last bytes in
//! vain for minutes. Without a FIN only the receiver of a RST knows that it was one.
//!
//! The ending has how much of the responses the client has received. Where only the server's socket
//! reports, it is how much the server had sent. If the client's FIN ended the connection, what the
//! server sent after it does not count: the client answers it with a RST.

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
    /// How far the bytes of the server have come; `None` where it is not known.
    pub answered_until: Option<ServerBytes>,
}

impl Ending {
    /// How far the bytes of the server have come, where that is evidence of a response. What the
    /// server has sent is none if its TCP gave up: the client has not acknowledged it.
    pub fn response_until(&self) -> Option<u32> {
        match (self.answered_until?, self.cause) {
            (ServerBytes::Sent(_), Cause::TimedOut | Cause::Unreachable) => None,
            (bytes, _) => Some(bytes.until()),
        }
    }
}

/// How far the bytes of the server have come: the TCP sequence number behind the last one. A FIN
/// counts as one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerBytes {
    /// As the client's socket has reported.
    Received(u32),
    /// As the server's socket has reported, alone: not all of them need have arrived.
    Sent(u32),
}

impl ServerBytes {
    /// The sequence number.
    pub fn until(self) -> u32 {
        match self {
            Self::Received(until) | Self::Sent(until) => until,
        }
    }
}

/// When a record was last lost between kernel and agent, nanoseconds of `CLOCK_MONOTONIC`; 0 if none
/// was. It may have been one of this connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastLoss(pub u64);

impl LastLoss {
    /// Whether the record of something that happened after `since_ns` may be lost.
    pub fn may_hide(self, since_ns: u64) -> bool {
        self.0 >= since_ns
    }
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
    fn closed(by: Side, at_ns: u64) -> Self {
        Self {
            cause: Cause::Closed,
            by: Some(by),
            at_ns,
            answered_until: None,
        }
    }

    fn reset(by: Side, at_ns: u64) -> Self {
        Self {
            cause: Cause::Reset,
            by: Some(by),
            at_ns,
            answered_until: None,
        }
    }
}

/// What the two sockets of a connection have reported of its end.
#[derive(Debug, Default)]
pub(super) struct EndEvidence {
    /// With what the server had sent, if its socket has reported this ending.
    ending: Option<Ending>,
    /// Nothing that comes later changes the ending.
    is_final: bool,
    /// The first FIN that the server's socket has sent or received. Not an ending: what the server
    /// has written may wait to be sent, and a client that has sent its FIN may wait for it.
    server_fin: Option<Ending>,
    /// Up to which the client has received.
    client_received: Option<u32>,
    pub(super) last_loss: LastLoss,
}

impl EndEvidence {
    /// How the connection ended, as far as is known.
    pub(super) fn ending(&self) -> Option<Ending> {
        let ending = self.ending?;
        let received = self.client_received.map(ServerBytes::Received);
        Some(Ending {
            answered_until: received.or(ending.answered_until),
            ..ending
        })
    }

    /// Adds what the socket of `side` has reported.
    pub(super) fn add(&mut self, close: &Close, side: Side) {
        self.last_loss = self.last_loss.max(LastLoss(close.last_loss_ns));
        let server_sent = match side {
            Side::Client => {
                self.client_received = close.received_seq.or(self.client_received);
                None
            }
            Side::Server => close.sent_seq.map(ServerBytes::Sent),
        };
        let by = match close.what {
            CloseKind::Finished => side,
            CloseKind::PeerFinished => side.other(),
            CloseKind::Closed => {
                let (mut ending, is_final) = self.of_closed(close, side);
                // What the server had sent when the client's FIN came stays. After its own FIN record
                // it may have had more to send.
                if ending.by != Some(Side::Client) || ending.answered_until.is_none() {
                    ending.answered_until = server_sent;
                }
                self.refine(ending, is_final);
                return;
            }
        };
        let fin = Ending {
            answered_until: server_sent,
            ..Ending::closed(by, close.at_ns)
        };
        match side {
            Side::Client => self.refine(fin, true),
            Side::Server => {
                self.server_fin.get_or_insert(fin);
            }
        }
    }

    /// The ending that a closed socket implies, and whether it is final.
    fn of_closed(&self, close: &Close, side: Side) -> (Ending, bool) {
        let (at_ns, other) = (close.at_ns, side.other());
        let fin = self.server_fin.filter(|_| side == Side::Server);
        let own_fin = fin.filter(|fin| fin.by == Some(side));
        let failed = |cause| Ending {
            cause,
            by: None,
            at_ns,
            answered_until: None,
        };
        let errno = close
            .error
            .map(|error| Errno::from_raw(error.cast_signed()));
        match errno {
            // The peer's RST (kernel: tcp_reset), or what it sent to a socket that has finished
            // (kernel: tcp_rcv_state_process).
            Some(Errno::ECONNRESET | Errno::ECONNREFUSED) => {
                (fin.unwrap_or(Ending::reset(other, at_ns)), true)
            }
            // The peer's RST after its FIN (kernel: tcp_reset).
            Some(Errno::EPIPE) => (fin.unwrap_or(Ending::closed(other, at_ns)), true),
            Some(Errno::EHOSTUNREACH | Errno::ENETUNREACH) => {
                (own_fin.unwrap_or(failed(Cause::Unreachable)), true)
            }
            Some(Errno::ETIMEDOUT) => (own_fin.unwrap_or(failed(Cause::TimedOut)), true),
            // Without a FIN of its own it may have sent a RST.
            _ => match own_fin {
                Some(fin) => (fin, true),
                None => (Ending::closed(side, at_ns), false),
            },
        }
    }

    /// Takes a later report. It replaces an ending without a FIN, whose time stays.
    fn refine(&mut self, later: Ending, is_final: bool) {
        let Some(known) = self.ending else {
            (self.ending, self.is_final) = (Some(later), is_final);
            return;
        };
        if self.is_final {
            return;
        }
        if later.cause != Cause::Closed {
            self.ending = Some(Ending {
                at_ns: known.at_ns,
                ..later
            });
            self.is_final = true;
        } else if later.by == known.by {
            self.is_final = is_final;
        }
    }
}

#[cfg(test)]
mod tests;
