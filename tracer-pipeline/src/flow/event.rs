//! Events of connections, and the identities of connections and packets.

use crate::decode::{FailedConnect, Fragment, Head, Journey};

use super::{Ending, LastLoss, Side};

/// Identifies a connection: the cookie of its client's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(super) u64);

/// An event of one connection.
#[derive(Debug)]
pub struct Event {
    /// The connection.
    pub connection: ConnectionId,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[allow(
    clippy::large_enum_variant,
    reason = "most events are journeys: a box would cost emit an allocation"
)]
#[derive(Debug)]
pub enum EventKind {
    /// The journey of a packet with a message has ended.
    Journey {
        /// The sender.
        side: Side,
        /// The journey.
        journey: Journey,
    },
    /// HTTP/2 frames, or a part of one.
    Fragment {
        /// The sender.
        side: Side,
        /// The fragment.
        fragment: Fragment,
    },
    /// The server has read the message whose packet starts at `seq`.
    RequestRead {
        /// TCP sequence number of the packet.
        seq: u32,
        /// When it happened, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
        /// The process that read it.
        tgid: Option<u32>,
    },
    /// The client has read the message with [`Journey::read_seq`] `seq`.
    ResponseRead {
        /// TCP sequence number of the byte.
        seq: u32,
        /// When it happened, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// The receive window of a side has closed, or has opened again.
    Window {
        /// The side whose window it is.
        side: Side,
        /// The time of the zero window.
        zero: ZeroWindow,
    },
    /// The connection has ended: open requests stay without a response.
    Ended {
        /// How.
        ending: Ending,
        /// What may have happened before, unseen.
        last_loss: LastLoss,
    },
    /// The connection was never established: no request will come on it.
    ConnectFailed(FailedConnect),
    /// The connection was removed: whatever is open on it is over.
    Forgotten,
}

impl Event {
    /// A copy for the other protocol stage: reads, windows and ends concern both HTTP/1 and HTTP/2.
    /// `None` for journeys and fragments, which belong to one of them, and for failed connects.
    pub fn for_other_protocol(&self) -> Option<Self> {
        let kind = match self.kind {
            EventKind::RequestRead { seq, at_ns, tgid } => {
                EventKind::RequestRead { seq, at_ns, tgid }
            }
            EventKind::ResponseRead { seq, at_ns } => EventKind::ResponseRead { seq, at_ns },
            EventKind::Window { side, zero } => EventKind::Window { side, zero },
            EventKind::Ended { ending, last_loss } => EventKind::Ended { ending, last_loss },
            EventKind::Forgotten => EventKind::Forgotten,
            EventKind::Journey { .. }
            | EventKind::Fragment { .. }
            | EventKind::ConnectFailed(_) => return None,
        };
        Some(self.connection.event(kind))
    }
}

/// A time in which a socket advertised a receive window of 0 (RFC 9293 section 3.8.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroWindow {
    /// When the window closed, nanoseconds of `CLOCK_MONOTONIC`.
    pub closed_ns: u64,
    /// When the window opened again, nanoseconds of `CLOCK_MONOTONIC`; `None` while it is closed.
    pub opened_ns: Option<u64>,
}

/// Identifies a packet; joins a head or a fragment to the journey of its packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PacketId {
    sender_cookie: u64,
    seq: u32,
    start_ns: u64,
}

impl PacketId {
    /// TCP sequence number of the packet.
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// When the packet left its socket, or arrived from another node, nanoseconds of
    /// `CLOCK_MONOTONIC`.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// Nanoseconds from the packet's leaving its socket to `now_ns`.
    pub fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.start_ns)
    }
}

impl From<&Head> for PacketId {
    fn from(head: &Head) -> Self {
        Self {
            sender_cookie: head.sender_cookie,
            seq: head.seq,
            start_ns: head.start_ns,
        }
    }
}

impl From<&Fragment> for PacketId {
    fn from(fragment: &Fragment) -> Self {
        Self {
            sender_cookie: fragment.sender_cookie,
            seq: fragment.packet_seq,
            start_ns: fragment.start_ns,
        }
    }
}

impl From<&Journey> for PacketId {
    fn from(journey: &Journey) -> Self {
        Self {
            sender_cookie: journey.sender_cookie,
            seq: journey.seq,
            start_ns: journey.start_ns,
        }
    }
}

impl ConnectionId {
    /// The connection of the client whose socket has this cookie.
    pub fn of_client(cookie: u64) -> Self {
        Self(cookie)
    }

    pub(super) fn event(self, kind: EventKind) -> Event {
        Event {
            connection: self,
            kind,
        }
    }
}
