//! What happens on connections, and what names them, their sides and their packets.

use crate::decode::{FailedConnect, Fragment, Head, Journey};

use super::{Ending, Side};

/// A connection, for as long as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub(super) u64);

/// Something that happened on one connection.
#[derive(Debug)]
pub struct Event {
    /// Which.
    pub connection: ConnectionId,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[allow(
    clippy::large_enum_variant,
    reason = "most events are journeys: a box would cost emit an allocation"
)]
#[derive(Debug)]
pub enum EventKind {
    /// A packet with a message has crossed this node, or ended on it.
    Journey {
        /// Who has sent it.
        side: Side,
        /// Its stamps.
        journey: Journey,
    },
    /// A piece of HTTP/2.
    Fragment {
        /// Who has sent it.
        side: Side,
        /// The piece.
        fragment: Fragment,
    },
    /// The server has read the message whose journey's packet starts at `seq`.
    RequestRead {
        /// First byte of the packet.
        seq: u32,
        /// When, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
        /// The process that has read it.
        tgid: Option<u32>,
    },
    /// The client has read the message whose journey's packet starts at `seq`.
    ResponseRead {
        /// First byte of the packet.
        seq: u32,
        /// When, nanoseconds of `CLOCK_MONOTONIC`.
        at_ns: u64,
    },
    /// The receive window of a side has closed, or has opened again.
    Window {
        /// Whose window it is.
        side: Side,
        /// When, and for how long.
        zero: ZeroWindow,
    },
    /// It has ended: what was not answered before will not be.
    Ended(Ending),
    /// It has never begun: no request will come on it.
    ConnectFailed(FailedConnect),
    /// Nothing has come for long, or never will: whatever is open on it is over.
    Forgotten,
}

impl Event {
    /// The same event, for another stage: reads and the end of a connection concern both HTTP/1 and
    /// HTTP/2. `None` for what carries a message, which only one of them knows, and for what carries
    /// none at all.
    pub fn for_other_protocol(&self) -> Option<Self> {
        let kind = match self.kind {
            EventKind::RequestRead { seq, at_ns, tgid } => {
                EventKind::RequestRead { seq, at_ns, tgid }
            }
            EventKind::ResponseRead { seq, at_ns } => EventKind::ResponseRead { seq, at_ns },
            EventKind::Window { side, zero } => EventKind::Window { side, zero },
            EventKind::Ended(ending) => EventKind::Ended(ending),
            EventKind::Forgotten => EventKind::Forgotten,
            EventKind::Journey { .. }
            | EventKind::Fragment { .. }
            | EventKind::ConnectFailed(_) => return None,
        };
        Some(self.connection.event(kind))
    }
}

/// A time in which a socket advertised that it had no room for more (RFC 9293 section 3.8.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroWindow {
    /// Since when, nanoseconds of `CLOCK_MONOTONIC`.
    pub closed_ns: u64,
    /// When it had room again; `None` while it has not.
    pub opened_ns: Option<u64>,
}

/// What joins a head to the journey of its packet.
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

    /// Nanoseconds since the packet left its socket.
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
