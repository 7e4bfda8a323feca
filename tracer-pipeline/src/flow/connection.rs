//! The state of one connection.

use std::{collections::VecDeque, net::SocketAddr};

use crate::decode::{Journey, Tuple};

use super::{Ending, after, ending::EndEvidence};

/// Bound on unread messages per connection and direction, 4 KiB; the oldest is discarded first.
pub(super) const MAX_UNREAD: usize = 1024;
/// Bound on unread messages of all connections. With [`trim`] they take at most 16 bytes each.
pub(super) const MAX_UNREAD_OF_ALL: usize = 262_144;
/// A queue of so many elements is not trimmed.
const SMALL: usize = 16;
/// An ending is reported this long after the close, when packets in flight at the close have
/// arrived.
pub(super) const ENDING_NS: u64 = 500_000_000;

#[derive(Debug, Default)]
pub(super) struct Connection {
    pub(super) server_cookie: Option<u64>,
    /// The tuple of the server's packets, before any translation on their way.
    pub(super) from_server: Option<Tuple>,
    /// The address that the client connected to.
    pub(super) asked: Option<SocketAddr>,
    pub(super) unread_requests: VecDeque<u32>,
    pub(super) unread_responses: VecDeque<u32>,
    pub(super) last_ns: u64,
    pub(super) end: EndEvidence,
    /// Reported, and no request has come since.
    pub(super) is_ending_reported: bool,
    /// The client's socket is closed or, for a client on another node, the server's socket.
    pub(super) is_client_closed: bool,
    /// The sequence number of the client's SYN.
    pub(super) syn_seq: Option<u32>,
    /// The message in the client's SYN, until the SYN-ACK shows whether the server has taken it.
    pub(super) in_syn: Option<Box<Journey>>,
    /// A message has arrived on it, not only a handshake.
    pub(super) has_carried: bool,
}

impl Connection {
    /// How the connection ended, once [`ENDING_NS`] have passed.
    pub(super) fn ended(&self, now_ns: u64) -> Option<Ending> {
        self.end
            .ending()
            .filter(|ending| now_ns.saturating_sub(ending.at_ns) >= ENDING_NS)
    }
}

/// Adds a message that the application has not read yet, behind those before it in the stream:
/// packets overtake each other. `all` is the number of those of all connections. Returns how many
/// messages were discarded because a bound was reached: of those it is not known when they are read.
pub(super) fn push_unread(unread: &mut VecDeque<u32>, all: &mut usize, seq: u32) -> u64 {
    let is_full = unread.len() >= MAX_UNREAD || *all >= MAX_UNREAD_OF_ALL;
    if is_full && unread.pop_front().is_none() {
        return 1;
    }
    *all += usize::from(!is_full);
    let before = unread.iter().rposition(|known| !after(*known, seq));
    unread.insert(before.map_or(0, |before| before + 1), seq);
    u64::from(is_full)
}

/// Gives back the memory of a queue that was long.
pub(super) fn trim(unread: &mut VecDeque<u32>) {
    let kept = unread.len().max(SMALL / 2);
    if unread.capacity() > SMALL && unread.capacity() > 4 * kept {
        unread.shrink_to(2 * kept);
    }
}
